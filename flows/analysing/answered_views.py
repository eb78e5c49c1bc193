"""Question 3 as findings: how client and therapist components relate, who rates higher, and who stresses what."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.common.wording import several
from flows.analysing.answered import (
    CANNOT_TELL,
    NOT_SUPPORTED,
    SUPPORTED,
    Finding,
    Row,
    by_status,
    figures_of,
    interval,
    judged,
    known,
    number,
    p_value,
    people,
    row_key,
    tested,
)
from flows.analysing.answered_both import both_findings
from flows.analysing.answered_tables import Results

EMPHASIS = {
    "mean_loading": ("give {theme} greater weight in their components", "mean loading", 2),
    "rank": ("rate {theme} higher relative to their other answers", "mean rank within a rater, 0 to 100,", 1),
    "mean_rating": ("rate {theme} higher", "mean rating in percent of the range", 1),
}


def view_findings(results: Results) -> Iterator[Finding]:
    """Pairs of components, the totals of instruments, and themes."""
    pooled = {row["effect"]: row for row in results.rows("site_effects", "level = 'pooled'"
              " and method = 'reml_knapp_hartung' and effect_table = 'agreement'")}  # fmt: skip
    for analysis in results.of_kind("agreement"):
        pairs = results.rows(
            "agreement",
            f"analysis_id = '{analysis['analysis_id']}' and scope = 'component' and statistic = 'pearson' "
            "and interval_method = 'cluster_jackknife'",
        )
        yield _how_related(analysis, pairs)
        for row in pairs:
            yield _pair(results, analysis, row, pooled)
    yield from _totals(results)
    yield from both_findings(results)
    yield from _themes(results)


def _how_related(analysis: Row, pairs: list[Row]) -> Finding:
    judgements = [judged(row)[0] for row in pairs]
    n = judgements.count(SUPPORTED)
    identity = f"views.{analysis['item_set']}"
    if not pairs:
        reason = analysis["reason"] or "There is no estimate."
        said = f"It cannot be told how client and therapist components relate: {reason}"
        return Finding(identity, "two_views", said, CANNOT_TELL, analysis["analysis_id"], reason)
    status = SUPPORTED if n else CANNOT_TELL if CANNOT_TELL in judgements else NOT_SUPPORTED
    estimates = [row["estimate"] for row in pairs if known(row["estimate"])]
    holds = "holds" if n == 1 else "hold"
    said = f"{n} of {len(pairs)} correlations of client with therapist components {holds} after adjustment"
    if len(estimates) > 1:
        said += f"; they go from {number(min(estimates))} to {number(max(estimates))}"
    elif estimates:
        said += f"; it is {number(estimates[0])}"
    said += people(pairs[0])
    keys = tuple(row_key("agreement", row, "estimate") for row in pairs)
    figures = figures_of(pairs[0]) | {"estimate": None, "lower": None, "upper": None, "p_adjusted": None}
    why = "Some intervals do not exclude an effect of .30, and none holds." if status == CANNOT_TELL else None
    return Finding(identity, "two_views", said + ".", status, analysis["analysis_id"], why, figures, keys)


def _pair(results: Results, analysis: Row, row: Row, pooled: dict[str, Row]) -> Finding:
    status, reason = judged(row)
    client = results.component("client", int(row["subject"]), analysis["item_set"])
    therapist = results.component("therapist", int(row["other_subject"]), analysis["item_set"])
    verb = by_status(status, "goes with", "is not shown to go with", "may or may not go with")
    said = f"{client} {verb} {therapist[0].lower()}{therapist[1:]}: r {tested(row)}{people(row)}"
    keys = [row_key("agreement", row, "estimate")]
    site = pooled.get(f"client.component_{row['subject']}.therapist.component_{row['other_subject']}")
    if site is not None and known(site["i2"]):
        said += f", I2 {100 * site['i2']:.0f} %"
        keys.append(row_key("site_effects", site, "sites"))
    return Finding(
        f"views.{analysis['item_set']}.client_{row['subject']}.therapist_{row['other_subject']}",
        "two_views",
        said + ".",
        status,
        analysis["analysis_id"],
        reason,
        figures_of(row, i2=None if site is None else site["i2"]),
        tuple(keys),
    )


def _totals(results: Results) -> Iterator[Finding]:
    """Whether one rater's total runs higher, and whether the totals go together."""
    rows = results.rows("agreement", "scope = 'scale' and subject like '%.total'")
    best = {
        (row["subject"], row["statistic"]): row
        for row in rows
        if row["interval_method"] not in ("bootstrap_therapist", "bootstrap_components")
    }
    for subject in sorted({row["subject"] for row in rows}):
        gap, r = best.get((subject, "mean_difference")), best.get((subject, "pearson"))
        d, icc = best.get((subject, "d_pooled")), best.get((subject, "icc_a1"))
        main = gap or r
        if main is None:
            continue
        if not any(row is not None and known(row["estimate"]) for row in (gap, r)):
            reason = main["reason"] or "There is no estimate."
            told = f"It cannot be told whether client and therapist rate {subject} alike: {reason}"
            yield Finding(f"level.{subject}", "two_views", told, CANNOT_TELL, main["analysis_id"], reason)
            continue
        status, reason = judged(gap, bound=None)
        higher = "Clients" if gap is None or (gap["estimate"] or 0) >= 0 else "Therapists"
        other = "therapists" if higher == "Clients" else "clients"
        verb = by_status(status, "rate", "are not shown to rate", "may or may not rate")
        said = f"{higher} {verb} {subject} higher than {other}"
        if gap is not None and known(gap["estimate"]):
            said += f": difference {tested(gap)}"
        elif reason:
            said += f": {reason.rstrip('.')}"
        keys = [row_key("agreement", main, "estimate")]
        for words, row in (("d", d), ("r of the two", r), ("ICC(A,1)", icc)):
            if row is not None and known(row["estimate"]):
                said += f"; {words} {number(row['estimate'])}"
                keys.append(row_key("agreement", row, row["statistic"])) if row is not main else None
        said += people(main).replace(",", ";", 1)
        yield Finding(
            f"level.{subject}", "two_views", said + ".", status, main["analysis_id"], reason, figures_of(main),
            tuple(keys),
        )  # fmt: skip


def _themes(results: Results) -> Iterator[Finding]:
    for analysis in results.of_kind("emphasis"):
        rows = results.rows("emphasis", f"analysis_id = '{analysis['analysis_id']}' and level = 'theme'")
        if not rows:
            reason = analysis["reason"] or "There is no estimate."
            said = f"It cannot be told where clients and therapists place different emphasis: {reason}"
            identity = f"emphasis.{analysis['item_set']}"
            yield Finding(identity, "emphasis", said, CANNOT_TELL, analysis["analysis_id"], reason)
        for row in rows:
            if row["measure"] in EMPHASIS:
                yield _theme(analysis, row)


def _theme(analysis: Row, row: Row) -> Finding:
    verb, what, digits = EMPHASIS[row["measure"]]
    status, reason = judged(row | {"estimate": row["difference"]}, bound=None)
    theme = row["subject"].replace("_", " ")
    client_more = (row["difference"] or 0) >= 0
    who, than = ("Clients", "therapists") if client_more else ("Therapists", "clients")
    hedge = by_status(status, "", "are not shown to ", "may or may not ")
    said = f"{who} {hedge}{verb.format(theme=theme)} than {than}: {what} of clients "
    said += f"{number(row['client_estimate'], digits)}, of therapists {number(row['therapist_estimate'], digits)}"
    said += f", difference {number(row['difference'], digits)}{interval(row, digits)}"
    said += f", adjusted p {p_value(row['p_holm'])}, "
    paired = row["n_dyads"] is not None
    said += f"{several(row['n_items'], 'item')}, {several(row['n_dyads'] if paired else row['n_rows'], 'dyad')} "
    said += "with both" if paired else "of one rater or both"
    return Finding(
        f"emphasis.{analysis['item_set']}.{row['subject']}.{row['measure']}",
        "emphasis",
        said + ".",
        status,
        analysis["analysis_id"],
        reason,
        figures_of(row | {"estimate": row["difference"]}),
        (row_key("emphasis", row, "estimate"),),
    )
