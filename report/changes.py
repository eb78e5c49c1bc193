"""What changed since the last refresh, and what landing found in the files."""

from __future__ import annotations

from report import words
from report.content import Block, Cell, Section, Text, Tone, foldable, table
from report.refresh import Refresh
from report.warehouse import Row, Warehouse

MOST_PROBLEMS = 200

_COUNTS = """
select kind, site_id, instrument_id, rater, sum(n) as n, count(distinct form_id) as forms, count(*) as changes,
    min(note) as note
from meta.changes
where refresh_id = (select max(refresh_id) from meta.refreshes) and not starts_with(kind, 'finding')
group by kind, site_id, instrument_id, rater
order by kind, site_id, instrument_id, rater
"""

_FINDINGS = """
select changes.kind, changes.finding_id, changes.note, findings.sentence
from meta.changes as changes
left join results.findings as findings on changes.finding_id = findings.finding_id
where changes.refresh_id = (select max(refresh_id) from meta.refreshes) and starts_with(changes.kind, 'finding')
order by changes.change_id limit 101
"""

_PROBLEMS = f"""
with problems as (
    select site_id, file_name, row_number, column_name, problem, message, action, severity,
        coalesce(bool_or(refresh_id = (select max(refresh_id) from meta.refreshes)), false) as is_new
    from quality.landing_problems
    group by all
)
select * from problems
order by is_new desc, case severity when 'critical' then 0 when 'warning' then 1 else 2 end, site_id, file_name,
    row_number, column_name, problem, message
limit {MOST_PROBLEMS + 1}
"""

_KINDS = {
    "new": "New answers",
    "corrected": "Corrected answers",
    "vanished": "Answers that vanished",
    "withdrawn": "Answers of clients who withdrew",
}
_FINDING_KINDS = {
    "finding_new": "new",
    "finding_gone": "gone",
    "finding_status": "another status",
    "finding_numbers": "other numbers",
}
_TONES: dict[str, Tone] = {"critical": "bad", "warning": "warning", "info": ""}


def section(warehouse: Warehouse, refresh: Refresh) -> Section:
    """What this refresh changed in data and findings."""
    counts = warehouse.rows(_COUNTS)
    findings = warehouse.rows(_FINDINGS)
    blocks: list[Block] = []
    if not counts and not findings:
        blocks.append(Text("No answer and no finding changed in this refresh.", "empty"))
    elif refresh.previous_id is None:
        blocks.append(Text("This is the first refresh: all there is is new."))
    if counts:
        totals = [
            (name, words.count(sum(row["n"] or 0 for row in rows)), words.count(len({row["site_id"] for row in rows})))
            for kind, name in _KINDS.items()
            if (rows := [row for row in counts if row["kind"] == kind])
        ]
        blocks.append(table("Changes of this refresh", ["Change", "Answers#", "Sites#"], totals))
        blocks.append(foldable(table("By site, instrument and rater", _COLUMNS, map(_counted, counts))))
    if findings:
        blocks.append(_findings(findings))
    return Section("changes", "What changed since the last refresh", tuple(blocks))


_COLUMNS = ["Site", "Instrument", "Rater", "Change", "Answers#", "Note"]


def _counted(row: Row) -> tuple[str, ...]:
    note = words.count_of(row["forms"], "form") if row["forms"] else row["note"] or ""
    return (
        row["site_id"] or "whole study",
        row["instrument_id"] or words.NOTHING,
        row["rater"] or words.NOTHING,
        _KINDS.get(row["kind"], words.plain(row["kind"])),
        words.count(row["n"]),
        note,
    )


def _findings(findings: list[Row]) -> Block:
    rows = [
        (
            row["sentence"] or row["finding_id"] or words.NOTHING,
            _FINDING_KINDS.get(row["kind"], words.plain(row["kind"])),
            row["note"] or words.NOTHING,
        )
        for row in findings[:100]
    ]
    more = "More are in `meta.changes`." if len(findings) > 100 else ""
    return foldable(table("Findings that changed", ["Finding", "Change", "Before"], rows, more))


def problems_section(warehouse: Warehouse) -> Section:
    """What landing found in the deliveries: first of this refresh, then of earlier ones."""
    found = warehouse.rows(_PROBLEMS)
    shown = found[:MOST_PROBLEMS]
    new = [row for row in shown if row["is_new"]]
    earlier = [row for row in shown if not row["is_new"]]
    blocks: list[Block] = []
    if new:
        blocks.append(_problems("Met in this refresh", new))
    else:
        blocks.append(Text("Landing met no problem in this refresh.", "good"))
    if earlier:
        blocks.append(_problems("Met in earlier refreshes, in files that were read then", earlier, limit=0))
    if len(found) > MOST_PROBLEMS:
        blocks.append(Text(f"Only {MOST_PROBLEMS} are shown; `quality.landing_problems` has them all.", "notice"))
    return Section("problems", "Problems at landing", tuple(blocks))


def _problems(caption: str, rows: list[Row], limit: int = 15) -> Block:
    made = [
        (
            row["site_id"] or "whole study",
            row["file_name"] or words.NOTHING,
            _place(row),
            Cell(row["severity"], _TONES.get(row["severity"], "")),
            row["message"],
            row["action"] or "",
        )
        for row in rows
    ]
    return foldable(table(caption, ["Site", "File", "Place", "Severity", "What was found", "What to do"], made), limit)


def _place(row: Row) -> str:
    parts = []
    if row["row_number"] is not None:
        parts.append(f"row {row['row_number']}")
    if row["column_name"]:
        parts.append(f"column {row['column_name']}")
    return ", ".join(parts) or words.NOTHING
