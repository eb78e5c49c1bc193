"""A small study with one trap of each kind, written straight into landing.duckdb: what the checks must find.

Sites
-----
north       Does everything right; its clients are all there. Shares one client id and one file with east.
east        WAI-S already turned at the source though declared as administered, nobody above 5; HAq-I never came.
south       Stopped delivering; its newest full export lost most forms; impossible and future dates, an outcome before
            the first session, 8s where a spreadsheet turned blanks, two clients with the same record, flat forms.
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

from flows.codebook import load_codebook
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
    rows = answers(seed, n, instrument, **options)  # type: ignore[arg-type]
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
    first = records_of(31, "wai_s", 30)
    return [
        Delivery("south", "calpas", "calpas", full, delivered_on=old),
        Delivery("south", "outcome", "global_rating", outcomes, phase="post", delivered_on=old),
        Delivery("south", "wai", "wai_s", first, is_current=False, delivered_on=dt.date(2023, 12, 1)),
        Delivery("south", "wai", "wai_s", first[:6], delivered_on=old),
    ]


def make_landing(path: Path, changed: Sequence[str] | None = None) -> None:
    """Write landing.duckdb; ``changed`` sites are to be built (all of them by default)."""
    with duckdb.connect(str(path)) as connection:
        create_raw_tables(connection)
        _codebook(connection)
        _configuration(connection, changed)
        rules = _rules(connection)
        for number, delivery in enumerate(deliveries(), start=1):
            _write(connection, number, delivery, rules)


def _codebook(connection: duckdb.DuckDBPyConnection) -> None:
    for table, frame in load_codebook().frames().items():
        if table == "instruments" and "step" not in frame:
            frame = frame.assign(step=1.0)
        if table == "scales" and "scale_number" not in frame:
            frame = frame.assign(scale_number=frame.groupby("instrument_id").cumcount() + 1)
        connection.register("frame", frame)
        columns = ", ".join(frame.columns)
        connection.execute(f"insert into raw.codebook_{table} ({columns}) select {columns} from frame")
        connection.unregister("frame")


def _configuration(connection: duckdb.DuckDBPyConnection, changed: Sequence[str] | None) -> None:
    connection.execute("""
        insert into raw.study_settings values ('study_id', 'traps'), ('min_share_answered', '0.8'),
            ('refresh_id', 'r1'), ('today', '2024-07-01'), ('pairing_max_days', '')""")
    connection.execute("""
        insert into raw.sites values
            ('north', 'North', 30, '2024-06-30', 31, 10), ('east', 'East', 80, '2024-06-30', 31, 6),
            ('south', 'South', null, null, 31, null), ('west', 'West', 20, '2024-12-31', 31, null)""")
    connection.execute("""
        insert into raw.site_instruments values ('north', 'wai_s', 'client'), ('north', 'wai_s', 'therapist'),
            ('north', 'haq_i', 'client'), ('north', 'global_rating', 'client'), ('east', 'wai_s', 'client'),
            ('east', 'wai_s', 'therapist'), ('east', 'haq_i', 'client'), ('south', 'calpas', 'client'),
            ('south', 'wai_s', 'client'), ('south', 'global_rating', 'client'), ('west', 'wai_s', 'client')""")
    connection.execute("insert into raw.sessions values ('s05', 1, 'Session 5', 3, 7, 5, null, null)")
    sites = list(changed) if changed is not None else ["north", "east", "south", "west"]
    connection.executemany("insert into raw.changed_sites values (?)", [[site] for site in sites])
    connection.execute("insert into raw.site_states select site_id, 'x' from raw.sites")
    connection.execute("""
        insert into raw.landing_problems values
            ('r0', 'north', 'old.csv', null, null, 'zero_bytes', 'The file is empty.', 'Deliver it again.', 'critical',
                '2024-06-01'),
            ('r1', 'east', 'wai.csv', 3, null, 'short_row', 'The row is short.', 'Look at the row.', 'warning',
                '2024-07-01')""")


def _rules(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    rules = {}
    for number, instrument in enumerate(INSTRUMENTS, start=1):
        connection.execute(
            "insert into raw.layout_rules select ?, instrument_id, 0, '.', min_value, max_value, step, false, false"
            " from raw.codebook_instruments where instrument_id = ?",
            [number, instrument],
        )
        rules[instrument] = number
    return rules


def _write(connection: duckdb.DuckDBPyConnection, number: int, delivery: Delivery, rules: dict[str, int]) -> None:
    rows = [record.cells() for record in delivery.records]
    width = max(len(row) for row in rows)
    content = delivery.content or f"{delivery.site_id} {delivery.file_spec} {number}"
    connection.execute(
        "insert into raw.deliveries values (?, ?, ?, ?, ?, 0, 'csv', ?, ?, ?, ?, '2024-07-01', 'r1', '{}')",
        [
            number, delivery.site_id, delivery.file_spec, f"{delivery.file_spec}_{number}.csv",
            sha256(content.encode()).hexdigest(), len(rows), width, sum(map(len, rows)), delivery.delivered_on,
        ],
    )  # fmt: skip
    connection.executemany(
        "insert into raw.records values (?, ?, ?)", [[number, line, row] for line, row in enumerate(rows, start=2)]
    )
    _pseudonyms(connection, delivery)
    items = list(range(len(KEYS) + 1, width + 1))
    for column in range(1, width + 1):
        is_item = column > len(KEYS)
        role = "unmapped" if delivery.instrument is None else "item" if is_item else KEYS[column - 1]
        connection.execute(
            "insert into raw.layout_columns values (?, ?, ?, ?, null, ?, ?, null)",
            [
                number, column, f"c{column}", role,
                delivery.instrument if is_item else None,
                column - len(KEYS) if is_item and delivery.instrument else None,
            ],
        )  # fmt: skip
        connection.execute(
            "insert into raw.delivery_columns values (?, ?, ?, null, null)", [number, column, f"c{column}"]
        )
    if delivery.instrument is None:
        return
    has_session = delivery.phase == "therapy"
    connection.execute(
        "insert into raw.layout_blocks values (?, ?, ?, ?, 'block', ?, 'wide', ?, 'as_administered', null, 3, 1, 2,"
        " null, null, ?, 5, 'iso', null, null, null, null, ?, '.', 0, ?, ?)",
        [
            number, number, delivery.site_id, delivery.file_spec, delivery.instrument, delivery.phase,
            4 if has_session else None, items, delivery.is_current, number,
        ],
    )  # fmt: skip
    connection.executemany(
        "insert into raw.layout_bindings values (?, ?, ?, null, ?)",
        [[number, column, item, rules[delivery.instrument]] for item, column in enumerate(items, start=1)],
    )
    connection.executemany(
        "insert into raw.layout_value_maps values (?, 'rater', ?, ?)",
        [[number, rater, rater] for rater in ("client", "therapist")],
    )


def pseudonym(site_id: str, kind: str, local_id: str) -> str:
    """What stands for a local id in everything that is published."""
    prefix = {"client": "cl_", "therapist": "th_"}[kind]
    return prefix + sha256(f"{site_id} {kind} {local_id}".encode()).hexdigest()[:16]


def _pseudonyms(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    for record in delivery.records:
        for kind, local_id in (("client", record.client), ("therapist", record.therapist)):
            connection.execute(
                "insert or ignore into raw.pseudonyms values (?, ?, ?, ?)",
                [delivery.site_id, kind, local_id, pseudonym(delivery.site_id, kind, local_id)],
            )
