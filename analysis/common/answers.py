"""Answers of rows to items as an analysis takes them: floats, NaN where missing, nothing infinite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several


def item_values(data: pd.DataFrame | np.ndarray, items: Sequence[str]) -> np.ndarray:
    """(n, p) float answers of ``items`` in their order; an array is taken to be in that order already.

    Raises :class:`AnalysisError` for an item the frame does not have, a wrong number of columns, words or infinities.
    """
    if isinstance(data, pd.DataFrame):
        unknown = [item for item in items if item not in data.columns]
        if unknown:
            raise AnalysisError(f"The data have no column for {', '.join(unknown)}.", Status.UNKNOWN_NAME)
    try:
        if isinstance(data, pd.DataFrame):
            values = data.loc[:, list(items)].to_numpy(dtype=float, na_value=np.nan, copy=True)
        else:
            values = np.asarray(data, dtype=float)
    except (TypeError, ValueError) as error:
        raise AnalysisError("Answers must be numbers, or missing.") from error
    if values.ndim != 2 or values.shape[1] != len(items):
        raise AnalysisError(f"Data of shape {values.shape} do not fit {several(len(items), 'item')}.")
    if np.isinf(values).any():
        raise AnalysisError("Answers hold infinite values; give missing answers as NaN.")
    return values
