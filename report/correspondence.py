"""How well found components match the declared scales."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from report import words
from report.analyses import Analysis, Registry, estimate_with_interval
from report.content import Block, Cell, Text, foldable, table
from report.warehouse import Row, Warehouse

_ROWS = """
select analysis_id, instrument_id, scale_id, component, measure, estimate, lower, upper, n_items
from results.correspondence order by analysis_id, instrument_id, scale_id, component, measure
"""
_FIT = """
select analysis_id, chi_square, df, p, rmsea, rmsea_lower, rmsea_upper, tli, cfi, srmr, status, reason
from results.model_fit where model = 'a_priori'
"""

_WHOLE = {
    "adjusted_rand_index": "Adjusted Rand index (1 alike, 0 as by chance)",
    "adjusted_rand_index_salient": "Adjusted Rand index, salient items only",
    "share_with_own_majority": "Share of items with their scale's majority",
    "share_one_to_one": "Share of items in the best one-to-one matching",
    "tucker_congruence": "Mean congruence with the declared scales after rotation to them",
}


@dataclass(frozen=True)
class Correspondences:
    """The analyses of correspondence with their rows."""

    analyses: list[Analysis]
    rows: dict[str, list[Row]]
    fits: dict[str, list[Row]]


def read_correspondence(warehouse: Warehouse, registry: Registry) -> Correspondences:
    """All there is on correspondence."""
    return Correspondences(
        registry.of_kind("correspondence"), warehouse.by_analysis(_ROWS), warehouse.by_analysis(_FIT)
    )


def correspondence_blocks(matched: Correspondences, components: Analysis, labels: dict[int, str]) -> list[Block]:
    """Tables on the correspondence of one component analysis; none when none was asked for."""
    found = [
        one
        for one in matched.analyses
        if components.analysis_id in one.based_on
        or (not one.based_on and (one.item_set, one.rater) == (components.item_set, components.rater))
    ]
    return [block for one in found for block in _of_one(matched, one, labels)]


def _of_one(matched: Correspondences, one: Analysis, labels: dict[int, str]) -> list[Block]:
    rows = matched.rows[one.analysis_id]
    if not rows:
        return [Text(f"Correspondence with the declared scales: {words.ended(one.status, one.reason)}", "warning")]
    blocks: list[Block] = []
    whole = [
        (_WHOLE[row["measure"]], estimate_with_interval(row), words.count(row["n_items"]))
        for row in rows
        if row["measure"] in _WHOLE and not row["scale_id"]
    ]
    if whole:
        caption = "Correspondence of components and declared scales"
        blocks.append(table(caption, ["Measure", "Estimate#", "Items#"], whole))
    return [*blocks, *_cross_table(rows, labels), *_model(matched.fits[one.analysis_id])]


def _cross_table(rows: list[Row], labels: dict[int, str]) -> list[Block]:
    counts: dict[str, dict[int, float]] = defaultdict(dict)
    nowhere: dict[str, float] = {}
    for row in rows:
        scale = f"{row['instrument_id']}.{row['scale_id']}"
        if row["measure"] == "n_items":
            counts[scale][row["component"]] = row["estimate"] or 0
        elif row["measure"] == "n_items_without_component":
            nowhere[scale] = row["estimate"] or 0
    if not counts:
        return []
    components = sorted(labels) or sorted({component for row in counts.values() for component in row})
    made = table(
        "Items of each declared scale by the component they load on",
        ["Scale", *[f"{component}#" for component in components], "None#"],
        [
            (
                scale,
                *[
                    Cell(
                        words.count(by.get(component, 0)),
                        strong=bool(by.get(component)) and by[component] == max(by.values()),
                    )
                    for component in components
                ],
                words.count(nowhere.get(scale, 0)),
            )
            for scale, by in sorted(counts.items())
        ],
        "Bold: the component most items of the scale load on. None: no salient loading.",
    )
    return [foldable(made)]


def _model(rows: list[Row]) -> list[Block]:
    if not rows:
        return []
    row = rows[0]
    if row["chi_square"] is None:
        return [
            Text(f"Confirmatory model of the declared scales: {words.ended(row['status'], row['reason'])}", "warning")
        ]
    ending = "" if row["status"] == "ok" else f" Status: {words.ended(row['status'], row['reason'])}"
    text = (
        f"Confirmatory model of the declared scales: χ²({words.count(row['df'])}) = "
        f"{words.number(row['chi_square'], 1)}, p {words.p_value(row['p'])}; CFI {words.number(row['cfi'], 3)}; "
        f"TLI {words.number(row['tli'], 3)}; RMSEA "
        f"{words.number(row['rmsea'], 3)} ({words.interval(row['rmsea_lower'], row['rmsea_upper'], 3)}); SRMR "
        f"{words.number(row['srmr'], 3)}.{ending}"
    )
    return [Text(text)]
