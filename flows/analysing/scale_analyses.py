"""What the declared scales say: of outcome, of agreement, and of both raters of a dyad together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from analysis.common.study_rows import StudyResult, count_people
from analysis.outcome.outcome_study import Predictors
from analysis.two_views.both_raters import PairedViews, study_outcome_on_both, study_variance_parts
from analysis.two_views.two_views import study_scale_agreement
from flows.analysing.pair_rows import averaged, read_paired_views, total_scales
from flows.analysing.ratings import CHOSEN_BY_OUTCOME, rating_rule, scale_predictors
from flows.analysing.registry import Analysis, Input, fingerprint
from flows.analysing.rows import read_pairs, read_scales
from flows.analysing.study_plan import StudyPlan
from flows.analysing.work import pair_settings, with_warnings


def run_scale_analyses(plan: StudyPlan) -> None:
    """Outcome by the scales of each rater and agreement of all scales; the totals' variance, and outcome on both."""
    scales = read_scales(plan.con)
    for rater in plan.settings.raters:
        _outcome(plan, rater, scales)
    _agreement(plan, scales)
    totals = total_scales(plan.catalogue, scales)
    _variance_parts(plan, totals)
    _outcome_on_both(plan, totals)


def _outcome(plan: StudyPlan, rater: str, scales: tuple[str, ...]) -> None:
    analysis = plan.analysis("outcome_scales", None, rater)

    def take() -> tuple[Predictors, Input]:
        predictors = scale_predictors(plan.con, plan.catalogue, plan.settings, scales, rater, plan.dyads)
        return predictors, plan.outcome_input(analysis, predictors)

    plan.registrar.hand_over(analysis, take, partial(plan.outcome_work, analysis))


def _agreement(plan: StudyPlan, scales: tuple[str, ...]) -> None:
    analysis = plan.analysis("agreement_scales", None, "both")

    def take() -> tuple[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], Input]:
        plan.require_both()
        keys, client, therapist = read_pairs(plan.con, scales=scales, session_rule=plan.settings.session_rule)
        whole = int(client.notna().all(axis=1).sum()) if len(client) else 0
        used = fingerprint(analysis, keys, client, therapist)
        return (keys, client, therapist), Input(used, count_people(keys), whole)

    def study(pairs: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> Callable[[], StudyResult]:
        settings, dropped = pair_settings(analysis, len(pairs[0]))
        return with_warnings(partial(study_scale_agreement, *pairs, settings), dropped)

    plan.registrar.hand_over(analysis, take, study)


def _variance_parts(plan: StudyPlan, scales: tuple[str, ...]) -> None:
    analysis = plan.analysis("agreement_variance", None, "both")
    plan.registrar.hand_over(
        analysis,
        lambda: _paired_views(plan, analysis, scales),
        lambda views: partial(study_variance_parts, views, pair_settings(analysis, len(views.keys))[0]),
    )


def _outcome_on_both(plan: StudyPlan, scales: tuple[str, ...]) -> None:
    analysis = plan.analysis("outcome_both", None, "both")

    def study(views: PairedViews) -> Callable[[], StudyResult]:
        settings, dropped = pair_settings(analysis, len(views.keys))
        rule = rating_rule(plan.settings)
        views = averaged(views) if views.averaged and rule.session == "given" else views
        return with_warnings(partial(study_outcome_on_both, views, plan.outcomes, rule, plan.dyads, settings), dropped)

    plan.registrar.hand_over(analysis, lambda: _paired_views(plan, analysis, scales), study)


def _paired_views(plan: StudyPlan, analysis: Analysis, scales: tuple[str, ...]) -> tuple[PairedViews, Input]:
    plan.require_both()
    chosen = plan.settings.outcome_session
    if analysis.kind != "outcome_both" or chosen in ("same", *CHOSEN_BY_OUTCOME):
        chosen = plan.settings.session_rule
    views = read_paired_views(plan.con, scales=scales, session_rule=chosen)
    used = fingerprint(analysis, views.keys, views.client, views.therapist, plan.outcomes)
    whole = int((views.client.notna() & views.therapist.notna()).all(axis=1).sum()) if len(views.keys) else 0
    return views, Input(used, count_people(views.keys), whole)
