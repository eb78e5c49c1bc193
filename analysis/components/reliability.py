"""Internal consistency of scales and of found components: alpha, item-rest correlations, and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.common.answers import item_values
from analysis.common.arguments import item_names, number_of_rows, one_of
from analysis.common.intervals import percentile_interval
from analysis.common.matrices import square_matrix
from analysis.common.observations import check_level
from analysis.common.resampling import (
    MISSING_RULES,
    ClusterSums,
    MapFunction,
    MissingRule,
    cluster_codes,
    replicate_blocks,
    weights_together,
)
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.components.extraction import extract
from analysis.components.extraction_starts import extract_lowest
from analysis.components.omega import omega_stack
from analysis.correlations.cross_products import CrossProducts


@dataclass(frozen=True, eq=False)
class Alpha:
    """Cronbach's alpha of p items and what becomes of it when one is left out.

    raw is from covariances, standardised from correlations; ``lower`` and ``upper`` are Feldt's (1965) interval for
    raw, ``se`` the asymptotic standard error of Duhachek & Iacobucci (2004). Per item (p,): raw_if_deleted,
    standardised_if_deleted (NaN with two items), item_rest (correlation with the sum of the others). The interval takes
    rows as independent; :func:`bootstrap_reliability` does not.
    """

    items: tuple[str, ...]
    n: float
    raw: float
    standardised: float
    average_correlation: float
    lower: float
    upper: float
    se: float
    level: float
    raw_if_deleted: np.ndarray
    standardised_if_deleted: np.ndarray
    item_rest: np.ndarray
    left_out: tuple[str, ...]
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per measure (``alpha_raw`` with its interval, ``alpha_standardised``, ``average_correlation``):
        measure, estimate, se, lower, upper, level, n, n_items."""
        missing = float("nan")
        return pd.DataFrame(
            {
                "measure": ["alpha_raw", "alpha_standardised", "average_correlation"],
                "estimate": [self.raw, self.standardised, self.average_correlation],
                "se": [self.se, missing, missing],
                "lower": [self.lower, missing, missing],
                "upper": [self.upper, missing, missing],
                "level": self.level,
                "n": self.n,
                "n_items": len(self.items),
            }
        )

    def items_frame(self) -> pd.DataFrame:
        """One row per item: item, item_rest, alpha_if_deleted, alpha_standardised_if_deleted, alpha_change."""
        return pd.DataFrame(
            {
                "item": np.array(self.items, dtype=object),
                "item_rest": self.item_rest,
                "alpha_if_deleted": self.raw_if_deleted,
                "alpha_standardised_if_deleted": self.standardised_if_deleted,
                "alpha_change": self.raw_if_deleted - self.raw,
            }
        )


def alpha(
    covariance: np.ndarray | pd.DataFrame, n: float | None, items: Sequence[str], *, level: float = 0.95
) -> Alpha:
    """Alpha from a covariance matrix (p, p) of keyed items and its number of rows ``n``.

    raw = p / (p - 1) (1 - trace C / sum C); standardised the same with correlations (Cronbach 1951). Values, deletions
    and errors equal psych's ``alpha`` 2.2.9 (with two items, alpha without one is not defined and NaN here, where psych
    prints a regression weight). The interval is psych's ``alpha.ci``: 1 - (1 - alpha) F with n - 1 and (n - 1)(p - 1)
    degrees of freedom (Feldt 1965; Feldt, Woodruff & Salih 1987).

    An item without variance is left out and named. ``n`` None: unknown, then there is no interval. Of a frame, the
    ``items`` are taken by their names. Raises :class:`AnalysisError` when fewer than two items remain, the sum score
    has no variance, n is below 2, or the matrix is no covariance matrix.

    >>> round(alpha(np.array([[1.0, 0.5], [0.5, 1.0]]), 100, ["a", "b"]).raw, 6)
    0.666667
    """
    check_level(level)
    matrix, items = square_matrix(covariance, items, "covariance matrix", gaps=True)
    n = number_of_rows(n, "alpha needs", 2)
    varied = np.diag(matrix) > 1e-12
    left_out = tuple(item for item, keep in zip(items, varied, strict=True) if not keep)
    matrix, kept = matrix[np.ix_(varied, varied)], tuple(i for i, keep in zip(items, varied, strict=True) if keep)
    p = len(kept)
    if p < 2:
        raise AnalysisError(
            f"Alpha needs at least two items with variance; {p} of {len(items)} {'has' if p == 1 else 'have'} any.",
            Status.TOO_FEW_ITEMS,
        )
    if not np.isfinite(matrix).all():
        raise AnalysisError("Covariances are missing: some pair of items was never answered together.", Status.NO_DATA)
    if not matrix.sum() > 1e-12 * np.trace(matrix):
        raise AnalysisError("The sum of the items has no variance: alpha is not defined.", Status.CONSTANT)
    deviation = np.sqrt(np.diag(matrix))
    correlation = matrix / np.outer(deviation, deviation)
    raw = float(alpha_stack(matrix[None])[0])
    lower, upper = _feldt(raw, n, p, level)
    others = [np.delete(np.delete(matrix, i, 0), i, 1) for i in range(p)]
    rest_variance = np.array([other.sum() for other in others])
    with np.errstate(invalid="ignore", divide="ignore"):
        item_rest = (matrix.sum(axis=0) - deviation**2) / (deviation * np.sqrt(rest_variance))
    warnings = []
    if left_out:
        warnings.append(f"Items without variance are left out: {', '.join(left_out)}.")
    turned = [item for item, value in zip(kept, item_rest, strict=True) if value < 0]
    if turned:
        warnings.append(f"Negative item-rest correlations: {', '.join(turned)}; is their key right?")
    return Alpha(
        kept,
        n,
        raw,
        float(alpha_stack(correlation[None])[0]),
        float((correlation.sum() - p) / (p * (p - 1))),
        lower,
        upper,
        _asymptotic_error(matrix, n),
        level,
        _without_each(matrix),
        _without_each(correlation),
        item_rest,
        left_out,
        (Status.CONSTANT if left_out else Status.OK).value,
        tuple(warnings),
    )


def alpha_stack(covariances: np.ndarray) -> np.ndarray:
    """Raw alpha (b,) of covariance matrices (b, p, p); of correlation matrices it is standardised alpha. NaN where the
    sum of the items has no variance."""
    p = covariances.shape[-1]
    total, own = covariances.sum(axis=(-2, -1)), np.trace(covariances, axis1=-2, axis2=-1)
    return (1 - own / np.where(total > 1e-12 * own, total, np.nan)) * p / (p - 1)


def _without_each(matrix: np.ndarray) -> np.ndarray:
    p = len(matrix)
    if p < 3:
        return np.full(p, np.nan)
    return np.array([float(alpha_stack(np.delete(np.delete(matrix, i, 0), i, 1)[None])[0]) for i in range(p)])


def _feldt(value: float, n: float, p: int, level: float) -> tuple[float, float]:
    if not n > 1:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = stats.f.ppf([1 - tail, tail], n - 1, (n - 1) * (p - 1))
    return float(1 - (1 - value) * low), float(1 - (1 - value) * high)


def _asymptotic_error(matrix: np.ndarray, n: float) -> float:
    p, total, trace = len(matrix), matrix.sum(), np.trace(matrix)
    squared = matrix @ matrix
    inner = total * (np.trace(squared) + trace**2) - 2 * trace * squared.sum()
    q = 2 * p**2 / ((p - 1) ** 2 * total**3) * inner
    return float(np.sqrt(q / n)) if n > 0 and q >= 0 else float("nan")


def item_statistics(
    data: pd.DataFrame, items: Sequence[str], *, missing: MissingRule = "pairwise", level: float = 0.95
) -> tuple[Alpha, pd.DataFrame]:
    """Alpha of ``items`` in ``data`` (rows x items, keyed, NaN where missing) and a frame with one row per item: item,
    n, mean, sd, item_rest, alpha_if_deleted, alpha_standardised_if_deleted, alpha_change.

    Covariances are pairwise by default (R's ``use = "pairwise"``, as psych's ``alpha``); ``n`` counts the rows with any
    answer. Raises :class:`AnalysisError` as :func:`alpha` does, and when no row has an answer.

    >>> data = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 1, 4, 3], "c": [1, 3, 2, 4]})
    >>> found, items = item_statistics(data, ["a", "b", "c"])
    >>> round(found.raw, 4), items["mean"].tolist()
    (0.7241, [2.5, 2.5, 2.5])
    """
    values = item_values(data, items)
    items = item_names(items, len(items))
    one_of(missing, MISSING_RULES, "missing-data rule")
    used = ~np.isnan(values).any(axis=1) if missing == "complete" else ~np.isnan(values).all(axis=1)
    if not used.any():
        raise AnalysisError("No row holds an answer to these items.", Status.NO_DATA)
    sums = CrossProducts.from_rows(values[used], items)
    result = alpha(sums.covariance(), float(sums.n_rows), items, level=level)
    described = pd.DataFrame(
        {
            "item": np.array(items, dtype=object),
            "n": np.diag(sums.n).astype(int),
            "mean": sums.means(),
            "sd": np.sqrt(sums.variances()),
        }
    )
    return result, described.merge(result.items_frame(), on="item", how="left")


@dataclass(frozen=True, eq=False)
class ReliabilityIntervals:
    """Bootstrap by cluster of alpha (raw and standardised) and of one-factor omega (model and observed).

    replicates (b, 4) in that order, NaN where a resample gave none.
    """

    estimates: np.ndarray
    replicates: np.ndarray
    level: float
    n_clusters: int
    seed: int
    status: str
    warnings: tuple[str, ...]

    MEASURES = ("alpha_raw", "alpha_standardised", "omega_model", "omega_total")

    def to_frame(self) -> pd.DataFrame:
        """One row per measure: measure, estimate, se, lower, upper, level, n_replicates, n_clusters."""
        lower, upper, error = percentile_interval(self.replicates, self.level)
        return pd.DataFrame(
            {
                "measure": self.MEASURES,
                "estimate": self.estimates,
                "se": error,
                "lower": lower,
                "upper": upper,
                "level": self.level,
                "n_replicates": np.isfinite(self.replicates).sum(axis=0),
                "n_clusters": self.n_clusters,
            }
        )


def bootstrap_reliability(
    data: pd.DataFrame | np.ndarray,
    items: Sequence[str],
    *,
    seed: int,
    clusters: Sequence[Any] | np.ndarray | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    missing: MissingRule = "pairwise",
    run: MapFunction = map,
) -> ReliabilityIntervals:
    """Percentile intervals of alpha and omega when whole clusters (therapists) are drawn with replacement.

    ``run`` is a ``map`` over parts of the replicates that may use many workers.
    Raises :class:`AnalysisError` for fewer than two items, an item without variance, or fewer than two clusters.

    >>> draw = np.random.default_rng(1).normal
    >>> answers = draw(size=(100, 1)) + draw(size=(100, 3))
    >>> found = bootstrap_reliability(answers, ["a", "b", "c"], seed=1, replicates=50).to_frame()
    >>> found["measure"].tolist(), bool(found["estimate"].between(found["lower"], found["upper"]).all())
    (['alpha_raw', 'alpha_standardised', 'omega_model', 'omega_total'], True)
    """
    check_level(level)
    values = item_values(data, items)
    one_of(missing, MISSING_RULES, "missing-data rule of a bootstrap")
    if len(items) < 2:
        raise AnalysisError("Reliability needs at least two items.", Status.TOO_FEW_ITEMS)
    codes, n_clusters = cluster_codes(clusters, len(values))
    if len(np.unique(codes[~np.isnan(values).all(axis=1)])) < 2:
        raise AnalysisError("A bootstrap needs rows from at least two clusters.", Status.TOO_FEW_CLUSTERS)
    sums = ClusterSums(values, codes, n_clusters, missing)
    whole = np.ones((1, n_clusters))
    start = _start(sums.moments(whole).correlation[0])
    reliabilities = partial(_reliabilities, sums, start)
    estimates = reliabilities(whole)[0]
    if np.isnan(estimates[0]):
        raise AnalysisError("An item has no variance, or a pair was never answered together.", Status.CONSTANT)
    blocks = replicate_blocks(replicates, seed)
    replicates = sum(block.size for block in blocks)
    drawn = np.concatenate(list(run(reliabilities, weights_together(blocks, n_clusters))))
    failed = int(np.isnan(drawn[:, 0]).sum())
    warnings = (
        (f"{failed} of {several(replicates, 'resample')} gave no alpha (an item without variance).",) if failed else ()
    )
    return ReliabilityIntervals(estimates, drawn, level, n_clusters, seed, Status.OK.value, warnings)


def _start(correlation: np.ndarray) -> np.ndarray | None:
    """Uniquenesses (p,) at which resamples begin, where the factor is not the one that the usual start leads to."""
    if len(correlation) < 3 or not np.isfinite(correlation).all():
        return None
    lowest = extract_lowest(correlation, 1)
    return None if lowest.first_is_lowest else lowest.extraction.uniqueness[0]


def _reliabilities(sums: ClusterSums, start: np.ndarray | None, weights: np.ndarray) -> np.ndarray:
    moments = sums.moments(weights)
    result = np.full((len(weights), 4), np.nan)
    usable = np.isfinite(moments.correlation).all(axis=(1, 2))
    result[usable, 0] = alpha_stack(moments.covariance[usable])
    result[usable, 1] = alpha_stack(moments.correlation[usable])
    if usable.any() and sums.n_items >= 3:
        found = extract(moments.correlation[usable], 1, "minres", tolerance=1e-8, start=start)
        result[usable, 2], result[usable, 3] = omega_stack(moments.correlation[usable], found.loadings[:, :, 0])
    return result
