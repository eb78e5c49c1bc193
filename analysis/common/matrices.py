"""Tables of answers and matrices of items as a caller has them, made into floats that the analyses can trust.

A frame says by its labels which item is which, and is read by them. Masked cells are missing. What is no number, dates
and complex values among it, is refused before it can be counted as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.arguments import item_names, names_asked
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

LARGEST = 1e100
"""Sums of squares and fourth powers of what is larger are no longer numbers."""

_NUMBERS = "biufOUST"
"""Kinds of arrays whose cells may be numbers; T are numpy's words of any length."""


def as_floats(values: Any, told: str) -> np.ndarray:
    """``values`` of any shape as a new array of floats, NaN where missing or masked; ``told`` is the sentence that a
    caller gets, as an :class:`AnalysisError`, whose values are no numbers.

    >>> as_floats(np.ma.masked_array([[1, 2]], [[False, True]]), "Answers are numbers.")
    array([[ 1., nan]])
    """
    kinds = (
        set(values.dtypes)
        if isinstance(values, pd.DataFrame)
        else {values.dtype}
        if isinstance(values, pd.Series)
        else set()
    )
    if any(_is_no_number(kind) for kind in kinds):
        raise AnalysisError(told)
    try:
        if isinstance(values, pd.DataFrame | pd.Series):
            return values.to_numpy(dtype=float, na_value=np.nan, copy=True)
        if isinstance(values, np.ma.MaskedArray):
            return np.array(np.ma.filled(values.astype(float), np.nan))
        plain = np.asarray(values)
        if plain.dtype.kind not in _NUMBERS:
            raise AnalysisError(told)
        if plain.dtype.kind == "O":
            plain = np.where(pd.isna(plain), np.nan, plain) if plain.ndim else plain
        return np.array(plain, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise AnalysisError(told) from None


def _is_no_number(kind: Any) -> bool:
    """Whether a column of this dtype holds dates, durations or complex numbers, which would turn into floats."""
    test = kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind
    is_time = pd.api.types.is_datetime64_any_dtype(test) or pd.api.types.is_timedelta64_dtype(test)
    return is_time or pd.api.types.is_complex_dtype(test) or isinstance(test, pd.PeriodDtype | pd.IntervalDtype)


def square_matrix(
    values: Any, items: Sequence[str] | None, what: str, *, gaps: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A symmetric matrix of items as floats (p, p), exactly symmetric, and the names of its items.

    ``items`` name the rows of an array; of a frame, which has names of its own, they choose rows and columns in the
    order given. ``what`` is the matrix in a sentence: a correlation matrix. With ``gaps`` values may be missing (NaN).

    Raises :class:`AnalysisError` for what is not square, not symmetric, no number, missing or too large to square.
    """
    if isinstance(values, pd.DataFrame):
        values, items = _of_frame(values, items)
    matrix = as_floats(values, f"The {what} holds values that are not numbers.")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise AnalysisError(f"A {what} is square; this one has shape {matrix.shape}.")
    names = item_names(items, len(matrix), "row")
    bad = [name for name, row in zip(names, matrix, strict=True) if not np.all(np.isfinite(row))]
    if bad and not (gaps and not np.isinf(matrix).any()):
        raise AnalysisError(
            f"Values of the {what} are missing or infinite for: {', '.join(bad[:20])}; leave these items out."
        )
    largest = np.nanmax(np.abs(matrix), initial=0.0)
    if largest > LARGEST:
        raise AnalysisError(f"The {what} holds values beyond {LARGEST:g}; give the items in a larger unit.")
    uneven = np.nanmax(np.abs(matrix - matrix.T), initial=0.0) > 1e-6 * max(1.0, largest)
    if uneven or not np.array_equal(np.isnan(matrix), np.isnan(matrix.T)):
        raise AnalysisError(f"The matrix is not symmetric: this is not a {what}.")
    return (matrix + matrix.T) / 2, names


def _of_frame(frame: pd.DataFrame, items: Sequence[str] | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A square frame with rows in the order of its columns, of ``items`` where they are named."""
    columns = [str(column) for column in frame.columns]
    rows = [str(row) for row in frame.index]
    if frame.shape[0] != frame.shape[1]:
        return frame, tuple(columns)
    if len(set(columns)) != len(columns):
        item_names(columns, len(columns), "row")
    plain = frame.set_axis(columns, axis=1)
    if rows == columns or isinstance(frame.index, pd.RangeIndex):
        plain = plain.set_axis(columns, axis=0)
    elif sorted(rows) == sorted(columns):
        plain = plain.set_axis(rows, axis=0).loc[columns]
    else:
        raise AnalysisError("Rows and columns of the matrix are not named alike.")
    if items is None:
        return plain, tuple(columns)
    chosen = names_asked(items, "row")
    unknown = [item for item in chosen if item not in set(columns)]
    if unknown:
        raise AnalysisError(f"The matrix has no row for {', '.join(unknown[:20])}.", Status.UNKNOWN_NAME)
    return plain.loc[list(chosen), list(chosen)], chosen


def correlation_matrix(
    values: Any, items: Sequence[str] | None = None, *, least: int = 2, use: str = "components need"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The same for a correlation matrix (p, p) of at least ``least`` items, with a unit diagonal, nothing beyond 1.

    ``use`` is what it is for, with its verb. Raises :class:`AnalysisError` for what is no correlation matrix, and
    (``too_few_items``) for fewer items.

    >>> correlation_matrix([[1, 0.5], [0.5, 1]], ["a", "b"])[1]
    ('a', 'b')
    """
    matrix, names = square_matrix(values, items, "correlation matrix")
    if len(matrix) < least:
        raise AnalysisError(f"{several(len(matrix), 'item')}; {use} at least {least}.", Status.TOO_FEW_ITEMS)
    if np.max(np.abs(np.diag(matrix) - 1)) > 1e-6:
        raise AnalysisError("The diagonal is not 1: this is not a correlation matrix.")
    if np.max(np.abs(matrix)) > 1 + 1e-6:
        raise AnalysisError("There are correlations beyond 1 or -1: this is not a correlation matrix.")
    matrix = np.clip(matrix, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix, names
