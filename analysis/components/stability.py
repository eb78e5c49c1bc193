"""How far a component solution would move with other therapists: bootstrap by cluster, each refit aligned.

A replicate draws clusters with replacement, makes the correlations anew, refits from the full solution
(:mod:`analysis.components.refit`) and is brought into the full solution's columns before anything is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.common.answers import item_values
from analysis.common.arguments import one_of
from analysis.common.bias_correction import bias_corrected_correlation
from analysis.common.intervals import percentile_interval
from analysis.common.observations import check_level
from analysis.common.resampling import (
    MISSING_RULES,
    Block,
    ClusterSums,
    MapFunction,
    MissingRule,
    cluster_codes,
    replicate_blocks,
)
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.components.alignment import align_columns, orthogonal_basis, tucker_congruence
from analysis.components.refit import ROTATION_TOLERANCE, axes_near, refit_stack
from analysis.components.rotation import RotationSettings, rotate_stack
from analysis.components.rotation_names import ROTATIONS, rotation_name
from analysis.components.salience import check_salience
from analysis.components.solution import Solution

Alignment = Literal["columns", "procrustes"]
ALIGNMENTS: tuple[str, ...] = ("columns", "procrustes")
Correlate = Callable[[np.ndarray], np.ndarray]
FEW_CLUSTERS = 20


@dataclass(frozen=True, eq=False)
class Stability:
    """Bootstrap replicates of a solution, aligned to it, and what they say about it.

    patterns (b, p, k) and phis (b, k, k) hold the replicates that converged; congruence (b, k) is each one's Tucker
    congruence with the full solution. ``n_failed`` replicates gave no solution (a constant item in the resample, no
    convergence) and are in none of the figures; ``n_heywood`` of those used stand at the bound of a uniqueness.
    """

    solution: Solution
    patterns: np.ndarray
    phis: np.ndarray
    congruence: np.ndarray
    n_replicates: int
    n_failed: int
    n_heywood: int
    n_clusters: int
    level: float
    seed: int
    alignment: Alignment
    status: str
    warnings: tuple[str, ...]

    @cached_property
    def membership(self) -> np.ndarray:
        """(p, k) share of replicates in which the item's strongest loading is on the component; rows sum to 1."""
        strongest = np.abs(self.patterns).argmax(axis=2)
        return np.stack([(strongest == column).mean(axis=0) for column in range(self.solution.n_components)], axis=1)

    def interval_of(self, statistic: Callable[[np.ndarray, np.ndarray], float]) -> tuple[float, float, float]:
        """Percentile limits and standard error of any ``statistic(pattern, phi)`` over the replicates."""
        values = np.array([statistic(pattern, phi) for pattern, phi in zip(self.patterns, self.phis, strict=True)])
        lower, upper, error = percentile_interval(values, self.level)
        return float(lower), float(upper), float(error)

    def to_frame(self, salience: float = 0.40) -> pd.DataFrame:
        """One row per item and component: item, component, loading, loading_se, loading_lower, loading_upper,
        share_strongest (of replicates in which the item falls on this component), share_salient (|loading| >=
        ``salience``), on_component (True where the full solution's strongest loading is)."""
        salience = check_salience(salience)
        lower, upper, error = percentile_interval(self.patterns, self.level)
        p, k = self.solution.pattern.shape
        home = np.abs(self.solution.pattern).argmax(axis=1)
        return pd.DataFrame(
            {
                "item": np.repeat(np.array(self.solution.items, dtype=object), k),
                "component": np.tile(np.arange(1, k + 1), p),
                "loading": self.solution.pattern.ravel(),
                "loading_se": error.ravel(),
                "loading_lower": lower.ravel(),
                "loading_upper": upper.ravel(),
                "share_strongest": self.membership.ravel(),
                "share_salient": (np.abs(self.patterns) >= salience).mean(axis=0).ravel(),
                "on_component": (np.arange(k) == home[:, None]).ravel(),
            }
        )

    def correlations_frame(self) -> pd.DataFrame:
        """One row per ordered pair of components: component, other_component, correlation, its bias, se, lower, upper.

        Sampling noise lowers the correlations of oblique components, and resampling lowers them again, so these
        intervals are corrected for bias (:mod:`analysis.common.bias_correction`); in small samples they are still too
        low.
        """
        found = bias_corrected_correlation(self.solution.phi, self.phis, self.level)
        numbers = np.arange(1, self.solution.n_components + 1)
        k = len(numbers)
        return pd.DataFrame(
            {
                "component": np.repeat(numbers, k),
                "other_component": np.tile(numbers, k),
                "correlation": self.solution.phi.ravel(),
                "correlation_bias": found.bias.ravel(),
                "correlation_se": found.se.ravel(),
                "correlation_lower": found.lower.ravel(),
                "correlation_upper": found.upper.ravel(),
            }
        )

    def components_frame(self) -> pd.DataFrame:
        """One row per component: component, congruence_median and congruence_p05 of the replicates with the full
        solution, and the two shares of replicates at or above .85 and .95."""
        return pd.DataFrame(
            {
                "component": np.arange(1, self.solution.n_components + 1),
                "congruence_median": np.median(self.congruence, axis=0),
                "congruence_p05": np.quantile(self.congruence, 0.05, axis=0),
                "share_fair": (self.congruence >= 0.85).mean(axis=0),
                "share_equal": (self.congruence >= 0.95).mean(axis=0),
            }
        )


@dataclass(frozen=True, eq=False)
class Replicates:
    """Aligned refits of one block (b replicates, failed ones NaN), with their convergence and Heywood marks."""

    patterns: np.ndarray
    phis: np.ndarray
    congruence: np.ndarray
    converged: np.ndarray
    heywood: np.ndarray


@dataclass(frozen=True, eq=False)
class Resampler:
    """Everything a worker needs to make any block of replicates of one solution."""

    solution: Solution
    sums: ClusterSums | None
    rows: np.ndarray
    codes: np.ndarray
    n_clusters: int
    alignment: Alignment
    correlate: Correlate | None
    settings: RotationSettings | None

    def block(self, block: Block) -> Replicates:
        """Draw, refit and align the replicates of ``block``."""
        return self.weighted(block.weights(self.n_clusters))

    def weighted(self, weights: np.ndarray) -> Replicates:
        """Refit and align one replicate per row of ``weights`` (b, n_clusters)."""
        refits = refit_stack(self.correlations(weights), self.solution, self.settings)
        used = refits.converged
        patterns, phis = np.full_like(refits.pattern, np.nan), np.full_like(refits.phi, np.nan)
        congruence = np.full(patterns.shape[::2], np.nan)
        if used.any():
            patterns[used], phis[used], congruence[used] = _align(
                refits.pattern[used], refits.phi[used], self.solution, self.alignment
            )
        return Replicates(patterns, phis, congruence, used, refits.heywood & used)

    def correlations(self, weights: np.ndarray) -> np.ndarray:
        """(b, p, p) correlations of the resamples; NaN where one cannot be formed."""
        if self.sums is not None:
            return self.sums.moments(weights).correlation
        assert self.correlate is not None
        p = len(self.solution.items)
        stack = np.full((len(weights), p, p), np.nan)
        for replicate, counts in enumerate(weights):
            try:
                made = self.correlate(np.repeat(self.rows, counts[self.codes], axis=0))
            except AnalysisError:
                continue
            if np.shape(made) != (p, p):
                raise AnalysisError(f"The correlations of a resample have shape {np.shape(made)}, not {(p, p)}.")
            stack[replicate] = made
        return stack


def _align(
    patterns: np.ndarray, phis: np.ndarray, solution: Solution, alignment: Alignment
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    patterns, phis, congruence = align_columns(patterns, phis, solution.pattern)
    if alignment == "columns" or solution.n_components == 1:
        return patterns, phis, congruence
    name = "target_oblique" if ROTATIONS[rotation_name(solution.rotation)].oblique else "target_orthogonal"
    basis = orthogonal_basis(patterns, phis)
    settings = RotationSettings(target=solution.pattern, tolerance=ROTATION_TOLERANCE)
    rotated = rotate_stack(basis, name, start=axes_near(basis, solution), settings=settings)
    congruence = np.diagonal(tucker_congruence(rotated.loadings, solution.pattern), axis1=1, axis2=2)
    return rotated.loadings, rotated.phi, congruence


def resampler(
    data: pd.DataFrame | np.ndarray,
    solution: Solution,
    clusters: Sequence[Any] | np.ndarray | None = None,
    *,
    missing: MissingRule = "pairwise",
    alignment: Alignment = "columns",
    correlate: Correlate | None = None,
    settings: RotationSettings | None = None,
    codes: tuple[np.ndarray, int] | None = None,
) -> Resampler:
    """Prepare the resampling of ``solution`` from its ``data`` (n, p); see :func:`bootstrap_solution`.

    ``codes`` (row codes, number of clusters) may be given instead of ``clusters`` when several data sets share them.
    Raises :class:`AnalysisError` for an unknown alignment, items missing from the data, and fewer than two clusters.
    """
    one_of(alignment, ALIGNMENTS, "alignment")
    values = item_values(data, solution.items)
    row_codes, n_clusters = codes if codes is not None else cluster_codes(clusters, len(values))
    answered = ~np.isnan(values).all(axis=1)
    if len(np.unique(row_codes[answered])) < 2:
        raise AnalysisError("A bootstrap needs rows from at least two clusters (therapists).", Status.TOO_FEW_CLUSTERS)
    one_of(missing, MISSING_RULES, "missing-data rule of a bootstrap")
    sums = ClusterSums(values, row_codes, n_clusters, missing) if correlate is None else None
    return Resampler(solution, sums, values, row_codes, n_clusters, alignment, correlate, settings)


def bootstrap_solution(
    data: pd.DataFrame | np.ndarray,
    solution: Solution,
    *,
    seed: int,
    clusters: Sequence[Any] | np.ndarray | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    missing: MissingRule = "pairwise",
    alignment: Alignment = "procrustes",
    correlate: Correlate | None = None,
    settings: RotationSettings | None = None,
    run: MapFunction = map,
) -> Stability:
    """Bootstrap the loadings and component correlations of ``solution``.

    Parameters
    ----------
    data: (n, p) keyed answers the solution was found in, NaN where missing; a frame is read by item name.
    seed: of :class:`numpy.random.SeedSequence`; blocks of replicates get children of it.
    clusters: (n,) therapist of each row; whole clusters are drawn. None: every row is its own.
    missing: ``pairwise`` or ``complete`` Pearson correlations, as for the full solution.
    alignment: ``procrustes`` (columns are matched one to one by congruence and signed, then rotated to the full
        solution as target, obliquely or orthogonally as the solution is) or ``columns`` (matched and signed only: each
        refit keeps its own rotation, whose uncertainty is then part of the intervals).
    correlate: for other correlations (EM, polychoric): a function from rows (n, p) to a matrix (p, p); slower.
    settings: constants of the rotation (gamma, power, delta, target); those of the solution when left out.
    run: a ``map`` over blocks; ``ProcessPoolExecutor().map`` or a Dask client's give the same numbers as ``map``.

    Raises
    ------
    AnalysisError: fewer than two clusters, items missing from the data, no usable replicate, a rule, level, seed or
    number of replicates that is none, matrices of ``correlate`` of another size.

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = find_components(matrix, 300, list("abcdef"), n_components=2)
    >>> data = np.random.default_rng(0).multivariate_normal(np.zeros(6), matrix, 300)
    >>> stability = bootstrap_solution(data, found, seed=1, replicates=200)
    >>> first = stability.to_frame().iloc[0]
    >>> stability.n_clusters, [round(float(first[name]), 1) for name in ("loading", "loading_lower", "loading_upper")]
    (300, [0.8, 0.7, 0.9])
    """
    level = check_level(level)
    plan = resampler(
        data, solution, clusters, missing=missing, alignment=alignment, correlate=correlate, settings=settings
    )
    blocks = replicate_blocks(replicates, seed)
    parts = list(run(partial(_run_block, plan), blocks))
    replicates = sum(block.size for block in blocks)
    used = np.concatenate([part.converged for part in parts])
    if not used.any():
        raise AnalysisError(
            f"None of {several(replicates, 'bootstrap replicate')} gave a solution.", Status.NOT_CONVERGED
        )
    n_failed, n_heywood = int((~used).sum()), int(sum(part.heywood.sum() for part in parts))
    status, warnings = _judge(replicates, n_failed, n_heywood, plan.n_clusters)
    return Stability(
        solution,
        np.concatenate([part.patterns for part in parts])[used],
        np.concatenate([part.phis for part in parts])[used],
        np.concatenate([part.congruence for part in parts])[used],
        replicates,
        n_failed,
        n_heywood,
        plan.n_clusters,
        level,
        seed,
        alignment,
        status,
        warnings,
    )


def _run_block(plan: Resampler, block: Block) -> Replicates:
    return plan.block(block)


def _judge(replicates: int, n_failed: int, n_heywood: int, n_clusters: int) -> tuple[str, tuple[str, ...]]:
    warnings = []
    if n_failed:
        warnings.append(f"{n_failed} of {several(replicates, 'bootstrap replicate')} gave no solution: left out.")
    if n_heywood:
        warnings.append(f"{n_heywood} of {several(replicates, 'bootstrap replicate')} with a uniqueness at its bound.")
    if n_clusters < FEW_CLUSTERS:
        warnings.append(
            f"Only {several(n_clusters, 'cluster was', 'clusters were')} resampled: "
            "the intervals are likely to be too short."
        )
    if n_failed * 2 > replicates:
        return Status.NOT_CONVERGED.value, tuple(warnings)
    return (Status.TOO_FEW_CLUSTERS if n_clusters < FEW_CLUSTERS else Status.OK).value, tuple(warnings)
