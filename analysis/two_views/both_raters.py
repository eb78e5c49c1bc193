"""Both raters' views at once: what of a rating is the therapist's or the dyad's, bias and tracking over sessions, and
outcome on both views (actor-partner model, response surface)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status, attempt, most_serious
from analysis.common.study_rows import StudyResult, count_people
from analysis.common.wording import several
from analysis.components.component_tables import why
from analysis.outcome.outcome_study import adjusted
from analysis.outcome.rating_choice import Chosen, RatingRule, choose
from analysis.two_views.actor_partner import ActorPartner, PathEffect, actor_partner
from analysis.two_views.one_with_many import OneWithMany, one_with_many
from analysis.two_views.response_surface import ResponseSurface, response_surface
from analysis.two_views.truth_and_bias import TruthAndBias, truth_and_bias
from analysis.two_views.two_views import PairSettings

PATHS = {
    "actor_client": ("client", "client", "actor"),
    "partner_client": ("client", "therapist", "partner"),
    "actor_therapist": ("therapist", "therapist", "actor"),
    "partner_therapist": ("therapist", "client", "partner"),
}
"""Rater of the outcome, rater of the view, and what the path is called."""

SURFACE_TESTS = ("a1", "a2", "a3", "a4", "a5")


@dataclass(frozen=True, eq=False)
class PairedViews:
    """Scores of sessions that both rated: ``client`` and ``therapist`` (n, scales), and ``keys`` of the rows, in the
    order of the dyads and their sessions. ``chosen`` (n,): the row that the session rule takes of its dyad, or where it
    is ``mean`` none: then ``averaged`` is true."""

    client: pd.DataFrame
    therapist: pd.DataFrame
    keys: pd.DataFrame
    chosen: np.ndarray
    averaged: bool


def study_variance_parts(views: PairedViews, settings: PairSettings) -> StudyResult:
    """Rows of ``agreement``: one-with-many and truth-and-bias for every scale, over all sessions both rated.

    Raises :class:`AnalysisError` when too few dyads were rated by both.
    """
    n_dyads = int(views.keys["dyad_id"].nunique())
    if n_dyads < settings.min_rows:
        raise AnalysisError(
            f"{several(n_dyads, 'dyad was', 'dyads were')} rated by both in the same session; "
            f"the study asks for at least {settings.min_rows}.",
            Status.TOO_FEW_ROWS if n_dyads else Status.NO_DATA,
        )
    rows = [row for scale in views.client.columns for row in _parts_of(views, str(scale), settings)]
    frame = adjusted(pd.DataFrame(rows))
    known = frame[frame["estimate"].notna()]
    status = Status.OK if len(known) else most_serious(frame["status"])
    reason = None if len(known) else next(iter(frame["reason"].dropna()), "Nothing could be estimated.")
    first = ~views.keys["dyad_id"].duplicated()
    dyads = views.keys[first].assign(is_used=True, outcome="", outcome_rater="", session_id=None)
    return StudyResult({"agreement": frame, "analysis_dyads": dyads}, status.value, reason)


def _parts_of(views: PairedViews, scale: str, settings: PairSettings) -> Iterator[dict[str, Any]]:
    client, therapist = (side[scale].to_numpy(dtype=float) for side in (views.client, views.therapist))
    used = np.isfinite(client) & np.isfinite(therapist)
    people = count_people(views.keys[used])
    shared = {
        "scope": "scale",
        "subject": scale,
        "other_subject": scale,
        "rater": "",
        "interval_method": "",
        "p": np.nan,
        "family": None,
        "n_dyads": int(views.keys.loc[used, "dyad_id"].nunique()),
        **people,
    }
    whose = views.keys["therapist_id"].fillna(views.keys["client_id"]).to_numpy(dtype=object)
    dyad = views.keys["dyad_id"].to_numpy(dtype=object)
    if not used.any():
        reason = "No session of this scale was rated by both."
        yield shared | {"statistic": "therapist_variance", "status": Status.NO_DATA.value, "reason": reason}
        return
    split = attempt(
        one_with_many, client[used], therapist[used], therapist=whose[used], dyad=dyad[used], level=settings.level
    )
    if split.value is None or not split.value.variances:
        reason = split.reason or "The variance cannot be split."
        yield shared | {"statistic": "therapist_variance", "status": split.status.value, "reason": reason}
    else:
        yield from (shared | row for row in _split_rows(split.value))
    for judge, judgement, truth in (("therapist", therapist, client), ("client", client, therapist)):
        drawn = attempt(
            truth_and_bias, judgement[used], truth[used], dyad=dyad[used], cluster=whose[used], level=settings.level
        )
        if drawn.value is None:
            row = {"statistic": "directional_bias", "rater": judge, "status": drawn.status.value}
            yield shared | row | {"reason": drawn.reason}
            continue
        yield from (shared | {"rater": judge} | row for row in _bias_rows(drawn.value, judge))


def _split_rows(found: OneWithMany) -> Iterator[dict[str, Any]]:
    status = {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
    for part in found.variances:
        of_rater = status | {"rater": part.rater}
        yield of_rater | {
            "statistic": f"{part.part}_variance",
            "interval_method": "cube_root",
            "estimate": part.variance,
            "standard_error": part.se,
            "lower": part.ci_lower,
            "upper": part.ci_upper,
        }
        yield of_rater | {"statistic": f"{part.part}_share", "estimate": part.share}
    for one in found.reciprocities:
        yield status | {
            "statistic": f"{one.part}_reciprocity",
            "interval_method": one.interval,
            "estimate": one.correlation,
            "lower": one.ci_lower,
            "upper": one.ci_upper,
            "p": one.p,
            "family": f"scales, {one.part} reciprocity",
        }


def _bias_rows(found: TruthAndBias, judge: str) -> Iterator[dict[str, Any]]:
    for effect in found.effects:
        yield {
            "statistic": effect.effect,
            "interval_method": "cluster_cr2",
            "estimate": effect.estimate,
            "standard_error": effect.se,
            "test_statistic": effect.t,
            "df": effect.df,
            "p": effect.p,
            "lower": effect.ci_lower,
            "upper": effect.ci_upper,
            "family": f"scales, {effect.effect} of the {judge}",
            "status": Status(effect.status).value,
            "reason": None if effect.status == Status.OK else effect.reason,
        }
    yield {
        "statistic": "tracking_sd",
        "interval_method": "q_profile",
        "estimate": found.tracking_sd,
        "lower": found.tracking_sd_ci_lower,
        "upper": found.tracking_sd_ci_upper,
        "n_dyads": found.tracking_dyads,
        "status": Status.OK.value if np.isfinite(found.tracking_sd) else Status.UNDERIDENTIFIED.value,
        "reason": None
        if np.isfinite(found.tracking_sd)
        else "Fewer than two dyads have three sessions or more that differ.",
    }


def study_outcome_on_both(
    views: PairedViews,
    outcomes: pd.DataFrame,
    rule: RatingRule,
    dyads: pd.DataFrame | None,
    settings: PairSettings,
) -> StudyResult:
    """Rows of ``outcome_effects``: for every scale and post-therapy outcome the response surface on both views, and
    for every outcome that both raters gave the actor-partner model.

    Raises :class:`AnalysisError` when there is no outcome after therapy, or none has enough dyads with both views.
    """
    after = outcomes[outcomes["phase"] == "post"]
    if not len(after):
        raise AnalysisError("No outcome was measured after therapy.", Status.NO_DATA)
    joined = pd.concat(
        [views.client.add_prefix("client:"), views.therapist.add_prefix("therapist:")], axis=1
    ).reset_index(drop=True)
    given = rule.session == "given"
    values, keys = (joined[views.chosen], views.keys[views.chosen]) if given else (joined, views.keys)
    values, keys = values.reset_index(drop=True), keys.reset_index(drop=True)
    rows: list[dict[str, Any]] = []
    logs: list[pd.DataFrame] = []
    by_outcome: dict[str, dict[str, Chosen]] = {}
    for (name, rater), measured in after.groupby(["outcome", "rater"], sort=True):
        chosen = choose(values, keys, measured, rule, dyads)
        by_outcome.setdefault(str(name), {})[str(rater)] = chosen
        logs.append(chosen.log.assign(outcome=str(name), outcome_rater=str(rater)))
        for scale in views.client.columns:
            rows += list(_surface_rows(str(name), str(rater), str(scale), chosen, settings))
    for name, raters in by_outcome.items():
        if len(raters) == 2:
            for scale in views.client.columns:
                rows += list(_path_rows(name, str(scale), raters["client"], raters["therapist"], settings))
    if not rows:
        raise AnalysisError("No dyad has both views of any scale.", Status.NO_DATA)
    frame = adjusted(pd.DataFrame(rows))
    if not frame["estimate"].notna().any():
        raise _nothing_estimated(frame, settings)
    warnings = () if any(len(raters) == 2 for raters in by_outcome.values()) else (
        "No actor-partner model: no outcome was given by both raters on the same measure.",
    )  # fmt: skip
    frames = {"outcome_effects": frame, "analysis_dyads": pd.concat(logs, ignore_index=True)}
    return StudyResult(frames, Status.OK.value, None, warnings)


def _nothing_estimated(frame: pd.DataFrame, settings: PairSettings) -> AnalysisError:
    """Why there is no estimate at all: too few dyads everywhere, or what stands in the way where there are enough."""
    others = frame[~frame["status"].isin((Status.TOO_FEW_ROWS.value, Status.NO_DATA.value))]
    if len(others):
        reason = next(iter(others["reason"].dropna()), "Nothing could be estimated.")
        return AnalysisError(f"Nothing could be estimated, for example: {reason}", most_serious(others["status"]))
    return AnalysisError(
        f"No outcome has the {settings.min_rows} dyads that the study asks for together with both views.",
        Status.TOO_FEW_ROWS,
    )


def _outcome_row(outcome: str, rater: str, model: str, scale: str, term: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "outcome_rater": rater,
        "model": model,
        "predictor": scale,
        "term": term,
        "interval_method": "",
        "predictor_rater": "both",
        "covariates": [],
        "overlap_left_out": False,
        "estimate": np.nan,
        "p": np.nan,
        "family": None,
        "status": Status.OK.value,
        "reason": None,
    }


def _few(n: int, settings: PairSettings) -> dict[str, Any] | None:
    if n >= settings.min_rows:
        return None
    reason = f"{several(n, 'dyad')} with the outcome and both views; the study asks for at least {settings.min_rows}."
    return {"status": (Status.TOO_FEW_ROWS if n else Status.NO_DATA).value, "reason": reason}


def _surface_rows(
    outcome: str, rater: str, scale: str, chosen: Chosen, settings: PairSettings
) -> Iterator[dict[str, Any]]:
    model = "response_surface"
    x, y = (chosen.values[f"{who}:{scale}"].to_numpy(dtype=float) for who in ("client", "therapist"))
    used = np.isfinite(x) & np.isfinite(y) & np.isfinite(chosen.benefit)
    people = count_people(chosen.keys[used])
    few = _few(int(used.sum()), settings)
    if few is not None:
        yield _outcome_row(outcome, rater, model, scale, "a1") | people | few
        return
    cluster = chosen.keys["therapist_id"].fillna(chosen.keys["client_id"]).to_numpy(dtype=object)
    found = response_surface(chosen.benefit, x, y, cluster=cluster, level=settings.level, name=outcome)
    said = people | {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
    for one in found.parameters:
        tested = one.parameter in SURFACE_TESTS
        yield (
            _outcome_row(outcome, rater, model, scale, one.parameter)
            | said
            | {
                "interval_method": f"cluster_{found.covariance.lower()}" if np.isfinite(one.ci_lower) else "",
                "estimate": one.estimate,
                "standard_error": one.se,
                "statistic": one.t,
                "df": one.df,
                "p": one.p,
                "lower": one.ci_lower,
                "upper": one.ci_upper,
                "family": f"{outcome} of {rater}, {model}" if tested else None,
            }
        )
    yield from (_outcome_row(outcome, rater, model, scale, term) | said | row for term, row in _fit_of(found).items())


def _fit_of(found: ResponseSurface) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {
        "variance_explained": {"estimate": found.r2},
        "share_client_higher": {"estimate": found.share_client_higher},
        "share_therapist_higher": {"estimate": found.share_therapist_higher},
    }
    for one in found.simpler:
        figures[f"{one.model}_instead"] = {"estimate": one.r2, "statistic": one.f, "df": one.df2, "p": one.p}
    return figures


def _path_rows(
    outcome: str, scale: str, of_client: Chosen, of_therapist: Chosen, settings: PairSettings
) -> Iterator[dict[str, Any]]:
    model = "actor_partner"
    x, y = (of_client.values[f"{who}:{scale}"].to_numpy(dtype=float) for who in ("client", "therapist"))
    other = pd.Series(of_therapist.benefit, index=of_therapist.keys["unit_id"]).reindex(of_client.keys["unit_id"])
    benefits = of_client.benefit, other.to_numpy(dtype=float)
    used = np.isfinite(np.column_stack([x, y, *benefits])).all(axis=1)
    people = count_people(of_client.keys[used])
    few = _few(int(used.sum()), settings)
    if few is not None:
        yield _outcome_row(outcome, "both", model, scale, "equal_paths") | people | few
        return
    cluster = of_client.keys["therapist_id"].fillna(of_client.keys["client_id"]).to_numpy(dtype=object)
    found = actor_partner(
        x, y, *benefits, cluster=cluster, n_bootstrap=settings.bootstrap, seed=settings.seed, level=settings.level
    )
    said = people | {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
    for one in found.effects:
        yield from (said | row for row in _path(found, one, outcome, scale))
    for term, figures in {
        "equal_paths": {"statistic": found.equal_statistic, "df": found.equal_df2, "p": found.equal_p},
        "distinguishable": {
            "statistic": found.distinguishable_chi2, "df": found.distinguishable_df, "p": found.distinguishable_p
        },
        "residual_correlation": {"estimate": found.residual_correlation},
        "views_correlation": {"estimate": found.x_correlation},
    }.items():  # fmt: skip
        yield _outcome_row(outcome, "both", model, scale, term) | said | figures
    for rater, value in (("client", found.r2_client), ("therapist", found.r2_therapist)):
        yield _outcome_row(outcome, rater, model, scale, "variance_explained") | said | {"estimate": value}


def _path(found: ActorPartner, one: PathEffect, outcome: str, scale: str) -> Iterator[dict[str, Any]]:
    model = "actor_partner"
    method = "cluster_cr2" if found.errors == "CR2" else "normal_theory"
    if one.effect not in PATHS:
        row = _outcome_row(outcome, "both", model, scale, one.effect)
        yield row | {
            "interval_method": method,
            "estimate": one.estimate,
            "standard_error": one.se,
            "statistic": one.statistic,
            "df": one.df,
            "p": one.p,
            "lower": one.ci_lower,
            "upper": one.ci_upper,
        }
        if np.isfinite(one.boot_ci_lower) and one.effect.startswith("ratio"):
            limits = {"lower": one.boot_ci_lower, "upper": one.boot_ci_upper, "estimate": one.estimate}
            yield row | {"interval_method": "bootstrap_therapist"} | limits
        return
    outcome_rater, view, term = PATHS[one.effect]
    # A path is standardised by the ratio of two standard deviations, and so are its error and its limits.
    scale_by = one.standardised / one.estimate if one.estimate else np.nan
    row = _outcome_row(outcome, outcome_rater, model, scale, term)
    yield row | {
        "predictor_rater": view,
        "interval_method": method,
        "estimate": one.standardised,
        "standard_error": one.se * scale_by,
        "statistic": one.statistic,
        "df": one.df,
        "p": one.p,
        "lower": one.ci_lower * scale_by,
        "upper": one.ci_upper * scale_by,
        "family": f"{outcome}, {model}",
    }
