"""Question 3: how client and therapist views relate, how far they agree, and what each stresses."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import altair as alt

from report import words
from report.analyses import Analysis, Registry, about_intervals, best_interval, estimate_with_interval, status_cell
from report.component_figures import correlations
from report.content import Block, Cell, Figure, Section, Text, foldable, table
from report.emphasis import congruence_blocks, emphasis_blocks
from report.svg import BLUE, INK, figure, rows_named
from report.warehouse import Row, Warehouse

_AGREEMENT = """
select analysis_id, scope, subject, other_subject, rater, statistic, interval_method, estimate, p, p_holm, p_bh, lower,
    upper, n_dyads, n_therapists, status, reason
from results.agreement where scope in ('component', 'scale')
order by analysis_id, scope, subject, other_subject, statistic, interval_method
"""

_STATISTICS = {
    "mean_difference": "Mean difference",
    "d_pooled": "d",
    "icc_a1": "ICC(A,1)",
    "icc_c1": "ICC(C,1)",
    "ccc": "Lin's concordance",
    "pearson": "r",
}
_DRAWN = {"mean_difference": "Mean difference (points of the scale)", "icc_a1": "ICC(A,1), absolute agreement"}


def section(warehouse: Warehouse, registry: Registry) -> Section:
    """Component correlations across raters, agreement per scale, emphasis and congruence."""
    title = "Two views: client and therapist"
    kinds = ("agreement", "emphasis", "congruence")
    if not any(registry.of_kind(kind) for kind in kinds):
        return Section("views", title, (Text("No comparison of the two raters has run in this refresh.", "empty"),))
    blocks: list[Block] = [
        Text(
            "Both raters' forms of the same dyad and session are compared. Differences are client minus therapist; a "
            "low agreement says that the two see the alliance differently, not which of them sees it right."
        )
    ]
    rows = warehouse.rows(_AGREEMENT)
    for place, one in enumerate(registry.of_kind("agreement"), start=1):
        blocks += one.said()
        own = [row for row in rows if row["analysis_id"] == one.analysis_id]
        blocks += _components(place, one, registry, [row for row in own if row["scope"] == "component"])
        blocks += _scales(place, registry, [row for row in own if row["scope"] == "scale"])
    blocks += [*emphasis_blocks(warehouse, registry), *congruence_blocks(warehouse, registry)]
    return Section("views", title, tuple(blocks))


def _components(place: int, one: Analysis, registry: Registry, rows: list[Row]) -> list[Block]:
    by_pair: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["statistic"] == "pearson":
            by_pair[row["subject"], row["other_subject"]].append(row)
    if not by_pair:
        return []
    best = [
        best_interval(found) for _, found in sorted(by_pair.items(), key=lambda pair: tuple(map(_as_number, pair[0])))
    ]
    client, therapist = (registry.components_of(one, rater) for rater in ("client", "therapist"))
    named = [
        (_named(registry, client, row["subject"]), _named(registry, therapist, row["other_subject"]), row)
        for row in best
    ]
    blocks: list[Block] = []
    known = [entry for entry in named if entry[2]["estimate"] is not None]
    if known:
        blocks.append(_heat_map(place, known))
    blocks.append(_correlations_table(named, registry))
    return blocks


def _correlations_table(named: list[tuple[str, str, Row]], registry: Registry) -> Block:
    interval = f"{registry.level}interval#".capitalize()
    made = table(
        "Client components with therapist components",
        ["Client component", "Therapist component", "r#", interval, "p#", "p (Holm)#", "p (BH)#"]
        + ["Dyads#", "Therapists#", "Status"],
        [
            (
                left,
                right,
                words.number(row["estimate"]),
                words.interval(row["lower"], row["upper"]),
                *[words.p_value(row[name]) for name in ("p", "p_holm", "p_bh")],
                words.count(row["n_dyads"]),
                words.count(row["n_therapists"]),
                status_cell(row["status"], row["reason"]),
            )
            for left, right, row in named
        ],
        f"Every row has {about_intervals([row for _, _, row in named], registry)}; "
        "`results.agreement` has other kinds.",
    )
    return foldable(made, limit=0)


def _as_number(subject: str) -> tuple[int, str]:
    return (int(subject), "") if subject.isdecimal() else (10**6, subject)


def _named(registry: Registry, analysis_id: str, subject: str) -> str:
    return registry.label(analysis_id, int(subject)) if subject.isdecimal() else subject


def _heat_map(place: int, named: list[tuple[str, str, Row]]) -> Figure:
    cells = [
        {
            "row": left,
            "column": right,
            "r": row["estimate"],
            "shown": words.number(row["estimate"]),
            "marked": row["p_holm"] is not None and row["p_holm"] < 0.05,
        }
        for left, right, row in named
    ]
    dyads = max(row["n_dyads"] or 0 for _, _, row in named)
    therapists = max(row["n_therapists"] or 0 for _, _, row in named)
    return correlations(
        f"views-components-{place}",
        "How client and therapist components go together",
        cells,
        "Client component",
        "Therapist component",
        "Correlations of component scores over dyads. Bold: below .05 after Holm's adjustment. "
        f"n = {words.count_of(dyads, 'dyad')} with {words.count_of(therapists, 'therapist')}.",
    )


def _scales(place: int, registry: Registry, rows: list[Row]) -> list[Block]:
    by_scale: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["statistic"] in _STATISTICS and not row["rater"]:
            by_scale[row["subject"]][row["statistic"]].append(row)
    if not by_scale:
        return []
    best = {scale: {name: best_interval(found) for name, found in by.items()} for scale, by in by_scale.items()}
    made = table(
        "Agreement of client and therapist, by scale",
        ["Scale", *[f"{name}#" for name in _STATISTICS.values()], "Dyads#", "Therapists#", "Status"],
        [
            (
                scale,
                *[estimate_with_interval(by.get(name)) for name in _STATISTICS],
                words.count(max(row["n_dyads"] or 0 for row in by.values())),
                words.count(max(row["n_therapists"] or 0 for row in by.values())),
                _ended(list(by.values())),
            )
            for scale, by in best.items()
        ],
        "Intervals in brackets. d is the mean difference in pooled standard deviations; ICC(A,1) asks for the same "
        "value, ICC(C,1) for the same order. `results.agreement` has limits of agreement and more.",
    )
    drawn = [row for by in best.values() for name, row in by.items() if name in _DRAWN and row["estimate"] is not None]
    return [*([_intervals(place, drawn, registry)] if drawn else []), foldable(made, limit=30)]


def _ended(rows: list[Row]) -> Cell:
    bad = next((row for row in rows if row["status"] != "ok"), rows[0])
    return status_cell(bad["status"], bad["reason"])


def _intervals(place: int, rows: list[Row], registry: Registry) -> Figure:
    panels: list[Any] = []
    data: dict[str, list[Row]] = {"zero": [{"at": 0}]}
    for name, title in _DRAWN.items():
        own = [
            {"scale": row["subject"], "estimate": row["estimate"], "lower": row["lower"], "upper": row["upper"]}
            for row in rows
            if row["statistic"] == name
        ]
        if not own:
            continue
        axis = alt.Axis(grid=True) if not panels else alt.Axis(labels=False, ticks=False, title=None, grid=True)
        data[name] = own
        base = alt.Chart(rows_named(name)).encode(y=alt.Y("scale:N", title=None, axis=axis))
        zero = alt.Chart(rows_named("zero")).mark_rule(color=INK, opacity=0.6).encode(x="at:Q")
        bars = base.mark_rule(strokeWidth=2, color=BLUE).encode(
            x=alt.X("lower:Q", title=title, axis=alt.Axis(tickCount=5)), x2="upper:Q"
        )
        points = base.mark_point(filled=True, size=60, color=BLUE, opacity=1).encode(
            x=alt.X("estimate:Q", title=title, axis=alt.Axis(tickCount=5))
        )
        panels.append(alt.layer(zero, bars, points).properties(width=230, height=alt.Step(22)))
    dyads = max(row["n_dyads"] or 0 for row in rows)
    n_scales = len({row["subject"] for row in rows})
    return figure(
        f"views-scales-{place}",
        alt.hconcat(*panels, spacing=24),
        data,
        title="Agreement of client and therapist, by scale",
        description=f"Estimates with intervals for {n_scales} scales; the table below has the numbers.",
        caption="Left: mean difference, client minus therapist; right: intraclass correlation of single ratings; "
        f"{about_intervals(rows, registry)}. n = up to {words.count_of(dyads, 'dyad')}.",
    )
