"""Rows of ``outcome_effects`` beyond correlation and regression: mixed models, effects within and between therapists,
the stepwise selection of older practice, and what an effect owes to items that overlap with outcome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.observations import is_constant
from analysis.common.status import AnalysisError, Status, attempt, most_serious
from analysis.common.study_rows import count_people
from analysis.components.component_tables import why
from analysis.outcome.mixed_models import random_intercept, within_between
from analysis.outcome.mixed_results import FixedEffect, MixedModel
from analysis.outcome.outcome_effects import EffectSettings, Outcome, effect_row
from analysis.outcome.overlap import slope_changes
from analysis.outcome.stepwise import stepwise

STEPWISE_SAID = "Stepwise selection replicates older practice: chosen and tested on the same data, its p is too small."


def mixed_rows(
    outcome: Outcome, model: str, before: np.ndarray | None, settings: EffectSettings
) -> Iterator[dict[str, Any]]:
    """Random intercepts of therapist and site (REML): slopes, and the shares of therapist and site in what is left.

    All columns are standardised, so that slopes compare with those of the regression. ``mixed_empty`` has no predictor:
    its shares are those of the outcome itself.
    """
    if before is None:
        yield from _mixed(outcome, "mixed_empty", [], None, settings)
    names = [str(name) for name in outcome.predictors.columns]
    for group in [names] if outcome.jointly else [[name] for name in names]:
        yield from _mixed(outcome, model, group, before, settings)


def _mixed(
    outcome: Outcome, model: str, names: list[str], before: np.ndarray | None, settings: EffectSettings
) -> Iterator[dict[str, Any]]:
    used, y, columns = _standardised(outcome, names, before)
    people = count_people(outcome.keys[used])
    said = {"covariates": outcome.covariates(before)} | people
    alone = "" if outcome.jointly or not names else names[0]
    keys = outcome.keys[used]
    tried = attempt(
        random_intercept,
        y,
        columns if len(columns.columns) else None,
        cluster=outcome.clusters[used],
        outer=_sites(keys),
        level=settings.level,
        name=outcome.name,
    )
    if tried.value is None:
        row = effect_row(outcome, model, alone, "therapist_share")
        yield row | said | {"status": tried.status.value, "reason": tried.reason, "family": None}
        return
    found = tried.value
    for name in names:
        yield effect_row(outcome, model, name, "slope") | said | _fixed(found, found[name])
    yield from (effect_row(outcome, model, alone, term) | said | row for term, row in _shares(found).items())


def _sites(keys: pd.DataFrame) -> np.ndarray | None:
    """The site of each row, where every therapist is of one site."""
    of_site = keys.assign(who=keys["therapist_id"].fillna(keys["client_id"])).groupby("who")["site_id"].nunique()
    return keys["site_id"].to_numpy(dtype=object) if len(of_site) and (of_site == 1).all() else None


def _standardised(
    outcome: Outcome, names: list[str], before: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Which rows are complete, the outcome (n,) and the columns (n, k) in standard deviations of these rows."""
    values = outcome.predictors[names].to_numpy(dtype=float)
    stacked = np.column_stack([outcome.values, values, *([] if before is None else [before])])
    used = np.isfinite(stacked).all(axis=1)
    kept = stacked[used]
    scaled = np.column_stack(
        [column - column.mean() if is_constant(column) else (column - column.mean()) / column.std(ddof=1)
         for column in kept.T]
    ) if len(kept) else kept  # fmt: skip
    columns = [*names, *([] if before is None else ["before"])]
    return used, scaled[:, 0], pd.DataFrame(scaled[:, 1:], columns=columns)


def _fixed(found: MixedModel, effect: FixedEffect) -> dict[str, Any]:
    status = most_serious([found.status, effect.status])
    return {
        "interval_method": "satterthwaite",
        "estimate": effect.estimate,
        "standard_error": effect.se,
        "statistic": effect.t,
        "df": effect.df,
        "p": effect.p,
        "lower": effect.ci_lower,
        "upper": effect.ci_upper,
        "status": status.value,
        "reason": why(status, found.warnings),
    }


def _shares(found: MixedModel) -> dict[str, dict[str, Any]]:
    """Therapist share with its interval and test, and the site's, each of the variance that predictors leave."""
    common = {"status": Status(found.status).value, "reason": why(found.status, found.warnings), "family": None}
    shares: dict[str, dict[str, Any]] = {
        "therapist_share": common
        | {
            "interval_method": "delta" if found.n_outer else "profile_likelihood",
            "estimate": found.icc,
            "lower": found.icc_ci_lower,
            "upper": found.icc_ci_upper,
            "p": found.cluster_p,
        }
    }
    if found.n_outer:
        shares["site_share"] = common | {"estimate": found.icc_outer}
    return shares


def within_between_rows(outcome: Outcome, settings: EffectSettings) -> Iterator[dict[str, Any]]:
    """Each predictor within therapists (their clients against each other) and between them (their means), and the
    difference of the two (contextual), standardised by the predictor's overall standard deviation."""
    names = [str(name) for name in outcome.predictors.columns]
    for group in [names] if outcome.jointly else [[name] for name in names]:
        used, y, columns = _standardised(outcome, group, None)
        people = count_people(outcome.keys[used])
        tried = attempt(
            within_between,
            y,
            columns,
            cluster=outcome.clusters[used],
            outer=_sites(outcome.keys[used]),
            level=settings.level,
            name=outcome.name,
        )
        if tried.value is None:
            row = effect_row(outcome, "within_between", group[0] if not outcome.jointly else "", "within")
            yield row | people | {"status": tried.status.value, "reason": tried.reason, "family": None}
            continue
        found = tried.value
        for effect in found.effects:
            for term in ("within", "between", "contextual"):
                row = effect_row(outcome, "within_between", effect.predictor, term)
                family = {"family": f"{row['family']}, {term}"}
                yield row | people | _fixed(found.model, getattr(effect, term)) | family


def stepwise_rows(outcome: Outcome, before: np.ndarray | None) -> Iterator[dict[str, Any]]:
    """What stepwise selection would have chosen, beside ``before`` (n,) where it is given; labelled as a replication,
    its p values belong to no family."""
    model = "stepwise" if before is None else "stepwise_adjusted"
    columns = outcome.predictors.dropna(axis=1, how="all")
    tried = attempt(stepwise, outcome.values, columns, forced=None if before is None else {"before": before})
    said: dict[str, Any] = {"covariates": outcome.covariates(before), "family": None}
    if tried.value is None:
        yield effect_row(outcome, model, "", "r_squared") | said | {"status": tried.status, "reason": tried.reason}
        return
    found = tried.value
    used = np.isfinite(outcome.values) & columns.notna().all(axis=1).to_numpy()
    said |= count_people(outcome.keys[used])
    for one in found.entered:
        row = effect_row(outcome, model, one.predictor, "slope") | said
        yield row | {
            "interval_method": "classical",
            "estimate": one.beta,
            "standard_error": one.se,
            "statistic": one.t,
            "df": found.df_residual,
            "p": one.p,
        }
        yield effect_row(outcome, model, one.predictor, "step") | said | {"estimate": one.step}
        yield effect_row(outcome, model, one.predictor, "r_squared_change") | said | {"estimate": one.r2_change}
    for name in found.left_out:
        yield (
            effect_row(outcome, model, name, "step")
            | said
            | {
                "status": Status.NOT_APPLICABLE.value,
                "reason": "Not chosen by the stepwise selection.",
            }
        )
    yield effect_row(outcome, model, "", "r_squared") | said | {"estimate": found.r2}


_NO_SLOPE = "A score does not vary, or the scores are collinear: there is no slope of its own that could change."


def overlap_change_rows(
    outcome: Outcome, without: pd.DataFrame, model: str, before: np.ndarray | None, settings: EffectSettings
) -> Iterator[dict[str, Any]]:
    """By how much each slope changes in ``without`` (n, k): the scores without the items that overlap with outcome."""
    usable = [name for name in outcome.predictors.columns if without[name].notna().any()]
    groups = [usable] if outcome.jointly else [[name] for name in usable]
    for group in groups:
        if not group:
            continue
        held = None if before is None else pd.DataFrame({"before": before})
        used = np.isfinite(outcome.values) & outcome.predictors[group].notna().all(axis=1).to_numpy()
        used &= without[group].notna().all(axis=1).to_numpy() & (True if before is None else np.isfinite(before))
        try:
            changes = slope_changes(
                outcome.values,
                outcome.predictors[group],
                without[group],
                covariates=held,
                cluster=outcome.clusters,
                level=settings.level,
            )
        except AnalysisError as error:
            told = {"status": error.status.value, "reason": str(error), "family": None, "overlap_left_out": True}
            for name in group:
                yield effect_row(outcome, model, name, "slope_change") | told
            continue
        for one in changes:
            row = effect_row(outcome, model, one.predictor, "slope_change")
            told = {} if np.isfinite(one.change) else {"status": Status.SINGULAR.value, "reason": _NO_SLOPE}
            yield (
                row
                | told
                | {
                    "covariates": outcome.covariates(before),
                    "overlap_left_out": True,
                    "interval_method": "cluster_jackknife",
                    "estimate": one.change,
                    "standard_error": one.se,
                    "df": one.df,
                    "p": one.p,
                    "lower": one.ci_lower,
                    "upper": one.ci_upper,
                    "family": f"{row['family']}, change without overlap",
                    **count_people(outcome.keys[used]),
                }
            )
