"""Question 1 for one rater and one set of items: from rows of answers to every table of the component analysis.

Each table is a frame with the columns of the results table of the same name, less those that say which analysis it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from analysis.component_tables import (
    component_correlations_table,
    components_table,
    fit_table,
    loadings_table,
    reliability_table,
    retention_table,
    scores_table,
    suitability_table,
)
from analysis.components import find_components
from analysis.correlation import Correlations, correlate
from analysis.correspondence import wording_check
from analysis.omega import omega
from analysis.resampling import MapFunction, MissingRule
from analysis.retention import retention
from analysis.salience import salience
from analysis.scale_reliability import component_sets, scale_reliability
from analysis.scores import ScoreMethod, Scores, component_scores, score_weights, unit_weighted_scores
from analysis.solution import Solution
from analysis.stability import Stability, bootstrap_solution
from analysis.status import AnalysisError, Status, attempt
from analysis.study_rows import Rows, StudyResult, require_rows, verdict
from analysis.suitability import suitability

RULES = {
    "parallel": "parallel_components_normal_percentile",
    "map": "map_1976",
    "kaiser": "kaiser",
    "empirical_kaiser": "empirical_kaiser",
}
"""The retention rule behind each of the study's words for it."""

MOST_ROWS_PERMUTED = 5_000
"""Permuting more rows a thousand times takes long, and by then says what normal data say."""

MOST_ROWS_REMADE = 2_000
"""Polychoric and EM correlations are made anew from the rows in each bootstrap sample; beyond this it takes hours."""


@dataclass(frozen=True)
class ComponentSettings:
    """How components are found; the words are those of the study's settings. ``n_components``: a number or a rule."""

    n_components: int | str = "parallel"
    missing: str = "pairwise"
    correlation: str = "pearson"
    extraction: str = "minres"
    rotation: str = "oblimin"
    salience: float = 0.40
    scores: str = "regression"
    bootstrap: int = 0
    min_rows: int = 50
    level: float = 0.95


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """What the codebook says of items, by item id: theme, subscale (``wai_s.bond``; items without one are not in it),
    lowest and highest answer, those reverse-keyed; and the themes' full names."""

    themes: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reversed_items: frozenset[str] = frozenset()
    theme_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FoundComponents:
    """A solution with what further analyses build on: its rows, their scores (n, k), and the bootstrap if there was
    one."""

    rows: Rows
    solution: Solution
    scores: Scores
    stability: Stability | None


def study_components(
    rows: Rows, settings: ComponentSettings, facts: ItemFacts, seed: int, *, run: MapFunction = map
) -> tuple[StudyResult, FoundComponents | None]:
    """Suitability, retention, solution, stability, scores and reliability of the components of ``rows``.

    What can be computed before an obstacle is in the frames; there are no components then and the second value is
    None. ``run`` is a ``map`` that may spread the loops that repeat over workers.
    Raises :class:`AnalysisError` when there are too few rows or the items cannot be correlated.
    """
    require_rows(len(rows.answers), settings.min_rows)
    found = correlate(rows.answers, method=settings.correlation, missing=settings.missing)
    suited = suitability(found.matrix, found.n, found.items)
    seeds = np.random.SeedSequence(seed).spawn(4)
    kept = rows.answers[list(found.items)].to_numpy()
    rules = retention(
        found.matrix,
        found.n,
        rows=kept if len(kept) <= MOST_ROWS_PERMUTED else None,
        seed=_number(seeds[0]),
        run=run,
    )
    rule = RULES.get(str(settings.n_components))
    frames = {
        "suitability": suitability_table(rows.answers, found, suited),
        "retention": retention_table(rules, rule, settings.level),
    }
    facts_so_far = {
        "n_items": len(found.items),
        "items_left_out": {one.item: f"{one.reason}: {one.detail}" for one in found.left_out},
    }
    number = int(settings.n_components) if rule is None else rules.choose(rule)
    tried = attempt(_solve, found, number, settings, _number(seeds[1]))
    if tried.value is None:
        return StudyResult(frames, tried.status.value, tried.reason, found.warnings, facts_so_far), None
    solution = tried.value
    stability, unstable = _stability(rows, found, solution, settings, _number(seeds[2]), run)
    scores = _scores(rows, solution, settings, facts)
    frames |= _solution_frames(rows, solution, stability, scores, settings, facts, _number(seeds[3]), run)
    parts: list[Any] = [found, solution, scores, *([stability] if stability else [])]
    status, reason, warnings = verdict(parts)
    wording = wording_check(solution, facts.reversed_items, threshold=settings.salience)
    if wording.status == Status.OK:
        warnings = (*warnings, *wording.warnings)
    result = StudyResult(
        frames,
        status,
        reason,
        (*warnings, *unstable),
        facts_so_far
        | {
            "n_components": solution.n_components,
            "rotation": solution.rotation,
            "n_bootstrap": stability.n_replicates if stability else 0,
        },
    )
    return result, FoundComponents(rows, solution, scores, stability)


def _number(seed: np.random.SeedSequence) -> int:
    return int(seed.generate_state(1)[0])


def _solve(found: Correlations, number: int, settings: ComponentSettings, seed: int) -> Solution:
    if number < 1:
        raise AnalysisError(
            f"The rule {settings.n_components} keeps no component; give a number in the study's settings to have one.",
            Status.NOT_APPLICABLE,
        )
    return find_components(
        found.matrix,
        found.n,
        found.items,
        n_components=number,
        extraction=settings.extraction,
        rotation=settings.rotation,
        seed=seed,
    )


def resampling_rule(settings: ComponentSettings) -> MissingRule | None:
    """The missing-data rule of a bootstrap by moments, or None where each sample's matrix must be made from its rows
    (polychoric and EM correlations)."""
    if settings.correlation != "pearson" or settings.missing == "em":
        return None
    return "complete" if settings.missing == "complete" else "pairwise"


def _stability(
    rows: Rows, found: Correlations, solution: Solution, settings: ComponentSettings, seed: int, run: MapFunction
) -> tuple[Stability | None, tuple[str, ...]]:
    """The bootstrap by therapist, or why there is none."""
    if settings.bootstrap == 0:
        return None, ()
    missing = resampling_rule(settings)
    again: Callable[[np.ndarray], np.ndarray] | None = None
    if missing is None:
        if len(rows.answers) > MOST_ROWS_REMADE:
            return None, (
                f"No bootstrap: {settings.correlation} correlations with the rule {settings.missing} are made anew "
                f"from the rows in each sample, which is done for at most {MOST_ROWS_REMADE} rows.",
            )
        again = partial(_correlated_again, found.items, settings)
    tried = attempt(
        bootstrap_solution,
        rows.answers,
        solution,
        seed=seed,
        clusters=rows.clusters,
        replicates=settings.bootstrap,
        level=settings.level,
        missing=missing or "pairwise",
        correlate=again,
        run=run,
    )
    return tried.value, () if tried.value is not None else (f"No bootstrap: {tried.reason}",)


def _correlated_again(items: tuple[str, ...], settings: ComponentSettings, values: np.ndarray) -> np.ndarray:
    made = correlate(values, items, method=settings.correlation, missing=settings.missing)
    if made.items != items:
        raise AnalysisError("An item has no variance in this sample.", Status.CONSTANT)
    return made.matrix


def _scores(rows: Rows, solution: Solution, settings: ComponentSettings, facts: ItemFacts) -> Scores:
    if settings.scores == "unit_weighted":
        return unit_weighted_scores(rows.answers, solution, salience=settings.salience, ranges=facts.ranges)
    return component_scores(rows.answers, solution, _weighting(settings))


def _weighting(settings: ComponentSettings) -> ScoreMethod:
    """The weights that say how well the components are determined; means of salient items have none of their own."""
    return "regression" if settings.scores == "unit_weighted" else cast("ScoreMethod", settings.scores)


def _solution_frames(
    rows: Rows,
    solution: Solution,
    stability: Stability | None,
    scores: Scores,
    settings: ComponentSettings,
    facts: ItemFacts,
    seed: int,
    run: MapFunction,
) -> dict[str, pd.DataFrame]:
    judged = salience(solution, settings.salience)
    weighted = attempt(score_weights, solution, _weighting(settings))
    consistent = scale_reliability(
        rows.answers,
        component_sets(solution, settings.salience),
        clusters=rows.clusters,
        missing=resampling_rule(settings) or "pairwise",
        level=settings.level,
        replicates=settings.bootstrap,
        seed=seed,
        run=run,
    )
    whole = attempt(omega, solution)
    return {
        "components": components_table(solution, judged, stability, weighted.value, facts),
        "loadings": loadings_table(solution, judged, stability),
        "component_correlations": component_correlations_table(solution, stability),
        "component_scores": scores_table(rows, solution, scores),
        "model_fit": fit_table(solution),
        "reliability": reliability_table(consistent, "component", rows, whole),
    }
