"""Congruence of two component solutions on the items they share: raters, sites, refreshes.

Tucker's phi, columns matched one to one; the same after rotation of one solution onto the other; marks .85 (fair) and
.95 (equal) after Lorenzo-Seva & ten Berge (2006); bootstrap intervals by cluster where the data are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.bias_correction import bias_corrected_interval
from analysis.common.observations import check_level
from analysis.common.resampling import (
    Block,
    MapFunction,
    MissingRule,
    cluster_codes,
    joint_cluster_codes,
    replicate_blocks,
)
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.components.alignment import Match, match_columns, orthogonal_procrustes, tucker_congruence
from analysis.components.solution import Solution
from analysis.components.stability import FEW_CLUSTERS, Resampler, resampler

FAIR, EQUAL = 0.85, 0.95


@dataclass(frozen=True, eq=False)
class Congruence:
    """How alike two solutions are on ``items`` they share.

    table (k, m): Tucker's phi of every pair of components; match: the one-to-one match. after_rotation (pairs,):
    congruence of the same pairs once the left loadings are rotated onto the right ones (orthogonal Procrustes), the
    most alike the two can be made; item_congruence (p,): that of each item's row after it; rmsd: root mean squared
    difference of loadings after it.
    """

    items: tuple[str, ...]
    table: np.ndarray
    match: Match
    after_rotation: np.ndarray
    item_congruence: np.ndarray
    rmsd: float
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per matched pair: left_component, right_component, sign, congruence, mark (``equal``, ``fair``,
        ``different``), congruence_after_rotation, mark_after_rotation, n_items."""
        return pd.DataFrame(
            {
                "left_component": self.match.left + 1,
                "right_component": self.match.right + 1,
                "sign": self.match.signs.astype(int),
                "congruence": self.match.congruence,
                "mark": [mark(value) for value in self.match.congruence],
                "congruence_after_rotation": self.after_rotation,
                "mark_after_rotation": [mark(value) for value in self.after_rotation],
                "n_items": len(self.items),
            }
        )

    def table_frame(self) -> pd.DataFrame:
        """One row per pair of components, matched or not: left_component, right_component, congruence (signed),
        matched."""
        k, m = self.table.shape
        matched = np.zeros((k, m), dtype=bool)
        matched[self.match.left, self.match.right] = True
        return pd.DataFrame(
            {
                "left_component": np.repeat(np.arange(1, k + 1), m),
                "right_component": np.tile(np.arange(1, m + 1), k),
                "congruence": self.table.ravel(),
                "matched": matched.ravel(),
            }
        )

    def items_frame(self) -> pd.DataFrame:
        """One row per item: item, congruence (of its row of loadings, after rotation)."""
        return pd.DataFrame({"item": np.array(self.items, dtype=object), "congruence": self.item_congruence})


def mark(value: float) -> str:
    """The word for a congruence: ``equal`` from .95, ``fair`` from .85, else ``different``; empty for NaN.

    >>> [mark(value) for value in (0.96, 0.9, 0.5)]
    ['equal', 'fair', 'different']
    """
    if np.isnan(value):
        return ""
    return "equal" if value >= EQUAL else "fair" if value >= FAIR else "different"


def shared_items(left: Sequence[str], right: Sequence[str]) -> tuple[str, ...]:
    """Items of both, in the order of ``left``. Raises :class:`AnalysisError` when there are fewer than two."""
    there = set(right)
    common = tuple(item for item in left if item in there)
    if len(common) < 2:
        raise AnalysisError(
            f"Congruence needs at least two items in both solutions; they share {len(common)}.", Status.TOO_FEW_ITEMS
        )
    return common


def congruence(left: Solution, right: Solution) -> Congruence:
    """Compare two solutions on the items both have, with any numbers of components.

    Components without a partner (k and m differ) are named in a warning. Raises :class:`AnalysisError` when the
    solutions share fewer than two items.

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = find_components(matrix, 300, list("abcdef"), n_components=2)
    >>> fewer = find_components(matrix[:5, :5], 200, list("abcde"), n_components=2)
    >>> compared = congruence(found, fewer)
    >>> compared.items, compared.match.congruence.round(3).tolist()
    (('a', 'b', 'c', 'd', 'e'), [1.0, 0.997])
    """
    items = shared_items(left.items, right.items)
    ours, theirs = _rows(left, items), _rows(right, items)
    match = match_columns(ours, theirs)
    rotated = ours @ orthogonal_procrustes(ours, theirs)
    warnings = []
    dropped = len(left.items) + len(right.items) - 2 * len(items)
    if dropped:
        warnings.append(
            f"Compared on the {several(len(items), 'shared item')}; "
            f"{several(dropped, 'item is', 'items are')} in one solution only."
        )
    if left.n_components != right.n_components:
        warnings.append(
            f"{left.n_components} and {several(right.n_components, 'component')}: "
            f"{abs(left.n_components - right.n_components)} have no partner."
        )
    return Congruence(
        items,
        tucker_congruence(ours, theirs),
        match,
        _after_rotation(ours, theirs, match.right),
        _row_congruence(rotated, theirs),
        float(np.sqrt(np.mean((rotated - theirs) ** 2))),
        Status.OK.value,
        tuple(warnings),
    )


def _rows(solution: Solution, items: Sequence[str]) -> np.ndarray:
    position = {item: row for row, item in enumerate(solution.items)}
    return solution.pattern[[position[item] for item in items]]


def _after_rotation(ours: np.ndarray, theirs: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Congruence (..., pairs) of the chosen right columns with the left loadings rotated onto the right ones."""
    rotated = ours @ orthogonal_procrustes(ours, theirs)
    diagonal = np.diagonal(tucker_congruence(rotated, theirs), axis1=-2, axis2=-1)
    return diagonal[..., columns]


def _row_congruence(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > 0, (ours * theirs).sum(axis=1) / lengths, np.nan)


@dataclass(frozen=True, eq=False)
class Sample:
    """A solution with the rows (n, p) it was found in and, where rows share a therapist, the cluster of each row."""

    solution: Solution
    data: pd.DataFrame | np.ndarray
    clusters: Sequence[Any] | None = None


@dataclass(frozen=True, eq=False)
class CongruenceIntervals:
    """Bootstrap replicates of the congruence of each matched pair of ``estimate``.

    matched and after_rotation (b, pairs). A resample adds noise to both solutions, so replicates lie below the estimate
    as the estimate lies below the congruence of the populations; the intervals are corrected for that bias
    (:mod:`analysis.common.bias_correction`) and cut off at 1. Where the rotation of a solution is itself ambiguous
    (few, complex items) the plain congruence jumps between rotations and no interval for it is good; that after
    rotation is.
    """

    estimate: Congruence
    matched: np.ndarray
    after_rotation: np.ndarray
    n_replicates: int
    level: float
    seed: int
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """The frame of :class:`Congruence` with congruence_bias, congruence_se, congruence_lower, congruence_upper, the
        same four for congruence_after_rotation, and level."""
        frame = self.estimate.to_frame()
        for name, replicates in (("congruence", self.matched), ("congruence_after_rotation", self.after_rotation)):
            found = bias_corrected_interval(frame[name], replicates, self.level, limits=(-1.0, 1.0))
            frame[f"{name}_bias"], frame[f"{name}_se"] = found.bias, found.se
            frame[f"{name}_lower"], frame[f"{name}_upper"] = found.lower, found.upper
        frame["level"] = self.level
        return frame


def bootstrap_congruence(
    left: Sample,
    right: Sample,
    *,
    seed: int,
    replicates: int = 1000,
    level: float = 0.95,
    missing: MissingRule = "pairwise",
    run: MapFunction = map,
) -> CongruenceIntervals:
    """Intervals for the congruence of two solutions, both refitted in every replicate.

    When both samples name clusters, equal names are one cluster and are drawn together: client and therapist forms of
    a therapist's dyads stay together, so the dependence between the raters is kept. Otherwise the two samples are
    drawn independently. Each refit is aligned to its own full solution, and the pairs are those matched there.

    Raises :class:`AnalysisError` as :func:`congruence` and :func:`analysis.components.stability.bootstrap_solution` do.

    >>> from analysis.components.components import find_components
    >>> from analysis.correlations.correlation import correlate
    >>> draw = np.random.default_rng(1).normal
    >>> loadings = np.repeat(np.eye(2), 3, axis=0)
    >>> answers = [draw(size=(200, 2)) @ loadings.T + draw(size=(200, 6)) for _ in range(2)]
    >>> samples = [Sample(find_components(correlate(one), n_components=2), one) for one in answers]
    >>> found = bootstrap_congruence(*samples, seed=1, replicates=20).to_frame()
    >>> len(found), bool((found["congruence_lower"] > 0.9).all())
    (2, True)
    """
    level = check_level(level)
    estimate = congruence(left.solution, right.solution)
    plan = _plan(left, right, missing, estimate)
    blocks = replicate_blocks(replicates, seed)
    replicates = sum(block.size for block in blocks)
    parts = list(run(partial(_run_block, plan), blocks))
    matched = np.concatenate([part[0] for part in parts])
    rotated = np.concatenate([part[1] for part in parts])
    used = np.isfinite(matched).all(axis=1)
    if not used.any():
        raise AnalysisError(f"None of {several(replicates, 'replicate')} gave two solutions.", Status.NOT_CONVERGED)
    status, warnings = Status.OK, list(estimate.warnings)
    if not used.all():
        warnings.append(f"{int((~used).sum())} of {several(replicates, 'replicate')} gave no solution: left out.")
    smallest = min(plan.left.n_clusters, plan.right.n_clusters)
    if smallest < FEW_CLUSTERS:
        status = Status.TOO_FEW_CLUSTERS
        warnings.append(
            f"Only {several(smallest, 'cluster was', 'clusters were')} resampled: "
            "the intervals are likely to be too short."
        )
    if used.mean() < 0.5:
        status = Status.NOT_CONVERGED
    return CongruenceIntervals(
        estimate, matched[used], rotated[used], replicates, level, seed, status.value, tuple(warnings)
    )


@dataclass(frozen=True, eq=False)
class _Plan:
    left: Resampler
    right: Resampler
    together: bool
    left_rows: list[int]
    right_rows: list[int]
    match: Match


def _plan(left: Sample, right: Sample, missing: MissingRule, estimate: Congruence) -> _Plan:
    together = left.clusters is not None and right.clusters is not None
    if left.clusters is not None and right.clusters is not None:
        left_codes, right_codes, n_clusters = joint_cluster_codes(left.clusters, right.clusters)
        codes = (left_codes, n_clusters), (right_codes, n_clusters)
    else:
        codes = cluster_codes(left.clusters, _n_rows(left)), cluster_codes(right.clusters, _n_rows(right))
    return _Plan(
        resampler(left.data, left.solution, missing=missing, codes=codes[0]),
        resampler(right.data, right.solution, missing=missing, codes=codes[1]),
        together,
        [left.solution.items.index(item) for item in estimate.items],
        [right.solution.items.index(item) for item in estimate.items],
        estimate.match,
    )


def _n_rows(sample: Sample) -> int:
    return len(sample.data) if np.ndim(sample.data) else 0


def _run_block(plan: _Plan, block: Block) -> tuple[np.ndarray, np.ndarray]:
    left_weights = block.weights(plan.left.n_clusters)
    right_weights = left_weights if plan.together else block.second().weights(plan.right.n_clusters)
    ours = plan.left.weighted(left_weights).patterns[:, plan.left_rows]
    theirs = plan.right.weighted(right_weights).patterns[:, plan.right_rows]
    used = np.isfinite(ours).all(axis=(1, 2)) & np.isfinite(theirs).all(axis=(1, 2))
    matched = np.full((block.size, len(plan.match.left)), np.nan)
    rotated = np.full_like(matched, np.nan)
    table = tucker_congruence(ours[used], theirs[used])
    matched[used] = table[:, plan.match.left, plan.match.right] * plan.match.signs
    rotated[used] = _after_rotation(ours[used], theirs[used], plan.match.right)
    return matched, rotated
