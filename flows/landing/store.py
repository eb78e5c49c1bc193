"""``work/landing.duckdb``: what was delivered, as text, for ever; and this refresh's layout of it.

Holds raw ids: readable by its owner only. One transaction for each delivery, so a killed refresh leaves whole
deliveries or none.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from analysis.common.wording import several
from flows.common.errors import LandingError
from flows.common.problems import Problem
from flows.landing.reading import Reading, refuse_no_records
from flows.landing.records import SEPARATOR, PackingSink
from flows.landing.schema import LASTING, RECORDS_VIEW, REWRITTEN, columns_sql
from flows.settings.delivery_headers import DeliveredColumn, DeliveryHeader

_PROBLEMS = pa.schema(
    [
        ("site_id", pa.string()),
        ("file_name", pa.string()),
        ("row_number", pa.int32()),
        ("column_name", pa.string()),
        ("problem", pa.string()),
        ("message", pa.string()),
        ("action", pa.string()),
        ("severity", pa.string()),
    ]
)


_KEYS = ("delivery_number", "site_id", "content_hash")


@dataclass(frozen=True)
class Known:
    """A delivery that is in the store."""

    delivery_number: int
    file_spec: str
    file_name: str
    delivered_on: dt.date | None
    reader_settings: str
    order: int


@dataclass(frozen=True)
class NewDelivery:
    """What the store keeps of a delivery beside its columns and records."""

    site_id: str
    file_spec: str
    file_name: str
    content_hash: str
    size_bytes: int
    format: str
    delivered_on: dt.date | None
    refresh_id: str
    reader_settings: str


class LandingStore:
    """The tables of schema ``raw``."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def make_tables(self) -> None:
        """Make whatever is not there yet."""
        self.con.execute("create schema if not exists raw")
        for table, columns in LASTING.items():
            self.con.execute(f"create table if not exists raw.{table} ({columns})")
        for table in REWRITTEN:
            self.con.execute(f"create table if not exists raw.{table} ({columns_sql(table)})")
        # Stores made before a delivery's bytes could come again do not have it.
        self.con.execute("alter table raw.deliveries add column if not exists order_number integer")
        self.con.execute(RECORDS_VIEW)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self.con.execute("begin")
        try:
            yield
        except BaseException:
            self.con.execute("rollback")
            raise
        self.con.execute("commit")

    def known(self) -> dict[tuple[str, str], Known]:
        """All deliveries by site and content hash."""
        rows = self.con.execute(
            "select site_id, content_hash, delivery_number, file_spec, file_name, delivered_on, reader_settings, "
            "coalesce(order_number, delivery_number) from raw.deliveries"
        ).fetchall()
        return {(row[0], row[1]): Known(*row[2:]) for row in rows}

    def headers(self) -> list[DeliveryHeader]:
        """Every delivery with its columns, by number."""
        columns: dict[int, list[DeliveredColumn]] = {}
        for number, column_number, name, labels, missing in self.con.execute(
            "select delivery_number, column_number, column_name, value_labels, missing_values "
            "from raw.delivery_columns order by all"
        ).fetchall():
            columns.setdefault(number, []).append(
                DeliveredColumn(
                    column_number,
                    name,
                    None if labels is None else json.loads(labels),
                    () if missing is None else tuple(json.loads(missing)),
                )
            )
        deliveries = self.con.execute(
            "select delivery_number, site_id, file_spec, file_name, delivered_on, order_number from raw.deliveries "
            "order by 1"
        ).fetchall()
        return [
            DeliveryHeader(number, site_id, file_spec, file_name, tuple(columns.get(number, ())), delivered_on, order)
            for number, site_id, file_spec, file_name, delivered_on, order in deliveries
        ]

    def reading_hashes(self) -> dict[int, str]:
        """By delivery number, a hash of its bytes and of how they were read: other settings may read other cells."""
        rows = self.con.execute(
            "select delivery_number, sha256(content_hash || reader_settings) from raw.deliveries"
        ).fetchall()
        return dict(rows)

    def land(
        self,
        delivery: NewDelivery,
        sink_of: Callable[[Callable[[pa.Table], None]], PackingSink],
        read: Callable[[PackingSink], Reading],
        *,
        replaces: int | None = None,
    ) -> tuple[int, Reading, list[Problem]]:
        """Store one delivery in one transaction; returns its number, what was read, and the packing's problems.

        Parameters
        ----------
        sink_of
            Makes the sink for a function that writes batches.
        read
            Puts all records into the sink; what it raises rolls the delivery back.
        replaces
            The number of the same bytes, read before by other settings.

        Raises
        ------
        FileRefused
            The reader's, or no record holds anything.
        LandingError
            Fewer or more records were stored than the reader counted.
        """
        with self.transaction():
            number = replaces or self._next_number()
            if replaces is not None:
                self.con.execute("delete from raw.stored_records where delivery_number = ?", [number])
            stored = 0

            def write(batch: pa.Table) -> None:
                nonlocal stored
                stored += batch.num_rows
                self._insert(
                    "insert into raw.stored_records select ?, row_number, packed, listed from incoming",
                    batch,
                    [number],
                )

            sink = sink_of(write)
            reading = read(sink)
            sink.flush()
            if stored != reading.n_rows:
                raise LandingError(
                    f"{delivery.format} reader: {several(reading.n_rows, 'record')} counted, {stored} stored",
                    next_step="report this as a defect of the reader",
                )
            if not sink.has_contents:
                raise refuse_no_records(blank=reading.n_rows)
            self._put_delivery(number, delivery, reading)
        return number, reading, sink.problems()

    def assign(self, delivery_number: int, file_spec: str, delivered_on: dt.date | None) -> None:
        """Note that a delivery now belongs to other file settings, or has another date by them."""
        self.con.execute(
            "update raw.deliveries set file_spec = ?, delivered_on = ? where delivery_number = ?",
            [file_spec, delivered_on, delivery_number],
        )

    def put_last(self, delivery_number: int) -> int:
        """Let a delivery count as the newest of those that no date orders; returns its new place."""
        place = self._next_number()
        self.con.execute(
            "update raw.deliveries set order_number = ? where delivery_number = ?", [place, delivery_number]
        )
        return place

    def blank_columns(self, delivery_number: int, columns: Collection[int], reader_settings: str) -> None:
        """Take the contents of columns away from a delivery whose file is gone; its cells stay, blank."""
        numbers = ", ".join(str(int(number)) for number in sorted(columns))
        blanked = f"list_transform(cells, lambda cell, place: case when place in ({numbers}) then '' else cell end)"
        with self.transaction():
            self.con.execute(
                f"""update raw.stored_records set
                    packed = case when packed is null then null else array_to_string(
                        {blanked.replace("cells", f"string_split(packed, chr({ord(SEPARATOR)}))")},
                        chr({ord(SEPARATOR)})) end,
                    listed = {blanked.replace("cells", "listed")}
                where delivery_number = ?""",
                [delivery_number],
            )
            self.con.execute(
                "update raw.deliveries set reader_settings = ? where delivery_number = ?",
                [reader_settings, delivery_number],
            )

    def add_problems(self, refresh_id: str, problems: Iterable[Problem]) -> None:
        """Append to ``raw.landing_problems``."""
        rows = pa.Table.from_pylist([asdict(problem) for problem in problems], schema=_PROBLEMS)
        if rows.num_rows:
            self._insert(
                "insert into raw.landing_problems by name select ? as refresh_id, *, ? as noted_at from incoming",
                rows,
                [refresh_id, _now()],
            )

    def write_layout(self, frames: Mapping[str, pd.DataFrame | pa.Table]) -> None:
        """Replace rewritten tables (see `flows.landing.schema.REWRITTEN`), all of ``frames`` or none.

        Columns a frame lacks are null. Raises LandingError for a table or column that does not exist.
        """
        with self.transaction():
            for table, frame in frames.items():
                if table not in REWRITTEN:
                    raise LandingError(f"raw.{table} is no table of the layout")
                unknown = set(map(str, _names(frame))) - set(REWRITTEN[table])
                if unknown:
                    raise LandingError(f"raw.{table} has no column {', '.join(sorted(unknown))}")
                self.con.execute(f"create or replace table raw.{table} ({columns_sql(table)})")
                if len(frame):
                    self._insert(f"insert into raw.{table} by name from incoming", frame)

    def insert(self, statement: str, rows: pa.Table) -> None:
        """Run an insert that reads from ``incoming``, which is ``rows``."""
        self._insert(statement, rows)

    def _insert(
        self, statement: str, rows: pd.DataFrame | pa.Table, parameters: Sequence[object] | None = None
    ) -> None:
        self.con.register("incoming", rows)
        try:
            self.con.execute(statement, parameters)
        finally:
            self.con.unregister("incoming")

    def _next_number(self) -> int:
        row = self.con.execute(
            "select coalesce(max(greatest(delivery_number, order_number)), 0) + 1 from raw.deliveries"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _put_delivery(self, number: int, delivery: NewDelivery, reading: Reading) -> None:
        values = {
            **asdict(delivery),
            "delivery_number": number,
            "n_rows": reading.n_rows,
            "n_columns": len(reading.columns),
            "n_cells": reading.n_cells,
            "landed_at": _now(),
        }
        names = ", ".join(values)
        places = ", ".join(f"${name}" for name in values)
        # Updated in place: a key deleted in a transaction cannot be inserted again in the same one.
        changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in _KEYS)
        self.con.execute(
            f"insert into raw.deliveries ({names}) values ({places}) "
            f"on conflict (delivery_number) do update set {changes}",
            values,
        )
        columns = pa.table(
            {
                "delivery_number": pa.array([number] * len(reading.columns), pa.int32()),
                "column_number": pa.array([column.number for column in reading.columns], pa.int32()),
                "column_name": pa.array([column.name for column in reading.columns], pa.string()),
                "value_labels": pa.array([_json(column.value_labels) for column in reading.columns], pa.string()),
                "missing_values": pa.array(
                    [_json(list(column.missing_values)) for column in reading.columns], pa.string()
                ),
            }
        )
        self._insert("insert or replace into raw.delivery_columns by name from incoming", columns)
        self.con.execute(
            "delete from raw.delivery_columns where delivery_number = ? and column_number > ?",
            [number, len(reading.columns)],
        )


def _names(frame: pd.DataFrame | pa.Table) -> list[str]:
    return frame.column_names if isinstance(frame, pa.Table) else list(frame.columns)


def _json(value: Mapping[str, str] | list[str] | None) -> str | None:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False) if value else None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
