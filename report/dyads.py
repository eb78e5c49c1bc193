"""What a rating is made of (therapist, dyad, session), how the two move together, and how far apart they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import altair as alt

from report import words
from report.analyses import Registry, best_interval, estimate_with_interval, reasons_of, short_status
from report.content import Block, Cell, Figure, Heading, Section, Text, foldable, table
from report.gaps import gap_blocks
from report.svg import BLUE, GREY, SKY, figure, rows_named
from report.warehouse import Row, Warehouse

_ROWS = """
select analysis_id, subject, rater, statistic, interval_method, estimate, standard_error, p, p_holm, lower, upper,
    n_rows, n_dyads, n_therapists, status, reason
from results.agreement
where analysis_id in (
    select analysis_id from results.agreement
    where regexp_matches(statistic, '^(therapist|dyad|error)_(variance|share|reciprocity)$') or statistic in (
        'directional_bias', 'tracking_within', 'tracking_between', 'tracking_sd', 'assumed_similarity_within',
        'assumed_similarity_between'
    )
)
order by analysis_id, subject, rater, statistic, interval_method
"""

_PARTS = {"therapist": "therapist", "dyad": "client and relationship", "error": "session and error"}
_PARTS_OF_ONE_SESSION = {"therapist": "therapist", "dyad": "client, relationship and error"}
_BIAS = {
    "directional_bias": "Bias#",
    "tracking_between": "Tracking between dyads#",
    "tracking_within": "Tracking within dyads#",
    "tracking_sd": "Tracking, SD over dyads#",
}
_RATERS = ("client", "therapist")


def section(warehouse: Warehouse, registry: Registry) -> Section:
    """Variance parts and reciprocity, truth and bias, and gaps by theme."""
    title = "Dyads: whose rating, and how far apart"
    rows = warehouse.rows(_ROWS)
    gaps = gap_blocks(warehouse)
    failed = [
        Text(f"Variance of ratings, and bias: {words.ended(one.status, one.reason)}", "warning")
        for one in registry.of_kind("agreement")
        if one.analysis_id.startswith("agreement_variance") and not one.is_ok
    ]
    if not rows and not gaps:
        text = "No dyad was rated by both in the same session, or no analysis of it has run."
        return Section("dyads", title, (Text(text, "empty"), *failed))
    blocks: list[Block] = [
        *failed,
        *_parts(rows, registry),
        *_reciprocity(rows, registry),
        *_bias(rows, registry),
        *gaps,
    ]
    return Section("dyads", title, tuple(blocks))


def _parts(rows: list[Row], registry: Registry) -> list[Block]:
    own = [row for row in rows if row["statistic"].rpartition("_")[2] in ("share", "variance")]
    if not own:
        return []
    found: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in own:
        if row["rater"] in _RATERS:
            found[row["subject"], row["rater"]][row["statistic"]] = row
    blocks: list[Block] = [
        Heading("What a rating is made of (one-with-many)"),
        Text(
            "Clients of one therapist, over all sessions both rated. In a client's rating the therapist's part is how "
            "this therapist is seen by all clients; in a therapist's rating it is how the therapist sees all clients. "
            "What is the client's own way and what is this relationship cannot be told apart, since a client has one "
            "therapist; with one session a dyad, error is in that part too."
        ),
    ]
    known = {key: of for key, of in found.items() if any(row["estimate"] is not None for row in of.values())}
    if known:
        sessions = any(of.get("error_share", {}).get("estimate") is not None for of in known.values())
        parts = _PARTS if sessions else _PARTS_OF_ONE_SESSION
        blocks += [_shares(known, parts), _variances(known, parts, registry)]
    missing = reasons_of([row for row in own if row["estimate"] is None], "subject")
    if missing:
        blocks.append(Text(missing, "notice"))
    return blocks


def _shares(known: dict[tuple[str, str], dict[str, Row]], parts: dict[str, str]) -> Figure:
    cells = list(_stacked(known, parts))
    some = [row for found in known.values() for row in found.values()]
    dyads, therapists = (max(row[name] or 0 for row in some) for name in ("n_dyads", "n_therapists"))
    therapist = [cell["to"] - cell["from"] for cell in cells if cell["dark"]]
    span = f"from {words.share(min(therapist), 1)} to {words.share(max(therapist), 1)}" if therapist else "not known"
    return figure(
        "variance-shares",
        _bars(list(parts.values())),
        {"rows": cells},
        title="Parts of a rating's variance",
        description="Stacked bars of variance shares for "
        f"{words.count_of(len(known), 'scale and rater', 'scales and raters')}; "
        f"the therapist's share is {span}.",
        caption="Shares of the variance of one rating. Shares are estimates: the table has intervals. "
        f"n = up to {words.count_of(dyads, 'dyad')} of {words.count_of(therapists, 'therapist')}, "
        f"{words.count_of(max(row['n_rows'] or 0 for row in some), 'session')} that both rated.",
    )


def _stacked(known: dict[tuple[str, str], dict[str, Row]], parts: dict[str, str]) -> Iterator[Row]:
    """The shares of each scale and rater, one beginning where the other ends."""
    for (scale, rater), found in known.items():
        start = 0.0
        for part, name in parts.items():
            share = (found.get(f"{part}_share") or {}).get("estimate")
            if share is None:
                continue
            yield {
                "scale": scale,
                "rater": f"{rater.capitalize()}'s rating",
                "part": name,
                "from": start,
                "to": start + share,
                "middle": start + share / 2,
                "shown": words.share(share, 1) if share >= 0.12 else "",
                "dark": part == "therapist",
            }
            start += share


def _bars(parts: list[str]) -> alt.FacetChart:
    """One bar per scale, cut into parts that carry their share, one column per rater."""
    colours = alt.Scale(domain=parts, range=[BLUE, SKY, GREY][: len(parts)])
    x = alt.X("from:Q", title="Share of the variance", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    base = alt.Chart().encode(y=alt.Y("scale:N", title=None))
    bars = base.mark_bar(height=18, stroke="#ffffff", strokeWidth=1).encode(
        x=x, x2="to:Q", color=alt.Color("part:N", title="Part", scale=colours, legend=alt.Legend(orient="top"))
    )
    texts = base.mark_text(fontSize=11, color=alt.expr("datum.dark ? '#ffffff' : '#10243a'")).encode(
        x=alt.X("middle:Q", scale=alt.Scale(domain=[0, 1])), text="shown:N"
    )
    return (
        alt.layer(bars, texts, data=rows_named())
        .properties(width=300, height=alt.Step(26))
        .facet(column=alt.Column("rater:N", title=None))
    )


def _variances(known: dict[tuple[str, str], dict[str, Row]], parts: dict[str, str], registry: Registry) -> Block:
    def part(found: dict[str, Row], name: str) -> str:
        variance, share = found.get(f"{name}_variance"), found.get(f"{name}_share")
        if variance is None or variance["estimate"] is None:
            return words.NOTHING
        return f"{words.share((share or {}).get('estimate'), 1)}; {estimate_with_interval(variance, 3)}"

    some = [next(iter(found.values())) for found in known.values()]
    return foldable(
        table(
            "Parts of the variance of a rating",
            [
                "Scale",
                "Rater",
                *[f"{name.capitalize()}#" for name in parts.values()],
                "Sessions#",
                "Dyads#",
                "Therapists#",
            ]
            + ["Status"],
            [
                (
                    scale,
                    rater,
                    *[part(found, name) for name in parts],
                    *[
                        words.count(max(row[n] or 0 for row in found.values()))
                        for n in ("n_rows", "n_dyads", "n_therapists")
                    ],
                    short_status(next((row for row in found.values() if row["status"] != "ok"), some[0])),
                )
                for (scale, rater), found in known.items()
            ],
            f"Share of the rating's variance; variance by REML with its {registry.level}interval in brackets. Few "
            "therapists say little of their part. "
            f"{reasons_of([row for found in known.values() for row in found.values()])}".strip(),
        )
    )


def _reciprocity(rows: list[Row], registry: Registry) -> list[Block]:
    own = [row for row in rows if row["statistic"].endswith("_reciprocity") and row["estimate"] is not None]
    if not own:
        return []
    names = {
        "therapist": "therapists rated high by clients rate clients high",
        "dyad": "a client rated high rates high",
        "error": "both see the same session alike",
    }
    made = table(
        "Do the two views go together, part by part (reciprocity)",
        ["Scale", "Part", "r#", f"{registry.level}interval#".capitalize(), "p#", "p (Holm)#", "Dyads#", "Therapists#"]
        + ["Status"],
        [
            (
                row["subject"],
                names.get(row["statistic"].removesuffix("_reciprocity"), words.plain(row["statistic"])),
                Cell(words.number(row["estimate"]), strong=row["p_holm"] is not None and row["p_holm"] < 0.05),
                words.interval(row["lower"], row["upper"]),
                words.p_value(row["p"]),
                words.p_value(row["p_holm"]),
                words.count(row["n_dyads"]),
                words.count(row["n_therapists"]),
                short_status(row),
            )
            for row in own
        ],
        f"Correlations of both raters' effects. Bold: below .05 after Holm over the scales. {reasons_of(own)}".strip(),
    )
    return [foldable(made)]


def _bias(rows: list[Row], registry: Registry) -> list[Block]:
    found: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["statistic"] in _BIAS:
            found[row["subject"], row["rater"]][row["statistic"]].append(row)
    if not found:
        return []
    best = {key: {name: best_interval(own) for name, own in of.items()} for key, of in found.items()}
    made = table(
        "Bias and tracking",
        ["Scale", "Who rates", *_BIAS.values(), "Sessions#", "Dyads#", "Therapists#"],
        [
            (
                scale,
                rater,
                *[_estimate(of.get(name)) for name in _BIAS],
                *[words.count(max(row[n] or 0 for row in of.values())) for n in ("n_rows", "n_dyads", "n_therapists")],
            )
            for (scale, rater), of in best.items()
        ],
        f"{registry.level}intervals in brackets, which allow for clients of one therapist being alike. Bias, in "
        "points of the scale: how far this rater is above the other. Tracking: points by which this rater's rating "
        "moves with one point of the other's, between dyads and from session to session within a dyad (1 would be in "
        "step). SD: how much tracking differs between dyads. Bold: below .05 after Holm over the scales.",
    )
    others = [row for row in rows if row["statistic"] in _BIAS or row["statistic"].startswith("assumed_similarity")]
    missing = reasons_of(
        [row | {"what": words.plain(row["statistic"])} for row in others if row["estimate"] is None], "what"
    )
    return [
        Heading("Does one rater run above the other, and do they move together? (truth and bias)"),
        foldable(made),
        *([Text(f"Not estimated. {missing}", "notice")] if missing else []),
    ]


def _estimate(row: Row | None) -> Cell:
    strong = row is not None and row["p_holm"] is not None and row["p_holm"] < 0.05
    return Cell(estimate_with_interval(row), strong=strong)
