"""Question 3: how client and therapist views relate, and where the two place different emphasis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.agreement import Agreement, agree
from analysis.association import correlate
from analysis.component_study import ComponentSettings, FoundComponents, resampling_rule
from analysis.component_tables import why
from analysis.component_uncertainty import carry_to_each_other
from analysis.congruence import Sample, bootstrap_congruence, congruence, mark
from analysis.emphasis import emphasis
from analysis.intervals import percentile_interval
from analysis.item_facts import ItemFacts
from analysis.outcome_study import adjusted, correlation_intervals
from analysis.paired_emphasis import paired_answers, paired_emphasis
from analysis.resampling import MapFunction, MissingRule
from analysis.status import AnalysisError, Status, attempt, most_serious
from analysis.study_rows import StudyResult, count_people

STATISTICS = {
    "pearson": ("pearson", "cluster_jackknife"),
    "mean_difference": ("mean_difference", "cluster_cr2"),
    "d_pooled": ("d_pooled", "normal_theory"),
    "d_difference": ("d_differences", "normal_theory"),
    "icc_a_1": ("icc_a1", "f_distribution"),
    "icc_c_1": ("icc_c1", "f_distribution"),
    "concordance": ("ccc", "fisher_z"),
    "limit_lower": ("limit_low", "student_t"),
    "limit_upper": ("limit_high", "student_t"),
}
"""Name in the results of each agreement statistic, and how its interval by formula is made."""

EMPHASIS_MEASURES = {
    "common_variance_share": "share_of_common_variance",
    "mean_loading": "mean_loading",
    "loading": "loading",
}


@dataclass(frozen=True)
class PairSettings:
    """Bootstrap samples, least dyads, level, and the seed of the bootstrap."""

    bootstrap: int
    min_rows: int
    level: float
    seed: int


def paired_scores(client: FoundComponents, therapist: FoundComponents) -> tuple[pd.DataFrame, int]:
    """Rows of ``client`` and ``therapist`` of the same dyad and session, and the dyads lost to different sessions.

    Columns: the client's keys, c1.. and t1.. (component scores).
    """
    sides = []
    for letter, found in (("c", client), ("t", therapist)):
        values = found.scores.scores
        columns = {f"{letter}{number + 1}": values[:, number] for number in range(values.shape[1])}
        side = found.rows.keys.assign(**columns)
        sides.append(side[side["dyad_id"].notna()])
    scored = [column for column in sides[1].columns if column.startswith("t") and column[1:].isdigit()]
    both = sides[0].merge(sides[1][["dyad_id", "session_id", *scored]], on="dyad_id", suffixes=("", "_other"))
    same = (both["session_id"] == both["session_id_other"]) | (
        both["session_id"].isna() & both["session_id_other"].isna()
    )
    return both[same].drop(columns="session_id_other").reset_index(drop=True), int((~same).sum())


def study_component_agreement(
    client: FoundComponents,
    therapist: FoundComponents,
    settings: PairSettings,
    missing: MissingRule | None = None,
) -> StudyResult:
    """Rows of ``agreement``: every client component with every therapist component over the dyads both rated.

    With ``missing``, the rule the components' bootstrap goes by, each correlation has an interval more, which does not
    take the loadings as known (``bootstrap_components``).

    Raises :class:`AnalysisError` when too few dyads were rated by both.
    """
    pairs, apart = paired_scores(client, therapist)
    _require_dyads(len(pairs), settings.min_rows)
    rows: list[dict[str, Any]] = []
    clusters = pairs["therapist_id"].to_numpy(dtype=object)
    for own in range(1, client.solution.n_components + 1):
        for other in range(1, therapist.solution.n_components + 1):
            used = pairs[f"c{own}"].notna() & pairs[f"t{other}"].notna()
            found = correlate(
                pairs[f"c{own}"],
                pairs[f"t{other}"],
                cluster=clusters,
                n_bootstrap=settings.bootstrap,
                seed=settings.seed,
                level=settings.level,
                names=(f"client component {own}", f"therapist component {other}"),
            )
            shared = _agreement_row("component", str(own), str(other), pairs[used]) | {
                "statistic": "pearson",
                "family": "client components with therapist components, pearson",
                "status": Status(found.status).value,
                "reason": why(found.status, found.warnings),
            }
            rows += [shared | interval for interval in correlation_intervals(found)]
    said: tuple[str, ...] = ()
    if missing is not None and settings.bootstrap > 1:
        more, said = _with_uncertain_components(client, therapist, rows, settings, missing)
        rows += more
    frame = adjusted(pd.DataFrame(rows))
    dyads = pairs.assign(is_used=True, outcome="", outcome_rater="").rename(columns={"form_date": "rated_on"})
    lost = f"{apart} dyads are left out: the two raters' sessions are not the same."
    return _with_status(frame, (*((lost,) if apart else ()), *said), dyads)


def _with_uncertain_components(
    client: FoundComponents,
    therapist: FoundComponents,
    rows: list[dict[str, Any]],
    settings: PairSettings,
    missing: MissingRule,
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The correlations of ``rows`` once more, with the bootstrap of both raters' components carried through."""
    pairs = paired_answers(client.rows.answers, client.rows.keys, therapist.rows.answers, therapist.rows.keys)
    tried = attempt(
        carry_to_each_other,
        (client.solution, client.rows.answers, client.rows.clusters),
        (therapist.solution, therapist.rows.answers, therapist.rows.clusters),
        pairs,
        methods=(client.scores.method, therapist.scores.method),
        seed=settings.seed,
        replicates=settings.bootstrap,
        missing=missing,
    )
    if tried.value is None:
        return [], (f"The components' uncertainty is not carried through: {tried.reason}",)
    lower, upper, error = percentile_interval(tried.value, settings.level)
    more = []
    for row in rows:
        if row["interval_method"] == "cluster_jackknife":
            at = int(row["subject"]) - 1, int(row["other_subject"]) - 1
            limits = {"lower": lower[at], "upper": upper[at], "standard_error": error[at], "p": np.nan}
            more.append(row | limits | {"interval_method": "bootstrap_components"})
    return more, ()


def study_scale_agreement(
    keys: pd.DataFrame, client: pd.DataFrame, therapist: pd.DataFrame, settings: PairSettings
) -> StudyResult:
    """Rows of ``agreement`` for every scale: correlation, difference, concordance and limits of the two raters.

    ``client`` and ``therapist`` (n dyads, scales) hold the scores of a session that both rated, missing where there is
    none; ``keys`` says who the dyads are. A scale with too few dyads is a row with its status. Raises
    :class:`AnalysisError` when no scale has enough.
    """
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for scale in client.columns:
        used = client[scale].notna() & therapist[scale].notna()
        shared = _agreement_row("scale", str(scale), str(scale), keys[used])
        if used.sum() < max(settings.min_rows, 1):
            reason = f"{int(used.sum())} dyads; the study asks for at least {settings.min_rows}."
            status = Status.TOO_FEW_ROWS if used.any() else Status.NO_DATA
            rows.append(shared | {"statistic": "pearson", "status": status.value, "reason": reason, "p": np.nan})
            continue
        found = agree(
            client.loc[used, scale],
            therapist.loc[used, scale],
            cluster=keys.loc[used, "therapist_id"].to_numpy(dtype=object),
            n_bootstrap=settings.bootstrap,
            seed=settings.seed,
            level=settings.level,
        )
        warnings += [f"{scale}: {sentence}" for sentence in found.warnings]
        rows += [shared | row for row in _statistics(found)]
    if not any("estimate" in row for row in rows):
        raise AnalysisError(
            f"No scale has the {settings.min_rows} dyads with both ratings that the study asks for.",
            Status.TOO_FEW_ROWS if len(keys) else Status.NO_DATA,
        )
    frame = adjusted(pd.DataFrame(rows))
    dyads = keys.assign(is_used=True, outcome="", outcome_rater="").rename(columns={"form_date": "rated_on"})
    frames = {"agreement": frame, "analysis_dyads": dyads}
    return StudyResult(frames, Status.OK.value, None, tuple(dict.fromkeys(warnings)))


def _require_dyads(n: int, least: int) -> None:
    if n < least:
        raise AnalysisError(
            f"{n} dyads were rated by both in the same session; the study asks for at least {least}.",
            Status.TOO_FEW_ROWS if n else Status.NO_DATA,
        )


def _agreement_row(scope: str, subject: str, other: str, people: pd.DataFrame) -> dict[str, Any]:
    counted = count_people(people)
    return {
        "scope": scope,
        "subject": subject,
        "other_subject": other,
        "rater": "",
        "interval_method": "",
        "family": None,
        "n_dyads": counted["n_rows"],
        **counted,
    }


def _statistics(found: Agreement) -> Iterator[dict[str, Any]]:
    status = {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
    for one in found.statistics:
        name, method = STATISTICS[one.statistic]
        if found.n_clusters < 2 and method.startswith("cluster"):
            method = "fisher_z" if name == "pearson" else "student_t"
        yield status | {
            "statistic": name,
            "interval_method": method,
            "estimate": one.estimate,
            "lower": one.ci_lower,
            "upper": one.ci_upper,
            "p": one.p,
            "family": None if np.isnan(one.p) else f"scales, {name}",
        }
        if found.n_bootstrap:
            yield status | {
                "statistic": name,
                "interval_method": "bootstrap_therapist",
                "estimate": one.estimate,
                "standard_error": one.boot_se,
                "lower": one.boot_ci_lower,
                "upper": one.boot_ci_upper,
                "p": np.nan,
            }


def _with_status(frame: pd.DataFrame, warnings: tuple[str, ...], dyads: pd.DataFrame) -> StudyResult:
    status = most_serious(frame["status"])
    reasons = frame.loc[frame["status"] == status, "reason"].dropna()
    return StudyResult(
        {"agreement": frame, "analysis_dyads": dyads},
        status.value,
        None if status is Status.OK else next(iter(reasons), None),
        warnings,
    )


def study_congruence(
    client: FoundComponents,
    therapist: FoundComponents,
    other_analysis_id: str,
    settings: ComponentSettings,
    seed: int,
    *,
    run: MapFunction = map,
) -> StudyResult:
    """Rows of ``congruence``: every pair of components as they are, and the matched pairs after rotation to a target.

    Intervals are those of a bootstrap in which both raters' rows of a therapist are drawn together. Raises
    :class:`AnalysisError` when the raters share fewer than two items.
    """
    missing = resampling_rule(settings)
    estimate = congruence(client.solution, therapist.solution)
    matched = estimate.to_frame()
    status, warnings = estimate.status, estimate.warnings
    if settings.bootstrap > 1 and missing is not None:
        drawn = bootstrap_congruence(
            _sample(client),
            _sample(therapist),
            seed=seed,
            replicates=settings.bootstrap,
            level=settings.level,
            missing=missing,
            run=run,
        )
        matched, status, warnings = drawn.to_frame(), drawn.status, drawn.warnings
    elif settings.bootstrap > 1:
        warnings = (*warnings, "No bootstrap intervals: they are made for Pearson correlations of answered items only.")
    limits = ["left_component", "right_component", "congruence_lower", "congruence_upper"]
    as_found = estimate.table_frame().rename(columns={"matched": "is_matched"})
    if "congruence_lower" in matched:
        as_found = as_found.merge(matched[limits], on=limits[:2], how="left")
    rotated = matched[["left_component", "right_component"]].assign(
        congruence=matched["congruence_after_rotation"],
        congruence_lower=matched.get("congruence_after_rotation_lower", np.nan),
        congruence_upper=matched.get("congruence_after_rotation_upper", np.nan),
        is_matched=True,
    )
    frame = pd.concat([as_found.assign(alignment="as_rotated"), rotated.assign(alignment="target")], ignore_index=True)
    frame = frame.rename(
        columns={
            "left_component": "component",
            "right_component": "other_component",
            "congruence_lower": "lower",
            "congruence_upper": "upper",
        }
    )
    frame = frame.assign(
        other_analysis_id=other_analysis_id,
        site_id="",
        comparison="raters",
        # A column's sign is arbitrary, so what counts is the size.
        mark=[mark(abs(value)) for value in frame["congruence"]],
        n_items=len(estimate.items),
        status=status,
        reason=why(status, warnings),
    )
    return StudyResult({"congruence": frame}, status, why(status, warnings), warnings, {"n_items": len(estimate.items)})


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
    replicates = settings.bootstrap if missing is not None else 0
    found = emphasis(
        _sample(client),
        _sample(therapist),
        facts.themes,
        facts.ranges,
        seed=seed,
        replicates=max(replicates, 1),
        level=settings.level,
        missing=missing or "pairwise",
        run=run,
        by_item=True,
    )
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
    weights = weights[weights["measure"].isin(EMPHASIS_MEASURES)].assign(
        measure=lambda frame: frame["measure"].map(EMPHASIS_MEASURES)
    )
    warnings = found.warnings
    if replicates < 2:
        weights[["standard_error", "lower", "upper", "p"]] = np.nan
        weights["interval_method"] = ""
        warnings = (*warnings, "No bootstrap: the differences in loadings have no interval and no test.")
    ours, theirs = paired_answers(client.rows.answers, client.rows.keys, therapist.rows.answers, therapist.rows.keys)
    people = pd.concat([client.rows.keys, therapist.rows.keys]).drop_duplicates("unit_id")
    reason = why(found.status, warnings)
    weights = weights.assign(n_dyads=len(ours), status=found.status, reason=reason, **count_people(people))
    answers = _answers_compared(client, therapist, facts, settings, ours, theirs)
    frame = pd.concat([weights, answers], ignore_index=True)
    frame["family"] = np.where(frame["level"] == "item", "items, ", "themes, ") + frame["measure"].astype(str)
    dyads = client.rows.keys.iloc[ours].assign(is_used=True, outcome="", outcome_rater="")
    return StudyResult(
        {"emphasis": adjusted(frame), "analysis_dyads": dyads.rename(columns={"form_date": "rated_on"})},
        found.status,
        reason,
        warnings,
        {"n_items": int(drawn.loc[of_items, "theme"].nunique())},
    )


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
        reason = f"{len(pairs)} dyads were rated by both; the study asks for at least {settings.min_rows}."
        compared[["standard_error", "lower", "upper", "p"]] = np.nan
        compared = compared.assign(status=status.value, reason=reason)
    return compared.assign(**count_people(pairs))


def _sample(found: FoundComponents) -> Sample:
    return Sample(found.solution, found.rows.answers, list(found.rows.clusters))
