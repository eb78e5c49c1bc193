"""Many tests at once: adjusted p values within declared families, Holm and Benjamini-Hochberg."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

from analysis.observations import numeric
from analysis.status import AnalysisError, Status

Method = Literal["holm", "benjamini_hochberg"]
_STATSMODELS_NAMES = {"holm": "holm", "benjamini_hochberg": "fdr_bh"}


def adjust(p: ArrayLike, method: Method = "holm") -> np.ndarray:
    """Adjusted p values of one family, (m,) in the order given.

    A missing p stays missing and does not count as a test: a test that could not be made is no evidence either way.
    Raises :class:`AnalysisError` for a p outside 0 to 1 and for an unknown method.

    >>> adjust([0.01, 0.04, float("nan")]).round(2).tolist()
    [0.02, 0.04, nan]
    """
    if method not in _STATSMODELS_NAMES:
        known = ", ".join(_STATSMODELS_NAMES)
        raise AnalysisError(f"Unknown adjustment '{method}'; one of {known}.", Status.UNKNOWN_NAME)
    values = numeric(p, "p")
    made = ~np.isnan(values)
    if ((values[made] < 0) | (values[made] > 1)).any():
        raise AnalysisError("A p value lies between 0 and 1.")
    adjusted = np.full(values.shape, np.nan)
    if made.any():
        adjusted[made] = multipletests(values[made], method=_STATSMODELS_NAMES[method])[1]
    return adjusted


def adjust_families(frame: pd.DataFrame, family: list[str], p: str = "p") -> pd.DataFrame:
    """``frame`` with three columns more: ``p_holm``, ``p_bh`` and ``family_size`` (tests made in the row's family).

    ``family`` names the columns whose values together declare a family, for example rater and outcome; ``p`` names
    the column of raw p values. Row order and index are kept. Raises :class:`AnalysisError` for an unknown column.
    """
    unknown = [column for column in [*family, p] if column not in frame.columns]
    if unknown or not family:
        raise AnalysisError(f"A family needs columns of the frame; unknown: {', '.join(unknown)}.", Status.UNKNOWN_NAME)
    raw = pd.Series(numeric(frame[p], p))
    groups = frame.reset_index(drop=True).groupby(family, sort=False, dropna=False).ngroup()
    holm, bh, size = (np.full(len(frame), np.nan) for _ in range(3))
    for _, rows in groups.groupby(groups):
        at = rows.index.to_numpy()
        holm[at] = adjust(raw.iloc[at], "holm")
        bh[at] = adjust(raw.iloc[at], "benjamini_hochberg")
        size[at] = raw.iloc[at].notna().sum()
    return frame.assign(p_holm=holm, p_bh=bh, family_size=size.astype(int))
