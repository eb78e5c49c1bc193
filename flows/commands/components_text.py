"""The readable summary of `alliance components`: plain text in columns, the way psych and SPSS print an analysis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flows.commands.components_run import ComponentsRun

_PUBLISHED = {
    "same": "These are the published numbers.",
    "different": "Published under the same id with other numbers: data, code, seed or samples are not the same.",
    "new": "Not published: what would be with these settings.",
}
_EIGENVALUES_SHOWN = 12
_COMPARISONS = {
    "congruence": "Congruence of client and therapist components",
    "site_congruence": "Congruence of each site's components with the others'",
    "emphasis": "Emphasis",
}
_TOPIC = 34
_NOWHERE = 10_000
"""Stands after all components in the cross-table: items without a salient loading."""


def summary(run: ComponentsRun) -> Iterator[str]:
    """The lines of every component analysis in turn, then how the raters' components compare."""
    registry = run.tables["analyses"]
    for _, analysis in registry[registry["kind"] == "components"].iterrows():
        yield from _analysis(run, analysis)
    for _, analysis in registry[registry["kind"].isin(_COMPARISONS)].iterrows():
        if analysis["status"] != "not_applicable":
            yield from _comparison(run, analysis)
    if run.against_version is not None:
        yield from _version(run.against_version, str(run.version))


def _analysis(run: ComponentsRun, analysis: pd.Series) -> Iterator[str]:
    own = {name: _of(frame, analysis["analysis_id"]) for name, frame in run.tables.items()}
    yield from _heading(run, analysis)
    yield from _suitability(own["suitability"])
    yield from _retention(own["retention"])
    if len(own["loadings"]):
        yield from _pattern(own, analysis, run.topics)
        yield from _components(own)
        yield from _phi(own["component_correlations"])
        yield from _fit(own["model_fit"])
    matched = _beside(run, "correspondence", analysis)
    if matched is not None:
        yield from _correspondence(_of(run.tables["correspondence"], matched), run, matched)
    consistent = _beside(run, "reliability", analysis)
    if consistent is not None:
        yield from _reliability(_of(run.tables["reliability"], consistent))


def _heading(run: ComponentsRun, analysis: pd.Series) -> Iterator[str]:
    title = f"Components of {analysis['item_set']}, {analysis['rater']}"
    yield ""
    yield title
    yield "=" * len(title)
    people = ", ".join(
        f"{counted} {what if counted == '1' else what + 's'}"
        for what in ("row", "client", "therapist", "site", "item")
        for counted in [_count(analysis[f"n_{what}s"])]
    )
    method = ", ".join(
        str(analysis[name]) for name in ("correlation", "missing_rule", "extraction", "rotation", "session_rule")
    )
    yield f"{people}; {method}. {analysis['analysis_id']}"
    yield _PUBLISHED[run.against_published.get(str(analysis["analysis_id"]), "new")]
    if analysis["status"] != "ok":
        yield f"{str(analysis['status']).replace('_', ' ').upper()}: {analysis['reason']}"
    for sentence in _sentences(analysis["warnings"]):
        if sentence != analysis["reason"]:
            yield f"Note: {sentence}"


def _suitability(frame: pd.DataFrame) -> Iterator[str]:
    whole = frame[frame["item_id"] == ""]
    if not len(whole):
        return
    row = whole.iloc[0]
    if pd.isna(row["kmo"]) and pd.isna(row["bartlett_chi_square"]):
        return
    yield ""
    yield (
        f"Suitability: KMO {_r(row['kmo'])}, Bartlett chi2({_count(row['bartlett_df'])}) = "
        f"{_number(row['bartlett_chi_square'], 1)} (p {_p(row['bartlett_p'])}), log determinant "
        f"{_number(row['log_determinant'], 2)}, {_number(row['rows_per_item'], 1)} rows per item"
    )
    weakest = frame[(frame["item_id"] != "") & frame["kmo"].notna()].nsmallest(3, "kmo")
    if len(weakest):
        yield "Lowest KMO: " + ", ".join(f"{row['item_id']} {_r(row['kmo'])}" for _, row in weakest.iterrows())


def _retention(frame: pd.DataFrame) -> Iterator[str]:
    if not len(frame):
        return
    yield ""
    yield "How many components?  (* decided)"
    rules = frame.drop_duplicates(["method", "variant"])
    rows = [
        [f"{row['method']} {row['variant']}".strip(), f"{_count(row['n_suggested'])}{'*' if row['is_chosen'] else ''}"]
        for _, row in rules.iterrows()
    ]
    yield from _columns([["rule", "suggests"], *rows])
    chosen = frame[frame["is_chosen"] & frame["reference"].notna()]
    if not len(chosen):
        chosen = frame[frame["method"] == "parallel_components"]
        chosen = chosen[chosen["variant"] == chosen["variant"].min()] if len(chosen) else chosen
    if len(chosen):
        first = chosen.sort_values("position").head(_EIGENVALUES_SHOWN)
        yield "eigenvalue  " + "".join(f"{value:7.2f}" for value in first["observed"])
        yield "reference   " + "".join(f"{value:7.2f}" for value in first["reference"])


def _pattern(own: Mapping[str, pd.DataFrame], analysis: pd.Series, topics: Mapping[str, str]) -> Iterator[str]:
    loadings = own["loadings"][own["loadings"]["component"] > 0]
    wide = loadings.pivot(index="item_id", columns="component", values="loading")
    marked = loadings.pivot(index="item_id", columns="component", values="is_salient")
    item = loadings[loadings["is_strongest"].astype(bool)].set_index("item_id")
    # An item that belongs nowhere comes last; within a component the strongest comes first.
    order = item.assign(
        group=np.where(item["is_salient"].astype(bool), item["component"], wide.shape[1] + 1),
        size=-item["loading"].abs(),
    ).sort_values(["group", "size"])
    yield ""
    yield f"Pattern, items by component  (* salient from {analysis['salience']:g}; h2 communality, u2 uniqueness,"
    yield "com complexity, gap to the next loading, sure: share of bootstrap samples in which the item falls there)"
    head = ["item", "topic", *[f"{number} " for number in wide.columns], "h2", "u2", "com", "gap", "sure"]
    rows = []
    for name, row in order.iterrows():
        pairs = zip(wide.loc[str(name)], marked.loc[str(name)], strict=True)
        cells = [f"{_r(value)}{'*' if is_marked else ' '}" for value, is_marked in pairs]
        topic = str(topics.get(str(name), ""))[:_TOPIC]
        rows.append(
            [str(name), topic, *cells, _r(row["communality"]), _r(row["uniqueness"]), _number(row["complexity"], 1),
             _r(row["gap_to_next"]), _percent(row["share_on_component"])]
        )  # fmt: skip
    yield from _columns([head, *rows], left=2)


def _components(own: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    frame = own["components"][own["components"]["component"] > 0]
    reliability = own["reliability"]
    plain = reliability[(reliability["item_id"] == "") & (reliability["scope"] == "component")]
    values = plain.set_index(["subject", "coefficient"])["estimate"]
    yield ""
    yield "Components  (labels are suggestions from the salient items' themes and scales)"
    head = ["component", "variance", "share", "cumulative", "items", "alpha", "omega", "determinacy", "stability", ""]
    rows = []
    for _, row in frame.iterrows():
        number = str(row["component"])
        rows.append(
            [number, _number(row["variance"], 2), _percent(row["variance_share"]), _percent(row["cumulative_share"]),
             _count(row["n_salient_items"]), _r(values.get((number, "alpha"))),
             _r(values.get((number, "omega_total"))), _r(row["determinacy"]), _r(row["stability"]),
             str(row["suggested_label"] or "")]
        )  # fmt: skip
    yield from _columns([head, *rows], last_left=True)
    whole = [("omega_total", "omega total"), ("omega_hierarchical", "omega hierarchical")]
    whole.append(("explained_common_variance", "ECV of a general factor"))
    told = [f"{label} {_r(values.get(('0', name)))}" for name, label in whole if ("0", name) in values.index]
    if told:
        yield "All items: " + ", ".join(told)


def _phi(frame: pd.DataFrame) -> Iterator[str]:
    wide = frame.pivot(index="component", columns="other_component", values="correlation")
    if len(wide) < 2:
        return
    yield ""
    yield "Phi, correlations of the components"
    head = ["", *[str(number) for number in wide.columns]]
    yield from _columns([head, *[[str(number), *[_r(value) for value in row]] for number, row in wide.iterrows()]])


def _fit(frame: pd.DataFrame) -> Iterator[str]:
    for _, row in frame[frame["model"] == "components"].iterrows():
        yield ""
        yield f"Fit: {_fit_words(row)}"


def _fit_words(row: pd.Series) -> str:
    if row["df"] <= 0:
        many = "as many parameters as" if row["df"] == 0 else "more parameters than"
        return f"nothing to test; with {many} correlations ({_count(row['df'])} df) the model can reproduce any of them"
    return (
        f"chi2({_count(row['df'])}) = {_number(row['chi_square'], 1)} (p {_p(row['p'])}), RMSEA "
        f"{_number(row['rmsea'], 3)} [{_number(row['rmsea_lower'], 3)}, {_number(row['rmsea_upper'], 3)}], TLI "
        f"{_number(row['tli'], 3)}, CFI {_number(row['cfi'], 3)}, "
        + (f"RMSR {_number(row['rmsr'], 3)}, " if pd.notna(row["rmsr"]) else "")
        + (f"SRMR {_number(row['srmr'], 3)}, " if pd.notna(row["srmr"]) else "")
        + f"BIC {_number(row['bic'], 1)}"
    )


def _correspondence(frame: pd.DataFrame, run: ComponentsRun, analysis_id: str) -> Iterator[str]:
    if not len(frame):
        return
    yield ""
    yield "Correspondence with the declared scales"
    whole = frame[(frame["scale_id"] == "") & (frame["component"] == 0)]
    for _, row in whole.iterrows():
        yield f"  {str(row['measure']).replace('_', ' '):<32}{_number(row['estimate'], 2)}{_interval(row)}"
    counts = frame[frame["measure"].isin(["n_items", "n_items_without_component"])]
    if len(counts):
        wide = counts.assign(
            scale=counts["instrument_id"] + "." + counts["scale_id"],
            place=np.where(counts["component"] > 0, counts["component"], _NOWHERE),
        ).pivot(index="scale", columns="place", values="estimate")
        head = ["items of", *["none" if place == _NOWHERE else str(place) for place in wide.columns]]
        yield from _columns([head, *[[str(name), *[_count(v) for v in row]] for name, row in wide.iterrows()]])
    fit = _of(run.tables["model_fit"], analysis_id)
    for _, row in fit[fit["model"] == "a_priori"].iterrows():
        if pd.notna(row["chi_square"]):
            yield f"CFA of the declared scales: {_fit_words(row)}"
        else:
            yield f"CFA of the declared scales: {row['status']}: {row['reason']}"


def _reliability(frame: pd.DataFrame) -> Iterator[str]:
    plain = frame[(frame["item_id"] == "") & (frame["scope"] == "scale")]
    if not len(plain):
        return
    yield ""
    yield "Reliability of the declared scales"
    wanted = ["alpha", "alpha_standardised", "omega_total", "omega_hierarchical"]
    rows = []
    for scale, own in plain.groupby("subject", sort=False):
        by_name = own.set_index("coefficient")["estimate"]
        cells = [_r(by_name.get(name)) for name in wanted]
        intervals = [_interval(row).strip() for _, row in own[own["coefficient"] == "alpha"].iterrows()]
        rows.append([str(scale), _count(own["n_items"].max()), cells[0], (*intervals, "")[0], *cells[1:]])
    head = ["scale", "items", "alpha", "", "standardised", "omega total", "hierarchical"]
    yield from _columns([head, *rows])


def _comparison(run: ComponentsRun, analysis: pd.Series) -> Iterator[str]:
    rater = "" if analysis["rater"] == "both" else f", {analysis['rater']}"
    title = f"{_COMPARISONS[str(analysis['kind'])]}, {analysis['item_set']}{rater}"
    yield ""
    yield title
    yield "=" * len(title)
    if analysis["status"] != "ok":
        yield f"{str(analysis['status']).replace('_', ' ').upper()}: {analysis['reason']}"
    name = "emphasis" if analysis["kind"] == "emphasis" else "congruence"
    frame = _of(run.tables[name], analysis["analysis_id"])
    if not len(frame):
        return
    if analysis["kind"] == "site_congruence":
        yield from _sites(frame)
        return
    if analysis["kind"] == "congruence":
        matched = frame[frame["is_matched"].astype(bool)].sort_values(["alignment", "component"])
        rows = [
            [str(row["component"]), str(row["other_component"]), str(row["alignment"]).replace("_", " "),
             _r(row["congruence"]), _interval(row).strip(), str(row["mark"])]
            for _, row in matched.iterrows()
        ]  # fmt: skip
        yield from _columns([["client", "therapist", "alignment", "phi", "", "mark"], *rows])
        return
    rows = [
        [str(row["subject"]), str(row["measure"]).replace("_", " "), _number(row["client_estimate"], 2),
         _number(row["therapist_estimate"], 2), _number(row["difference"], 2), _interval(row).strip(),
         _p(row["p_holm"]).removeprefix("= ")]
        for _, row in frame.iterrows()
    ]  # fmt: skip
    head = ["theme", "measure", "client", "therapist", "difference", "", "p (Holm)"]
    yield from _columns([head, *rows], left=2)


def _version(frame: pd.DataFrame, version: str) -> Iterator[str]:
    title = f"Congruence with the components of version {version}"
    yield ""
    yield title
    yield "=" * len(title)
    rows = [["analysis", "component", "then", "phi", "mark", "items"]]
    rows += [
        [str(row["analysis_id"]), str(row["component"]), str(row["other_component"]), _r(row["congruence"]),
         str(row["mark"]), _count(row["n_items"])]
        for _, row in frame.iterrows()
    ]  # fmt: skip
    yield from _columns(rows)


def _sites(frame: pd.DataFrame) -> Iterator[str]:
    """Site by site the components matched after rotation, or why a site is not compared."""
    matched = frame[frame["is_matched"].astype(bool) & (frame["alignment"] == "target")]
    rows = [["site", "rows", "component", "with", "phi", "", "mark"]]
    rows += [
        [str(row["site_id"]), _count(row["n_rows"]), str(row["component"]), str(row["other_component"]),
         _r(row["congruence"]), _interval(row).strip(), str(row["mark"])]
        for _, row in matched.sort_values(["site_id", "component"]).iterrows()
    ]  # fmt: skip
    if len(rows) > 1:
        yield from _columns(rows)
    for _, row in frame[frame["component"] == 0].iterrows():
        yield f"{row['site_id']}: {str(row['status']).replace('_', ' ')}: {row['reason']}"


def _of(frame: pd.DataFrame, analysis_id: Any) -> pd.DataFrame:
    return frame[frame["analysis_id"] == analysis_id]


def _beside(run: ComponentsRun, kind: str, analysis: pd.Series) -> str | None:
    """The id of the analysis of this kind of the same items and rater."""
    registry = run.tables["analyses"]
    same = (registry["item_set"] == analysis["item_set"]) & (registry["rater"] == analysis["rater"])
    found = registry.loc[same & (registry["kind"] == kind), "analysis_id"]
    return str(found.iloc[0]) if len(found) else None


def _sentences(listed: Any) -> list[str]:
    return list(json.loads(listed)) if isinstance(listed, str) else []


def _columns(rows: Sequence[Sequence[str]], *, left: int = 1, last_left: bool = False) -> Iterator[str]:
    """Aligned columns: the first ``left`` (and the last, where ``last_left``) to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    last = len(widths) - 1
    for row in rows:
        cells = [
            cell.ljust(width) if place < left or (last_left and place == last) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _interval(row: pd.Series) -> str:
    if pd.isna(row["lower"]) or pd.isna(row["upper"]):
        return ""
    return f" [{_number(row['lower'], 2)}, {_number(row['upper'], 2)}]"


def _number(value: Any, digits: int) -> str:
    # Plus 0 makes a zero of what rounds to minus zero.
    return "-" if value is None or pd.isna(value) else f"{round(float(value), digits) + 0.0:.{digits}f}"


def _r(value: Any) -> str:
    """A correlation or a loading without the zero before the point, as papers print it."""
    return _number(value, 2).replace("0.", ".", 1) if value is not None and not pd.isna(value) else "-"


def _percent(value: Any) -> str:
    return "-" if value is None or pd.isna(value) else f"{100 * value:.0f}%"


def _count(value: Any) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.0f}"


def _p(value: Any) -> str:
    if value is None or pd.isna(value):
        return "-"
    return "< .001" if value < 0.001 else f"= {value:.3f}".replace("0.", ".", 1)
