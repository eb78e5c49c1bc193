"""Answers of rows to items as an analysis takes them: floats, NaN where missing, nothing infinite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.common.arguments import item_names, names_asked, value_range
from analysis.common.matrices import LARGEST, as_floats
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several


def item_values(data: pd.DataFrame | np.ndarray, items: Sequence[str]) -> np.ndarray:
    """(n, p) float answers of ``items`` in their order; an array is taken to be in that order already.

    Columns of a frame are known by their names as words, as a solution has them: 1 is the item "1".

    Raises :class:`AnalysisError` for an item the frame does not have or has twice, a wrong number of columns, an item
    named twice, words or infinities.
    """
    names = names_asked(items, "item")
    if isinstance(data, pd.DataFrame):
        data = _columns_of(data, names)
    values = as_floats(data, "Answers must be numbers, or missing.")
    if values.ndim != 2 or values.shape[1] != len(names):
        raise AnalysisError(f"Data of shape {values.shape} do not fit {several(len(names), 'item')}.")
    if np.isinf(values).any():
        raise AnalysisError("Answers hold infinite values; give missing answers as NaN.")
    if (np.abs(values) > LARGEST).any():
        raise AnalysisError(f"Answers hold values beyond {LARGEST:g}; give them in a larger unit.")
    return values


def _columns_of(data: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The columns of the items ``names``."""
    columns = [str(column) for column in data.columns]
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise AnalysisError(f"The data have no column for {', '.join(unknown)}.", Status.UNKNOWN_NAME)
    twice = [name for name in names if columns.count(name) > 1]
    if twice:
        raise AnalysisError(f"The data have more than one column for {', '.join(twice)}.")
    return data.iloc[:, [columns.index(name) for name in names]]


def answers_of(
    rows: pd.DataFrame | np.ndarray,
    items: Sequence[str] | None = None,
    *,
    valid_range: tuple[float, float] | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Answers as floats (n, p) with NaN for missing, and the names of their items: those of a frame's columns, or of
    the ``items`` chosen from it; for an array ``items``, or numbered ones.

    Raises :class:`AnalysisError` for what is no number, is infinite, lies outside ``valid_range``, or is named twice.
    """
    if isinstance(rows, pd.DataFrame):
        names = item_names(rows.columns, rows.shape[1])
        if items is not None:
            names = names_asked(items, "item")
            rows = _columns_of(rows, names)
        try:
            values = as_floats(rows, "")
        except AnalysisError:
            # Column by column only now: of many rows that takes as long as their correlations.
            wrong = ", ".join(name for place, name in enumerate(names) if not _is_numbers(rows.iloc[:, [place]]))
            raise AnalysisError(f"These items hold values that are not numbers: {wrong}.") from None
    else:
        values = as_floats(rows, "Answers must be numbers, or missing.")
        if values.ndim != 2:
            raise AnalysisError("Answers are a table of rows by items.")
        names = item_names(items, values.shape[1])
    _refuse(np.isinf(values), names, "hold infinite values")
    _refuse(np.abs(values) > LARGEST, names, f"hold values beyond {LARGEST:g}")
    if valid_range is not None:
        low, high = value_range(valid_range, "The valid range")
        _refuse((values < low) | (values > high), names, f"hold values outside {low:g} to {high:g}")
    return values, names


def _is_numbers(column: pd.DataFrame) -> bool:
    try:
        as_floats(column, "")
    except AnalysisError:
        return False
    return True


def _refuse(wrong: np.ndarray, names: Sequence[str], what: str) -> None:
    if np.any(wrong):
        guilty = [names[position] for position in np.flatnonzero(wrong.any(axis=0)).tolist()]
        raise AnalysisError(f"These items {what}: {', '.join(guilty)} ({several(int(wrong.sum()), 'value')}).")
