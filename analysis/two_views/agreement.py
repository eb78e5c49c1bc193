"""Do two raters of the same dyads agree: in order, in level, and how far apart can two ratings be.

Every statistic here is a function of six moments (n, two means, two variances, one covariance), so that a bootstrap
over therapists is one matrix product. The parts are usable alone: see the names re-exported below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.common.intervals import percentile_interval
from analysis.common.observations import Observations, cluster_sums, complete
from analysis.common.resampling import replicate_blocks
from analysis.common.results import part_named, tidy
from analysis.common.status import Status, most_serious
from analysis.outcome.association import correlate
from analysis.two_views.intraclass import Intraclass, IntraclassForm, intraclass
from analysis.two_views.kappa import Kappa, kappa
from analysis.two_views.paired_ratings import (
    Concordance,
    LimitsOfAgreement,
    PairedDifference,
    concordance,
    limits_of_agreement,
    paired_difference,
)

__all__ = [
    "STATISTICS",
    "Agreement",
    "AgreementStatistic",
    "Concordance",
    "Intraclass",
    "IntraclassForm",
    "Kappa",
    "LimitsOfAgreement",
    "PairedDifference",
    "agree",
    "concordance",
    "intraclass",
    "kappa",
    "limits_of_agreement",
    "paired_difference",
]

LIMIT_MULTIPLIER = 1.96
STATISTICS = (
    *("pearson", "mean_difference", "d_pooled", "d_difference", "icc_a_1", "icc_c_1", "concordance"),
    *("limit_lower", "limit_upper"),
)


@dataclass(frozen=True)
class AgreementStatistic:
    """One of :data:`STATISTICS`, with its interval by formula and by bootstrap over clusters (NaN without one)."""

    statistic: str
    estimate: float
    ci_lower: float
    ci_upper: float
    p: float
    boot_ci_lower: float
    boot_ci_upper: float
    boot_se: float


@dataclass(frozen=True)
class Agreement:
    """All agreement statistics of two raters on one measure; made by :func:`agree`."""

    statistics: tuple[AgreementStatistic, ...]
    n: int
    n_clusters: int
    n_dropped: int
    n_bootstrap: int
    seed: int
    level: float
    status: Status
    warnings: tuple[str, ...]

    def __getitem__(self, statistic: str) -> AgreementStatistic:
        """One of :data:`STATISTICS`; raises :class:`AnalysisError` for another."""
        return part_named(self.statistics, "statistic", statistic)

    def to_frame(self) -> pd.DataFrame:
        """One row per statistic."""
        shared = tidy(self, "statistics")
        return pd.DataFrame([{**vars(statistic), **shared} for statistic in self.statistics])


def agree(
    a: ArrayLike,
    b: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    n_bootstrap: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> Agreement:
    """All of :data:`STATISTICS` for the ratings ``a`` and ``b`` (n,) of the same dyads; differences are a - b.

    Intervals by formula respect ``cluster`` (n,) for Pearson r (jackknife) and the mean difference (CR2); those of the
    others treat dyads as independent. The bootstrap resamples clusters for all of them. Raises :class:`AnalysisError`
    for columns that are not numbers, hold infinities or differ in length.

    >>> found = agree([3, 4, 5, 6], [2, 4, 4, 5])
    >>> {one.statistic: round(float(one.estimate), 4) for one in found.statistics}
    {'pearson': 0.9234, 'mean_difference': 0.75, 'd_pooled': 0.5883, 'd_difference': 1.5, 'icc_a_1': 0.8, 'icc_c_1':
    0.9231, 'concordance': 0.75, 'limit_lower': -0.23, 'limit_upper': 1.73}
    """
    rows = complete({"a": a, "b": b}, cluster)
    x, y = rows.values.T
    codes = None if cluster is None else rows.codes
    r = correlate(x, y, cluster=codes, level=level, names=("a", "b"))
    gap = paired_difference(x, y, cluster=codes, level=level)
    icc = intraclass(rows.values, level)
    lin = concordance(x, y, level=level)
    limits = limits_of_agreement(x, y, multiplier=LIMIT_MULTIPLIER, level=level)
    absolute, consistency = icc["ICC(A,1)"], icc["ICC(C,1)"]
    plain = r.r, r.ci_lower, r.ci_upper, r.p
    clustered = r.r, r.cluster_ci_lower, r.cluster_ci_upper, r.cluster_p
    made = {
        "pearson": plain if cluster is None or rows.n_clusters < 2 else clustered,
        "mean_difference": (gap.difference, gap.ci_lower, gap.ci_upper, gap.p),
        "d_pooled": (gap.d_pooled, gap.d_pooled_ci_lower, gap.d_pooled_ci_upper, np.nan),
        "d_difference": (gap.d_difference, gap.d_difference_ci_lower, gap.d_difference_ci_upper, np.nan),
        "icc_a_1": (absolute.icc, absolute.ci_lower, absolute.ci_upper, absolute.p),
        "icc_c_1": (consistency.icc, consistency.ci_lower, consistency.ci_upper, consistency.p),
        "concordance": (lin.concordance, lin.ci_lower, lin.ci_upper, np.nan),
        "limit_lower": (limits.lower, limits.lower_ci_lower, limits.lower_ci_upper, np.nan),
        "limit_upper": (limits.upper, limits.upper_ci_lower, limits.upper_ci_upper, np.nan),
    }
    used = n_bootstrap if rows.n_clusters > 1 and rows.n > 2 else 0
    boot = _bootstrap(rows, used, seed, level)
    parts = (gap, r, icc, lin, limits)
    return Agreement(
        statistics=tuple(AgreementStatistic(name, *made[name], *boot[name]) for name in STATISTICS),
        **rows.counts,
        n_bootstrap=used,
        seed=seed,
        level=level,
        status=most_serious(part.status for part in parts),
        warnings=tuple(dict.fromkeys(sentence for part in parts for sentence in part.warnings)),
    )


def _bootstrap(rows: Observations, n_bootstrap: int, seed: int, level: float) -> dict[str, tuple[float, float, float]]:
    """Percentile limits and standard error of every statistic over resampled clusters."""
    if n_bootstrap < 1:
        return dict.fromkeys(STATISTICS, (np.nan, np.nan, np.nan))
    centre = rows.values.mean(axis=0)
    x, y = (rows.values - centre).T
    sums = cluster_sums(np.column_stack([np.ones(rows.n), x, y, x * x, y * y, x * y]), rows.codes, rows.n_clusters)
    weights = (block.weights(rows.n_clusters).astype(float) for block in replicate_blocks(n_bootstrap, seed))
    replicates = np.concatenate([_from_sums(block @ sums, float(centre[0] - centre[1])) for block in weights])
    lower, upper, se = percentile_interval(replicates, level)
    return {name: (float(lower[at]), float(upper[at]), float(se[at])) for at, name in enumerate(STATISTICS)}


def _from_sums(sums: np.ndarray, gap_of_centres: float) -> np.ndarray:
    """(b, 9) :data:`STATISTICS` from (b, 6) sums of 1, x, y, xx, yy, xy about the centres of x and y."""
    n = sums[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x, mean_y = sums[:, 1] / n, sums[:, 2] / n
        var_x = (sums[:, 3] - n * mean_x**2) / (n - 1)
        var_y = (sums[:, 4] - n * mean_y**2) / (n - 1)
        cov = (sums[:, 5] - n * mean_x * mean_y) / (n - 1)
        gap = mean_x - mean_y + gap_of_centres
        sd_gap = np.sqrt(np.maximum(var_x + var_y - 2 * cov, 0.0))
        targets, residual = (var_x + var_y + 2 * cov) / 2, sd_gap**2 / 2
        raters = n * gap**2 / 2
        shrink = (n - 1) / n
        return np.column_stack(
            [
                cov / np.sqrt(var_x * var_y),
                gap,
                gap / np.sqrt((var_x + var_y) / 2),
                gap / sd_gap,
                (targets - residual) / (targets + residual + 2 * (raters - residual) / n),
                (targets - residual) / (targets + residual),
                2 * cov * shrink / ((var_x + var_y) * shrink + gap**2),
                gap - LIMIT_MULTIPLIER * sd_gap,
                gap + LIMIT_MULTIPLIER * sd_gap,
            ]
        )
