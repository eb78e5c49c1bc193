"""Question 1 for one rater and one set of items: from rows of answers to every table of the component analysis.

Each table is a frame with the columns of the results table of the same name, less those that say which analysis it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from analysis.common.resampling import MapFunction, MissingRule
from analysis.common.status import AnalysisError, Status, attempt
from analysis.common.study_rows import Rows, StudyResult, require_rows, verdict
from analysis.components.component_tables import (
    component_correlations_table,
    components_table,
    describe,
    described_items,
    fit_table,
    item_correlations_table,
    loadings_table,
    reliability_table,
    retention_table,
    scores_table,
    suitability_table,
    whole_solution_rows,
)
from analysis.components.components import find_components
from analysis.components.congruence import Sample
from analysis.components.correspondence import wording_check
from analysis.components.extraction_starts import MOST_STARTS
from analysis.components.general_factor import schmid_leiman
from analysis.components.item_facts import ItemFacts
from analysis.components.omega import omega
from analysis.components.retention import Retention, retention
from analysis.components.rotation_names import ROTATIONS, rotation_name
from analysis.components.rotation_target import scale_target, target_scales
from analysis.components.salience import salience
from analysis.components.scale_reliability import component_sets, scale_reliability
from analysis.components.scores import (
    ScoreMethod,
    Scores,
    component_scores,
    score_weights,
    unit_weighted_scores,
)
from analysis.components.solution import Solution
from analysis.components.stability import Stability, bootstrap_solution
from analysis.components.standardising import standard
from analysis.components.study_scores import scores_or_why
from analysis.components.suitability import suitability
from analysis.correlations.correlation import Correlations, correlate

RULES = {
    "parallel": "parallel_components_normal_percentile",
    "parallel_mean": "parallel_components_normal_mean",
    "parallel_permuted": "parallel_components_permuted_percentile",
    "parallel_permuted_mean": "parallel_components_permuted_mean",
    "parallel_factors": "parallel_minres_normal_percentile",
    "parallel_factors_mean": "parallel_minres_normal_mean",
    "parallel_smc": "parallel_smc_normal_percentile",
    "parallel_smc_mean": "parallel_smc_normal_mean",
    "map": "map_1976",
    "map_2000": "map_2000",
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
    oblimin_gamma: float = 0.0
    promax_power: float = 4.0
    geomin_delta: float = 0.01
    extraction_starts: int = MOST_STARTS
    rotation_starts: int | None = None
    parallel_samples: int = 1000
    parallel_percentile: float = 95.0
    polychoric_thresholds: str = "item"
    empty_cell: float = 0.0
    salience: float = 0.40
    scores: str = "regression"
    bootstrap: int = 0
    min_rows: int = 50
    level: float = 0.95

    @property
    def correlating(self) -> dict[str, Any]:
        """How rows are correlated, as :func:`analysis.correlations.correlation.correlate` takes it."""
        return {
            "method": self.correlation,
            "missing": self.missing,
            "thresholds": self.polychoric_thresholds,
            "empty_cell": self.empty_cell,
        }


@dataclass(frozen=True, eq=False)
class FoundComponents:
    """A solution with what further analyses build on: its rows, their scores (n, k), and the bootstrap if there was
    one."""

    rows: Rows
    solution: Solution
    scores: Scores
    stability: Stability | None

    @property
    def sample(self) -> Sample:
        """What a bootstrap draws from: the solution with the answers it was found in and their therapists."""
        return Sample(self.solution, self.rows.answers, list(self.rows.clusters))


def study_components(
    rows: Rows, settings: ComponentSettings, facts: ItemFacts, seed: int, *, run: MapFunction = map
) -> tuple[StudyResult, FoundComponents | None]:
    """Suitability, retention, solution, stability, scores and reliability of the components of ``rows``.

    What can be computed before an obstacle is in the frames; there are no components then and the second value is
    None. ``run`` is a ``map`` that may spread the loops that repeat over workers.
    Raises :class:`AnalysisError` when there is no row at all.
    """
    require_rows(len(rows.answers), min(settings.min_rows, 1))
    tried = attempt(_correlations, rows, settings)
    if tried.value is None:
        return not_correlated(describe(rows.answers), len(rows.answers), tried.status.value, tried.reason), None
    found = tried.value
    suited = suitability(found.matrix, found.n, found.items)
    seeds = np.random.SeedSequence(seed).spawn(4)
    kept = rows.answers[list(found.items)].to_numpy()
    rules = retention(
        found.matrix,
        found.n,
        rows=kept if len(kept) <= MOST_ROWS_PERMUTED else None,
        replicates=settings.parallel_samples,
        level=settings.parallel_percentile / 100,
        seed=number_of(seeds[0]),
        run=run,
    )
    rule = RULES.get(str(settings.n_components))
    frames = {
        "suitability": suitability_table(describe(rows.answers), found, suited),
        "retention": retention_table(rules, rule, settings.parallel_percentile / 100),
        "item_correlations": item_correlations_table(found, None),
    }
    facts_so_far = facts_of_items(found)
    solved = attempt(solve, found, rules, settings, facts, number_of(seeds[1]))
    if solved.value is None:
        return StudyResult(frames, solved.status.value, solved.reason, found.warnings, facts_so_far), None
    solution = solved.value
    stability, unstable = _stability(rows, found, solution, settings, number_of(seeds[2]), run)
    make = partial(_scores, rows, found, solution, settings, facts)
    scores = scores_or_why(rows.answers, solution, settings.scores, make)
    frames |= _solution_frames(rows, solution, stability, scores, settings, facts, number_of(seeds[3]), run)
    frames["item_correlations"] = item_correlations_table(found, solution)
    parts: list[Any] = [found, solution, scores, *([stability] if stability else [])]
    status, reason, warnings = verdict(parts)
    warnings = (*warnings, *wording_warnings(solution, settings, facts))
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


def not_correlated(items: pd.DataFrame, n_rows: int, status: str, reason: str) -> StudyResult:
    """What is left when items cannot be correlated: how each was answered."""
    return StudyResult(
        {"suitability": described_items(items, n_rows, status, reason)}, status, reason, (), {"n_items": len(items)}
    )


def facts_of_items(found: Correlations) -> dict[str, Any]:
    """Numbers for the registry that are known once the items are correlated."""
    left_out = {one.item: f"{one.reason}: {one.detail}" for one in found.left_out}
    return {"n_items": len(found.items), "items_left_out": left_out}


def wording_warnings(solution: Solution, settings: ComponentSettings, facts: ItemFacts) -> tuple[str, ...]:
    """Sentences on components that gather reverse-keyed items."""
    wording = wording_check(solution, facts.reversed_items, threshold=settings.salience)
    return wording.warnings if wording.status == Status.OK else ()


def _correlations(rows: Rows, settings: ComponentSettings) -> Correlations:
    require_rows(len(rows.answers), settings.min_rows)
    return correlate(rows.answers, **settings.correlating)


def number_of(seed: np.random.SeedSequence) -> int:
    """One number of a seed, for what takes seeds as numbers."""
    return int(seed.generate_state(1)[0])


def solve(found: Correlations, rules: Retention, settings: ComponentSettings, facts: ItemFacts, seed: int) -> Solution:
    """The solution with the number of components that the settings give or their rule chooses.

    Raises :class:`AnalysisError` when the rule keeps none or was not worked out, or the method cannot have that many.
    """
    rule = RULES.get(str(settings.n_components))
    number = int(settings.n_components) if rule is None else _by_rule(rules, rule, str(settings.n_components))
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
        gamma=settings.oblimin_gamma,
        power=settings.promax_power,
        delta=settings.geomin_delta,
        target=_target(found.items, number, settings, facts),
        extraction_starts=settings.extraction_starts,
        random_starts=settings.rotation_starts,
        seed=seed,
    )


def _by_rule(rules: Retention, rule: str, word: str) -> int:
    if all(one.name != rule for one in rules.rules):
        raise AnalysisError(
            f"The rule {word} was not worked out: permuted data are made for at most {MOST_ROWS_PERMUTED} rows, normal "
            "ones say the same by then.",
            Status.NOT_APPLICABLE,
        )
    return rules.choose(rule)


def _target(items: tuple[str, ...], number: int, settings: ComponentSettings, facts: ItemFacts) -> np.ndarray | None:
    """The declared scales as target, where the rotation is one to a target."""
    kind = ROTATIONS[rotation_name(settings.rotation)]
    if kind.family not in ("target", "procrustes"):
        return None
    names = target_scales(items, facts.scales)
    if len(names) != number and len(names) > 1:
        raise AnalysisError(
            f"A rotation to the declared scales has one component per scale: {len(names)} of these items "
            f"({', '.join(names)}), and not {number}; say so by `n_components`.",
            Status.NOT_APPLICABLE,
        )
    return scale_target(items, facts.scales, free=kind.family == "target")


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
    made = correlate(values, items, **settings.correlating)
    if made.items != items:
        raise AnalysisError("An item has no variance in this sample.", Status.CONSTANT)
    return made.matrix


def _scores(
    rows: Rows, found: Correlations, solution: Solution, settings: ComponentSettings, facts: ItemFacts
) -> Scores:
    if settings.scores == "unit_weighted":
        return unit_weighted_scores(rows.answers, solution, salience=settings.salience, ranges=facts.ranges)
    mean = deviation = None
    if settings.missing == "complete":
        # By the rows that the solution is of, as SPSS does with listwise deletion.
        empty = [one.item for one in found.left_out if one.reason == "nearly_empty"]
        complete = rows.answers.drop(columns=empty).dropna()
        mean, deviation = standard(complete[list(solution.items)].to_numpy(dtype=float), solution.items)
    return component_scores(rows.answers, solution, weighting(settings), mean=mean, deviation=deviation)


def weighting(settings: ComponentSettings) -> ScoreMethod:
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
    return solution_tables(solution, stability, settings, facts) | {
        "component_scores": scores_table(rows, solution, scores),
        "reliability": reliability_table(consistent, "component", rows, whole_solution(solution, stability)),
    }


def whole_solution(solution: Solution, stability: Stability | None) -> pd.DataFrame:
    """Rows of ``reliability`` for all items of the solution together."""
    return whole_solution_rows(solution, attempt(omega, solution), attempt(schmid_leiman, solution), stability)


def solution_tables(
    solution: Solution, stability: Stability | None, settings: ComponentSettings, facts: ItemFacts
) -> dict[str, pd.DataFrame]:
    """The tables that follow from the solution alone."""
    judged = salience(solution, settings.salience)
    weights = attempt(score_weights, solution, weighting(settings)).value
    general = attempt(schmid_leiman, solution).value
    wording = wording_check(solution, facts.reversed_items, threshold=settings.salience)
    return {
        "components": components_table(solution, judged, stability, weights, facts, wording, general),
        "loadings": loadings_table(solution, judged, stability, weights, general),
        "component_correlations": component_correlations_table(solution, stability),
        "model_fit": fit_table(solution),
    }
