"""Estimates made of component scores, with the uncertainty of the components themselves.

Scores are computed as if loadings were known, and the intervals of what is estimated from them pretend the same. Here
each bootstrap sample of therapists makes the correlations, the components and the weights of scores anew. What the
scores go with is then computed from the moments of the sample, of items and outcome together:

    r_j = w_j'c / sqrt(w_j'R w_j),  R the items' correlations, c those with the outcome, w_j the weights of score j.

So nothing is scored person by person, and a thousand samples cost a thousand refits and little more. Refits are
aligned to the full solution as in :mod:`analysis.components.stability`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from analysis.common.answers import item_values
from analysis.common.resampling import (
    Block,
    ClusterSums,
    MissingRule,
    cluster_codes,
    joint_cluster_codes,
    replicate_blocks,
)
from analysis.common.status import AnalysisError
from analysis.components.scores import ScoreMethod, score_weights
from analysis.components.solution import Solution
from analysis.components.stability import Resampler, resampler


@dataclass(frozen=True, eq=False)
class Carried:
    """Replicates (b, k) of the correlations of k component scores with an outcome, and of the standardised slopes of
    the outcome on all of them at once; NaN where a replicate gave no solution."""

    correlations: np.ndarray
    slopes: np.ndarray


def carry_to_outcome(
    solution: Solution,
    answers: pd.DataFrame,
    outcome: np.ndarray,
    *,
    clusters: Sequence[Any] | np.ndarray,
    method: str,
    seed: int,
    replicates: int,
    missing: MissingRule = "pairwise",
) -> Carried:
    """Carry the bootstrap of ``solution``, found in ``answers`` (n, p), through to its scores' relation with
    ``outcome`` (n,), NaN where there is none: rows without an outcome still take part in finding the components.

    ``method`` is a score method of :mod:`analysis.components.scores`. Raises :class:`AnalysisError` for unit-weighted
    scores, which have no weights of this kind, and fewer than two clusters.
    """
    weighting = _weighting(method)
    codes = cluster_codes(clusters, len(answers))
    plan = resampler(answers, solution, missing=missing, codes=codes, alignment="procrustes")
    items = item_values(answers, solution.items)
    joint = ClusterSums(np.column_stack([items, outcome]), *codes, "pairwise")
    found = [_outcome_block(plan, joint, weighting, block) for block in replicate_blocks(replicates, seed)]
    return Carried(np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found]))


def carry_to_each_other(
    client: tuple[Solution, pd.DataFrame, np.ndarray],
    therapist: tuple[Solution, pd.DataFrame, np.ndarray],
    pairs: tuple[np.ndarray, np.ndarray],
    *,
    methods: tuple[str, str],
    seed: int,
    replicates: int,
    missing: MissingRule = "pairwise",
) -> np.ndarray:
    """(b, k, l) replicates of the correlations of k client with l therapist components.

    ``client``, ``therapist``: solution, answers and clusters; rows of a therapist are drawn together for both.
    ``pairs``: row numbers of the two that belong to one dyad. Raises as :func:`carry_to_outcome`.
    """
    ours, theirs, n_clusters = joint_cluster_codes(list(client[2]), list(therapist[2]))
    plans = [
        resampler(side[1], side[0], missing=missing, codes=(codes, n_clusters), alignment="procrustes")
        for side, codes in ((client, ours), (therapist, theirs))
    ]
    items = [item_values(side[1], side[0].items)[rows] for side, rows in zip((client, therapist), pairs, strict=True)]
    joint = ClusterSums(np.column_stack(items), ours[pairs[0]], n_clusters, "pairwise")
    weighting = [_weighting(method) for method in methods]
    p = items[0].shape[1]
    blocks = []
    for block in replicate_blocks(replicates, seed):
        drawn = block.weights(n_clusters)
        sides = [_scores(plan, drawn, method) for plan, method in zip(plans, weighting, strict=True)]
        across = np.nan_to_num(joint.moments(drawn).correlation[:, :p, p:], nan=0.0)
        top = np.swapaxes(sides[0][0], 1, 2) @ across @ sides[1][0]
        blocks.append(top / (sides[0][1][:, :, None] * sides[1][1][:, None, :]))
    return np.concatenate(blocks)


def _weighting(method: str) -> ScoreMethod:
    if method == "unit_weighted":
        raise AnalysisError("Means of salient items have no weights to carry the components' uncertainty by.")
    return cast("ScoreMethod", method)


def _outcome_block(
    plan: Resampler, joint: ClusterSums, method: ScoreMethod, block: Block
) -> tuple[np.ndarray, np.ndarray]:
    drawn = block.weights(plan.n_clusters)
    weights, deviation, correlations = _scores(plan, drawn, method)
    with_outcome = np.nan_to_num(joint.moments(drawn).correlation[:, :-1, -1], nan=0.0)
    r = (np.swapaxes(weights, 1, 2) @ with_outcome[:, :, None])[:, :, 0] / deviation
    slopes = np.full_like(r, np.nan)
    for at in range(len(r)):
        if np.isfinite(r[at]).all() and np.linalg.eigvalsh(correlations[at])[0] > 1e-9:
            slopes[at] = np.linalg.solve(correlations[at], r[at])
    return r, slopes


def _scores(plan: Resampler, drawn: np.ndarray, method: ScoreMethod) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score weights (b, p, k), standard deviations of the scores (b, k), and their correlations (b, k, k)."""
    matrices = plan.correlations(drawn)
    refits = plan.weighted(drawn)
    p, k = plan.solution.pattern.shape
    weights = np.full((len(drawn), p, k), np.nan)
    for at in np.flatnonzero(refits.converged):
        sample = replace(plan.solution, pattern=refits.patterns[at], phi=refits.phis[at], correlation=matrices[at])
        try:
            weights[at] = score_weights(sample, method).weights
        except AnalysisError:
            continue  # a Heywood case has no Bartlett scores; the replicate stays missing
    covariance = np.swapaxes(weights, 1, 2) @ np.nan_to_num(matrices, nan=0.0) @ weights
    deviation = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 1e-300))
    return weights, deviation, covariance / (deviation[:, :, None] * deviation[:, None, :])
