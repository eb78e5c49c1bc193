"""Intervals for the correspondence of components with scales, all bootstrap refits of a solution at once.

The figures are those of :func:`analysis.components.correspondence.correspondence_intervals`, which makes them one refit
after the other; a test holds the two together. A thousand refits take a tenth of a second here instead of three.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from analysis.common.arguments import scale_names
from analysis.common.bias_correction import bias_corrected_interval
from analysis.common.intervals import percentile_interval
from analysis.components.alignment import orthogonal_basis, orthogonal_procrustes, tucker_congruence
from analysis.components.correspondence import Correspondence, correspondence
from analysis.components.stability import Stability


def correspondence_with_intervals(
    stability: Stability, scales: Mapping[str, str], *, threshold: float = 0.40
) -> tuple[Correspondence, pd.DataFrame]:
    """The correspondence of the full solution, and its frame of measures with se, lower, upper and level.

    Raises :class:`AnalysisError` when fewer than two items have a scale.
    """
    scales = scale_names(scales)
    full = correspondence(stability.solution, scales, threshold=threshold)
    frame = full.to_frame()
    rows = [stability.solution.items.index(item) for item in full.items]
    scale_of = np.array([full.scales.index(scales[item]) for item in full.items])
    drawn = _measures(stability.patterns[:, rows], stability.phis, scale_of, len(full.scales), threshold)
    frame["lower"], frame["upper"], frame["se"] = percentile_interval(drawn, stability.level)
    at = frame.index[frame["measure"] == "mean_target_congruence"][0]
    corrected = bias_corrected_interval(frame.loc[at, "estimate"], drawn[:, at], stability.level, limits=(-1.0, 1.0))
    frame.loc[at, ["lower", "upper"]] = [float(corrected.lower), float(corrected.upper)]
    frame["level"] = stability.level
    return full, frame


def adjusted_rand(table: np.ndarray) -> np.ndarray:
    """(b,) Hubert & Arabie's (1985) index of contingency tables (b, s, k); 1 where both partitions are trivial, NaN
    with fewer than two items."""
    n = table.sum(axis=(1, 2))
    together = _pairs(table).sum(axis=(1, 2))
    by_row, by_column = _pairs(table.sum(axis=2)).sum(axis=1), _pairs(table.sum(axis=1)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = by_row * by_column / _pairs(n)
        index = (together - expected) / ((by_row + by_column) / 2 - expected)
    alike = (together == by_row) & (together == by_column)
    return np.where(n < 2, np.nan, np.where(alike, 1.0, index))


def _pairs(count: np.ndarray) -> np.ndarray:
    return count * (count - 1) / 2


def _measures(
    patterns: np.ndarray, phis: np.ndarray, scale_of: np.ndarray, n_scales: int, threshold: float
) -> np.ndarray:
    """(b, 6) the measures of :meth:`Correspondence.to_frame` for loadings (b, p, k) of items with a scale."""
    size = np.abs(patterns)
    k, p = patterns.shape[2], patterns.shape[1]
    target = np.eye(n_scales)[scale_of]
    strongest = np.eye(k)[size.argmax(axis=2)]
    salient = strongest * (size >= threshold).any(axis=2, keepdims=True)
    table = np.einsum("ps,bpk->bsk", target, strongest)
    marked = np.einsum("ps,bpk->bsk", target, salient)
    home = table.argmax(axis=2)
    basis = orthogonal_basis(patterns, phis)
    rotated = basis @ orthogonal_procrustes(basis, target)
    congruence = np.diagonal(tucker_congruence(rotated, target), axis1=1, axis2=2).mean(axis=1)
    columns = [
        adjusted_rand(table),
        adjusted_rand(marked),
        table.max(axis=2).sum(axis=1) / p,
        np.array([len(set(row)) for row in home.tolist()], dtype=float),
        np.array([_one_to_one(one) for one in table]) / p,
        congruence,
    ]
    if n_scales == 1:
        for place in (0, 1, 2, 4):
            columns[place] = np.full(len(patterns), np.nan)
    return np.column_stack(columns)


def _one_to_one(table: np.ndarray) -> float:
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum())
