"""Question 2: which components, or scale scores, of a rater predict each post-therapy outcome.

Every outcome gets correlations (with three kinds of interval), the regression on all components at once with standard
errors robust to therapists, mixed models with the therapist's share of variance, effects within and between therapists,
and, where there is a measure before therapy, the same adjusted for it. Prediction is all that these figures can show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.intervals import percentile_interval
from analysis.common.multiplicity import adjust_families
from analysis.common.status import AnalysisError, Status, attempt
from analysis.common.study_rows import Rows, StudyResult, count_people
from analysis.common.wording import several
from analysis.outcome.component_uncertainty import Carried
from analysis.outcome.outcome_effects import (
    EffectSettings,
    Outcome,
    correlation_intervals,
    correlation_rows,
    effect_row,
    regression_rows,
)
from analysis.outcome.outcome_models import (
    STEPWISE_SAID,
    mixed_rows,
    overlap_change_rows,
    stepwise_rows,
    within_between_rows,
)
from analysis.outcome.rating_choice import Chosen, RatingRule, choose, matched

__all__ = ["OutcomeSettings", "Predictors", "adjusted", "correlation_intervals", "matched", "study_outcomes"]

FAMILY = ["family", "interval_method"]
OutcomeSettings = EffectSettings


@dataclass(frozen=True, eq=False)
class Predictors:
    """What predicts: ``values`` (n, k) named as the table names predictors, in the rows of ``rows``.

    A unit has several rows where ``rule`` chooses among its sessions. ``without_overlap``: the same scores without the
    items ``overlapping``, which ask about improvement; None where no item does. ``carry`` bootstraps the components
    along with an outcome given for the rows (n,); None where loadings are taken as known. ``dyads``: all dyads of the
    study, see :func:`analysis.outcome.rating_choice.choose`.
    """

    values: pd.DataFrame
    rows: Rows
    rater: str
    jointly: bool
    rule: RatingRule = field(default_factory=RatingRule)
    dyads: pd.DataFrame | None = None
    without_overlap: pd.DataFrame | None = None
    overlapping: tuple[str, ...] = ()
    carry: Callable[[np.ndarray], Carried] | None = None


def study_outcomes(predictors: Predictors, outcomes: pd.DataFrame, settings: OutcomeSettings) -> StudyResult:
    """Rows of ``outcome_effects`` and ``analysis_dyads`` for every outcome measured after therapy.

    ``outcomes`` has one row per unit, outcome, rater and phase (unit_id, client_id, dyad_id, outcome, rater, phase,
    benefit, form_date). What the rule leaves out or flags is counted in a warning. Raises :class:`AnalysisError` when
    no outcome was measured after therapy.
    """
    after = outcomes[outcomes["phase"] == "post"]
    if not len(after):
        raise AnalysisError("No outcome was measured after therapy.", Status.NO_DATA)
    before = outcomes[outcomes["phase"] == "pre"]
    rows: list[dict[str, Any]] = []
    logs: list[pd.DataFrame] = []
    warnings = [*([STEPWISE_SAID] if predictors.jointly else []), *predictors.rows.sampled]
    for (name, rater), measured in after.groupby(["outcome", "rater"], sort=True):
        chosen = choose(predictors.values, predictors.rows.keys, measured, predictors.rule, predictors.dyads)
        warnings += _about(chosen, f"{name} of the {rater}", predictors.rule)
        logs.append(chosen.log.assign(outcome=str(name), outcome_rater=str(rater)))
        covariate, covariate_name = _before(chosen.keys, before, str(name), str(rater))
        one = Outcome(
            name=str(name),
            rater=str(rater),
            values=chosen.benefit,
            before=covariate,
            before_name=covariate_name,
            predictors=chosen.values,
            predictor_rater=predictors.rater,
            keys=chosen.keys,
            jointly=predictors.jointly,
        )
        without = None if predictors.without_overlap is None else _without_overlap(predictors, chosen, measured)
        found = list(_effects(one, without, settings, warnings))
        rows += found
        if predictors.carry is not None:
            rows += list(_with_uncertain_components(found, predictors, chosen, settings, warnings))
    frame = adjusted(pd.DataFrame(rows))
    ran = frame[frame["term"] != ""]
    if not len(ran):
        raise AnalysisError(
            f"No outcome has the {several(settings.min_rows, 'row')} with predictors that the study asks for.",
            Status.TOO_FEW_ROWS,
        )
    if predictors.overlapping and predictors.without_overlap is not None:
        named = ", ".join(predictors.overlapping)
        warnings.append(f"Items that ask about improvement are left out where overlap_left_out is true: {named}.")
    frames = {"outcome_effects": frame, "analysis_dyads": pd.concat(logs, ignore_index=True)}
    return StudyResult(frames, Status.OK.value, None, tuple(dict.fromkeys(warnings)))


def adjusted(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with p_holm and p_bh within each family and kind of interval; rows without a family have none."""
    found = adjust_families(frame, FAMILY).drop(columns="family_size")
    found.loc[found["family"].isna(), ["p_holm", "p_bh"]] = np.nan
    return found


def _about(chosen: Chosen, what: str, rule: RatingRule) -> Iterator[str]:
    if chosen.n_after:
        done = "used all the same" if rule.after == "flag" and rule.session == "given" else "left out"
        dyads = several(chosen.n_after, "dyad has", "dyads have")
        yield f"{what}: {dyads} no rating of the alliance before it; a later one is {done}."
    if chosen.n_undated:
        dyads = several(chosen.n_undated, "dyad lacks", "dyads lack")
        yield f"{what}: {dyads} a date that would tell whether the alliance was rated before it."


def _without_overlap(predictors: Predictors, chosen: Chosen, measured: pd.DataFrame) -> pd.DataFrame:
    """The scores without overlapping items, of the same ratings as ``chosen``."""
    assert predictors.without_overlap is not None
    if predictors.rule.session != "mean_before":
        return predictors.without_overlap.iloc[chosen.at].reset_index(drop=True)
    again = choose(predictors.without_overlap, predictors.rows.keys, measured, predictors.rule, predictors.dyads)
    return again.values


def _before(keys: pd.DataFrame, before: pd.DataFrame, name: str, rater: str) -> tuple[np.ndarray | None, str]:
    """The same measure before therapy, or else the rater's measure that most rows have; None without any."""
    same_rater = before[before["rater"] == rater]
    own = same_rater[same_rater["outcome"] == name]
    if not len(own) and len(same_rater):
        sizes = same_rater.groupby("outcome", sort=True).size()
        own = same_rater[same_rater["outcome"] == sizes.idxmax()]
    if not len(own):
        return None, ""
    return matched(keys, own)["benefit"].to_numpy(dtype=float), str(own["outcome"].iloc[0])


def _effects(
    outcome: Outcome, without: pd.DataFrame | None, settings: OutcomeSettings, warnings: list[str]
) -> Iterator[dict[str, Any]]:
    usable = np.isfinite(outcome.values) & np.isfinite(outcome.predictors.to_numpy(dtype=float)).any(axis=1)
    if usable.sum() < settings.min_rows:
        yield effect_row(outcome, "correlation", "", "") | {
            "status": (Status.TOO_FEW_ROWS if usable.any() else Status.NO_DATA).value,
            "reason": f"{several(int(usable.sum()), 'row')}; the study asks for at least {settings.min_rows}.",
            **count_people(outcome.keys[usable]),
        }
        return
    yield from _models(outcome, without, None, settings, warnings)
    if outcome.before is None:
        return
    kept = int((usable & np.isfinite(outcome.before)).sum())
    if kept < settings.min_rows:
        warnings.append(
            f"{outcome.name} of the {outcome.rater} is not adjusted for {outcome.before_name} before therapy: "
            f"{several(kept, 'row has', 'rows have')} both."
        )
        return
    yield from _models(outcome, without, outcome.before, settings, warnings)


def _models(
    outcome: Outcome,
    without: pd.DataFrame | None,
    before: np.ndarray | None,
    settings: OutcomeSettings,
    warnings: list[str],
) -> Iterator[dict[str, Any]]:
    correlation, tail = ("correlation", "") if before is None else ("partial_correlation", "_adjusted")
    said = {"covariates": outcome.covariates(before)}
    versions = [outcome] if without is None else [outcome, outcome.with_predictors(without)]
    for one in versions:
        for name in one.predictors.columns:
            if one.overlap_left_out and _same(outcome.predictors[name], one.predictors[name]):
                continue  # a scale without such items is the same with and without them
            for row in correlation_rows(one, str(name), correlation, before, settings):
                yield row | said
        if one.jointly:
            for row in regression_rows(one, f"regression{tail}", before, settings, warnings):
                yield row | said
    if without is not None:
        model = f"regression{tail}" if outcome.jointly else correlation
        yield from overlap_change_rows(outcome, without, model, before, settings)
    yield from mixed_rows(outcome, f"mixed{tail}", before, settings)
    if before is None:
        yield from within_between_rows(outcome, settings)
    if outcome.jointly:
        yield from stepwise_rows(outcome, before)


def _with_uncertain_components(
    rows: list[dict[str, Any]],
    predictors: Predictors,
    chosen: Chosen,
    settings: OutcomeSettings,
    warnings: list[str],
) -> Iterator[dict[str, Any]]:
    """The correlations and slopes of ``rows`` once more, with intervals that do not take the loadings as known."""
    assert predictors.carry is not None
    plain = [row for row in rows if not row["overlap_left_out"] and row.get("interval_method")]
    wanted = [
        row
        for row in plain
        if (row["model"], row["term"]) == ("regression", "slope")
        or (row["model"] == "correlation" and row["interval_method"] == "cluster_jackknife")
    ]
    if not wanted:
        return
    outcome = np.full(len(predictors.values), np.nan)
    outcome[chosen.at] = chosen.benefit
    tried = attempt(predictors.carry, outcome)
    if tried.value is None:
        warnings.append(f"The components' uncertainty is not carried through: {tried.reason}")
        return
    names = [str(name) for name in predictors.values.columns]
    for row in wanted:
        drawn = tried.value.slopes if row["term"] == "slope" else tried.value.correlations
        lower, upper, error = percentile_interval(drawn[:, names.index(row["predictor"])], settings.level)
        interval = {"lower": float(lower), "upper": float(upper), "standard_error": float(error)}
        yield row | interval | {
            "interval_method": "bootstrap_components", "p": np.nan, "statistic": np.nan, "df": np.nan
        }  # fmt: skip


def _same(one: pd.Series, other: pd.Series) -> bool:
    return bool(np.array_equal(one.to_numpy(dtype=float), other.to_numpy(dtype=float), equal_nan=True))
