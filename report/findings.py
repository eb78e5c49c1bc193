"""What the analyses answer of the study's questions: one sentence each, with how sure it is."""

from __future__ import annotations

from report import words
from report.content import Block, Cell, Heading, Section, Text, Tone, foldable, table
from report.warehouse import Row, Warehouse

_FINDINGS = """
select findings.finding_number, findings.question, findings.sentence, findings.status, findings.reason, changes.kind
from results.findings as findings
left join meta.changes as changes
    on changes.finding_id = findings.finding_id
    and changes.refresh_id = (select max(refresh_id) from meta.refreshes)
order by findings.finding_number
"""

_QUESTIONS = {
    "components": "Which components do clients, and which do therapists, see?",
    "correspondence": "How well do they match the declared scales?",
    "outcome": "Which components predict outcome?",
    "scale_outcome": "Do the declared scales predict outcome?",
    "two_views": "How do the two views relate?",
    "emphasis": "Where do the two place different emphasis?",
}
_TONES: dict[str, Tone] = {"supported": "good", "cannot_tell": "notice"}


def section(warehouse: Warehouse) -> Section:
    """A table per question; ``changed`` where the last refresh changed the answer."""
    title = "Findings"
    rows = warehouse.rows(_FINDINGS)
    if not rows:
        text = "There is no finding: see “Analyses” for what ran and why not."
        return Section("findings", title, (Text(text, "empty"),))
    counted = {status: sum(row["status"] == status for row in rows) for status in ("supported", "not_supported")}
    blocks: list[Block] = [
        Text(
            f"{words.count(len(rows))} findings: {words.count(counted['supported'])} supported, "
            f"{words.count(counted['not_supported'])} not supported, "
            f"{words.count(len(rows) - sum(counted.values()))} cannot be told. Supported means an adjusted p below .05 "
            "within its family; cannot tell, that the data are too few to speak for or against. Prediction and "
            "association, never cause. `alliance findings` prints the same; `results.finding_rows` leads to the rows."
        )
    ]
    for question, asked in _QUESTIONS.items():
        own = [row for row in rows if row["question"] == question]
        if own:
            made = table(asked, ["No.#", "Finding", "Status", "Why not told", "Changed"], map(_line, own))
            blocks += [Heading(asked), foldable(made)]
    return Section("findings", title, tuple(blocks))


def _line(row: Row) -> tuple[str | Cell, ...]:
    return (
        words.count(row["finding_number"]),
        row["sentence"],
        Cell(words.plain(row["status"]), _TONES.get(row["status"], "")),
        row["reason"] or "",
        "changed" if row["kind"] else "",
    )
