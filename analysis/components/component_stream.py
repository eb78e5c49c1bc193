"""Question 1 on more rows than can be held: two passes over a stream of rows, the same tables as from held rows.

The first pass adds up what correlations, descriptions and reliability need; the second scores the rows and hands the
scores on part by part. What resamples or permutes rows is left out, and says so: with so many rows sampling error is
small. Further analyses of people go on with a sample of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status, attempt
from analysis.common.study_rows import Rows, StudyResult, require_rows, verdict
from analysis.common.wording import several
from analysis.components.component_study import (
    RULES,
    ComponentSettings,
    FoundComponents,
    facts_of_items,
    not_correlated,
    number_of,
    solution_tables,
    solve,
    weighting,
    whole_solution,
    wording_warnings,
)
from analysis.components.component_tables import (
    item_correlations_table,
    reliability_table,
    retention_table,
    scores_table,
    suitability_table,
)
from analysis.components.item_facts import ItemFacts
from analysis.components.retention import retention
from analysis.components.scale_reliability import component_sets, reliability_of_sums
from analysis.components.scores import ScoreCache, Scores, component_scores, unit_weighted_scores
from analysis.components.solution import Solution
from analysis.components.study_scores import scores_or_why
from analysis.components.suitability import suitability
from analysis.correlations.correlation import Correlations, LeftOut, correlate_counts, correlate_products, screen
from analysis.correlations.item_sums import ItemSums, sum_rows


class RowStream(Protocol):
    """Rows that can be gone through as often as wanted, some at a time; ``origin`` (p,) is near the items' means."""

    items: tuple[str, ...]
    origin: np.ndarray

    def answers(self) -> Iterator[np.ndarray]:
        """(n, p) chunks of answers, NaN where missing."""
        ...

    def rows(self) -> Iterator[Rows]:
        """The same rows with who they are of, in one order that is always the same."""
        ...


@dataclass(frozen=True, eq=False)
class FirstPass:
    """Sums over all rows (``answered``), and over those that are correlated: the same, or the complete ones."""

    answered: ItemSums
    correlated: ItemSums


@dataclass(frozen=True, eq=False)
class Streamed:
    """A stream with the sums of its first pass, and a ``sample`` of its rows whose ``whole`` says what it stands for.
    Only the sample's rows are scored where ``scored`` is False."""

    stream: RowStream
    sums: FirstPass
    sample: Rows
    scored: bool = True


def first_pass(stream: RowStream, settings: ComponentSettings) -> FirstPass:
    """The sums that an analysis with these settings needs; complete rows take a pass of their own, since items that
    hardly anybody answered must go first.

    Raises :class:`AnalysisError` for EM, whose patterns of missing answers are as many as the rows.
    """
    if settings.missing == "em":
        raise AnalysisError(
            "EM holds every pattern of missing answers and is not made of so many rows; use pairwise or complete.",
            Status.NOT_APPLICABLE,
        )
    counted = settings.correlation == "polychoric"
    if settings.missing != "complete":
        sums = sum_rows(stream.answers(), stream.items, origin=stream.origin, counted=counted)
        return FirstPass(sums, sums)
    answered = sum_rows(stream.answers(), stream.items, origin=stream.origin)
    kept = ~np.isin(answered.items, [one.item for one in _nearly_empty(answered)])
    complete = (chunk[~np.isnan(chunk[:, kept]).any(axis=1)] for chunk in stream.answers())
    return FirstPass(answered, sum_rows(complete, stream.items, origin=stream.origin, counted=counted))


def study_component_stream(
    streamed: Streamed, settings: ComponentSettings, facts: ItemFacts, seed: int
) -> tuple[StudyResult, FoundComponents | None]:
    """The tables of :func:`analysis.components.component_study.study_components` from sums, with the scores as a
    stream.

    The components, their retention and fit are those of all rows. There are no permuted data and no bootstrap. Raises
    :class:`AnalysisError` when there are too few rows.
    """
    answered = streamed.sums.answered
    require_rows(answered.n_rows, settings.min_rows)
    tried = attempt(correlate_sums, streamed.sums, settings)
    if tried.value is None:
        return not_correlated(answered.describe(), answered.n_rows, tried.status.value, tried.reason), None
    found = tried.value
    # The seeds are those of held rows, so that random data and starts are the same ones.
    seeds = np.random.SeedSequence(seed).spawn(4)
    rules = retention(
        found.matrix,
        found.n,
        replicates=settings.parallel_samples,
        level=settings.parallel_percentile / 100,
        seed=number_of(seeds[0]),
    )
    suited = suitability(found.matrix, found.n, found.items)
    chosen = RULES.get(str(settings.n_components))
    frames = {
        "suitability": suitability_table(answered.describe(), found, suited),
        "retention": retention_table(rules, chosen, settings.parallel_percentile / 100),
        "item_correlations": item_correlations_table(found, None),
    }
    so_far = facts_of_items(found)
    solved = attempt(solve, found, rules, settings, facts, number_of(seeds[1]))
    if solved.value is None:
        return StudyResult(frames, solved.status.value, solved.reason, found.warnings, so_far), None
    solution = solved.value
    scorer = _Scorer(solution, streamed.sums.correlated, settings, facts)
    scores = scorer.scores(streamed.sample)
    frames |= solution_tables(solution, None, settings, facts)
    frames["item_correlations"] = item_correlations_table(found, solution)
    consistent = reliability_of_sums(
        streamed.sums.correlated.products, component_sets(solution, settings.salience), level=settings.level
    )
    frames["reliability"] = reliability_table(consistent, "component", streamed.sample, whole_solution(solution, None))
    parts: list[Any] = [found, solution, scores]
    status, reason, warnings = verdict(parts)
    warnings = (*warnings, *wording_warnings(solution, settings, facts), *_told(streamed))
    so_far |= {"n_components": solution.n_components, "rotation": solution.rotation, "n_bootstrap": 0}
    scored = scorer.tables(streamed.stream.rows() if streamed.scored else iter([streamed.sample]))
    result = StudyResult(frames, status, reason, warnings, so_far, {"component_scores": scored})
    return result, FoundComponents(streamed.sample, solution, scores, None)


def correlate_sums(passed: FirstPass, settings: ComponentSettings) -> Correlations:
    """Correlations from sums, as :func:`analysis.correlations.correlation.correlate` makes them from rows.

    Raises :class:`AnalysisError` for polychoric ones when pairs of answers were not counted.
    """
    left_out: tuple[LeftOut, ...] | None = None
    products, counts = passed.correlated.products, passed.correlated.counts
    if settings.missing == "complete":
        empty = _nearly_empty(passed.answered)
        gone = {one.item for one in empty}
        kept, others = screen(products.select([item for item in products.items if item not in gone]))
        left_out, products = empty + others, products.select(kept)
        counts = None if counts is None else counts.select(kept)
    if settings.correlation == "polychoric":
        if counts is None:
            raise AnalysisError("Polychoric correlations need the counts of every pair of answers.")
        return correlate_counts(
            counts,
            missing=settings.missing,
            left_out=left_out,
            thresholds=settings.polychoric_thresholds,
            empty_cell=settings.empty_cell,
        )
    return correlate_products(products, missing=settings.missing, left_out=left_out)


def _nearly_empty(sums: ItemSums) -> tuple[LeftOut, ...]:
    answered = np.diag(sums.products.n)
    least = max(3.0, 0.05 * sums.n_rows)
    return tuple(
        LeftOut(item, "nearly_empty", f"{int(n)} of {several(sums.n_rows, 'row')} answered it")
        for item, n in zip(sums.items, answered, strict=True)
        if n < least
    )


def _told(streamed: Streamed) -> tuple[str, ...]:
    whole, held = streamed.sample.people["n_rows"], len(streamed.sample.answers)
    sentences = [
        f"{whole} rows were read once and not held: no bootstrap and no permuted data; with so many rows sampling "
        f"error is small. Analyses of people go on with {held} rows chosen by their pseudonyms."
    ]
    if not streamed.scored:
        sentences.append(
            f"Only these {held} rows have scores in component_scores; score_weight in loadings scores the others."
        )
    return tuple(sentences)


class _Scorer:
    """Scores rows part by part, standardised by the means and standard deviations of those that are correlated."""

    def __init__(self, solution: Solution, sums: ItemSums, settings: ComponentSettings, facts: ItemFacts) -> None:
        chosen = sums.products.select(solution.items)
        self._solution, self._settings, self._facts = solution, settings, facts
        self._mean, self._deviation = chosen.means(), np.sqrt(chosen.variances())
        self._cache = ScoreCache()

    def scores(self, rows: Rows) -> Scores:
        """Scores of some of the rows, or why there are none."""
        return scores_or_why(rows.answers, self._solution, self._settings.scores, partial(self._scored, rows))

    def _scored(self, rows: Rows) -> Scores:
        if self._settings.scores == "unit_weighted":
            ranges = self._facts.ranges
            return unit_weighted_scores(rows.answers, self._solution, salience=self._settings.salience, ranges=ranges)
        return component_scores(
            rows.answers,
            self._solution,
            weighting(self._settings),
            mean=self._mean,
            deviation=self._deviation,
            cache=self._cache,
        )

    def tables(self, parts: Iterator[Rows]) -> Iterator[pd.DataFrame]:
        """Rows of ``component_scores``, part by part."""
        for rows in parts:
            yield scores_table(rows, self._solution, self.scores(rows))
