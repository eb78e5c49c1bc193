"""A small study with one trap of each kind, written straight into landing.duckdb: what the checks must find.

Sites
-----
north       Does everything right; its clients are all there. Shares one client id and one file with east.
east        WAI-S already turned at the source though declared as administered, nobody above 5; HAq-I never came.
south       Stopped delivering; its newest full export lost most forms; impossible and future dates, an outcome before
            the first session, 8s where a spreadsheet turned blanks, two clients with the same record, flat forms, and a
            client who is K09 in one file and k-9 in another.
west        Configured, nothing delivered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np

from flows.landing.schema import codebook_frames
from flows.settings.codebook import load_codebook
from tests.integration.raw_schema import create_raw_tables

TODAY = dt.date(2024, 7, 1)
KEYS = ("client", "therapist", "rater", "session", "date")
INSTRUMENTS = ("wai_s", "calpas", "haq_i", "global_rating")


@dataclass
class Record:
    """One row of a delivery: ids, session, date and answers as the file has them."""

    client: str
    answers: Sequence[str]
    therapist: str = "T1"
    rater: str = "client"
    session: str = "5"
    date: str = "2024-02-01"

    def cells(self) -> list[str]:
        """The row's cells in the order of the file."""
        return [self.client, self.therapist, self.rater, self.session, self.date, *self.answers]


@dataclass
class Delivery:
    """One file with one wide block, or with none (``instrument`` None: nothing of it is mapped)."""

    site_id: str
    file_spec: str
    instrument: str | None
    records: list[Record]
    phase: str = "therapy"
    is_current: bool = True
    delivered_on: dt.date = dt.date(2024, 6, 20)
    content: str = ""


def answers(
    seed: int, n: int, instrument: str, *, turned: bool = False, highest: int = 7, trait: np.ndarray | None = None
) -> list[list[str]]:
    """Answers of n people as administered (or with reverse-keyed items turned already), driven by one trait."""
    random = np.random.default_rng(seed)
    items = load_codebook().items(instrument)
    person = random.normal(size=n) if trait is None else trait
    keyed = np.clip(np.round(4.2 + 1.1 * person[:, None] + random.normal(size=(n, len(items)))), 1, 7)
    keyed = np.minimum(keyed, highest)
    for item in items:
        if item.reverse_keyed and not turned:
            keyed[:, item.item_number - 1] = 8 - keyed[:, item.item_number - 1]
    if instrument == "haq_i":
        keyed = np.minimum(keyed, 6)
    return [[str(int(value)) for value in row] for row in keyed]


def records_of(seed: int, instrument: str, n: int, prefix: str = "K", **options: object) -> list[Record]:
    """n clients with one form each; eight clients to a therapist."""
    rows = answers(seed, n, instrument, **options)
    return [Record(f"{prefix}{i:02d}", row, therapist=f"T{i // 8}") for i, row in enumerate(rows)]


def both_raters(seed: int, instrument: str, n: int, **options: object) -> list[Record]:
    """The same clients' forms and their therapists' forms about them."""
    trait = np.random.default_rng(seed).normal(size=n)
    clients = records_of(seed + 1, instrument, n, trait=trait, **options)
    therapists = records_of(seed + 2, instrument, n, trait=trait, **options)
    for record in therapists:
        record.rater = "therapist"
    return clients + therapists


def deliveries() -> list[Delivery]:
    """All files of the study, in the order of landing."""
    shared = [Record("Transfer-0042", row) for row in answers(99, 1, "wai_s")]
    found = [
        Delivery("north", "wai", "wai_s", both_raters(1, "wai_s", 32) + shared),
        Delivery("north", "haq", "haq_i", records_of(5, "haq_i", 32)),
        Delivery("north", "outcome", "global_rating", _outcomes(32, "2024-05-01"), phase="post"),
        Delivery("north", "notes", None, [Record("K01", ["x", "y"])], content="same bytes"),
        Delivery("east", "wai", "wai_s", both_raters(11, "wai_s", 40, turned=True, highest=5)[:-8]),
        Delivery(
            "east", "moved", "wai_s", [Record("Transfer-0042", row) for row in answers(98, 1, "wai_s", turned=True)]
        ),
        Delivery("east", "notes", None, [Record("K01", ["x", "y"])], content="same bytes"),
    ]
    return found + _south()


def _outcomes(n: int, date: str) -> list[Record]:
    return [Record(f"K{i:02d}", [str(1 + i % 5)], therapist=f"T{i // 8}", session="", date=date) for i in range(n)]


def _south() -> list[Delivery]:
    old = dt.date(2024, 1, 10)
    full = records_of(21, "calpas", 40)
    full[1].answers = full[0].answers
    full[2].date, full[3].date = "1900-01-01", "2031-05-05"
    full[5].date = "5 Feb"
    for record in full[10:13]:
        record.answers = ["4"] * 24
    for record in full[20:24]:
        record.answers = ["8", *record.answers[1:]]
    outcomes = _outcomes(12, "2024-05-01")
    outcomes[7].date = "2023-12-01"
    outcomes[9].client = "k-9"
    first = records_of(31, "wai_s", 30)
    return [
        Delivery("south", "calpas", "calpas", full, delivered_on=old),
        Delivery("south", "outcome", "global_rating", outcomes, phase="post", delivered_on=old),
        Delivery("south", "wai", "wai_s", first, is_current=False, delivered_on=dt.date(2023, 12, 1)),
        Delivery("south", "wai", "wai_s", first[:6], delivered_on=old),
    ]


def make_landing(path: Path) -> None:
    """Write landing.duckdb with every site to be built."""
    with duckdb.connect(str(path)) as connection:
        create_raw_tables(connection)
        for table, frame in codebook_frames(load_codebook()).items():
            columns = ", ".join(frame.columns)
            connection.execute(f"insert into raw.{table} ({columns}) select {columns} from frame")
        _configuration(connection)
        rules = _rules(connection)
        known: set[tuple[str, str, str]] = set()
        for number, delivery in enumerate(deliveries(), start=1):
            _write(connection, number, delivery)
            _layout(connection, number, delivery, rules)
            _pseudonyms(connection, delivery, known)


def _add(connection: duckdb.DuckDBPyConnection, table: str, **values: object) -> None:
    """Insert one row by column name; columns not named are null."""
    places = ", ".join("?" * len(values))
    connection.execute(f"insert into raw.{table} ({', '.join(values)}) values ({places})", list(values.values()))


def _configuration(connection: duckdb.DuckDBPyConnection) -> None:
    settings = {"study_id": "traps", "min_share_answered": "0.8", "refresh_id": "r1", "today": TODAY.isoformat()}
    for setting, value in settings.items():
        _add(connection, "study_settings", setting=setting, value=value)
    due, later = dt.date(2024, 6, 30), dt.date(2024, 12, 31)
    for site_id, expected, by, limit in (
        ("north", 30, due, 10),
        ("east", 80, due, 6),
        ("south", None, None, None),
        ("west", 20, later, None),
    ):
        _add(
            connection, "sites", site_id=site_id, name=site_id.title(), expected_clients=expected, expected_by=by,
            expected_every_days=31, max_clients_per_therapist=limit,
        )  # fmt: skip
        _add(connection, "changed_sites", site_id=site_id)
        _add(connection, "site_states", site_id=site_id, fingerprint="x")
    for declared in (
        "north wai_s client", "north wai_s therapist", "north haq_i client", "north global_rating client",
        "east wai_s client", "east wai_s therapist", "east haq_i client",
        "south calpas client", "south wai_s client", "south global_rating client", "west wai_s client",
    ):  # fmt: skip
        site_id, instrument_id, rater = declared.split()
        _add(connection, "site_instruments", site_id=site_id, instrument_id=instrument_id, rater=rater)
    _add(
        connection, "sessions", session_id="s05", session_order=1, label="Session 5", from_number=3, to_number=7,
        target_number=5,
    )  # fmt: skip
    _problem(connection, "r0", "north", "zero_bytes", "critical")
    _problem(connection, "r1", "east", "short_row", "warning")


def _problem(connection: duckdb.DuckDBPyConnection, refresh_id: str, site_id: str, problem: str, severity: str) -> None:
    _add(
        connection, "landing_problems", refresh_id=refresh_id, site_id=site_id, file_name="wai.csv", problem=problem,
        message="Something is wrong.", action="Look at the file.", severity=severity, noted_at=dt.datetime(2024, 7, 1),
    )  # fmt: skip


def _rules(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    rules = {}
    for number, instrument in enumerate(INSTRUMENTS, start=1):
        found = load_codebook().instruments[instrument]
        _add(
            connection, "layout_rules", rule_id=number, instrument_id=instrument, shift=0, decimal_mark=".",
            min_value=found.min_value, max_value=found.max_value, step=1, case_sensitive=False, labels_only=False,
        )  # fmt: skip
        rules[instrument] = number
    return rules


def _write(connection: duckdb.DuckDBPyConnection, number: int, delivery: Delivery) -> None:
    rows = [record.cells() for record in delivery.records]
    width = max(len(row) for row in rows)
    content = delivery.content or f"{delivery.site_id} {delivery.file_spec} {number}"
    _add(
        connection, "deliveries", delivery_number=number, site_id=delivery.site_id, file_spec=delivery.file_spec,
        file_name=f"{delivery.file_spec}_{number}.csv", content_hash=sha256(content.encode()).hexdigest(),
        format="csv", n_rows=len(rows), n_columns=width, n_cells=sum(map(len, rows)),
        delivered_on=delivery.delivered_on, landed_at=dt.datetime(2024, 7, 1), refresh_id="r1",
    )  # fmt: skip
    for line, row in enumerate(rows, start=2):
        _add(connection, "records", delivery_number=number, row_number=line, cells=row)
    for column in range(1, width + 1):
        is_item, is_mapped = column > len(KEYS), delivery.instrument is not None
        role = "unmapped" if not is_mapped else "item" if is_item else KEYS[column - 1]
        name = f"c{column}"
        _add(
            connection, "layout_columns", delivery_number=number, column_number=column, column_name=name, role=role,
            instrument_id=delivery.instrument if is_item else None,
            item_number=column - len(KEYS) if is_item and is_mapped else None,
        )  # fmt: skip
        _add(connection, "delivery_columns", delivery_number=number, column_number=column, column_name=name)


def _layout(connection: duckdb.DuckDBPyConnection, number: int, delivery: Delivery, rules: dict[str, int]) -> None:
    if delivery.instrument is None:
        return
    width = max(len(record.cells()) for record in delivery.records)
    items = list(range(len(KEYS) + 1, width + 1))
    _add(
        connection, "layout_blocks", block_id=number, delivery_number=number, site_id=delivery.site_id,
        file_spec=delivery.file_spec, block_name="block", instrument_id=delivery.instrument, shape="wide",
        phase=delivery.phase, orientation="as_administered", rater_column=3, client_column=1, therapist_column=2,
        session_column=4 if delivery.phase == "therapy" else None, date_column=5, date_format="iso",
        bound_columns=items, decimal_mark=".", shift=0, is_current=delivery.is_current, delivery_rank=number,
    )  # fmt: skip
    for item, column in enumerate(items, start=1):
        _add(
            connection, "layout_bindings", block_id=number, column_number=column, item_number=item,
            rule_id=rules[delivery.instrument],
        )  # fmt: skip
    for rater in ("client", "therapist"):
        _add(connection, "layout_value_maps", block_id=number, role="rater", raw_value=rater, mapped=rater)


def pseudonym(site_id: str, kind: str, local_id: str) -> str:
    """What stands for a local id in everything that is published."""
    prefix = {"client": "cl_", "therapist": "th_"}[kind]
    return prefix + sha256(f"{site_id} {kind} {local_id}".encode()).hexdigest()[:16]


def _pseudonyms(connection: duckdb.DuckDBPyConnection, delivery: Delivery, known: set[tuple[str, str, str]]) -> None:
    found = {
        (delivery.site_id, kind, local_id)
        for record in delivery.records
        for kind, local_id in (("client", record.client), ("therapist", record.therapist))
    }
    for site_id, kind, local_id in sorted(found - known):
        _add(
            connection, "pseudonyms", site_id=site_id, kind=kind, local_id=local_id,
            pseudonym=pseudonym(site_id, kind, local_id),
        )  # fmt: skip
    known |= found
