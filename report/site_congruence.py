"""Whether each site's raters have the components that those of all other sites have."""

from __future__ import annotations

from collections import defaultdict

from report import words
from report.analyses import Analysis, Registry, status_cell
from report.component_figures import correlations
from report.content import Block, Cell, Figure, Heading, Table, Text, foldable, table
from report.warehouse import Row, Warehouse

_ROWS = """
select analysis_id, other_analysis_id, cast(site_id as varchar) as site_id, alignment, component, other_component,
    congruence, lower, upper, mark, n_items, n_rows, status, reason
from results.congruence
where comparison = 'sites' and (is_matched or component = 0)
order by analysis_id, site_id, alignment, other_component, component
"""
_ALIGNMENTS = {"as_rotated": "as found", "target": "after rotation to the others'"}


def site_congruence_blocks(warehouse: Warehouse, registry: Registry) -> list[Block]:
    """A heat map and a table for every set of items and rater whose sites could be compared, and one table of how many
    sites could be, with why the others could not. None when no such analysis has run."""
    found = registry.of_kind("site_congruence")
    if not found:
        return []
    rows = warehouse.by_analysis(_ROWS)
    blocks: list[Block] = [
        Heading("Do sites have the same components?"),
        Text(
            "Each site's raters are analysed anew and held against those of all other sites together (Tucker's phi). "
            "A site needs enough rows of its own, so that this is a question for large sites."
        ),
        _overview(found, rows),
    ]
    for one in found:
        known = [row for row in rows[one.analysis_id] if row["congruence"] is not None]
        if known:
            blocks += [_heat_map(one, known), foldable(_table(one, registry, known), limit=0)]
    return blocks


def _overview(found: list[Analysis], rows: dict[str, list[Row]]) -> Table:
    return table(
        "Sites whose components could be compared",
        ["Items and rater", "Compared#", "Not compared#", "Equal#", "Fair#", "Different#", "Why not, or status"],
        [_counted(one, rows[one.analysis_id]) for one in found],
        "Matched pairs of components, as found, over the sites compared: equal from .95, fair from .85, different "
        "below (Lorenzo-Seva and ten Berge 2006).",
    )


def _counted(one: Analysis, rows: list[Row]) -> tuple[str | Cell, ...]:
    known = [row for row in rows if row["congruence"] is not None and row["alignment"] == "as_rotated"]
    compared = {row["site_id"] for row in known}
    others: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row["site_id"] not in compared:
            others[row["status"]][row["site_id"]] = row
    why = [_not_compared(status, list(sites.values())) for status, sites in others.items()]
    marks = [words.count(sum(row["mark"] == mark for row in known)) for mark in ("equal", "fair", "different")]
    return (
        one.title,
        words.count(len(compared)),
        words.count(sum(map(len, others.values()))),
        *(marks if known else [words.NOTHING] * len(marks)),
        " ".join(why) or status_cell(one.status, one.reason),
    )


def _not_compared(status: str, rows: list[Row]) -> str:
    named = f"{words.plain(status)}: {words.listed([row['site_id'] for row in rows], most=6)}"
    reasons = dict.fromkeys(row["reason"] for row in rows if row["reason"])
    if not reasons:
        return f"{named}."
    return f"{named} ({'for example ' if len(reasons) > 1 else ''}{next(iter(reasons)).rstrip('.')})."


def _heat_map(one: Analysis, known: list[Row]) -> Figure:
    cells = [
        {
            "row": row["site_id"],
            "column": str(row["other_component"]),
            "r": row["congruence"],
            "shown": words.number(row["congruence"]),
            "marked": row["mark"] == "different",
        }
        for row in sorted(known, key=lambda row: (row["site_id"], row["other_component"]))
        if row["alignment"] == "as_rotated"
    ]
    sizes = sorted({row["n_rows"] for row in known if row["n_rows"]})
    n = f"{words.count(sizes[0])} to {words.count(sizes[-1])}" if len(sizes) > 1 else words.count(sum(sizes))
    return correlations(
        f"site-{one.analysis_id}",
        f"Congruence of each site's components with those of the others: {one.title}",
        cells,
        "Site",
        "Component of the other sites",
        "Tucker's phi of matched components, as found; numbers are those of the other sites' own solution. Bold: "
        f"different (below .85). n = {n} rows a site.",
        measure="Congruence",
    )


def _table(one: Analysis, registry: Registry, known: list[Row]) -> Table:
    return table(
        f"Congruence by site: {one.title}",
        [
            "Site",
            "Component of the others",
            "Alignment",
            "Congruence#",
            f"{registry.level}interval#".capitalize(),
            "Mark",
        ]
        + ["Items#", "Rows#", "Status"],
        [
            (
                row["site_id"],
                str(row["other_component"]),
                _ALIGNMENTS.get(row["alignment"], words.plain(row["alignment"])),
                words.number(row["congruence"]),
                words.interval(row["lower"], row["upper"]),
                row["mark"] or words.NOTHING,
                words.count(row["n_items"]),
                words.count(row["n_rows"]),
                status_cell(row["status"], row["reason"]),
            )
            for row in known
        ],
        "Components are numbered as the other sites' own solution has them, which need not be the order of all sites "
        "together. Rows are the site's own.",
    )
