"""What became of every cell that was delivered: the conservation law, rejected cells and missing answers."""

from __future__ import annotations

import altair as alt

from report import words
from report.content import Block, Cell, Figure, Section, Table, Text, foldable, table
from report.refresh import accounted
from report.svg import BLUE, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, YELLOW, figure, rows_named
from report.warehouse import Row, Warehouse

MOST_SITES_IN_A_FIGURE = 20

CLASSES = {
    "accepted": BLUE,
    "blank": GREY,
    "declared_missing": SKY,
    "rejected": VERMILION,
    "superseded": PURPLE,
    "withdrawn": ORANGE,
    "not_mapped": YELLOW,
}

_ACCOUNTS = """
select site_id, count(*) as deliveries, sum(n_cells) as n_cells, sum(accepted) as accepted, sum(blank) as blank,
    sum(declared_missing) as declared_missing, sum(rejected) as rejected, sum(superseded) as superseded,
    sum(withdrawn) as withdrawn, sum(not_mapped) as not_mapped, sum(unaccounted) as unaccounted
from quality.cell_accounting group by site_id order by site_id
"""

_REJECTED = """
select reason, value_class, count(*) as n, count(distinct site_id) as sites,
    count(distinct delivery_number) as deliveries, count(distinct item_id) as items
from quality.rejected_cells group by reason, value_class order by n desc, reason, value_class
"""

_REJECTED_PLACES = """
select cells.site_id, deliveries.file_name, columns.column_name, cells.reason, count(*) as n,
    min(cells.row_number) as first_row
from quality.rejected_cells as cells
left join quality.deliveries as deliveries on cells.delivery_number = deliveries.delivery_number
left join quality.delivery_columns as columns
    on cells.delivery_number = columns.delivery_number and cells.column_number = columns.column_number
group by cells.site_id, deliveries.file_name, columns.column_name, cells.reason
order by n desc, cells.site_id, deliveries.file_name, columns.column_name, cells.reason
limit 51
"""


def accounts_section(warehouse: Warehouse) -> Section:
    """The conservation law: how the cells of each site are divided, in a figure and in numbers."""
    accounts = [row for row in warehouse.rows(_ACCOUNTS) if row["n_cells"] or row["unaccounted"]]
    total = {name: sum(row[name] for row in accounts) for name in ("n_cells", "unaccounted", *CLASSES)}
    blocks: list[Block] = [accounted(total["n_cells"], total["unaccounted"])]
    if accounts:
        blocks += [_accounts_figure(accounts, total["n_cells"]), foldable(_accounts_table(accounts, total))]
    return Section("cells", "Conservation of cells", tuple(blocks))


def _accounts_figure(accounts: list[Row], n_cells: int) -> Figure:
    # Sites with the smallest share accepted are those somebody has to look at.
    ranked = sorted((row for row in accounts if row["n_cells"]), key=lambda row: row["accepted"] / row["n_cells"])
    shown = sorted(ranked[:MOST_SITES_IN_A_FIGURE], key=lambda row: row["site_id"])
    rows = [
        {"site": row["site_id"], "became": words.plain(name), "share": 100 * row[name] / row["n_cells"], "order": place}
        for row in shown
        for place, name in enumerate(CLASSES)
        if row[name]
    ]
    present = [name for name in CLASSES if any(row[name] for row in shown)]
    scale = alt.Scale(domain=[words.plain(name) for name in present], range=[CLASSES[name] for name in present])
    chart = (
        alt.Chart(rows_named())
        .mark_bar(stroke=INK, strokeWidth=0.4)
        .encode(
            x=alt.X(
                "share:Q", title="Share of the site's cells (percent)", scale=alt.Scale(domain=[0, 100], nice=False)
            ),
            y=alt.Y("site:N", title=None, sort=None),
            color=alt.Color(
                "became:N", title="What became of them", scale=scale, legend=alt.Legend(orient="top", columns=4)
            ),
            order=alt.Order("order:Q"),
        )
        .properties(width=520, height=alt.Step(22))
    )
    some = (
        f" The {len(shown)} of {len(ranked)} sites with the smallest accepted share are drawn."
        if len(shown) < len(ranked)
        else ""
    )
    worst = ranked[0]
    return figure(
        "figure-cells",
        chart,
        {"rows": rows},
        title="What became of the delivered cells, by site",
        description=f"Stacked bars of {len(shown)} sites. The smallest share accepted is "
        f"{words.share(worst['accepted'], worst['n_cells'])} at {worst['site_id']}.",
        caption="Each bar is all cells of a site's deliveries, divided by what became of them. "
        f"n = {words.count(n_cells)} cells of {words.count_of(len(accounts), 'site')}.{some}",
    )


def _accounts_table(accounts: list[Row], total: Row) -> Table:
    names = list(CLASSES)
    columns = ["Site", "Cells#", *[f"{words.plain(name).capitalize()}#" for name in names], "Unaccounted#"]
    rows = [
        [
            row["site_id"],
            words.count(row["n_cells"]),
            *[words.count(row[name]) for name in names],
            Cell(words.count(row["unaccounted"]), "bad" if row["unaccounted"] else "good"),
        ]
        for row in accounts
    ]
    if len(accounts) > 1:
        whole = ["All sites", *[words.count(total[name]) for name in ("n_cells", *names, "unaccounted")]]
        rows.append([Cell(text, strong=True) for text in whole])
    return table(
        "Cells by site and what became of them",
        columns,
        rows,
        "Superseded cells are those a newer or equal delivery stands for. `quality.cell_accounting` has one row per "
        "delivery.",
    )


def rejected_section(warehouse: Warehouse) -> Section:
    """Rejected cells by reason, and where most of them are."""
    rejected = warehouse.rows(_REJECTED)
    if not rejected:
        text = Text("No cell was rejected.", "good" if warehouse.rows(_ACCOUNTS) else "empty")
        return Section("rejected", "Rejected cells", (text,))
    total = sum(row["n"] for row in rejected)
    by_reason = table(
        f"Rejected cells by reason (n = {words.count(total)})",
        ["Reason", "Meaning", "Kind of text", "Cells#", "Items#", "Deliveries#", "Sites#"],
        [
            (
                words.plain(row["reason"]),
                words.REASONS.get(row["reason"], ""),
                words.plain(row["value_class"]),
                *[words.count(row[name]) for name in ("n", "items", "deliveries", "sites")],
            )
            for row in rejected
        ],
    )
    places = warehouse.rows(_REJECTED_PLACES)
    more = " Only the 50 places with most of them are listed." if len(places) > 50 else ""
    where = table(
        "Where they are",
        ["Site", "File", "Column", "Reason", "Cells#", "First row#"],
        [
            (
                row["site_id"],
                row["file_name"] or words.NOTHING,
                row["column_name"] or words.NOTHING,
                words.plain(row["reason"]),
                words.count(row["n"]),
                str(row["first_row"]),
            )
            for row in places[:50]
        ],
        "Rows are numbered as a spreadsheet shows them. `quality.rejected_cells` has every cell; none is shown by "
        f"its content.{more}",
    )
    return Section("rejected", "Rejected cells", (by_reason, foldable(where)))
