"""What arrived, by site: deliveries, people, forms by instrument and rater, and pairs of both raters."""

from __future__ import annotations

from report import words
from report.content import Block, Cell, Section, Text, foldable, table
from report.warehouse import Row, Warehouse

_SITES = """
with arrived as (
    select site_id, count(*) as deliveries, max(landed_at) as last_arrival, max(delivered_on) as last_delivered
    from quality.deliveries group by site_id
),
paired as (
    select site_id, count(distinct client_form_id) as pairs
    from core.dyad_sessions
    where client_form_id is not null and therapist_form_id is not null
    group by site_id
)
select
    sites.site_id, sites.name, sites.expected_clients,
    sites.n_clients, sites.n_therapists, sites.n_dyads, sites.n_forms,
    coalesce(arrived.deliveries, 0) as deliveries, arrived.last_arrival, arrived.last_delivered,
    coalesce(paired.pairs, 0) as pairs
from core.sites as sites
left join arrived on sites.site_id = arrived.site_id
left join paired on sites.site_id = paired.site_id
order by sites.site_id
"""

_FORMS = """
select forms.site_id, forms.instrument_id, forms.phase, forms.rater, count(*) as n
from core.forms as forms
group by forms.site_id, forms.instrument_id, forms.phase, forms.rater
order by forms.instrument_id, forms.phase, forms.rater, forms.site_id
"""

_ORPHANS = """
select reason, count(*) as n, count(distinct site_id) as sites
from quality.orphan_forms group by reason order by n desc, reason
"""

_PHASES = {"pre": "before therapy", "therapy": "during therapy", "post": "after therapy", "followup": "follow-up"}
_PHASE_ORDER = list(_PHASES)

_ORPHAN_REASONS = {
    "no_client_form": "therapist form without a client form of the same session",
    "no_therapist_form": "client form without a therapist form of the same session",
    "therapist_unknown": "the record names no therapist and none is known for the client",
    "therapist_ambiguous": "the record names no therapist and the client has several",
    "outside_session_windows": "outside every session the study declares",
}


def section(warehouse: Warehouse) -> Section:
    """What arrived by site."""
    sites = warehouse.rows(_SITES)
    if not sites:
        empty = Text("No site is configured yet. Add a file to `sites/` and refresh.", "empty")
        return Section("arrivals", "What arrived", (empty,))
    blocks: list[Block] = []
    silent = [row["site_id"] for row in sites if not row["deliveries"]]
    if silent:
        blocks.append(Text(f"Nothing has arrived yet from {words.listed(silent)}.", "warning"))
    blocks += [_by_site(sites), *_forms(warehouse.rows(_FORMS), len(sites)), *_orphans(warehouse.rows(_ORPHANS))]
    return Section("arrivals", "What arrived", tuple(blocks))


def _by_site(sites: list[Row]) -> Block:
    columns = ["Site", "Name", "Deliveries#", "Last landed#", "Clients#", "Therapists#", "Dyads#", "Forms#", "Pairs#"]
    made = table(
        "Arrivals by site",
        columns,
        [
            (
                row["site_id"],
                row["name"] or "",
                Cell(words.count(row["deliveries"]), "" if row["deliveries"] else "warning"),
                words.day(row["last_arrival"]),
                _of_expected(row),
                words.count(row["n_therapists"]),
                words.count(row["n_dyads"]),
                words.count(row["n_forms"]),
                words.count(row["pairs"]),
            )
            for row in sites
        ]
        + ([_totals(sites)] if len(sites) > 1 else []),
        "A pair is a client form and a therapist form of the same instrument, dyad and session. Clients are given as "
        "“arrived / expected” where the site file says how many are expected in the end.",
    )
    return foldable(made)


def _of_expected(row: Row) -> str:
    arrived = words.count(row["n_clients"])
    return arrived if row["expected_clients"] is None else f"{arrived} / {words.count(row['expected_clients'])}"


def _totals(sites: list[Row]) -> tuple[Cell, ...]:
    sums = {
        name: words.count(sum(row[name] or 0 for row in sites))
        for name in ("deliveries", "n_clients", "n_therapists", "n_dyads", "n_forms", "pairs")
    }
    last = max((row["last_arrival"] for row in sites if row["last_arrival"]), default=None)
    texts = ["All sites", "", sums["deliveries"], words.day(last), *list(sums.values())[1:]]
    return tuple(Cell(text, strong=True) for text in texts)


def _forms(forms: list[Row], n_sites: int) -> list[Block]:
    if not forms:
        return [Text("No form has arrived yet.", "empty")]
    kinds = sorted(
        {(row["instrument_id"], row["phase"], row["rater"]) for row in forms},
        key=lambda kind: (_order(kind[1]), kind[0], kind[2]),
    )
    counts = {(row["instrument_id"], row["phase"], row["rater"], row["site_id"]): row["n"] for row in forms}
    sites = sorted({row["site_id"] for row in forms})
    few = n_sites <= 8
    columns = [
        "Instrument",
        "Phase",
        "Rater",
        "Forms#",
        "Sites with forms#",
        *([f"{site}#" for site in sites] if few else []),
    ]
    rows = []
    for instrument, phase, rater in kinds:
        by_site = [counts.get((instrument, phase, rater, site), 0) for site in sites]
        cells = [instrument, _PHASES.get(phase, phase), rater, words.count(sum(by_site))]
        cells.append(f"{sum(n > 0 for n in by_site)} of {n_sites}")
        rows.append([*cells, *([words.count(n) for n in by_site] if few else [])])
    blocks: list[Block] = [foldable(table("Forms by instrument, phase and rater", columns, rows), limit=30)]
    if not few:
        each = [
            (
                row["site_id"],
                row["instrument_id"],
                str(_PHASES.get(row["phase"], row["phase"])),
                row["rater"],
                words.count(row["n"]),
            )
            for row in sorted(
                forms, key=lambda row: (row["site_id"], _order(row["phase"]), row["instrument_id"], row["rater"])
            )
        ]
        blocks.append(foldable(table("Forms of each site", ["Site", "Instrument", "Phase", "Rater", "Forms#"], each)))
    return blocks


def _order(phase: str) -> int:
    return _PHASE_ORDER.index(phase) if phase in _PHASE_ORDER else len(_PHASE_ORDER)


def _orphans(orphans: list[Row]) -> list[Block]:
    if not orphans:
        return []
    rows = [
        (
            words.plain(row["reason"]),
            _ORPHAN_REASONS.get(row["reason"], ""),
            words.count(row["n"]),
            words.count(row["sites"]),
        )
        for row in orphans
    ]
    made = table(
        "Forms that have no counterpart",
        ["Reason", "Meaning", "Forms#", "Sites#"],
        rows,
        "They count for their rater but in no comparison of the two raters; `quality.orphan_forms` lists them.",
    )
    return [made]
