"""Question 1: the components of each rater and set of items, and how they match the declared scales."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

from report import words
from report.analyses import Analysis, Registry, estimate_with_interval, status_cell
from report.component_figures import pattern, rule_name, scree
from report.content import Block, Cell, Fold, Section, Table, Text, foldable, table
from report.correspondence import Correspondences, correspondence_blocks, read_correspondence
from report.few import Limits, read_limits
from report.items import CORRELATIONS, ITEMS, item_blocks
from report.site_congruence import site_congruence_blocks
from report.warehouse import Row, Warehouse

_RETENTION = """
select analysis_id, method, variant, position, observed, reference, is_retained, n_suggested, is_chosen, status, reason
from results.retention order by analysis_id, method, variant, position
"""
_SUITABILITY = """
select analysis_id, kmo, bartlett_chi_square, bartlett_df, bartlett_p, rows_per_item, smallest_n_of_pair, status,
    reason
from results.suitability where item_id = ''
"""
_COMPONENTS = """
select analysis_id, component, variance_share, variance_share_lower, variance_share_upper, n_salient_items,
    share_reverse_keyed, determinacy, stability, suggested_label, status, reason
from results.components where component > 0 order by analysis_id, component
"""
_LOADINGS = """
select loadings.analysis_id, loadings.item_id, items.topic, loadings.component, loadings.loading, loadings.is_salient,
    loadings.is_strongest
from results.loadings as loadings
left join core.items as items on loadings.item_id = items.item_id
where loadings.loading is not null order by loadings.analysis_id, loadings.item_id, loadings.component
"""
_PHI = """
select analysis_id, component, other_component, correlation as estimate, lower, upper
from results.component_correlations order by analysis_id, component, other_component
"""
_RELIABILITY = """
select analysis_id, scope, subject, coefficient, estimate, lower, upper, n_items, n_rows, status, reason
from results.reliability where item_id = '' order by analysis_id, subject, coefficient
"""
_FIT = """
select analysis_id, chi_square, df, p, rmsea, rmsea_lower, rmsea_upper, tli, cfi, rmsr, status, reason
from results.model_fit where model = 'components'
"""

_QUERIES = {
    "retention": _RETENTION,
    "suitability": _SUITABILITY,
    "items": ITEMS,
    "correlations": CORRELATIONS,
    "components": _COMPONENTS,
    "loadings": _LOADINGS,
    "phi": _PHI,
    "reliability": _RELIABILITY,
    "fit": _FIT,
}
_Tables: TypeAlias = dict[str, dict[str, list[Row]]]

_COEFFICIENTS = {"alpha": "Alpha", "omega_total": "Omega total", "omega_hierarchical": "Omega hierarchical"}


def section(warehouse: Warehouse, registry: Registry) -> Section:
    """All component analyses: an overview, and each one behind its name (the joined ones open)."""
    found = registry.of_kind("components")
    title = "Components each rater sees"
    if not found:
        return Section("components", title, (Text("No component analysis has run in this refresh.", "empty"),))
    tables = {name: warehouse.by_analysis(query) for name, query in _QUERIES.items()}
    matched = read_correspondence(warehouse, registry)
    blocks: list[Block] = [
        Text(
            "Components are found in the data, without regard to the declared scales, and are numbered by the variance "
            "they explain. Names are suggestions made from the themes of salient items."
        ),
        _overview(found),
    ]
    few = read_limits(warehouse)
    blocks += [_solution(tables, matched, registry, one, few) for one in found]
    blocks += _scale_reliability(registry, tables["reliability"])
    blocks += site_congruence_blocks(warehouse, registry)
    return Section("components", title, tuple(blocks))


def _overview(found: list[Analysis]) -> Table:
    return table(
        "Component analyses",
        [
            "Items and rater",
            "Components#",
            "Chosen by",
            "Rows#",
            "Clients#",
            "Therapists#",
            "Items#",
            "Method",
            "Status",
        ],
        [
            (
                one.title,
                words.count(one.n_components),
                words.plain(one.n_components_rule),
                *[words.count(one.row[name]) for name in ("n_rows", "n_clients", "n_therapists", "n_items")],
                ", ".join(words.plain(part) for part in (one.correlation, one.extraction, one.rotation) if part),
                status_cell(one.status, one.reason),
            )
            for one in found
        ],
        "Rows are dyads (or clients whose therapist is not known); rows of one therapist are not independent, and "
        "intervals come from resampling therapists.",
    )


def _solution(tables: _Tables, matched: Correspondences, registry: Registry, one: Analysis, few: Limits) -> Fold:
    own = {name: rows[one.analysis_id] for name, rows in tables.items()}
    components, loadings = own["components"], own["loadings"]
    labels = {row["component"]: registry.label(one.analysis_id, row["component"]) for row in components}
    blocks: list[Block] = [*one.said(), *_suitability(own["suitability"], one), *_retention(own["retention"], one)]
    if components:
        blocks.append(_components(components, own["reliability"]))
    if loadings:
        name = f"loadings-{one.analysis_id}"
        blocks.append(pattern(name, one.title, loadings, labels, one.salience or 0.0, one.n))
    blocks += [*_phi(own["phi"], labels), *_fit(own["fit"])]
    blocks += correspondence_blocks(matched, one, labels)
    blocks += item_blocks(own["items"], own["correlations"], loadings, one, few)
    if not blocks:
        blocks.append(Text("The analysis left no rows.", "empty"))
    number = words.count_of(one.n_components, "component") if one.n_components else words.plain(one.status)
    return Fold(f"{one.title}: {number}", tuple(blocks), is_open=one.item_set == "joint")


def _suitability(rows: list[Row], one: Analysis) -> list[Block]:
    if not rows:
        return []
    row = rows[0]
    if row["kmo"] is None and row["bartlett_chi_square"] is None:
        return [Text(f"{one.n}. Suitability of the items cannot be told.")]
    parts = [
        f"KMO {words.number(row['kmo'])}",
        f"Bartlett's χ²({words.count(row['bartlett_df'])}) = {words.number(row['bartlett_chi_square'], 1)}, "
        f"p {words.p_value(row['bartlett_p'])}",
        f"{words.number(row['rows_per_item'], 1)} rows per item",
        f"at least {words.count(row['smallest_n_of_pair'])} rows behind every correlation",
    ]
    ending = "" if row["status"] == "ok" else f" Status: {words.ended(row['status'], row['reason'])}"
    return [Text(f"{one.n}. Suitability of the items: {'; '.join(parts)}.{ending}")]


def _retention(found: list[Row], one: Analysis) -> list[Block]:
    rules: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in found:
        rules[row["method"], row["variant"]].append(row)
    if not rules:
        return []
    drawn = _drawn_rule(rules)
    blocks: list[Block] = [scree(f"scree-{one.analysis_id}", one.title, rules[drawn], one.n)] if drawn else []
    made = table(
        "Number of components by each retention rule",
        ["Rule", "Suggests#", "Decided", "Status"],
        [
            (
                rule_name(method, variant),
                Cell(words.count(rows[0]["n_suggested"]), strong=bool(rows[0]["is_chosen"])),
                "yes" if rows[0]["is_chosen"] else "",
                status_cell(rows[0]["status"], rows[0]["reason"]),
            )
            for (method, variant), rows in rules.items()
        ],
    )
    return [*blocks, foldable(made, limit=0)]


def _drawn_rule(rules: dict[tuple[str, str], list[Row]]) -> tuple[str, str] | None:
    """The rule that decided when it holds eigenvalues against a reference, else a parallel analysis."""

    def draws(key: tuple[str, str]) -> bool:
        return any(row["observed"] is not None for row in rules[key]) and not key[0].startswith("map")

    chosen = [key for key, rows in rules.items() if rows[0]["is_chosen"] and draws(key)]
    parallel = [key for key in rules if key[0] == "parallel_components" and draws(key)]
    return next(iter(chosen + parallel + [key for key in rules if draws(key)]), None)


def _components(components: list[Row], reliability: list[Row]) -> Table:
    own = {(row["subject"], row["coefficient"]): row for row in reliability if row["scope"] == "component"}
    return table(
        "Components and their reliability",
        ["Component", "Variance#", "Salient items#", "Reverse-keyed#", "Alpha#", "Omega#", "Determinacy#"]
        + ["Stability#", "Status"],
        [
            (
                f"{row['component']} {row['suggested_label'] or ''}".strip(),
                _variance(row),
                words.count(row["n_salient_items"]),
                words.share(row["share_reverse_keyed"], 1),
                estimate_with_interval(own.get((str(row["component"]), "alpha"))),
                words.number(own.get((str(row["component"]), "omega_total"), {}).get("estimate")),
                words.number(row["determinacy"]),
                words.number(row["stability"]),
                status_cell(row["status"], row["reason"]),
            )
            for row in components
        ],
        "Variance: share of the items' total variance. Omega: omega total. Reverse-keyed: share of the salient "
        "items; near 100 % the component may be one of wording. Determinacy: correlation of estimated scores with the "
        "component. Stability: mean congruence with this solution over bootstrap samples.",
    )


def _variance(row: Row) -> str:
    text = words.share(row["variance_share"], 1)
    if row["variance_share_lower"] is None or row["variance_share_upper"] is None:
        return text
    return f"{text} ({words.interval(100 * row['variance_share_lower'], 100 * row['variance_share_upper'], 1)})"


def _phi(correlations: list[Row], labels: dict[int, str]) -> list[Block]:
    found = {(row["component"], row["other_component"]): row for row in correlations}
    numbers = sorted({component for component, _ in found})
    if len(numbers) < 2:
        return []
    rows = [
        (
            labels.get(this, str(this)),
            *[estimate_with_interval(found.get((this, other))) if other < this else "" for other in numbers[:-1]],
        )
        for this in numbers[1:]
    ]
    columns = ["Component", *[f"{number}#" for number in numbers[:-1]]]
    note = "Of the rotation, not of estimated scores; bootstrap intervals in brackets."
    return [table("Correlations of the components (Phi)", columns, rows, note)]


def _fit(rows: list[Row]) -> list[Block]:
    row = next((row for row in rows if row["chi_square"] is not None), None)
    if row is None:
        return []
    if not row["df"] or row["df"] < 0:
        many = "more parameters than" if row["df"] else "as many parameters as"
        said = f"with {many} correlations ({words.count(row['df'])} df) the model can reproduce any of them."
        return [Text(f"Fit: nothing to test; {said}")]
    text = (
        f"Fit: χ²({words.count(row['df'])}) = {words.number(row['chi_square'], 1)}, p {words.p_value(row['p'])}; RMSEA "
        f"{words.number(row['rmsea'], 3)} ({words.interval(row['rmsea_lower'], row['rmsea_upper'], 3)}); TLI "
        f"{words.number(row['tli'], 3)}; CFI {words.number(row['cfi'], 3)}; RMSR {words.number(row['rmsr'], 3)}."
    )
    return [Text(text)]


def _scale_reliability(registry: Registry, reliability: dict[str, list[Row]]) -> list[Block]:
    """Reliability of the declared scales, both raters in one table."""
    wanted = [
        (one, row)
        for one in registry.of_kind("reliability")
        for row in reliability[one.analysis_id]
        if row["scope"] == "scale" and row["coefficient"] in _COEFFICIENTS
    ]
    by_scale: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for one, row in wanted:
        by_scale[row["subject"], one.rater][row["coefficient"]] = row
    failed = [one for one in registry.of_kind("reliability") if not one.is_ok]
    blocks: list[Block] = [
        Text(f"Reliability of {one.title}: {words.ended(one.status, one.reason)}", "warning") for one in failed
    ]
    if by_scale:
        made = table(
            "Reliability of the declared scales",
            ["Scale", "Rater", "Items#", *[f"{name}#" for name in _COEFFICIENTS.values()], "Rows#", "Status"],
            [
                (
                    subject,
                    rater,
                    words.count(max(row["n_items"] or 0 for row in rows.values())),
                    *[estimate_with_interval(rows.get(name)) for name in _COEFFICIENTS],
                    words.count(max(row["n_rows"] or 0 for row in rows.values())),
                    _worst(list(rows.values())),
                )
                for (subject, rater), rows in sorted(by_scale.items())
            ],
            "Intervals in brackets. A coefficient that cannot be had leaves a dash, with its reason under Status.",
        )
        blocks.append(foldable(made))
    return blocks


def _worst(rows: list[Row]) -> Cell:
    for row in rows:
        if row["status"] != "ok":
            return Cell(f"{_COEFFICIENTS[row['coefficient']]}: {words.ended(row['status'], row['reason'])}", "warning")
    return status_cell("ok")
