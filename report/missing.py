"""How much is missing in the forms that arrived, by site and instrument."""

from __future__ import annotations

import altair as alt

from report import words
from report.cells import MOST_SITES_IN_A_FIGURE
from report.content import Block, Figure, Section, Text, foldable, table
from report.svg import INK, figure, rows_named
from report.warehouse import Row, Warehouse

_MISSING = """
select site_id, instrument_id, rater, sum(n_forms) as asked, sum(n_answered) as answered, sum(n_blank) as blank,
    sum(n_declared_missing) as declared_missing, sum(n_rejected) as rejected, max(n_forms) as forms
from quality.item_measures
group by site_id, instrument_id, rater
having sum(n_forms) > 0
order by site_id, instrument_id, rater
"""

_CARELESS = """
select site_id, count(*) as forms, count(*) filter (where flagged) as flagged
from quality.response_patterns group by site_id order by site_id
"""


def section(warehouse: Warehouse) -> Section:
    """Missing rate by site and instrument as a heat map with the numbers behind it; careless responding."""
    rows = warehouse.rows(_MISSING)
    if not rows:
        empty = Text("No form with items has arrived yet, so there is nothing to be missing.", "empty")
        return Section("missing", "Missing answers", (empty,))
    return Section("missing", "Missing answers", (_heat_map(rows), _numbers(rows), *_careless(warehouse)))


def _heat_map(rows: list[Row]) -> Figure:
    worst = sorted(
        {row["site_id"] for row in rows},
        key=lambda site: (-max(_share(row) for row in rows if row["site_id"] == site), site),
    )
    chosen = sorted(worst[:MOST_SITES_IN_A_FIGURE])
    cells = [
        {
            "site": row["site_id"],
            "what": f"{row['instrument_id']}, {row['rater']}",
            "missing": 100 * _share(row),
            "shown": f"{100 * _share(row):.0f}" if _share(row) in (0, 1) else f"{100 * _share(row):.1f}",
        }
        for row in rows
        if row["site_id"] in chosen
    ]
    # The scale ends at 20 percent, where the check on missing answers begins to warn by default.
    scale = alt.Scale(domain=[0, 20], clamp=True, range=["#f7fbff", "#9ecae1", "#2171b5", "#08306b"], interpolate="rgb")
    base = alt.Chart(rows_named()).encode(
        x=alt.X("what:N", title=None, axis=alt.Axis(labelAngle=-45, orient="bottom")),
        y=alt.Y("site:N", title=None),
    )
    squares = base.mark_rect(stroke=INK, strokeOpacity=0.3, strokeWidth=0.5).encode(
        color=alt.Color("missing:Q", title="Missing (percent)", scale=scale, legend=alt.Legend(orient="top"))
    )
    numbers = base.mark_text(fontSize=11).encode(
        text="shown:N",
        color=alt.condition("datum.missing > 11.5", alt.value("#ffffff"), alt.value("#10243a")),
    )
    chart = (squares + numbers).properties(width=alt.Step(44), height=alt.Step(24))
    highest = max(rows, key=_share)
    asked = sum(row["asked"] for row in rows)
    some = (
        f" The {len(chosen)} of {len(worst)} sites with the highest rate are drawn." if len(chosen) < len(worst) else ""
    )
    return figure(
        "figure-missing",
        chart,
        {"rows": cells},
        title="Missing answers by site, instrument and rater",
        description=f"A heat map. The highest rate is {100 * _share(highest):.1f} percent at {highest['site_id']}, "
        f"{highest['instrument_id']}, {highest['rater']}.",
        caption="Percent of the items of forms that arrived which are blank, declared missing or rejected; darker from "
        f"0 to 20 percent, alike above; empty where a site has no such form. "
        f"n = {words.count(asked)} items of forms.{some}",
    )


def _share(row: Row) -> float:
    return 1 - float(row["answered"]) / float(row["asked"])


def _numbers(rows: list[Row]) -> Block:
    made = table(
        "Missing answers in numbers",
        [
            "Site",
            "Instrument",
            "Rater",
            "Forms#",
            "Items asked#",
            "Blank#",
            "Declared missing#",
            "Rejected#",
            "Missing#",
        ],
        [
            (
                row["site_id"],
                row["instrument_id"],
                row["rater"],
                *[words.count(row[name]) for name in ("forms", "asked", "blank", "declared_missing", "rejected")],
                words.share(row["asked"] - row["answered"], row["asked"]),
            )
            for row in rows
        ],
    )
    return foldable(made)


def _careless(warehouse: Warehouse) -> list[Block]:
    found = warehouse.rows(_CARELESS)
    if not found:
        return []
    forms, flagged = sum(row["forms"] for row in found), sum(row["flagged"] for row in found)
    if not flagged:
        return [Text(f"None of {words.count_of(forms, 'form')} shows signs of careless responding.")]
    made = table(
        f"Forms with signs of careless responding ({words.count(flagged)} of {words.count(forms)})",
        ["Site", "Forms#", "Flagged#", "Share#"],
        [
            (
                row["site_id"],
                words.count(row["forms"]),
                words.count(row["flagged"]),
                words.share(row["flagged"], row["forms"]),
            )
            for row in found
        ],
        "They are flagged in `quality.response_patterns` and never dropped.",
    )
    return [foldable(made)]
