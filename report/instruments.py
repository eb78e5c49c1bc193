"""Instruments in use and how far their scoring keys can be trusted."""

from __future__ import annotations

from report import words
from report.content import Block, Cell, Section, Text, Tone, foldable, table
from report.warehouse import Row, Warehouse

_INSTRUMENTS = """
with used as (
    select instrument_id, count(*) as forms, count(distinct rater) as raters, min(rater) as first_rater,
        max(rater) as last_rater, count(distinct site_id) as sites
    from core.forms group by instrument_id
)
select instruments.instrument_id, instruments.name, instruments.version, instruments.domain, instruments.status,
    instruments.source, instruments.note, instruments.origin, instruments.min_value, instruments.max_value,
    used.forms, used.sites, used.first_rater, used.last_rater
from core.instruments as instruments
inner join used on instruments.instrument_id = used.instrument_id
order by instruments.domain, instruments.instrument_id
"""

_STATUSES: dict[str, tuple[str, Tone]] = {
    "confirmed": ("confirmed against its source", "good"),
    "variant": ("variant of the published form", "notice"),
    "unverified": ("unverified", "warning"),
    "study": ("declared by the study", ""),
}


def section(warehouse: Warehouse) -> Section:
    """One row per instrument with forms; those with an unverified key are named first."""
    found = warehouse.rows(_INSTRUMENTS)
    if not found:
        return Section("instruments", "Instruments in use", (Text("No instrument has forms yet.", "empty"),))
    blocks: list[Block] = []
    doubtful = [row["instrument_id"] for row in found if row["status"] == "unverified"]
    if doubtful:
        text = (
            f"The scoring key of {words.listed(doubtful)} has not been held against the published form (unverified); "
            "read every score and result that uses it with that in mind."
        )
        blocks.append(Text(text, "warning"))
    blocks.append(
        table(
            "Instruments with forms in this warehouse",
            ["Instrument", "Name and version", "Domain", "Answers", "Raters", "Forms#", "Sites#", "Scoring key"],
            [_row(row) for row in found],
        )
    )
    sources = [(row["instrument_id"], row["source"] or words.NOTHING, row["note"] or "") for row in found]
    blocks.append(foldable(table("Sources and notes", ["Instrument", "Source", "Note"], sources), limit=0))
    return Section("instruments", "Instruments in use", tuple(blocks))


def _row(row: Row) -> tuple[str | Cell, ...]:
    status, tone = _STATUSES.get(row["status"], (words.plain(row["status"]), ""))
    raters = sorted({row["first_rater"], row["last_rater"]} - {None})
    return (
        row["instrument_id"],
        "; ".join(text for text in (row["name"], row["version"]) if text),
        row["domain"] or "",
        f"{row['min_value']:g} to {row['max_value']:g}" if row["min_value"] is not None else words.NOTHING,
        " and ".join(raters),
        words.count(row["forms"]),
        words.count(row["sites"]),
        Cell(status, tone),
    )
