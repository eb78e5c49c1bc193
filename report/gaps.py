"""How far apart client and therapist are, by theme: over dyads, never of single ones."""

from __future__ import annotations

import altair as alt

from report import words
from report.content import Block, Figure, Heading, Table, Text, foldable, table
from report.few import read_limits
from report.svg import BLUE, INK, figure, rows_named
from report.warehouse import Row, Warehouse

_GAPS = """
select cast(gaps.session_id as varchar) as session_id, gaps.theme, count(*) as n_dyads,
    count(distinct dyads.therapist_id) as n_therapists, avg(gaps.gap) as mean, stddev_samp(gaps.gap) as sd,
    quantile_cont(gaps.gap, 0.25) as lower_quartile, quantile_cont(gaps.gap, 0.5) as median,
    quantile_cont(gaps.gap, 0.75) as upper_quartile, count(gaps.exceeds_error) as n_judged,
    count(*) filter (where gaps.exceeds_error and gaps.gap > 0) as client_higher,
    count(*) filter (where gaps.exceeds_error and gaps.gap < 0) as therapist_higher
from core.dyad_gaps as gaps
left join core.dyads as dyads on gaps.dyad_id = dyads.dyad_id
where gaps.gap is not null
group by gaps.session_id, gaps.theme
order by gaps.session_id, gaps.theme
"""


def gap_blocks(warehouse: Warehouse) -> list[Block]:
    """A figure of the session with most dyads and a table of all; themes of few dyads or therapists are withheld."""
    rows = warehouse.rows(_GAPS)
    if not rows:
        return []
    few = read_limits(warehouse)
    shown = [row for row in rows if few.enough(row["n_dyads"], row["n_therapists"])]
    blocks: list[Block] = [
        Heading("How far apart, by theme"),
        Text(
            "A gap is the client's rating of a theme minus the therapist's, in percent of the range. Clients rate "
            "higher than therapists on average, so a gap of zero may be the unusual one. Single dyads are not shown."
        ),
    ]
    if len(shown) < len(rows):
        held = words.count_of(len(rows) - len(shown), "theme of a session is", "themes of sessions are")
        blocks.append(Text(f"{held} withheld: {few.said}.", "notice"))
    if shown:
        blocks += [_figure(shown), foldable(_table(shown))]
    return blocks


def _figure(shown: list[Row]) -> Figure:
    sessions = {row["session_id"]: 0 for row in shown}
    for row in shown:
        sessions[row["session_id"]] = max(sessions[row["session_id"]], row["n_dyads"])
    session = max(sessions, key=lambda one: sessions[one])
    own = [row | {"name": words.plain(row["theme"])} for row in shown if row["session_id"] == session]
    own.sort(key=lambda row: -row["median"])
    order = [row["name"] for row in own]
    fields = ("name", "lower_quartile", "median", "upper_quartile")
    base = alt.Chart(rows_named()).encode(y=alt.Y("name:N", title=None, sort=order, axis=alt.Axis(grid=True)))
    title = "Gap in percent of the range (client minus therapist)"
    zero = alt.Chart(rows_named("zero")).mark_rule(color=INK, opacity=0.6).encode(x="at:Q")
    bars = base.mark_bar(height=9, color=BLUE, opacity=0.55).encode(
        x=alt.X("lower_quartile:Q", title=title), x2="upper_quartile:Q"
    )
    ticks = base.mark_tick(color=INK, thickness=2, size=15).encode(x="median:Q")
    n = sorted({row["n_dyads"] for row in own})
    counted = words.count_of(n[0], "dyad") if len(n) == 1 else f"{words.count(n[0])} to {words.count_of(n[-1], 'dyad')}"
    therapists = max(row["n_therapists"] for row in own)
    return figure(
        "gaps",
        alt.layer(zero, bars, ticks).properties(width=420, height=alt.Step(24)),
        {"rows": [{name: row[name] for name in fields} for row in own], "zero": [{"at": 0}]},
        title=f"Gaps of client and therapist by theme, session “{session}”",
        description=f"Bars of the middle half of dyads for {words.count_of(len(own), 'theme')}; medians from "
        f"{words.number(own[-1]['median'], 1)} ({order[-1]}) to {words.number(own[0]['median'], 1)} ({order[0]}).",
        caption="Bar: the middle half of the dyads; line: the median. Right of zero the client sees more of it. "
        f"n = {counted} with up to {words.count_of(therapists, 'therapist')}.",
    )


def _table(shown: list[Row]) -> Table:
    return table(
        "Gaps by session and theme",
        [
            "Session",
            "Theme",
            "Mean#",
            "SD#",
            "Quartiles#",
            "Median#",
            "Client clearly higher#",
            "Therapist clearly higher#",
            "Dyads#",
        ]
        + ["Therapists#"],
        [
            (
                row["session_id"],
                words.plain(row["theme"]),
                words.number(row["mean"], 1),
                words.number(row["sd"], 1),
                words.interval(row["lower_quartile"], row["upper_quartile"], 1),
                words.number(row["median"], 1),
                *[words.share(row[name], row["n_judged"]) for name in ("client_higher", "therapist_higher")],
                words.count(row["n_dyads"]),
                words.count(row["n_therapists"]),
            )
            for row in shown
        ],
        "Clearly higher: share of dyads whose gap is more than measurement error (1.96 standard errors; none for a "
        "theme of one item). One in twenty gaps of nothing exceeds it. The mean gaps have intervals under “Emphasis "
        "by theme” (mean rating).",
    )
