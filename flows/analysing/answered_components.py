"""Question 1 as findings: how many components each rater sees, and how well they match the declared scales."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.common.wording import several
from flows.analysing.answered import (
    CANNOT_TELL,
    NOT_SUPPORTED,
    SUPPORTED,
    Finding,
    Row,
    figures_of,
    interval,
    known,
    number,
    people,
    row_key,
)
from flows.analysing.answered_tables import Results

MODERATE_RECOVERY = 0.65
"""Adjusted Rand index from which two groupings are called moderately alike (Steinley 2004, Psychol Methods 9:386)."""


def component_findings(results: Results) -> Iterator[Finding]:
    """Numbers of components of every set and rater, and their match with declared scales."""
    components = results.rows("components", "component > 0")
    for analysis in results.analyses.values():
        if analysis["kind"] == "components":
            yield _number(results, analysis, [r for r in components if r["analysis_id"] == analysis["analysis_id"]])
    for row in results.rows("correspondence", "measure = 'adjusted_rand_index'"):
        yield _match(results.analyses[row["analysis_id"]], row)


def _number(results: Results, analysis: Row, found: list[Row]) -> Finding:
    what = "all instruments joined" if analysis["item_set"] == "joint" else analysis["item_set"]
    identity = f"components.{analysis['item_set']}.{analysis['rater']}"
    who = f"{analysis['rater'].capitalize()}s"
    if not found:
        reason = analysis["reason"] or "There is no estimate."
        said = f"It cannot be told which components {who.lower()} see in {what}: {reason}"
        return Finding(identity, "components", said, CANNOT_TELL, analysis["analysis_id"], reason)
    share = sum(row["variance_share"] for row in found)
    names = [results.labels.get((analysis["analysis_id"], row["component"]), "") for row in found]
    named = "; ".join(f"{row['component']} {name}".strip() for row, name in zip(found, names, strict=True))
    said = f"{who} see {len(found)} {'component' if len(found) == 1 else 'components'} in {what}"
    carry = "carries" if len(found) == 1 else "carry"
    said += f" ({analysis['n_components_rule']} rule), which {carry} {100 * share:.0f} % of the variance: {named}"
    status = SUPPORTED if analysis["status"] == "ok" else CANNOT_TELL
    figures = figures_of(analysis | {"estimate": len(found)}, lower=None, upper=None, p_adjusted=None)
    keys = tuple(row_key("components", row, "component") for row in found)
    said += people(analysis)
    return Finding(
        identity, "components", said + ".", status, analysis["analysis_id"], analysis["reason"], figures, keys
    )


def _match(analysis: Row, row: Row) -> Finding:
    what = "all instruments joined" if analysis["item_set"] == "joint" else analysis["item_set"]
    identity = f"correspondence.{analysis['item_set']}.{analysis['rater']}"
    said = f"{analysis['rater'].capitalize()} components of {what}"
    if not known(row["estimate"]):
        reason = row["reason"] or "There is one scale only."
        said = f"It cannot be told how well {said[0].lower()}{said[1:]} match the declared scales: {reason}"
        return Finding(identity, "correspondence", said, CANNOT_TELL, analysis["analysis_id"], reason)
    low = row["lower"] if known(row["lower"]) else row["estimate"]
    high = row["upper"] if known(row["upper"]) else row["estimate"]
    status, reason = CANNOT_TELL, f"The interval holds {number(MODERATE_RECOVERY)}, a moderate match."
    if low >= MODERATE_RECOVERY:
        status, reason, verb = SUPPORTED, None, "match"
    elif high < MODERATE_RECOVERY:
        status, reason, verb = NOT_SUPPORTED, None, "match poorly"
    else:
        verb = "may or may not match"
    said += f" {verb} the declared scales: adjusted Rand index {number(row['estimate'])}{interval(row)}"
    said += f", {several(row['n_items'], 'item')}{people(analysis)}"
    return Finding(
        identity,
        "correspondence",
        said + ".",
        status,
        analysis["analysis_id"],
        reason,
        figures_of(analysis | {name: row[name] for name in ("estimate", "lower", "upper")}, p_adjusted=None),
        (row_key("correspondence", row, "estimate"),),
    )
