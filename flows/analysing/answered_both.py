"""Findings on both raters at once: whether they mirror each other, move together, and whose view predicts."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.common.wording import several
from flows.analysing.answered import (
    Finding,
    Row,
    by_status,
    dyads_of,
    figures_of,
    interval,
    judged,
    known,
    number,
    p_value,
    people,
    row_key,
    tested,
)
from flows.analysing.answered_tables import Results

MIRRORS = {
    "therapist_reciprocity": "Therapists whom clients rate higher on {what} {verb} their clients higher themselves",
    "dyad_reciprocity": "Where a client rates a therapist higher on {what} than other clients do, the therapist {verb} "
    "this client higher than others",
}


def both_findings(results: Results) -> Iterator[Finding]:
    """Reciprocity and tracking of each total, and the paths from both views to each outcome both raters gave."""
    rows = results.rows("agreement", "analysis_id = 'agreement_variance' and family is not null")
    for row in rows:
        if row["statistic"] in MIRRORS and known(row["estimate"]):
            yield _mirror(row)
    for row in rows:
        if row["statistic"] == "tracking_within" and known(row["estimate"]):
            yield _tracking(row)
    for row in results.rows("outcome_effects", "model = 'actor_partner' and term in ('actor', 'partner')"):
        yield _path(row)


def _mirror(row: Row) -> Finding:
    status, reason = judged(row)
    many = row["statistic"] == "therapist_reciprocity"
    verb = by_status(
        status,
        "rate" if many else "rates",
        "are not shown to rate" if many else "is not shown to rate",
        "may or may not rate",
    )
    said = MIRRORS[row["statistic"]].format(what=row["subject"], verb=verb)
    at_boundary = row["status"] == "boundary" and not known(row["lower"])
    said += f": r {number(row['estimate'])}{', at its limit and without an interval' if at_boundary else interval(row)}"
    said += f", adjusted p {p_value(row['p_holm'])}, {dyads_of(row['n_dyads'], row['n_therapists'])}."
    return _finding(f"mirror.{row['statistic']}.{row['subject']}", "agreement", said, status, reason, row)


def _tracking(row: Row) -> Finding:
    judge, other = row["rater"], "client" if row["rater"] == "therapist" else "therapist"
    status, reason = judged(row, bound=None)
    verb = by_status(status, "moves", "is not shown to move", "may or may not move")
    said = f"From session to session the {judge}'s rating of {row['subject']} {verb} with the {other}'s"
    said += f": slope {tested(row)}"
    said += f", {several(row['n_rows'], 'session')} of {several(row['n_dyads'], 'dyad')}."
    return _finding(f"tracking.{judge}.{row['subject']}", "agreement", said, status, reason, row)


def _path(row: Row) -> Finding:
    status, reason = judged(row)
    view, other = row["predictor_rater"], "client" if row["predictor_rater"] == "therapist" else "therapist"
    verb = by_status(status, "predicts", "is not shown to predict", "may or may not predict")
    said = f"The {view}'s view ({row['predictor']}) {verb} {row['outcome_rater']}-rated {row['outcome']} beyond the "
    said += f"{other}'s view"
    if known(row["estimate"]):
        said += f": beta {tested(row)}"
        said += people(row)
        said += "; one rater gave both." if row["term"] == "actor" else "; the other rater's view."
    else:
        said += f": {reason}"
    identity = f"path.{row['term']}.{row['outcome_rater']}.{row['outcome']}.{row['predictor']}"
    return _finding(identity, "outcome_effects", said, status, reason, row)


def _finding(identity: str, table: str, said: str, status: str, reason: str | None, row: Row) -> Finding:
    key = (row_key(table, row, "estimate"),)
    return Finding(identity, "two_views", said, status, row["analysis_id"], reason, figures_of(row), key)
