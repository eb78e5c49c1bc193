"""Many tests at once: adjusted p values within declared families, Holm and Benjamini-Hochberg."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.common.arguments import one_of
from analysis.common.observations import numeric
from analysis.common.status import AnalysisError, Status

Method = Literal["holm", "benjamini_hochberg"]
METHODS: tuple[str, ...] = ("holm", "benjamini_hochberg")


def adjust(p: ArrayLike, method: Method = "holm") -> np.ndarray:
    """Adjusted p values of one family, (m,) in the order given, as R's ``p.adjust``.

    With the p in ascending order: Holm (1979) is the running maximum of (m - i + 1) p_i from the smallest on, Benjamini
    & Hochberg (1995) the running minimum of m p_i / i from the largest on; neither exceeds 1.

    A missing p stays missing and does not count as a test: a test that could not be made is no evidence either way.
    Raises :class:`AnalysisError` for a p outside 0 to 1 and for an unknown method.

    >>> adjust([0.01, 0.04, float("nan")]).round(2).tolist()
    [0.02, 0.04, nan]
    """
    one_of(method, METHODS, "adjustment")
    values = numeric(p, "p")
    made = ~np.isnan(values)
    if ((values[made] < 0) | (values[made] > 1)).any():
        raise AnalysisError("A p value lies between 0 and 1.")
    adjusted = np.full(values.shape, np.nan)
    adjusted[made] = (_holm if method == "holm" else _benjamini_hochberg)(values[made])
    return adjusted


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _put_back(np.minimum(steps, 1.0), order)


def _benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, kind="stable")
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    return _put_back(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0), order)


def _put_back(ordered: np.ndarray, order: np.ndarray) -> np.ndarray:
    result = np.empty_like(ordered)
    result[order] = ordered
    return result


def adjust_families(frame: pd.DataFrame, family: list[str], p: str = "p") -> pd.DataFrame:
    """``frame`` with three columns more: ``p_holm``, ``p_bh`` and ``family_size`` (tests made in the row's family).

    ``family`` names the columns whose values together declare a family, for example rater and outcome; ``p`` names
    the column of raw p values. Row order and index are kept. Raises :class:`AnalysisError` for an unknown column.

    >>> tests = pd.DataFrame({"rater": ["client", "client", "therapist"], "p": [0.01, 0.04, 0.04]})
    >>> adjust_families(tests, ["rater"])[["p_holm", "p_bh", "family_size"]].values.tolist()
    [[0.02, 0.02, 2.0], [0.04, 0.04, 2.0], [0.04, 0.04, 1.0]]
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
