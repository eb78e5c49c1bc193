"""The response surface: outcome along the line where both rate alike, and the line where they differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import altair as alt

from report import words
from report.analyses import Registry, reasons_of, short_status
from report.content import Block, Cell, Figure, Fold, Heading, Table, Text, foldable, table
from report.svg import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, figure, rows_named
from report.warehouse import Row, Warehouse

# The ratings a surface was estimated from, in the middle and in spread: the centre is the mean of both raters' means.
_SPREAD = """
with used as (
    select dyads.analysis_id, dyads.outcome, dyads.outcome_rater,
        scores.instrument_id || '.' || scores.scale_id as scale, scores.client_score, scores.therapist_score
    from results.analysis_dyads as dyads
    inner join core.dyad_sessions as scores
        on dyads.dyad_id = scores.dyad_id and dyads.session_id = cast(scores.session_id as varchar)
    where dyads.is_used and scores.client_score is not null and scores.therapist_score is not null
        and dyads.analysis_id in (select analysis_id from results.outcome_effects where model = 'response_surface')
),
centres as (
    select analysis_id, outcome, outcome_rater, scale, (avg(client_score) + avg(therapist_score)) / 2 as centre
    from used group by all
)
select used.analysis_id, used.outcome, used.outcome_rater, used.scale,
    quantile_cont((client_score + therapist_score) / 2 - centre, [0.05, 0.95]) as level,
    quantile_cont((client_score - therapist_score) / 2, [0.05, 0.95]) as difference
from used inner join centres using (analysis_id, outcome, outcome_rater, scale)
group by all
"""

_PARAMETERS = {
    "a1": "a1: slope where both rate alike",
    "a2": "a2: curvature where both rate alike",
    "a3": "a3: slope where they differ (client higher)",
    "a4": "a4: curvature where they differ",
    "a5": "a5: whether the ridge runs beside agreement",
}
_SIMPLER = {
    "additive_instead": "Two slopes, p#",
    "interaction_instead": "Slopes and product, p#",
    "squared_difference_instead": "Difference alone, p#",
    "rising_ridge_instead": "Level and difference, p#",
}
_LINES = ("both alike: low to high", "apart: therapist higher to client higher")
_STEPS = 16
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [10, 4], [1, 3])
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)


def surface_blocks(warehouse: Warehouse, registry: Registry, rows: list[Row]) -> list[Block]:
    """For every outcome a figure of the two lines, the surface as a whole, and its parameters behind a fold."""
    blocks: list[Block] = [
        Heading("Level or agreement: response surface"),
        Text(
            "Outcome as a curved surface over both ratings. Read it along two lines. Where both rate alike, a rising "
            "line says that more alliance goes with better outcome. Where they differ, a slope says that it goes with "
            "who is higher, and a line that bends down at both ends that outcome is poorer the further the two are "
            "apart."
        ),
    ]
    by_outcome: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_outcome[row["outcome"], row["outcome_rater"]].append(row)
    known = [row for row in rows if row["term"] in _PARAMETERS and row["estimate"] is not None]
    if not by_outcome:
        blocks.append(Text("No response surface was asked for.", "empty"))
    elif known:
        blocks.append(Text(_said(known)))
    spread = warehouse.rows(_SPREAD)
    for place, ((outcome, rater), own) in enumerate(by_outcome.items(), start=1):
        name = f"{outcome}, {rater}-rated"
        found = [row for row in own if row["estimate"] is not None or row["p"] is not None]
        if found:
            drawn = _figure(place, name, found, spread)
            more = [*([drawn] if drawn else []), _whole(name, found), _parameters(name, found, registry)]
            blocks.append(Fold(f"Response surface: {name}", tuple(more), is_open=True))
        missing = reasons_of([row for row in own if row["estimate"] is None and row["status"] != "ok"], "predictor")
        if missing:
            blocks.append(Text(f"{name}: {missing}", "notice"))
    return blocks


def _said(known: list[Row]) -> str:
    """How many surfaces say what, after adjustment."""
    surfaces = {(row["outcome"], row["outcome_rater"], row["predictor"]) for row in known}

    def clear(term: str, *, below: bool = False) -> int:
        return sum(
            row["term"] == term
            and row["p_holm"] is not None
            and row["p_holm"] < 0.05
            and (not below or row["estimate"] < 0)
            for row in known
        )

    return (
        f"Of {words.count_of(len(surfaces), 'surface')} (outcome by scale), the slope of agreement (a1) is clear of "
        f"zero in {words.count(clear('a1'))}, the slope of disagreement (a3) in {words.count(clear('a3'))}, and "
        f"outcome is poorer the further the two are apart (a4 below zero) in {words.count(clear('a4', below=True))}, "
        "each below .05 after Holm within its outcome. Curvature needs many more dyads than slopes: where it is not "
        "clear, the data do not say that it is absent."
    )


def _figure(place: int, name: str, rows: list[Row], spread: list[Row]) -> Figure | None:
    """The surface along both lines, over the middle nine tenths of the dyads; None where the ratings it was estimated
    from are means over sessions, whose spread the warehouse does not hold."""
    keys = {(row["analysis_id"], row["outcome"], row["outcome_rater"]) for row in rows}
    ranges = {
        row["scale"]: (row["level"], row["difference"])
        for row in spread
        if (row["analysis_id"], row["outcome"], row["outcome_rater"]) in keys
    }
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["estimate"] is not None:
            found[row["predictor"]][row["term"]] = row["estimate"]
    scales = [scale for scale, own in found.items() if scale in ranges and {"b0", "a1", "a2", "a3", "a4"} <= set(own)]
    drawn = scales[: len(_COLOURS)]
    points = [point for scale in drawn for point in _along_lines(scale, found[scale], ranges[scale])]
    if not points:
        return None
    n = max(row["n_rows"] or 0 for row in rows)
    left = f" The first {len(drawn)} of {len(scales)} scales are drawn." if len(drawn) < len(scales) else ""
    return figure(
        f"surface-{place}",
        _curves(drawn),
        {"rows": points},
        title=f"Outcome along agreement and disagreement: {name}",
        description=f"Curves of {words.listed(drawn)} along the line where both rate alike and the line where they "
        "differ; the table below has their slopes and curvatures.",
        caption="Left: both rate alike, points above or below the mean of all ratings. Right: client's rating minus "
        "therapist's, at the mean of all ratings. Drawn over the middle nine tenths of the dyads; the curves carry no "
        f"intervals, the table does. n = {words.count_of(n, 'dyad')}.{left}",
    )


def _along_lines(
    scale: str, own: dict[str, float], ranges: tuple[list[float], list[float]]
) -> Iterator[dict[str, Any]]:
    """Outcome at points of both lines, each within its range; ``own`` has the surface's parameters by name."""
    for line, (slope, bend), ends, times in zip(_LINES, (("a1", "a2"), ("a3", "a4")), ranges, (1, 2), strict=True):
        for step in range(_STEPS + 1):
            at = ends[0] + (ends[1] - ends[0]) * step / _STEPS
            outcome = own["b0"] + own[slope] * at + own[bend] * at * at
            yield {"scale": scale, "line": line, "at": at * times, "outcome": outcome}


def _curves(scales: list[str]) -> alt.FacetChart:
    """One curve per scale in each of two columns, told apart by colour and dashes."""
    order = alt.Scale(domain=scales, range=list(_COLOURS[: len(scales)]))
    dashes = alt.Scale(domain=scales, range=[list(dash) for dash in _DASHES[: len(scales)]])
    legend = alt.Legend(orient="top", symbolStrokeWidth=2)
    return (
        alt.Chart(rows_named())
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("at:Q", title="Points of the scale", axis=alt.Axis(tickCount=6)),
            y=alt.Y("outcome:Q", title="Outcome (higher is better)", scale=alt.Scale(zero=False)),
            color=alt.Color("scale:N", title="Scale", scale=order, legend=legend),
            strokeDash=alt.StrokeDash("scale:N", title="Scale", scale=dashes),
        )
        .properties(width=300, height=180)
        .facet(column=alt.Column("line:N", title=None, sort=list(_LINES), header=alt.Header(labelLimit=300)))
        .resolve_scale(x="independent")
    )


def _whole(name: str, rows: list[Row]) -> Table:
    by_scale: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        by_scale[row["predictor"]][row["term"]] = row
    return table(
        f"The surface as a whole: {name}",
        ["Scale", "R²#", *_SIMPLER.values(), "Client higher#", "Therapist higher#", "Dyads#"],
        [
            (
                scale,
                words.number(found.get("variance_explained", {}).get("estimate")),
                *[words.p_value(found.get(term, {}).get("p")) for term in _SIMPLER],
                *[
                    words.share(found.get(term, {}).get("estimate"), 1)
                    for term in ("share_client_higher", "share_therapist_higher")
                ],
                words.count(max(row["n_rows"] or 0 for row in found.values())),
            )
            for scale, found in by_scale.items()
        ],
        "p: of a simpler model in place of the surface; a small one says that it leaves something out (F test, dyads "
        "taken as independent). Client or therapist higher: dyads whose ratings are more than half a standard "
        "deviation apart; where there are few on one side, the surface is guessed there.",
    )


def _parameters(name: str, rows: list[Row], registry: Registry) -> Block:
    shown = [row for row in rows if row["term"] in _PARAMETERS and row["estimate"] is not None]
    made = table(
        f"Parameters of the surface: {name}",
        ["Scale", "Parameter", "Estimate#", f"{registry.level}interval#".capitalize(), "p#", "p (Holm)#", "Dyads#"]
        + ["Therapists#", "Status"],
        [
            (
                row["predictor"],
                _PARAMETERS[row["term"]],
                Cell(words.number(row["estimate"]), strong=row["p_holm"] is not None and row["p_holm"] < 0.05),
                words.interval(row["lower"], row["upper"]),
                words.p_value(row["p"]),
                words.p_value(row["p_holm"]),
                words.count(row["n_rows"]),
                words.count(row["n_therapists"]),
                short_status(row),
            )
            for row in shown
        ],
        "Units of outcome per point of the scale, or per squared point. Intervals allow for clients of one therapist "
        "being alike (CR2). Bold: below .05 after Holm within this outcome. `results.outcome_effects` has the six "
        f"coefficients, the stationary point and the principal axes. {reasons_of(shown)}".strip(),
    )
    return foldable(made, limit=0)
