"""The items behind a component solution: each one's answers, and how they go together."""

from __future__ import annotations

import altair as alt

from report import words
from report.analyses import Analysis, status_cell
from report.component_figures import by_component, colour, numbers
from report.content import Block, Figure, Table, Text, foldable, table
from report.few import Limits
from report.svg import INK, figure, rows_named
from report.warehouse import Row

ITEMS = """
select suitability.analysis_id, suitability.item_id, items.topic, suitability.n_answered, suitability.share_missing,
    suitability.mean, suitability.sd, suitability.skewness, suitability.kurtosis, suitability.kmo,
    suitability.is_left_out, suitability.status, suitability.reason, loadings.communality
from results.suitability as suitability
left join core.items as items on suitability.item_id = items.item_id
left join (
    select analysis_id, item_id, max(communality) as communality from results.loadings group by analysis_id, item_id
) as loadings on suitability.analysis_id = loadings.analysis_id and suitability.item_id = loadings.item_id
where suitability.item_id <> '' order by suitability.analysis_id, suitability.item_id
"""
CORRELATIONS = """
select analysis_id, item_id, other_item_id, correlation, residual, n_rows, status
from results.item_correlations where correlation is not null order by analysis_id, item_id, other_item_id
"""

MOST_NUMBERED, MOST_DRAWN = 26, 80
"""Up to so many items have numbers in their squares; more than so many are not drawn, as squares would be too small."""
NAMED_PAIRS = 10
"""Pairs named at either end of the table of correlations."""


def item_blocks(
    items: list[Row], correlations: list[Row], loadings: list[Row], one: Analysis, few: Limits
) -> list[Block]:
    """The items one by one, and their correlations as a heat map with the pairs that stand out; what is not there is
    left out, and figures of few people are withheld: mean and SD of two answers are the answers."""
    blocks: list[Block] = []
    if items and not few.enough(one.n_rows, one.n_therapists):
        return [Text(f"Figures of single items are withheld: {few.said}.", "notice")]
    if items:
        blocks.append(foldable(_items(items, one), limit=0))
    if correlations:
        drawn = _heat_map(correlations, loadings, one)
        blocks += [*([drawn] if drawn else []), foldable(_pairs(correlations), limit=0)]
    return blocks


def _items(items: list[Row], one: Analysis) -> Table:
    return table(
        "The items",
        ["Item", "Topic", "Mean#", "SD#", "Skewness#", "Kurtosis#", "KMO#", "Communality#", "Answered#", "Missing#"],
        [
            (
                row["item_id"],
                (row["topic"] or "") + (" (left out)" if row["is_left_out"] else ""),
                *[words.number(row[name]) for name in ("mean", "sd", "skewness", "kurtosis", "kmo", "communality")],
                words.count(row["n_answered"]),
                words.share(row["share_missing"], 1),
            )
            for row in items
        ],
        "Of keyed answers: reverse-keyed items are turned, so that a high mean is much of what the instrument "
        "measures. Kurtosis of a normal distribution is 0. Missing: share of the "
        f"{words.count_of(one.n_rows or 0, 'row')} without an answer.",
    )


def _heat_map(pairs: list[Row], loadings: list[Row], one: Analysis) -> Figure | None:
    """Correlations below the diagonal, items in the order of the loadings' figure; None of too many items."""
    order = by_component(loadings)
    order += sorted({row[end] for row in pairs for end in ("item_id", "other_item_id")} - set(order))
    if len(order) > MOST_DRAWN:
        return None
    place = {item: position for position, item in enumerate(order)}
    cells = []
    for row in pairs:
        first, second = sorted((row["item_id"], row["other_item_id"]), key=place.__getitem__)
        shown = words.number(row["correlation"])
        cells.append({"row": second, "column": first, "r": row["correlation"], "shown": shown})
    with_numbers = len(order) <= MOST_NUMBERED
    step, letters = (35, 11) if with_numbers else (12, 9)
    base = alt.Chart(rows_named()).encode(
        x=alt.X(
            "column:N",
            title=None,
            sort=order[:-1],
            axis=alt.Axis(labelFontSize=letters, ticks=False, domain=False, labelAngle=-60),
        ),
        y=alt.Y("row:N", title=None, sort=order[1:], axis=alt.Axis(labelFontSize=letters, ticks=False, domain=False)),
    )
    drawn = base.mark_rect(stroke=INK, strokeOpacity=0.25, strokeWidth=0.4).encode(color=colour("r", "Correlation"))
    low, high = (end(pairs, key=lambda row: row["correlation"]) for end in (min, max))
    return figure(
        f"item-correlations-{one.analysis_id}",
        (drawn + numbers(base, "r") if with_numbers else drawn).properties(width=alt.Step(step), height=alt.Step(step)),
        {"rows": cells},
        title=f"Correlations of the items: {one.title}",
        description=f"A heat map of {len(pairs):,} correlations of {len(order)} items, lowest "
        f"{words.number(low['correlation'])} ({low['item_id']} with {low['other_item_id']}), highest "
        f"{words.number(high['correlation'])} ({high['item_id']} with {high['other_item_id']}).",
        caption=f"{words.plain(one.correlation).capitalize()} correlations of keyed answers, as the components were "
        "found in them; items in the order of the loadings, so that those of one component stand together. "
        f"{_n_of_pairs(pairs)}.",
    )


def _n_of_pairs(pairs: list[Row]) -> str:
    least, most = min(row["n_rows"] for row in pairs), max(row["n_rows"] for row in pairs)
    if least == most:
        return f"n = {words.count_of(least, 'row')} behind every pair"
    return f"n = {words.count(least)} to {words.count_of(most, 'row')} behind a pair"


def _pairs(pairs: list[Row]) -> Table:
    """The pairs that stand out: the highest and lowest correlations, and what the components leave most of."""
    by_size = sorted(pairs, key=lambda row: -row["correlation"])
    left = sorted((row for row in pairs if row["residual"] is not None), key=lambda row: -abs(row["residual"]))
    few = min(NAMED_PAIRS, len(pairs) // 2)
    named = [("highest", row) for row in by_size[:few]] + [("lowest", row) for row in by_size[len(pairs) - few :]]
    named += [("largest residual", row) for row in left[:few]]
    return table(
        f"Pairs of items that stand out, of {words.count_of(len(pairs), 'pair')}",
        ["Pair", "With", "Why named", "Correlation#", "Residual#", "Rows#", "Status"],
        [
            (
                row["item_id"],
                row["other_item_id"],
                reason,
                words.number(row["correlation"]),
                words.number(row["residual"]),
                words.count(row["n_rows"]),
                status_cell(row["status"]),
            )
            for reason, row in named
        ],
        "Residual: the correlation less what the components reproduce of it; a large one says that the two share "
        "something beyond the components, such as their wording. `results.item_correlations` has all pairs.",
    )
