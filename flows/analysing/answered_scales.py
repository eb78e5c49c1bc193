"""Question 2 asked of the declared scales: whether a rater's scores on an instrument predict an outcome.

A family of tests is, as results.outcome_effects has it, one outcome of one rater and all scales of one rater. Each
instrument's total has a line of its own, and each family one on how many of its scales predict; lines for all scales
would say the same thing many times over, since subscales are parts of the total and of each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from analysis.common.wording import several
from flows.analysing.answered import (
    CANNOT_TELL,
    NOT_SUPPORTED,
    SUPPORTED,
    Finding,
    Row,
    by_status,
    figures_of,
    judged,
    known,
    number,
    people,
    row_key,
    tested,
)
from flows.analysing.answered_tables import Results

QUESTION = "scale_outcome"
_TABLE = "outcome_effects"
_BESIDE = (
    ("with severity before therapy held constant", "partial_correlation", False, "adjusted"),
    ("without items that ask about improvement", "correlation", True, "without_overlap"),
)


def scale_findings(results: Results) -> Iterator[Finding]:
    """For every rater's scales and outcome: how many predict it, and whether each total does."""
    for analysis in results.analyses.values():
        if analysis["kind"] != "outcome" or analysis["item_set"] is not None or analysis["rater"] == "both":
            continue
        effects = results.rows(_TABLE, f"analysis_id = '{analysis['analysis_id']}'")
        if not effects:
            yield _not_run(analysis)
        for outcome, rater in sorted({(row["outcome"], row["outcome_rater"]) for row in effects}):
            own = [row for row in effects if (row["outcome"], row["outcome_rater"]) == (outcome, rater)]
            yield from _of_outcome(analysis, own)


def totals(scales: list[str]) -> list[str]:
    """Those of ``scales`` (``instrument.scale``) that are an instrument's total; all where none is."""
    return [scale for scale in scales if scale.endswith(".total")] or scales


def _not_run(analysis: Row) -> Finding:
    return Finding(
        f"{QUESTION}.{analysis['rater']}",
        QUESTION,
        f"It cannot be told which {analysis['rater']}-rated scales predict outcome: {analysis['reason']}",
        CANNOT_TELL,
        analysis["analysis_id"],
        analysis["reason"],
    )


def _of_outcome(analysis: Row, own: list[Row]) -> Iterator[Finding]:
    name = f"{own[0]['outcome_rater']}-rated {own[0]['outcome']}"
    place = f"{own[0]['outcome_rater']}.{own[0]['outcome']}"
    tests = [row for row in own if _is(row, "correlation")]
    if not tests:
        reason = next((row["reason"] for row in own if row["reason"]), "There is no estimate.")
        yield Finding(
            f"{QUESTION}.{analysis['rater']}.{place}",
            QUESTION,
            f"It cannot be told whether {analysis['rater']}-rated scales predict {name}: {reason}",
            CANNOT_TELL,
            analysis["analysis_id"],
            reason,
            figures_of(None, n_rows=own[0]["n_rows"]),
            (row_key(_TABLE, own[0], "estimate"),),
        )
        return
    yield _how_many(analysis, tests, name, place)
    shown = set(totals([row["predictor"] for row in tests]))
    for row in tests:
        if row["predictor"] in shown:
            yield _scale(analysis, own, row, name, place)


def _how_many(analysis: Row, tests: list[Row], name: str, place: str) -> Finding:
    judgements = [judged(row)[0] for row in tests]
    n, open_ones = judgements.count(SUPPORTED), judgements.count(CANNOT_TELL)
    status = SUPPORTED if n else CANNOT_TELL if open_ones else NOT_SUPPORTED
    scales = several(len(tests), f"{analysis['rater']}-rated scale")
    said = f"{n} of {scales} {'predicts' if n == 1 else 'predict'} {name}"
    said += f" ({open_ones} cannot be told)" if open_ones else ""
    found = [row["estimate"] for row in tests if known(row["estimate"])]
    said += f": r {number(min(found))} to {number(max(found))}" if len(found) > 1 else ""
    most = max(tests, key=lambda row: row["n_rows"] or 0)
    figures = figures_of(most) | {"estimate": None, "lower": None, "upper": None, "p_adjusted": None}
    return Finding(
        f"{QUESTION}.{analysis['rater']}.{place}",
        QUESTION,
        f"{said}{people(most)}.",
        status,
        analysis["analysis_id"],
        f"{several(open_ones, 'scale')} cannot be told, and none predicts." if status == CANNOT_TELL else None,
        figures,
        tuple(row_key(_TABLE, row, "estimate") for row in tests),
    )


def _scale(analysis: Row, own: list[Row], row: Row, name: str, place: str) -> Finding:
    status, reason = judged(row)
    verb = by_status(status, "predicts", "is not shown to predict", "may or may not predict")
    said = f"{row['predictor_rater'].capitalize()}-rated {row['predictor']} {verb} {name}: r {tested(row)}"
    keys = [row_key(_TABLE, row, "estimate")]
    for words, model, without, role in _BESIDE:
        beside = next((r for r in own if _is(r, model, without) and r["predictor"] == row["predictor"]), None)
        if beside is not None and known(beside["estimate"]):
            said += f"; {words} {number(beside['estimate'])}"
            keys.append(row_key(_TABLE, beside, role))
    said += people(row).replace(",", ";", 1)
    said += "; one rater gave both" if row["predictor_rater"] == row["outcome_rater"] else "; the other rater's view"
    return Finding(
        f"{QUESTION}.{analysis['rater']}.{row['predictor']}.{place}",
        QUESTION,
        said + ".",
        status,
        analysis["analysis_id"],
        reason,
        figures_of(row),
        tuple(keys),
    )


def _is(row: Row, model: str, without: bool = False) -> bool:
    """Whether this is a correlation with the interval that allows for clients of one therapist being alike."""
    robust = row["interval_method"] == "cluster_jackknife"
    return (row["model"], row["term"]) == (model, "r") and robust and bool(row["overlap_left_out"]) == without
