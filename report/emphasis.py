"""What clients and therapists stress, and how alike their components are built."""

from __future__ import annotations

from report import words
from report.analyses import Registry, reasons_of, short_status, status_cell
from report.content import Block, Cell, Text, foldable, table
from report.warehouse import Row, Warehouse

_EMPHASIS = """
select analysis_id, subject, measure, client_estimate, therapist_estimate, difference, lower, upper, p, p_holm, p_bh,
    n_items, n_dyads, status, reason
from results.emphasis where level = 'theme' order by analysis_id, measure, subject
"""
_CONGRUENCE = """
select analysis_id, other_analysis_id, alignment, component, other_component, comparison, congruence, lower, upper,
    mark, n_items, status, reason
from results.congruence where is_matched order by analysis_id, comparison, other_analysis_id, alignment, component
"""

_MEASURES = {
    "share_of_common_variance": "Share of common variance",
    "mean_loading": "Mean loading",
    "mean_rating": "Mean rating",
    "rank": "Mean rank",
}
_ALIGNMENTS = {"as_rotated": "as found", "target": "after rotation to each other"}


def emphasis_blocks(warehouse: Warehouse, registry: Registry) -> list[Block]:
    """Themes compared between the raters, one folded table per set of items."""
    rows = warehouse.rows(_EMPHASIS)
    blocks: list[Block] = []
    for one in registry.of_kind("emphasis"):
        own = [row for row in rows if row["analysis_id"] == one.analysis_id]
        if not one.is_ok:
            blocks.append(Text(f"Emphasis, {one.title}: {words.ended(one.status, one.reason)}", "notice"))
        if own:
            made = table(
                f"Emphasis by theme: {one.title}",
                [
                    "Theme",
                    "Measure",
                    "Client#",
                    "Therapist#",
                    "Difference#",
                    "Interval#",
                    "p#",
                    "p (Holm)#",
                    "Items#",
                    "Dyads#",
                ]
                + ["Status"],
                [_theme(row) for row in own],
                "Differences are client minus therapist; p is adjusted over the themes of one measure. Bold: below .05 "
                "after Holm. Ratings are in percent of the range; ranks are among the answers of one person, 0 lowest "
                "to 100 highest; both are paired within dyads, of which the number is given. Loadings and shares of "
                "common variance are of the "
                f"components; intervals come from resampling therapists. {one.n}. "
                f"{reasons_of(own)}".strip(),
            )
            blocks.append(foldable(made, limit=0))
    return blocks


def _theme(row: Row) -> tuple[str | Cell, ...]:
    digits = 1 if row["measure"] in ("mean_rating", "rank") else 2
    return (
        words.plain(row["subject"]),
        _MEASURES.get(row["measure"], words.plain(row["measure"])),
        words.number(row["client_estimate"], digits),
        words.number(row["therapist_estimate"], digits),
        Cell(words.number(row["difference"], digits), strong=row["p_holm"] is not None and row["p_holm"] < 0.05),
        words.interval(row["lower"], row["upper"], digits),
        words.p_value(row["p"]),
        words.p_value(row["p_holm"]),
        words.count(row["n_items"]),
        words.count(row["n_dyads"]),
        short_status(row),
    )


def congruence_blocks(warehouse: Warehouse, registry: Registry) -> list[Block]:
    """Matched components of two solutions, one folded table for all comparisons."""
    titles = {one.analysis_id: one for one in registry.of_kind("congruence")}
    blocks: list[Block] = [
        Text(f"Congruence, {one.title}: {words.ended(one.status, one.reason)}", "notice")
        for one in titles.values()
        if not one.is_ok
    ]
    rows = [row for row in warehouse.rows(_CONGRUENCE) if row["analysis_id"] in titles]
    if rows:
        made = table(
            "Congruence of matched components (Tucker's phi)",
            [
                "Items",
                "Compared",
                "Alignment",
                "Component",
                "With",
                "Congruence#",
                "Interval#",
                "Mark",
                "Items#",
                "Status",
            ],
            [
                (
                    titles[row["analysis_id"]].item_set or words.NOTHING,
                    words.plain(row["comparison"]),
                    _ALIGNMENTS.get(row["alignment"], words.plain(row["alignment"])),
                    str(row["component"]),
                    str(row["other_component"]),
                    words.number(row["congruence"]),
                    words.interval(row["lower"], row["upper"]),
                    row["mark"] or words.NOTHING,
                    words.count(row["n_items"]),
                    status_cell(row["status"], row["reason"]),
                )
                for row in rows
            ],
            "Rows are those of both raters' solutions, under “Components each rater sees”. Intervals are bootstrap "
            "intervals over therapists. Marks: equal from .95, fair from .85, different below (Lorenzo-Seva and ten "
            "Berge 2006).",
        )
        blocks.append(foldable(made, limit=0))
    return blocks
