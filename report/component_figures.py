"""Figures of a component solution: scree with its reference, and the pattern matrix."""

from __future__ import annotations

import altair as alt

from report import words
from report.content import Figure
from report.svg import BLUE, INK, VERMILION, figure, rows_named
from report.warehouse import Row

MOST_EIGENVALUES = 15

DIVERGING = alt.Scale(
    domain=[-1, -0.5, 0, 0.5, 1],
    range=["#a33d00", "#f0a374", "#ffffff", "#85b9dc", "#005a91"],
    interpolate="rgb",
)
"""Orange below, white at, blue above zero: apart for any colour vision, and in grey by the sign in the number."""

_RULES = {
    "parallel_components": "parallel analysis of components",
    "parallel_factors": "parallel analysis of factors",
    "map_1976": "MAP (1976)",
    "map_2000": "MAP (2000)",
    "kaiser": "Kaiser (eigenvalue above 1)",
    "empirical_kaiser": "empirical Kaiser criterion",
}

DARK_FROM = 0.78
"""From this absolute size on a cell of the diverging scale is too dark for dark letters."""


def scree(name: str, title: str, rows: list[Row], n: str) -> Figure:
    """Eigenvalues against their reference.

    ``rows``: position, observed, reference, is_retained, n_suggested, method, variant of one retention rule.
    """
    shown = [row for row in rows if row["position"] <= MOST_EIGENVALUES and row["observed"] is not None]
    reference = rule_name(shown[0]["method"], shown[0]["variant"])
    short = _short_rule(shown[0]["method"], shown[0]["variant"])
    points = [{"position": row["position"], "value": row["observed"], "line": "observed"} for row in shown]
    points += [
        {"position": row["position"], "value": row["reference"], "line": short}
        for row in shown
        if row["reference"] is not None
    ]
    lines = ["observed", short] if len(points) > len(shown) else ["observed"]
    shared = alt.Scale(domain=lines, range=[BLUE, VERMILION][: len(lines)])
    base = alt.Chart(rows_named()).encode(
        x=alt.X("position:O", title="Component (by size)", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("value:Q", title="Eigenvalue"),
        color=alt.Color("line:N", title=None, scale=shared, legend=alt.Legend(orient="top", symbolStrokeWidth=0)),
    )
    drawn = base.mark_line().encode(
        strokeDash=alt.StrokeDash(
            "line:N", scale=alt.Scale(domain=lines, range=[[1, 0], [5, 4]][: len(lines)]), legend=None
        )
    )
    marks = base.mark_point(size=45, filled=True, opacity=1).encode(
        shape=alt.Shape("line:N", scale=alt.Scale(domain=lines, range=["circle", "square"][: len(lines)]), legend=None)
    )
    suggested = shown[0]["n_suggested"]
    some = f" The first {len(shown)} of {len(rows)} are drawn." if len(shown) < len(rows) else ""
    return figure(
        name,
        (drawn + marks).properties(width=420, height=210),
        {"rows": points},
        title=f"Scree: {title}",
        description=f"Falling eigenvalues from {words.number(shown[0]['observed'])}; {suggested} of them are retained "
        f"by {reference}.",
        caption=f"Eigenvalues of the items' correlations, and what random data of the same size give ({reference}). "
        f"This rule keeps {words.count_of(suggested or 0, 'component')}.{some} {n}.",
    )


def rule_name(method: str, variant: str) -> str:
    """A retention rule in words."""
    if not variant:
        return _RULES.get(method, words.plain(method))
    last = variant.rpartition("_")[2]
    statistic = "mean" if last == "mean" else f"{last}th percentile"
    data = words.plain(variant.rpartition("_")[0])
    return f"{_RULES.get(method, words.plain(method))}, {data} data, {statistic}"


def _short_rule(method: str, variant: str) -> str:
    """What the reference line is, in as many words as a legend holds; the caption names the rule in full."""
    if not method.startswith("parallel"):
        return "reference"
    last = variant.rpartition("_")[2]
    return f"random data ({'mean' if last == 'mean' else f'{last}th percentile'})"


def pattern(name: str, title: str, rows: list[Row], labels: dict[int, str], salience: float, n: str) -> Figure:
    """The pattern matrix as a heat map.

    ``rows``: item_id, topic, component, loading, is_salient, is_strongest; one row per item and component. Items are
    sorted by the component they load on most, and then by the size of that loading.
    """
    order = by_component(rows)
    topics = {row["item_id"]: row["topic"] for row in rows}
    names = {item: f"{item}  {topics[item]}" if topics[item] else item for item in order}
    heads = {
        component: labels.get(component, str(component)) for component in sorted({row["component"] for row in rows})
    }
    cells = [
        {
            "item": names[row["item_id"]],
            "component": heads[row["component"]],
            "loading": row["loading"],
            "shown": words.number(row["loading"]),
            "salient": bool(row["is_salient"]),
        }
        for row in rows
        if row["loading"] is not None
    ]
    axis = alt.Axis(orient="top", labelAngle=-35, labelAlign="left", labelLimit=300)
    base = alt.Chart(rows_named()).encode(
        x=alt.X("component:N", title=None, sort=list(heads.values()), axis=axis),
        y=alt.Y("item:N", title=None, sort=[names[item] for item in order], axis=alt.Axis(labelLimit=340)),
    )
    squares = base.mark_rect(
        stroke=alt.expr("datum.salient ? '#10243a' : '#ffffff'"), strokeWidth=alt.expr("datum.salient ? 1.5 : 0")
    ).encode(color=colour("loading", "Pattern coefficient (standardised)"))
    written = numbers(base, "loading", "salient")
    n_salient = sum(cell["salient"] for cell in cells)
    return figure(
        name,
        (squares + written).properties(width=alt.Step(58), height=alt.Step(18)),
        {"rows": cells},
        title=f"Loadings: {title}",
        description=f"A heat map of {words.count_of(len(order), 'item')} and {words.count_of(len(heads), 'component')} "
        f"with {words.count_of(n_salient, 'salient loading')}, "
        "sorted by component.",
        caption="Pattern coefficients, items sorted by the component they load on most. Framed and bold: salient, from "
        f"{words.number(salience)} in absolute size. Labels of components are suggestions from the items' themes, not "
        f"findings. {n}.",
    )


def by_component(rows: list[Row]) -> list[str]:
    """Ids of the items of a pattern matrix by the component they load on most, and then by the size of that loading."""
    home = {row["item_id"]: (row["component"], -abs(row["loading"])) for row in rows if row["is_strongest"]}
    return sorted({row["item_id"] for row in rows}, key=lambda item: (*home.get(item, (10**6, 0.0)), item))


def correlations(
    name: str,
    title: str,
    cells: list[Row],
    rows_title: str,
    columns_title: str,
    caption: str,
    *,
    measure: str = "Correlation",
) -> Figure:
    """A heat map of correlations, or of another measure from -1 to 1. ``cells``: row, column, r, shown, marked; in the
    order they are to be drawn."""
    base = alt.Chart(rows_named()).encode(
        x=alt.X(
            "column:N",
            title=columns_title,
            sort=None,
            axis=alt.Axis(orient="top", labelAngle=-35, labelAlign="left", labelLimit=300),
        ),
        y=alt.Y("row:N", title=rows_title, sort=None),
    )
    squares = base.mark_rect(stroke=INK, strokeOpacity=0.3, strokeWidth=0.5).encode(color=colour("r", measure))
    written = numbers(base, "r", "marked")
    known = [cell for cell in cells if cell["r"] is not None]
    low, high = min(cell["r"] for cell in known), max(cell["r"] for cell in known)
    return figure(
        name,
        (squares + written).properties(width=alt.Step(64), height=alt.Step(28)),
        {"rows": cells},
        title=title,
        description=f"A heat map of {len(known)} figures ({measure.lower()}) from {words.number(low)} to "
        f"{words.number(high)}.",
        caption=caption,
    )


def colour(field: str, title: str) -> alt.Color:
    """Colour by a number from -1 to 1, with its legend below the figure."""
    legend = alt.Legend(orient="bottom", gradientLength=220, values=[-1, -0.5, 0, 0.5, 1])
    return alt.Color(f"{field}:Q", title=title, scale=DIVERGING, legend=legend)


def numbers(base: alt.Chart, field: str, marked: str = "") -> alt.Chart:
    """The numbers in the cells: readable on their colour, bold where the field ``marked`` is true."""
    return base.mark_text(
        fontSize=11,
        fontWeight=alt.expr(f"datum.{marked} ? 'bold' : 'normal'") if marked else "normal",
        color=alt.expr(f"abs(datum.{field}) >= {DARK_FROM} ? '#ffffff' : '#10243a'"),
    ).encode(text="shown:N")
