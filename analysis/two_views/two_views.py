"""Question 3: how client and therapist views relate, component by component and scale by scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.intervals import percentile_interval
from analysis.common.resampling import MissingRule
from analysis.common.status import AnalysisError, Status, attempt, most_serious
from analysis.common.study_rows import StudyResult, count_people
from analysis.common.wording import several
from analysis.components.component_study import FoundComponents
from analysis.components.component_tables import why
from analysis.outcome.association import correlate
from analysis.outcome.component_uncertainty import carry_to_each_other
from analysis.outcome.outcome_study import adjusted, correlation_intervals
from analysis.two_views.agreement import Agreement, agree
from analysis.two_views.paired_emphasis import paired_answers

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
    lost = f"{several(apart, 'dyad is', 'dyads are')} left out: the two raters' sessions are not the same."
    return _with_status(frame, (*((lost,) if apart else ()), *said, *client.rows.sampled), dyads)


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
            reason = f"{several(int(used.sum()), 'dyad')}; the study asks for at least {settings.min_rows}."
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
            f"No scale has the {several(settings.min_rows, 'dyad')} with both ratings that the study asks for.",
            Status.TOO_FEW_ROWS if len(keys) else Status.NO_DATA,
        )
    frame = adjusted(pd.DataFrame(rows))
    dyads = keys.assign(is_used=True, outcome="", outcome_rater="").rename(columns={"form_date": "rated_on"})
    frames = {"agreement": frame, "analysis_dyads": dyads}
    return StudyResult(frames, Status.OK.value, None, tuple(dict.fromkeys(warnings)))


def _require_dyads(n: int, least: int) -> None:
    if n < least:
        raise AnalysisError(
            f"{several(n, 'dyad was', 'dyads were')} rated by both in the same session; "
            f"the study asks for at least {least}.",
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
