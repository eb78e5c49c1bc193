"""Question 2 as findings: which components predict which outcome, and what of it is the therapist's."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.common.wording import several
from flows.analysing.answered import (
    CANNOT_TELL,
    NOT_SUPPORTED,
    SUPPORTED,
    Finding,
    Row,
    RowKey,
    by_status,
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

_TABLE = "outcome_effects"
_REML = "level = 'pooled' and method = 'reml_knapp_hartung'"


def outcome_findings(results: Results) -> Iterator[Finding]:
    """One line per component and outcome, and one per outcome on how many of a rater's components predict it."""
    pooled = {row["effect"]: row for row in results.rows("site_effects", _REML)}
    for analysis in results.of_kind("outcome"):
        effects = results.rows(_TABLE, f"analysis_id = '{analysis['analysis_id']}'")
        if not effects:
            yield _not_run(analysis)
            continue
        for outcome, rater in sorted({(row["outcome"], row["outcome_rater"]) for row in effects}):
            own = [row for row in effects if (row["outcome"], row["outcome_rater"]) == (outcome, rater)]
            yield from _of_outcome(results, analysis, own, pooled)
    yield from _therapist_shares(results)


def _not_run(analysis: Row) -> Finding:
    return Finding(
        f"outcome.{analysis['item_set']}.{analysis['rater']}",
        "outcome",
        f"It cannot be told which {analysis['rater']} components predict outcome: {analysis['reason']}",
        CANNOT_TELL,
        analysis["analysis_id"],
        analysis["reason"],
    )


def _of_outcome(results: Results, analysis: Row, own: list[Row], pooled: dict[str, Row]) -> Iterator[Finding]:
    first = own[0]
    outcome, rater, predictor_rater = first["outcome"], first["outcome_rater"], analysis["rater"]
    name = f"{rater}-rated {outcome}"
    slopes = [row for row in own if _is(row, "regression", "slope")]
    if not slopes:
        reason = next((row["reason"] for row in own if row["reason"]), "There is no estimate.")
        yield Finding(
            f"outcome.{analysis['item_set']}.{predictor_rater}.{rater}.{outcome}",
            "outcome",
            f"It cannot be told whether {predictor_rater} components predict {name}: {reason}",
            CANNOT_TELL,
            analysis["analysis_id"],
            reason,
            figures_of(None, n_rows=first["n_rows"]),
            (row_key(_TABLE, first, "estimate"),),
        )
        return
    yield _how_many(analysis, own, slopes, name)
    for slope in slopes:
        site = pooled.get(f"{predictor_rater}.{slope['predictor']}.{rater}.{outcome}")
        yield _component(results, analysis, own, slope, site, name)


def _how_many(analysis: Row, own: list[Row], slopes: list[Row], name: str) -> Finding:
    judgements = [judged(slope)[0] for slope in slopes]
    n = judgements.count(SUPPORTED)
    open_ones = judgements.count(CANNOT_TELL)
    status = SUPPORTED if n else CANNOT_TELL if open_ones else NOT_SUPPORTED
    explained = next((row for row in own if _is(row, "regression", "r_squared")), None)
    beyond = next((row for row in own if _is(row, "regression_adjusted", "r_squared_added")), None)
    stepwise = [row for row in own if row["model"] == "stepwise" and row["term"] == "slope"]
    said = f"{n} of {len(slopes)} {analysis['rater']} components {'predicts' if n == 1 else 'predict'} {name}"
    said += f" ({open_ones} cannot be told)" if open_ones else ""
    if explained and known(explained["estimate"]):
        said += f": R2 {number(explained['estimate'])}"
        if beyond and known(beyond["estimate"]):
            said += f", {number(beyond['estimate'])} beyond severity before therapy"
    said += people(slopes[0])
    said += f"; stepwise selection, as older practice had it, would keep {len(stepwise)}"
    keys = [row_key(_TABLE, row, role) for row, role in ((explained, "r_squared"), (beyond, "adjusted")) if row]
    keys += [row_key(_TABLE, row, "estimate") for row in slopes]
    keys += [row_key(_TABLE, row, "stepwise") for row in stepwise]
    figures = figures_of(slopes[0]) | {"estimate": None, "lower": None, "upper": None, "p_adjusted": None}
    figures |= {"estimate": explained["estimate"]} if explained else {}
    return Finding(
        f"outcome.{analysis['item_set']}.{analysis['rater']}.{slopes[0]['outcome_rater']}.{slopes[0]['outcome']}",
        "outcome",
        said + ".",
        status,
        analysis["analysis_id"],
        f"Of {several(open_ones, 'component')} it cannot be told, and none predicts."
        if status == CANNOT_TELL
        else None,
        figures,
        tuple(keys),
    )


def _component(results: Results, analysis: Row, own: list[Row], slope: Row, site: Row | None, name: str) -> Finding:
    status, reason = judged(slope)
    predictor = slope["predictor"]
    component = results.component(analysis["rater"], int(predictor.removeprefix("component_")), analysis["item_set"])
    verb = by_status(status, f"predicts {name}", f"is not shown to predict {name}", f"may or may not predict {name}")
    if known(slope["estimate"]):
        said = f"{component} {verb}: beta {tested(slope)}"
    else:
        said = f"{component} {verb}: {(reason or 'There is no estimate.').rstrip('.')}"
    keys: list[RowKey] = [row_key(_TABLE, slope, "estimate")]
    more = [
        ("with severity before therapy held constant", "regression_adjusted", "slope", False, "adjusted"),
        ("in a mixed model", "mixed", "slope", False, "mixed"),
        ("without items that ask about improvement", "regression", "slope", True, "without_overlap"),
    ]
    for words, model, term, without, role in more:
        row = next((r for r in own if _is(r, model, term, without) and r["predictor"] == predictor), None)
        if row is not None and known(row["estimate"]):
            said += f"; {words} {number(row['estimate'])}"
            keys.append(row_key(_TABLE, row, role))
    said += people(slope).replace(",", ";", 1)
    if site is not None and known(site["i2"]):
        said += f", I2 {100 * site['i2']:.0f} %"
        keys.append(row_key("site_effects", site, "sites"))
    said += (
        "; one rater gave both" if slope["predictor_rater"] == slope["outcome_rater"] else "; the other rater's view"
    )
    return Finding(
        f"outcome.{analysis['item_set']}.{analysis['rater']}.{predictor}.{slope['outcome_rater']}.{slope['outcome']}",
        "outcome",
        said + ".",
        status,
        analysis["analysis_id"],
        reason,
        figures_of(slope, i2=None if site is None else site["i2"]),
        tuple(keys),
    )


def _therapist_shares(results: Results) -> Iterator[Finding]:
    """How much of an outcome lies between therapists; tested one by one, not in a family."""
    seen = set()
    for row in results.rows(_TABLE, "model = 'mixed_empty' and term = 'therapist_share'"):
        which = (row["outcome"], row["outcome_rater"])
        analysis = results.analyses[row["analysis_id"]]
        if which in seen or analysis["item_set"] is None:
            continue
        seen.add(which)
        status, reason = judged(row | {"p_holm": row["p"]}, bound=None)
        verb = by_status(status, "differ", "are not shown to differ", "may or may not differ")
        said = f"Therapists {verb} in {row['outcome_rater']}-rated {row['outcome']}"
        if known(row["estimate"]):
            said += f": {100 * row['estimate']:.0f} % of its variance lies between them{interval(row)}"
            said += f", p {p_value(row['p'])}{people(row)}"
        elif reason:
            said += f": {reason.rstrip('.')}"
        yield Finding(
            f"therapist_share.{row['outcome_rater']}.{row['outcome']}",
            "outcome",
            said + ".",
            status,
            row["analysis_id"],
            reason,
            figures_of(row) | {"p_adjusted": None},
            (row_key(_TABLE, row, "estimate"),),
        )


def _is(row: Row, model: str, term: str, without: bool = False) -> bool:
    """Whether this is the row of the term itself; its second interval, of uncertain components, is a row of its own."""
    is_term = row["model"] == model and row["term"] == term and row["interval_method"] != "bootstrap_components"
    return is_term and bool(row["overlap_left_out"]) == without
