"""Where client and therapist place different emphasis: the table ``emphasis``, by theme and by item."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.common.resampling import MapFunction
from analysis.common.status import Status
from analysis.common.study_rows import StudyResult, count_people
from analysis.common.wording import several
from analysis.components.component_study import ComponentSettings, FoundComponents, ItemFacts, resampling_rule
from analysis.components.component_tables import why
from analysis.outcome.outcome_study import adjusted
from analysis.two_views.emphasis import Emphasis, emphasis
from analysis.two_views.paired_emphasis import paired_answers, paired_emphasis

MEASURES = {
    "common_variance_share": "share_of_common_variance",
    "mean_loading": "mean_loading",
    "loading": "loading",
}


def study_emphasis(
    client: FoundComponents,
    therapist: FoundComponents,
    facts: ItemFacts,
    settings: ComponentSettings,
    seed: int,
    *,
    run: MapFunction = map,
) -> StudyResult:
    """Rows of ``emphasis`` by theme and item, on the items both rated: what their components weigh (bootstrap by
    therapist), and what they rate and rank high (paired within dyads).

    Raises :class:`AnalysisError` when fewer than two items have a theme and both raters.
    """
    missing = resampling_rule(settings)
    replicates = settings.bootstrap if missing is not None and settings.bootstrap > 1 else 0
    found = emphasis(
        client.sample,
        therapist.sample,
        facts.themes,
        facts.ranges,
        seed=seed,
        replicates=replicates,
        level=settings.level,
        missing=missing or "pairwise",
        run=run,
        by_item=True,
    )
    warnings = (*found.warnings, *client.rows.sampled)
    if not replicates:
        warnings = (*warnings, "No bootstrap: the differences in loadings have no interval and no test.")
    reason = why(found.status, warnings)
    people = pd.concat([client.rows.keys, therapist.rows.keys]).drop_duplicates("unit_id")
    # Nothing is paired here: each rater's components rest on all rows of that rater.
    weights = _weights_compared(found, facts, is_tested=replicates > 0).assign(
        n_dyads=np.nan, status=found.status, reason=reason, **count_people(people)
    )
    ours, theirs = paired_answers(client.rows.answers, client.rows.keys, therapist.rows.answers, therapist.rows.keys)
    answers = _answers_compared(client, therapist, facts, settings, ours, theirs)
    frame = pd.concat([weights, answers], ignore_index=True)
    frame["family"] = np.where(frame["level"] == "item", "items, ", "themes, ") + frame["measure"].astype(str)
    dyads = client.rows.keys.iloc[ours].assign(is_used=True, outcome="", outcome_rater="")
    return StudyResult(
        {"emphasis": adjusted(frame), "analysis_dyads": dyads.rename(columns={"form_date": "rated_on"})},
        found.status,
        reason,
        warnings,
        {"n_items": int(weights.loc[weights["level"] == "item", "subject"].nunique())},
    )


def _weights_compared(found: Emphasis, facts: ItemFacts, *, is_tested: bool) -> pd.DataFrame:
    """What themes and items weigh in the components of either rater; what answers say is not among the measures."""
    drawn = found.to_frame()
    of_items = ~drawn["theme"].isin(set(facts.themes.values()))
    weights = pd.DataFrame(
        {
            "level": np.where(of_items, "item", "theme"),
            "subject": drawn["theme"],
            "measure": np.where(of_items & (drawn["measure"] == "mean_loading"), "loading", drawn["measure"]),
            "client_estimate": drawn["client"],
            "therapist_estimate": drawn["therapist"],
            "difference": drawn["difference"],
            "standard_error": drawn["difference_se"],
            "lower": drawn["difference_lower"],
            "upper": drawn["difference_upper"],
            "p": drawn["p_value"],
            "interval_method": "bootstrap_therapist",
            "n_items": drawn["n_items"],
        }
    )
    weights = weights[weights["measure"].isin(MEASURES)].assign(measure=lambda frame: frame["measure"].map(MEASURES))
    if not is_tested:
        weights[["standard_error", "lower", "upper", "p"]] = np.nan
        weights["interval_method"] = ""
    return weights


def _answers_compared(
    client: FoundComponents,
    therapist: FoundComponents,
    facts: ItemFacts,
    settings: ComponentSettings,
    ours: np.ndarray,
    theirs: np.ndarray,
) -> pd.DataFrame:
    """Ratings and ranks of themes and items over the dyads of ``ours`` and ``theirs``; without a test where these are
    fewer than the study asks for."""
    pairs = client.rows.keys.iloc[ours].reset_index(drop=True)
    compared = paired_emphasis(
        client.rows.answers.iloc[ours].reset_index(drop=True),
        therapist.rows.answers.iloc[theirs].reset_index(drop=True),
        facts.themes,
        facts.ranges,
        cluster=pairs["therapist_id"].fillna(pairs["client_id"]).to_numpy(dtype=object),
        level=settings.level,
    )
    if len(pairs) < settings.min_rows:
        status = Status.TOO_FEW_ROWS if len(pairs) else Status.NO_DATA
        rated = several(len(pairs), "dyad was", "dyads were")
        reason = f"{rated} rated by both; the study asks for at least {settings.min_rows}."
        compared[["standard_error", "lower", "upper", "p"]] = np.nan
        compared = compared.assign(status=status.value, reason=reason)
    return compared.assign(**count_people(pairs))
