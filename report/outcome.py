"""Question 2: which components go with post-therapy outcome. Association, never cause."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import altair as alt

from report import words
from report.analyses import Analysis, Registry, about_intervals, best_interval, reasons_of, short_status
from report.content import Block, Cell, Figure, Heading, Section, Text, foldable, table
from report.site_effects import site_effect_blocks
from report.svg import BLUE, INK, VERMILION, figure, rows_named
from report.warehouse import Row, Warehouse

_EFFECTS = """
select analysis_id, outcome, outcome_rater, model, predictor, term, interval_method, predictor_rater, covariates,
    overlap_left_out, estimate, p, p_holm, p_bh, family, lower, upper, n_rows, n_clients, n_therapists, n_sites,
    status, reason
from results.outcome_effects
where term in ('r', 'slope', 'r_squared', 'adjusted_r_squared', 'r_squared_added', '')
order by outcome, outcome_rater, analysis_id, model, predictor_rater, predictor, overlap_left_out, interval_method
"""
_SCALES = "select instrument_id, scale_id, name from core.scales"

MODELS = {
    "correlation": "Correlation",
    "regression": "All components at once",
    "partial_correlation": "Correlation, adjusted for pre-therapy",
    "regression_adjusted": "All at once, adjusted for pre-therapy",
}
OTHER_MODELS = {
    "mixed": "Mixed model (therapist, site)",
    "mixed_adjusted": "Mixed model, adjusted for pre-therapy",
    "stepwise": "Stepwise (older practice)",
    "stepwise_adjusted": "Stepwise, adjusted for pre-therapy (older practice)",
}
_SAME, _CROSS = "same rater", "other rater"


@dataclass(frozen=True)
class _Names:
    """How predictors and outcomes are called."""

    registry: Registry
    scales: dict[str, str]

    def outcome(self, outcome: str, rater: str) -> str:
        name = self.scales.get(outcome)
        return f"{outcome}, {rater}-rated" + (f" ({name})" if name else "")

    def predictor(self, analysis: Analysis, row: Row) -> str:
        number = row["predictor"].removeprefix("component_")
        if number == row["predictor"] or not number.isdecimal():
            return f"{row['predictor_rater']}: {row['predictor']}"
        solution = self.registry.components_of(analysis, row["predictor_rater"])
        return f"{row['predictor_rater']} {self.registry.label(solution, int(number))}"


def section(warehouse: Warehouse, registry: Registry) -> Section:
    """One part per outcome: a forest plot of both raters' components, the numbers, and what could not be estimated."""
    title = "Outcome: what goes with it"
    analyses = {one.analysis_id: one for one in registry.of_kind("outcome")}
    if not analyses:
        return Section("outcome", title, (Text("No analysis of outcome has run in this refresh.", "empty"),))
    effects = [row for row in warehouse.rows(_EFFECTS) if row["analysis_id"] in analyses]
    names = _Names(registry, {f"{r['instrument_id']}.{r['scale_id']}": r["name"] for r in warehouse.rows(_SCALES)})
    blocks: list[Block] = [
        Text(
            "Outcomes are measured after therapy and signed so that higher is better. Figures say what goes with what: "
            "they are associations and may be used for prediction, but show no cause. Same-rater figures also carry "
            "what one person's two questionnaires share; compare them with the other rater's."
        )
    ]
    for one in analyses.values():
        blocks += [Heading(one.title, 4), *one.said()] if not one.is_ok else one.notes(few=0)
    by_outcome: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in effects:
        by_outcome[row["outcome"], row["outcome_rater"]].append(row)
    if not by_outcome:
        blocks.append(Text("No outcome could be analysed.", "empty"))
    for place, ((outcome, rater), rows) in enumerate(by_outcome.items(), start=1):
        blocks.append(Heading(names.outcome(outcome, rater)))
        blocks += _of_outcome(place, outcome, rater, rows, analyses, names)
    blocks += site_effect_blocks(warehouse, registry)
    return Section("outcome", title, tuple(blocks))


def _of_outcome(
    place: int, outcome: str, rater: str, rows: list[Row], analyses: dict[str, Analysis], names: _Names
) -> list[Block]:
    estimates = _estimates([row for row in rows if row["term"] in ("r", "slope")])
    blocks: list[Block] = []
    drawn = [row for row in estimates if _is_component(row) and row["model"] in MODELS and row["estimate"] is not None]
    if drawn:
        blocks.append(_forest(f"forest-{place}", outcome, rater, drawn, analyses, names))
    blocks += _explained(
        [
            row
            for row in rows
            if row["term"] in ("r_squared", "adjusted_r_squared", "r_squared_added")
            and row["model"].startswith("regression")
            and not row["overlap_left_out"]
        ],
        names,
    )
    for caption, part in (
        ("Components", [row for row in estimates if _is_component(row)]),
        ("Declared scales", [row for row in estimates if not _is_component(row)]),
    ):
        if part:
            blocks.append(_numbers(f"{caption} and {outcome}, {rater}-rated", part, analyses, names))
    missing = [
        f"{analyses[row['analysis_id']].title}, {MODELS.get(row['model'], words.plain(row['model'])).lower()}: "
        f"{words.ended(row['status'], row['reason'])}"
        for row in rows
        if row["term"] == "" or (row["term"] == "r_squared" and row["estimate"] is None)
    ]
    if missing:
        blocks.append(Text(f"Not estimated. {' '.join(missing)}", "notice"))
    return blocks


def _is_component(row: Row) -> bool:
    return bool(row["predictor"].startswith("component_"))


def _estimates(rows: list[Row]) -> list[Row]:
    """One row per estimate, with the interval that respects therapists."""
    by_key: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        key = (row["analysis_id"], row["model"], row["predictor_rater"], row["predictor"], row["term"])
        by_key[(*key, str(row["overlap_left_out"]))].append(row)
    return [best_interval(found) for found in by_key.values()]


def _forest(
    name: str, outcome: str, rater: str, rows: list[Row], analyses: dict[str, Analysis], names: _Names
) -> Figure:
    plain = [row for row in rows if not row["overlap_left_out"]] or rows
    marks = [
        {
            "predictor": names.predictor(analyses[row["analysis_id"]], row),
            "model": MODELS[row["model"]],
            "estimate": row["estimate"],
            "lower": row["lower"],
            "upper": row["upper"],
            "view": _SAME if row["predictor_rater"] == row["outcome_rater"] else _CROSS,
        }
        for row in plain
    ]
    order = list(dict.fromkeys(mark["predictor"] for mark in sorted(marks, key=lambda m: m["view"] != _SAME)))
    therapists = max((row["n_therapists"] or 0 for row in plain), default=0)
    strongest = max(marks, key=lambda mark: abs(mark["estimate"]))
    return figure(
        name,
        _forest_chart(marks, order),
        {"rows": marks},
        title=f"Components and {outcome}, {rater}-rated",
        description=f"Forest plot of {words.count_of(len(order), 'component')}. The largest coefficient is "
        f"{words.number(strongest['estimate'])} for {strongest['predictor']} ({strongest['model'].lower()}).",
        caption=f"Correlations and standardised slopes with {about_intervals(plain, names.registry)}. "
        f"n = {_from_to(plain)} rows with up to {words.count_of(therapists, 'therapist')}. Association, not cause.",
    )


def _forest_chart(marks: list[Row], order: list[str]) -> alt.FacetChart:
    """Points with intervals, one line per predictor in ``order``, one column per model, the two raters' apart."""
    ends = [mark[end] for mark in marks for end in ("lower", "upper", "estimate") if mark[end] is not None]
    scale = alt.Scale(domain=[min(-0.2, *ends), max(0.2, *ends)], nice=True)
    colours = alt.Scale(domain=[_SAME, _CROSS], range=[BLUE, VERMILION])
    shapes = alt.Scale(domain=[_SAME, _CROSS], range=["circle", "diamond"])
    base = alt.Chart().encode(
        y=alt.Y("predictor:N", sort=order, title="Component", axis=alt.Axis(labelLimit=300, grid=True)),
        color=alt.Color("view:N", title="Rated by", scale=colours, legend=alt.Legend(orient="top")),
    )
    zero = alt.Chart().mark_rule(color=INK, opacity=0.6).encode(x=alt.datum(0))
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", scale=scale, title="Standardised coefficient"), x2="upper:Q"
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("estimate:Q", scale=scale, title="Standardised coefficient"),
        shape=alt.Shape("view:N", title="Rated by", scale=shapes),
    )
    present = [title for title in MODELS.values() if any(mark["model"] == title for mark in marks)]
    header = alt.Header(labelExpr="split(datum.label, ', ')")
    return (
        alt.layer(zero, bars, points, data=rows_named())
        .properties(width=190, height=alt.Step(20))
        .facet(column=alt.Column("model:N", sort=present, title=None, header=header))
    )


def _from_to(rows: list[Row]) -> str:
    """The numbers of rows that estimates rest on: one number, or the smallest to the largest."""
    n_rows = sorted({row["n_rows"] for row in rows if row["n_rows"]})
    if len(n_rows) > 1:
        return f"{words.count(n_rows[0])} to {words.count(n_rows[-1])}"
    return words.count(next(iter(n_rows), 0))


def _explained(rows: list[Row], names: _Names) -> list[Block]:
    by_model: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row["estimate"] is not None:
            by_model[row["predictor_rater"], row["model"]][row["term"]] = row
    if not by_model:
        return []
    parts = []
    for (rater, model), found in by_model.items():
        said = [
            f"{label} {words.number(found[term]['estimate'])}"
            for term, label in (
                ("r_squared", "R²"),
                ("adjusted_r_squared", "adjusted R²"),
                ("r_squared_added", "added R²"),
            )
            if term in found
        ]
        adjusted = ", adjusted for pre-therapy" if model == "regression_adjusted" else ""
        n = max(row["n_rows"] or 0 for row in found.values())
        parts.append(f"{rater} components together{adjusted}: {', '.join(said)} (n = {words.count(n)})")
    return [Text(f"Variance explained: {'; '.join(parts)}.")]


def _numbers(caption: str, rows: list[Row], analyses: dict[str, Analysis], names: _Names) -> Block:
    made = table(
        caption,
        [
            "Predictor",
            "View",
            "Model",
            "Estimate#",
            f"{names.registry.level}interval#".capitalize(),
            "p#",
            "p (Holm)#",
            "p (BH)#",
            "Rows#",
            "Therapists#",
        ]
        + ["Status"],
        [
            (
                names.predictor(analyses[row["analysis_id"]], row)
                + (", overlap left out" if row["overlap_left_out"] else ""),
                _SAME if row["predictor_rater"] == row["outcome_rater"] else _CROSS,
                (MODELS | OTHER_MODELS).get(row["model"], words.plain(row["model"])),
                Cell(words.number(row["estimate"]), strong=row["p_holm"] is not None and row["p_holm"] < 0.05),
                words.interval(row["lower"], row["upper"]),
                words.p_value(row["p"]),
                words.p_value(row["p_holm"]),
                words.p_value(row["p_bh"]),
                words.count(row["n_rows"]),
                words.count(row["n_therapists"]),
                short_status(row),
            )
            for row in rows
        ],
        "p values are adjusted within the family of one outcome, one model and one rater's predictors. Bold: below .05 "
        "after Holm. `results.outcome_effects` has the other kinds of interval and all terms. "
        f"{reasons_of(rows)}".strip(),
    )
    return foldable(made, limit=0)
