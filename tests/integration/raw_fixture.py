"""Writes small hand-made studies straight into landing.duckdb: what landing would leave, without files to land."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import duckdb

from tests.integration.raw_schema import create_raw_tables

# instrument, domain, min, max, step, higher_is
INSTRUMENTS = (("mini", "alliance", 1, 5, 1, "better"), ("mood", "outcome", 0, 4, 1, "worse"))
# instrument, item number, reverse keyed
ITEMS = (
    ("mini", 1, False), ("mini", 2, True), ("mini", 3, False), ("mini", 4, True),
    ("mood", 1, False), ("mood", 2, False), ("mood", 3, False),
)  # fmt: skip
# instrument, scale, number, method, items
SCALES = (
    ("mini", "warm", 1, "mean", (1, 2)),
    ("mini", "total", 2, "mean", (1, 2, 3, 4)),
    ("mood", "total", 1, "sum", (1, 2, 3)),
)
SESSIONS = (("s05", 1, 3.0, 7.0, 5.0, None, None), ("last", 2, None, None, None, None, None))
KEYS = ("client", "therapist", "episode", "rater", "session", "date", "filter", "item_code", "value")


@dataclass
class Block:
    """One form's place in a delivery. ``bound`` maps a column (long: an item code) to an item number or scale id;
    ``keys`` maps roles to columns; ``rater`` and ``session`` are constants."""

    instrument: str
    bound: Mapping[str, int | str]
    keys: Mapping[str, str]
    rater: str | None = None
    session: str | None = None
    phase: str = "therapy"
    orientation: str = "as_administered"
    date_format: str = "iso"
    decimal_mark: str = "."
    shift: float = 0
    filter_values: Sequence[str] | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass
class Delivery:
    """One file: header, records (as short or as long as they are) and the blocks in it."""

    site_id: str
    file_spec: str
    columns: Sequence[str]
    records: Sequence[Sequence[str | None]]
    blocks: Sequence[Block]
    full: bool = False
    free_text: Sequence[str] = ()


@dataclass
class Study:
    """What landing knows: deliveries in the order in which they arrived."""

    deliveries: Sequence[Delivery]
    sites: Sequence[str]
    sessions: Sequence[tuple[object, ...]] = SESSIONS
    settings: Mapping[str, str] = field(default_factory=dict)
    withdrawn: Sequence[tuple[str, str]] = ()


def pseudonym(site_id: str, kind: str, local_id: str) -> str:
    """The fixture's pseudonym: any text that depends on site, kind and id will do for dbt."""
    prefix = {"client": "cl_", "therapist": "th_", "episode": "ep_"}[kind]
    return prefix + sha256(f"{site_id}|{kind}|{local_id.strip()}".encode()).hexdigest()[:16]


def write_landing(path: Path, study: Study, changed: Sequence[str] | None = None) -> None:
    """Writes ``study`` to a new landing.duckdb; ``changed`` are the sites to build, all of them by default."""
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        create_raw_tables(connection)
        _write_codebook(connection)
        _write_study(connection, study, study.sites if changed is None else changed)
        blocks = 0
        for number, delivery in enumerate(study.deliveries, start=1):
            _write_delivery(connection, number, delivery)
            later = study.deliveries[number:]
            replaced = delivery.full and any(_same_spec(delivery, other) for other in later)
            for block in delivery.blocks:
                blocks += 1
                _write_block(connection, blocks, number, delivery, block, is_current=not replaced)


def _same_spec(one: Delivery, other: Delivery) -> bool:
    return (one.site_id, one.file_spec) == (other.site_id, other.file_spec)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, **values: object) -> None:
    marks = ", ".join("?" for _ in values)
    connection.execute(f"INSERT INTO raw.{table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))


def _write_codebook(connection: duckdb.DuckDBPyConnection) -> None:
    for instrument, domain, low, high, step, higher_is in INSTRUMENTS:
        _insert(
            connection, "codebook_instruments", instrument_id=instrument, name=instrument, domain=domain,
            min_value=low, max_value=high, step=step, higher_is=higher_is, raters="client therapist",
            status="confirmed", origin="study",
        )  # fmt: skip
    for instrument, number, reverse_keyed in ITEMS:
        _insert(
            connection, "codebook_items", instrument_id=instrument, item_number=number,
            item_id=f"{instrument}_{number:02d}", reverse_keyed=reverse_keyed, topic="topic", theme="bond",
            overlaps_outcome=False, origin="study",
        )  # fmt: skip
    for instrument, scale, number, method, items in SCALES:
        _insert(
            connection, "codebook_scales", instrument_id=instrument, scale_id=scale, scale_number=number, name=scale,
            method=method, kind="total" if scale == "total" else "subscale", status="confirmed", origin="study",
        )  # fmt: skip
        for item in items:
            _insert(
                connection, "codebook_scale_items", instrument_id=instrument, scale_id=scale, item_number=item,
                origin="study",
            )  # fmt: skip
    _insert(connection, "codebook_themes", theme_id="bond", name="Bond", description="Bond", origin="study")


def _write_study(connection: duckdb.DuckDBPyConnection, study: Study, changed: Sequence[str]) -> None:
    settings = {"study_id": "small", "min_share_answered": "0.75", "pairing_max_days": "", "today": "2024-07-01"}
    for setting, value in {**settings, "refresh_id": "r1", "code_version": "x", **study.settings}.items():
        _insert(connection, "study_settings", setting=setting, value=value)
    for site in study.sites:
        _insert(connection, "sites", site_id=site, name=site.title())
        for rater in ("client", "therapist"):
            _insert(connection, "site_instruments", site_id=site, instrument_id="mini", rater=rater)
    for site in changed:
        _insert(connection, "changed_sites", site_id=site)
    names = ("session_id", "session_order", "from_number", "to_number", "target_number", "from_day", "to_day")
    for session in study.sessions:
        _insert(connection, "sessions", **dict(zip(names, session, strict=True)), label=session[0])
    for site, client in study.withdrawn:
        _insert(connection, "withdrawals", site_id=site, client_id=pseudonym(site, "client", client), reason="asked")


def _write_delivery(connection: duckdb.DuckDBPyConnection, number: int, delivery: Delivery) -> None:
    n_cells = sum(len(record) for record in delivery.records)
    _insert(
        connection, "deliveries", delivery_number=number, site_id=delivery.site_id, file_spec=delivery.file_spec,
        file_name=f"{delivery.file_spec}_{number}.csv", content_hash=_content_hash(delivery, number),
        size_bytes=n_cells,
        format="csv", n_rows=len(delivery.records), n_columns=len(delivery.columns), n_cells=n_cells,
        landed_at="2024-07-01", refresh_id="r1", reader_settings=json.dumps({}),
    )  # fmt: skip
    for row, record in enumerate(delivery.records, start=2):
        _insert(connection, "records", delivery_number=number, row_number=row, cells=list(record))
    roles: dict[str, str] = dict.fromkeys(delivery.free_text, "free_text")
    for block in delivery.blocks:
        if "item_code" not in block.keys:
            roles.update({name: "score" if isinstance(to, str) else "item" for name, to in block.bound.items()})
        roles.update({name: role for role, name in block.keys.items()})
        _write_pseudonyms(connection, delivery, block)
    for column, name in enumerate(delivery.columns, start=1):
        _insert(connection, "delivery_columns", delivery_number=number, column_number=column, column_name=name)
        _insert(
            connection, "layout_columns", delivery_number=number, column_number=column, column_name=name,
            role=roles.get(name, "unmapped"),
        )  # fmt: skip


def _content_hash(delivery: Delivery, number: int) -> str:
    return sha256(f"{number}{delivery.records}".encode()).hexdigest()


def _write_pseudonyms(connection: duckdb.DuckDBPyConnection, delivery: Delivery, block: Block) -> None:
    for kind in ("client", "therapist", "episode"):
        if kind not in block.keys:
            continue
        place = delivery.columns.index(block.keys[kind])
        ids = {(record[place] or "").strip() for record in delivery.records if len(record) > place} - {""}
        for local_id in ids:
            connection.execute(
                "INSERT INTO raw.pseudonyms SELECT $site, $kind, $id, $made WHERE NOT EXISTS (FROM raw.pseudonyms"
                " WHERE site_id = $site AND kind = $kind AND local_id = $id)",
                {"site": delivery.site_id, "kind": kind, "id": local_id,
                 "made": pseudonym(delivery.site_id, kind, local_id)},
            )  # fmt: skip


def _write_block(
    connection: duckdb.DuckDBPyConnection,
    block_id: int,
    number: int,
    delivery: Delivery,
    block: Block,
    is_current: bool,
) -> None:
    place = {role: delivery.columns.index(name) + 1 for role, name in block.keys.items()}
    is_long = "item_code" in block.keys
    bound = [] if is_long else [delivery.columns.index(name) + 1 for name in block.bound]
    _insert(
        connection, "layout_blocks", block_id=block_id, delivery_number=number, site_id=delivery.site_id,
        file_spec=delivery.file_spec, block_name=f"{block.instrument}_{block_id}", instrument_id=block.instrument,
        shape="long" if is_long else "wide", phase=block.phase, orientation=block.orientation, rater=block.rater,
        session=block.session, date_format=block.date_format if "date" in place else None,
        filter_values=block.filter_values, bound_columns=bound, decimal_mark=block.decimal_mark, shift=block.shift,
        is_current=is_current, delivery_rank=number, **{f"{role}_column": place.get(role) for role in KEYS},
    )  # fmt: skip
    for name, target in block.bound.items():
        rule_id = block_id * 10 + (1 if isinstance(target, str) else 0)
        held: dict[str, int | str] = {"scale_id" if isinstance(target, str) else "item_number": target}
        if is_long:
            _insert(connection, "layout_item_codes", block_id=block_id, item_code=name, rule_id=rule_id, **held)
        else:
            column = delivery.columns.index(name) + 1
            _insert(connection, "layout_bindings", block_id=block_id, column_number=column, rule_id=rule_id, **held)
    _write_rules(connection, block_id, block)
    for role, entries in block.maps.items():
        for raw_value, mapped in entries.items():
            _insert(
                connection, "layout_value_maps", block_id=block_id, role=role, raw_value=raw_value.lower(),
                mapped=mapped,
            )  # fmt: skip


def _write_rules(connection: duckdb.DuckDBPyConnection, block_id: int, block: Block) -> None:
    low, high, step = next(row[2:5] for row in INSTRUMENTS if row[0] == block.instrument)
    # a delivered total of a sum scale reaches further than one answer, and any number in between is one
    for rule_id, top, grid in ((block_id * 10, high, step), (block_id * 10 + 1, high * 10, 0)):
        _insert(
            connection, "layout_rules", rule_id=rule_id, instrument_id=block.instrument, shift=block.shift,
            decimal_mark=block.decimal_mark, min_value=low, max_value=top, step=grid, case_sensitive=False,
            labels_only=False,
        )  # fmt: skip
        for label, value in block.labels.items():
            _insert(connection, "layout_labels", rule_id=rule_id, label=label.lower(), value=value)
        for code, reason in block.missing.items():
            _insert(connection, "layout_missing", rule_id=rule_id, code=code.lower(), reason=reason)
