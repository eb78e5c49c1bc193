"""Outcome on both views at once: whose view goes with whose outcome, and whether level or agreement does."""

from __future__ import annotations

from collections import defaultdict

import altair as alt

from report import words
from report.analyses import Registry, estimate_with_interval, reasons_of, short_status
from report.content import Block, Cell, Figure, Heading, Section, Table, Text, foldable, table
from report.surfaces import surface_blocks
from report.svg import BLUE, INK, VERMILION, figure, rows_named
from report.warehouse import Row, Warehouse

_EFFECTS = """
select analysis_id, outcome, outcome_rater, model, predictor, term, interval_method, predictor_rater, estimate, p,
    p_holm, lower, upper, n_rows, n_therapists, status, reason
from results.outcome_effects where model in ('actor_partner', 'response_surface')
order by model, outcome, outcome_rater, predictor, term, predictor_rater, interval_method
"""

_VIEWS = {"actor": "own view (actor)", "partner": "other's view (partner)"}


def section(warehouse: Warehouse, registry: Registry) -> Section:
    """The actor-partner model and the response surface of every outcome, and what could not be estimated."""
    title = "Outcome and both views at once"
    rows = warehouse.rows(_EFFECTS)
    if not rows:
        text = "No model of both raters' views and an outcome has run: it needs dyads that both rated, with an outcome."
        return Section("both", title, (Text(text, "empty"), *_failed(registry)))
    blocks: list[Block] = [
        Text(
            "Total scores of client and therapist of the same dyads, taken together. Figures are associations: they "
            "say what goes with outcome when the other's view is held constant, and show no cause."
        ),
        *_failed(registry),
    ]
    blocks += _paths([row for row in rows if row["model"] == "actor_partner"], registry)
    blocks += surface_blocks(warehouse, registry, [row for row in rows if row["model"] == "response_surface"])
    return Section("both", title, tuple(blocks))


def _failed(registry: Registry) -> list[Block]:
    return [
        Text(f"Both views and outcome: {words.ended(one.status, one.reason)}", "warning")
        for one in registry.of_kind("outcome")
        if one.rater == "both" and not one.is_ok
    ]


def _paths(rows: list[Row], registry: Registry) -> list[Block]:
    blocks: list[Block] = [
        Heading("Own view and the other's: actor-partner model"),
        Text(
            "Each outcome that both raters gave is set against both views at once. Actor: the rater's own view; "
            "partner: the other's view, which another person gave than gave the outcome."
        ),
    ]
    by_outcome: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_outcome[row["outcome"]].append(row)
    if not by_outcome:
        blocks.append(Text("No outcome was given by both raters on the same measure.", "empty"))
    for place, (outcome, own) in enumerate(by_outcome.items(), start=1):
        known = [row for row in own if row["term"] in _VIEWS and row["estimate"] is not None]
        if known:
            blocks += [_figure(place, outcome, known, registry), _table(outcome, known, registry), _whole(outcome, own)]
        missing = reasons_of(
            [row for row in own if row["term"] == "equal_paths" and row["status"] != "ok"], "predictor"
        )
        if missing:
            blocks.append(Text(f"{outcome}: {missing}", "notice"))
    return blocks


def _figure(place: int, outcome: str, rows: list[Row], registry: Registry) -> Figure:
    marks = [
        {
            "scale": row["predictor"],
            "whose": f"{row['outcome_rater'].capitalize()}'s outcome",
            "view": _VIEWS[row["term"]],
            **{name: row[name] for name in ("estimate", "lower", "upper")},
        }
        for row in rows
    ]
    strongest = max(marks, key=lambda mark: abs(mark["estimate"]))
    n = max(row["n_rows"] or 0 for row in rows)
    therapists = max(row["n_therapists"] or 0 for row in rows)
    return figure(
        f"paths-{place}",
        _forest_chart(marks),
        {"rows": marks},
        title=f"Own and other's view with {outcome}",
        description=f"Forest plot of {len(marks)} paths. The largest is {words.number(strongest['estimate'])}: "
        f"{strongest['whose'].lower()} with the {strongest['view']} of {strongest['scale']}.",
        caption=f"Standardised paths, each adjusted for the other view, with {registry.level}intervals that allow for "
        f"clients of one therapist being alike. n = up to {words.count_of(n, 'dyad')} with "
        f"{words.count_of(therapists, 'therapist')}. Association, not cause.",
    )


def _forest_chart(marks: list[Row]) -> alt.FacetChart:
    """Paths with intervals, one line per scale with both views beside each other, one column per rater's outcome."""
    views = list(_VIEWS.values())
    ends = [mark[name] for mark in marks for name in ("lower", "upper", "estimate") if mark[name] is not None]
    scale = alt.Scale(domain=[min(-0.2, *ends), max(0.2, *ends)], nice=True)
    axis = alt.X("estimate:Q", scale=scale, title="Standardised path", axis=alt.Axis(tickCount=6))
    base = alt.Chart().encode(
        y=alt.Y("scale:N", title=None, axis=alt.Axis(grid=True)),
        yOffset=alt.YOffset("view:N", sort=views),
        color=alt.Color(
            "view:N",
            title="View",
            scale=alt.Scale(domain=views, range=[BLUE, VERMILION]),
            legend=alt.Legend(orient="top"),
        ),
    )
    zero = alt.Chart().mark_rule(color=INK, opacity=0.6).encode(x=alt.datum(0))
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("lower:Q", scale=scale), x2="upper:Q")
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=axis, shape=alt.Shape("view:N", title="View", scale=alt.Scale(domain=views, range=["circle", "diamond"]))
    )
    return (
        alt.layer(zero, bars, points, data=rows_named())
        .properties(width=260, height=alt.Step(18))
        .facet(column=alt.Column("whose:N", title=None))
    )


def _table(outcome: str, rows: list[Row], registry: Registry) -> Block:
    made = table(
        f"Paths to {outcome}",
        ["Scale", "Outcome of", "View", "Path#", f"{registry.level}interval#".capitalize(), "p#", "p (Holm)#", "Dyads#"]
        + ["Therapists#", "Status"],
        [
            (
                row["predictor"],
                row["outcome_rater"],
                _VIEWS[row["term"]],
                Cell(words.number(row["estimate"]), strong=row["p_holm"] is not None and row["p_holm"] < 0.05),
                words.interval(row["lower"], row["upper"]),
                words.p_value(row["p"]),
                words.p_value(row["p_holm"]),
                words.count(row["n_rows"]),
                words.count(row["n_therapists"]),
                short_status(row),
            )
            for row in rows
        ],
        "Standardised; p values are adjusted over all paths to this outcome. Bold: below .05 after Holm. "
        f"{reasons_of(rows)}".strip(),
    )
    return foldable(made)


def _whole(outcome: str, rows: list[Row]) -> Table:
    by_scale: dict[str, dict[tuple[str, str], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_scale[row["predictor"]][row["term"], row["outcome_rater"]].append(row)

    def value(found: dict[tuple[str, str], list[Row]], term: str, rater: str, name: str) -> float | None:
        return next((row[name] for row in found.get((term, rater), [])), None)

    def ratio(found: dict[tuple[str, str], list[Row]], rater: str) -> str:
        own = found.get((f"ratio_{rater}", "both"), [])
        by_method = {row["interval_method"]: row for row in own}
        return estimate_with_interval(by_method.get("bootstrap_therapist") or next(iter(own), None))

    return table(
        f"The model of {outcome} as a whole",
        ["Scale", "Client's R²#", "Therapist's R²#", "Partner/actor, client#", "Partner/actor, therapist#"]
        + ["Same paths, p#", "Roles alike, p#", "Views, r#", "Rest, r#", "Dyads#"],
        [
            (
                scale,
                *[
                    words.number(value(found, "variance_explained", rater, "estimate"))
                    for rater in ("client", "therapist")
                ],
                *[ratio(found, rater) for rater in ("client", "therapist")],
                words.p_value(value(found, "equal_paths", "both", "p")),
                words.p_value(value(found, "distinguishable", "both", "p")),
                words.number(value(found, "views_correlation", "both", "estimate")),
                words.number(value(found, "residual_correlation", "both", "estimate")),
                words.count(value(found, "equal_paths", "both", "n_rows")),
            )
            for scale, found in by_scale.items()
        ],
        "Partner/actor: 0 own view only, 1 both views alike, −1 contrast of the two; its interval is wide where the "
        "actor path is small. Same paths: are the two actor, and the two partner, paths equal. Roles alike: do client "
        "and therapist differ in nothing at all (dyads taken as independent). Views: correlation of the two views. "
        "Rest: correlation of the two outcomes beyond both views.",
    )
