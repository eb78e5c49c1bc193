"""Whether what goes with outcome, and how the raters relate, holds across sites."""

from __future__ import annotations

from report import words
from report.analyses import Registry, status_cell
from report.content import Block, Cell, Text, foldable, table
from report.warehouse import Row, Warehouse

_POOLED = """
with best as (
    select *, row_number() over (
        partition by analysis_id, effect
        order by case method when 'reml_knapp_hartung' then 0 when 'reml' then 1 else 2 end, method
    ) as place
    from results.site_effects where level = 'pooled'
)
select effect, effect_table, method, estimate_shown, lower, upper, prediction_lower, prediction_upper, i2,
    n_rows, n_sites, status, reason
from best where place = 1 order by effect_table, effect
"""
_SUPPRESSED = "select count(*) as n from results.site_effects where is_suppressed and level = 'site'"


def site_effect_blocks(warehouse: Warehouse, registry: Registry) -> list[Block]:
    """One table of effects pooled over sites; sentences for analyses that could not run. A site's own figures are not
    shown here, so that none that rests on few people can be read off."""
    blocks: list[Block] = [
        Text(f"Pooling over sites: {words.ended(one.status, one.reason)}", "notice")
        for one in registry.of_kind("sites")
        if not one.is_ok
    ]
    pooled = warehouse.rows(_POOLED)
    if not pooled:
        return blocks
    hidden = (warehouse.row(_SUPPRESSED) or {"n": 0})["n"]
    kept = (
        f" {words.count_of(hidden, 'figure')} of single sites are withheld, as they rest on few people."
        if hidden
        else ""
    )
    made = table(
        "The same effects over sites (random effects)",
        [
            "Effect",
            "From",
            "Estimate#",
            f"{registry.level}interval#".capitalize(),
            "Prediction for a new site#",
            "I²#",
            "Rows#",
            "Sites#",
            "Status",
        ],
        [_pooled(row) for row in pooled],
        "Estimates of each site pooled by REML; the interval is Knapp and Hartung's where there is one. I² is "
        f"the share of the variation between sites that is more than chance. "
        f"`results.site_effects` has each site's own.{kept}",
    )
    return [*blocks, foldable(made, limit=0)]


def _pooled(row: Row) -> tuple[str | Cell, ...]:
    return (
        row["effect"],
        words.plain(row["effect_table"]),
        words.number(row["estimate_shown"]),
        words.interval(row["lower"], row["upper"]),
        words.interval(row["prediction_lower"], row["prediction_upper"]),
        words.share(row["i2"], 1),
        words.count(row["n_rows"]),
        words.count(row["n_sites"]),
        status_cell(row["status"], row["reason"]),
    )
