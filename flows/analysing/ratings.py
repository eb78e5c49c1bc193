"""The ratings that predict outcomes, by the study's rule: which session, which dyad, with and without overlap."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import duckdb
import numpy as np
import pandas as pd

from analysis.common.resampling import MissingRule
from analysis.common.study_rows import Rows
from analysis.components.component_study import FoundComponents
from analysis.outcome.component_uncertainty import Carried, carry_to_outcome
from analysis.outcome.outcome_study import Predictors
from analysis.outcome.rating_choice import RatingRule, SessionChoice
from analysis.outcome.rescoring import rescored, score_columns
from flows.analysing.catalogue import Catalogue
from flows.analysing.rows import read_rows, read_scores
from flows.settings.analysis_settings import AnalysisSettings

CHOSEN_BY_OUTCOME = ("last_before", "mean_before")


def rating_rule(settings: AnalysisSettings) -> RatingRule:
    """The rule in the words of the analyses."""
    session = settings.outcome_session if settings.outcome_session in CHOSEN_BY_OUTCOME else "given"
    return RatingRule(cast("SessionChoice", session), settings.outcome_dyad, settings.outcome_after)


def component_predictors(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    settings: AnalysisSettings,
    found: FoundComponents,
    rater: str,
    dyads: pd.DataFrame,
    bootstrap: tuple[int, int] = (0, 0),
) -> Predictors:
    """Component scores of the ratings the rule asks for; the components are those found by the session rule.

    ``bootstrap``: replicates and seed of the components' bootstrap, where the study asks to carry it through.
    """
    rows = found.rows
    if settings.outcome_session != "same":
        items = tuple(str(item) for item in found.rows.answers.columns)
        rows = read_rows(
            con,
            rater=rater,
            items=items,
            instruments=catalogue.instruments_of(items),
            session_rule=settings.outcome_session,
            each_session=settings.outcome_session in CHOSEN_BY_OUTCOME,
        )
    ranges = catalogue.item_facts().ranges
    same = rows is found.rows
    values = (
        score_columns(found.scores.scores)
        if same
        else rescored(found, rows.answers, salience=settings.salience, ranges=ranges)
    )
    overlapping = tuple(item for item in found.solution.items if bool(catalogue.items.loc[item, "overlaps_outcome"]))
    without = None
    if overlapping and len(overlapping) < len(found.solution.items):
        without = rescored(found, rows.answers, salience=settings.salience, ranges=ranges, without=overlapping)
    carry = _carrier(found, settings, *bootstrap) if same and bootstrap[0] > 1 else None
    return Predictors(values, rows, rater, True, rating_rule(settings), dyads, without, overlapping, carry)


def _carrier(
    found: FoundComponents, settings: AnalysisSettings, replicates: int, seed: int
) -> Callable[[np.ndarray], Carried]:
    missing: MissingRule = "complete" if settings.missing == "complete" else "pairwise"
    return partial(
        carry_to_outcome,
        found.solution,
        found.rows.answers,
        clusters=found.rows.clusters,
        method=found.scores.method,
        seed=seed,
        replicates=replicates,
        missing=missing,
    )


def scale_predictors(
    con: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    settings: AnalysisSettings,
    scales: tuple[str, ...],
    rater: str,
    dyads: pd.DataFrame,
) -> Predictors:
    """Scale scores of the ratings the rule asks for."""
    each = settings.outcome_session in CHOSEN_BY_OUTCOME
    rule = settings.session_rule if settings.outcome_session == "same" else settings.outcome_session

    def scores(without_overlap: tuple[str, ...] = ()) -> Rows:
        return read_scores(
            con, rater=rater, scales=scales, session_rule=rule, each_session=each, without_overlap=without_overlap
        )

    members = catalogue.scales.assign(scale=catalogue.scales["instrument_id"] + "." + catalogue.scales["scale_id"])
    members = members[members["scale"].isin(scales)].join(catalogue.items["overlaps_outcome"], on="item_id")
    polluted = members[members["overlaps_outcome"].astype(bool)]
    rows = scores()
    without = scores(tuple(sorted(set(polluted["scale"])))).answers if len(polluted) else None
    overlapping = tuple(sorted(set(polluted["item_id"])))
    return Predictors(rows.answers, rows, rater, False, rating_rule(settings), dyads, without, overlapping)
