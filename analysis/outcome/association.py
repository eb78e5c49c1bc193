"""How two measures go together: correlation, plain, by rank or partial, with intervals that respect clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.arguments import one_of
from analysis.common.intervals import fisher_interval, percentile_interval
from analysis.common.observations import (
    Columns,
    Observations,
    check_level,
    cluster_sums,
    complete,
    is_constant,
    named_columns,
)
from analysis.common.resampling import replicate_blocks
from analysis.common.results import blank, one_row
from analysis.common.robust_covariance import least_squares
from analysis.common.status import Status, most_serious
from analysis.common.wording import several

Method = Literal["pearson", "spearman"]


@dataclass(frozen=True)
class Correlation:
    """A correlation and its uncertainty, told three ways.

    ci_lower, ci_upper, p: Fisher's z and t, as if rows were independent.
    cluster_ci_lower, cluster_ci_upper, cluster_p: from leaving out one cluster at a time (jackknife of Fisher's z, t
    with ``n_clusters`` - 1 degrees of freedom); equal in kind to the others when every row is its own cluster.
    boot_ci_lower, boot_ci_upper, boot_se: percentiles over resampled clusters; NaN without a bootstrap.
    partialled: the names of what was held constant. n_dropped: rows with a missing value.
    """

    x: str
    y: str
    method: str
    partialled: tuple[str, ...]
    r: float
    ci_lower: float
    ci_upper: float
    p: float
    cluster_ci_lower: float
    cluster_ci_upper: float
    cluster_p: float
    boot_ci_lower: float
    boot_ci_upper: float
    boot_se: float
    n_bootstrap: int
    seed: int
    level: float
    n: int
    n_clusters: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        return one_row(self).assign(partialled=", ".join(self.partialled))


@dataclass(frozen=True)
class CorrelationList:
    """The correlations of several pairs, in order."""

    pairs: tuple[Correlation, ...]

    @property
    def status(self) -> Status:
        """The most serious status of the pairs."""
        return most_serious(pair.status for pair in self.pairs)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences of all pairs, each once."""
        return tuple(dict.fromkeys(sentence for pair in self.pairs for sentence in pair.warnings))

    def matrix(self) -> pd.DataFrame:
        """The correlations with x in rows and y in columns."""
        frame = self.to_frame()
        rows, columns = frame["x"].unique(), frame["y"].unique()
        return frame.pivot(index="x", columns="y", values="r").loc[rows, columns]

    def to_frame(self) -> pd.DataFrame:
        """One row per pair."""
        frames = [pair.to_frame() for pair in self.pairs]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    method: Method = "pearson",
    covariates: Columns | None = None,
    cluster: ArrayLike | None = None,
    n_bootstrap: int = 0,
    seed: int = 0,
    level: float = 0.95,
    names: tuple[str, str] = ("x", "y"),
) -> Correlation:
    """The correlation of ``x`` and ``y`` (n,), partial when ``covariates`` (n, k) are given.

    ``spearman`` correlates midranks; its interval uses the standard error of Bonett & Wright (2000), and the jackknife
    keeps the ranks of all rows. A constant column, fewer than three rows, or a column that the covariates reproduce
    gives NaN with a status; columns that are not numbers, hold infinities or differ in length raise
    :class:`AnalysisError`.

    >>> found = correlate([1, 2, 3, 4], [1, 3, 2, 4])
    >>> round(found.r, 6), round(found.p, 6), found.n
    (0.8, 0.2, 4)
    """
    check_level(level)
    one_of(method, ("pearson", "spearman"), "correlation")
    held = named_columns(covariates)
    rows = complete({"\0x": x, "\0y": y, **held}, cluster)
    status, warnings = _obstacle(rows, names, len(held))
    nothing = blank(
        Correlation,
        x=names[0],
        y=names[1],
        method=method,
        partialled=tuple(held),
        n_bootstrap=0,
        seed=seed,
        level=level,
        **rows.counts,
        status=status,
        warnings=warnings,
    )
    if status is not Status.OK:
        return nothing
    return _with_uncertainty(nothing, rows, len(held), n_bootstrap)


def correlate_all(
    left: pd.DataFrame,
    right: pd.DataFrame | None = None,
    *,
    method: Method = "pearson",
    covariates: Columns | None = None,
    cluster: ArrayLike | None = None,
    n_bootstrap: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> CorrelationList:
    """Every column of ``left`` with every column of ``right``; without ``right`` with each other, each pair once.

    Rows correspond; each pair uses the rows that have both. The same seed draws the same clusters for every pair.

    >>> outcomes = pd.DataFrame({"gain": [1, 3, 2, 4], "loss": [4, 3, 2, 1]})
    >>> found = correlate_all(pd.DataFrame({"bond": [1, 2, 3, 4]}), outcomes)
    >>> found.to_frame()[["x", "y", "r"]].round(6).values.tolist()
    [['bond', 'gain', 0.8], ['bond', 'loss', -1.0]]
    """
    if right is None:
        chosen = [(a, b) for i, a in enumerate(left.columns) for b in left.columns[i + 1 :]]
        right = left
    else:
        chosen = [(a, b) for a in left.columns for b in right.columns]
    return CorrelationList(
        tuple(
            correlate(
                left[a],
                right[b],
                method=method,
                covariates=covariates,
                cluster=cluster,
                n_bootstrap=n_bootstrap,
                seed=seed,
                level=level,
                names=(str(a), str(b)),
            )
            for a, b in chosen
        )
    )


def _obstacle(rows: Observations, names: tuple[str, str], n_held: int) -> tuple[Status, tuple[str, ...]]:
    """Why these rows give no correlation, or ``ok``."""
    if rows.n == 0:
        return Status.NO_DATA, (f"No row has both '{names[0]}' and '{names[1]}'.",)
    constant = [name for name, values in zip(names, rows.values.T, strict=False) if is_constant(values)]
    if rows.n < 3 + n_held:
        return Status.TOO_FEW_ROWS, (f"{several(rows.n, 'row')}: too few; {3 + n_held} are needed.",)
    if constant:
        return Status.CONSTANT, (f"All {rows.n} rows have the same value of '{constant[0]}'.",)
    if n_held:
        design = np.column_stack([np.ones(rows.n), rows.values[:, 2:]])
        for name, values in zip(names, rows.values.T, strict=False):
            if least_squares(design, values).rss <= 1e-16 * float(((values - values.mean()) ** 2).sum()):
                return Status.COLLINEAR, (f"What is held constant reproduces '{name}' exactly.",)
    return Status.OK, ()


def _with_uncertainty(empty: Correlation, rows: Observations, n_held: int, n_bootstrap: int) -> Correlation:
    spearman = empty.method == "spearman"
    values = stats.rankdata(rows.values, axis=0) if spearman else rows.values
    sums = _sums(values, rows)
    r = float(_from_sums(sums.sum(axis=0, keepdims=True), values.shape[1])[0])
    # Bonett & Wright widen the normal-theory standard error of a rank correlation by sqrt(1 + r^2 / 2).
    room = rows.n - 3 - n_held
    lower, upper = fisher_interval(r, room / (1 + r**2 / 2) + 3 if spearman else room + 3, 0, empty.level)
    df = rows.n - 2 - n_held
    t = r * np.sqrt(df / max(1 - r**2, 1e-300))
    warnings: list[str] = []
    cluster = (np.nan, np.nan, np.nan)
    boot: tuple[Any, ...] = (np.nan, np.nan, np.nan)
    status = Status.OK
    if rows.n_clusters < 2:
        status = Status.TOO_FEW_CLUSTERS
        warnings.append("All rows belong to one cluster: the interval says nothing of other clusters.")
    else:
        cluster = _jackknife(sums, r, values.shape[1], empty.level)
        if n_bootstrap > 0:
            boot = _bootstrap(rows, sums, spearman, n_bootstrap, empty.seed, empty.level)
    return replace(
        empty,
        r=r,
        ci_lower=float(lower),
        ci_upper=float(upper),
        p=float(2 * stats.t.sf(abs(t), df)),
        cluster_ci_lower=cluster[0],
        cluster_ci_upper=cluster[1],
        cluster_p=cluster[2],
        boot_ci_lower=float(boot[0]),
        boot_ci_upper=float(boot[1]),
        boot_se=float(boot[2]),
        n_bootstrap=n_bootstrap if rows.n_clusters > 1 else 0,
        status=status,
        warnings=tuple(warnings),
    )


def _sums(values: np.ndarray, rows: Observations) -> np.ndarray:
    """(G, 1 + k + k(k+1)/2) per cluster: rows, sums, and sums of products of the columns, centred and scaled first."""
    spread = values.std(axis=0)
    z = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    i, j = np.triu_indices(values.shape[1])
    return cluster_sums(np.column_stack([np.ones(len(z)), z, z[:, i] * z[:, j]]), rows.codes, rows.n_clusters)


def _from_sums(sums: np.ndarray, k: int) -> np.ndarray:
    """(b,) correlation of the first two columns given the others, from (b, 1 + k + k(k+1)/2) sums; NaN where none."""
    n = sums[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums[:, 1 : k + 1] / n[:, None]
        i, j = np.triu_indices(k)
        products = sums[:, k + 1 :] / n[:, None]
    covariance = np.empty((len(sums), k, k))
    covariance[:, i, j] = covariance[:, j, i] = products - mean[:, i] * mean[:, j]
    covariance[n < 2] = np.nan
    if k > 2:
        safe = np.where(np.isfinite(covariance).all(axis=(1, 2), keepdims=True), covariance, 0.0)
        given = np.linalg.pinv(safe[:, 2:, 2:], hermitian=True)
        covariance = covariance[:, :2, :2] - safe[:, :2, 2:] @ given @ safe[:, 2:, :2]
    variance = covariance[:, 0, 0] * covariance[:, 1, 1]
    usable = variance > 1e-24
    r = np.where(usable, covariance[:, 0, 1] / np.sqrt(np.where(usable, variance, 1.0)), np.nan)
    return np.clip(r, -1.0, 1.0)


def _jackknife(sums: np.ndarray, r: float, k: int, level: float) -> tuple[float, float, float]:
    """Interval and p of Fisher's z from leaving out one cluster at a time; NaN when a cluster carries all variation."""
    n_clusters = len(sums)
    with np.errstate(divide="ignore"):
        left_out = np.arctanh(_from_sums(sums.sum(axis=0) - sums, k))
        z = np.arctanh(r)
    if not np.isfinite(left_out).all() or not np.isfinite(z):
        return np.nan, np.nan, np.nan
    se = float(np.sqrt((n_clusters - 1) / n_clusters * ((left_out - left_out.mean()) ** 2).sum()))
    if se == 0:
        return np.nan, np.nan, np.nan
    half = float(stats.t.ppf(0.5 + level / 2, n_clusters - 1)) * se
    p = float(2 * stats.t.sf(abs(z) / se, n_clusters - 1))
    return float(np.tanh(z - half)), float(np.tanh(z + half)), p


def _bootstrap(
    rows: Observations, sums: np.ndarray, spearman: bool, n_bootstrap: int, seed: int, level: float
) -> tuple[np.ndarray, ...]:
    k = rows.values.shape[1]
    replicates = []
    for block in replicate_blocks(n_bootstrap, seed):
        counts = block.weights(rows.n_clusters).astype(float)
        if spearman:
            replicates.append(_rank_replicates(rows.values, counts[:, rows.codes]))
        else:
            replicates.append(_from_sums(counts @ sums, k))
    return percentile_interval(np.concatenate(replicates), level)


def _rank_replicates(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(b,) rank correlations of resamples, in which row i occurs ``weights[:, i]`` times, ranks made anew in each."""
    k = values.shape[1]
    ranks = np.stack([_weighted_ranks(column, weights) for column in values.T], axis=2)
    centred = ranks - (weights[:, :, None] * ranks).sum(axis=1, keepdims=True) / weights.sum(axis=1)[:, None, None]
    i, j = np.triu_indices(k)
    scale = np.sqrt(np.maximum((weights[:, :, None] * centred**2).mean(axis=1, keepdims=True), 1e-300))
    centred = centred / scale
    products = np.einsum("bn,bnk,bnl->bkl", weights, centred, centred)[:, i, j]
    return _from_sums(np.column_stack([weights.sum(axis=1), np.zeros((len(weights), k)), products]), k)


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(b, n) midranks of the values in each resample."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])
    tied = np.add.reduceat(weights[:, order], starts, axis=1)
    midrank = np.cumsum(tied, axis=1) - tied + (tied + 1) / 2
    group = np.cumsum(np.isin(np.arange(len(values)), starts)) - 1
    ranks = np.empty_like(weights)
    ranks[:, order] = midrank[:, group]
    return ranks
