"""Filling the tables of `results`: emptied, then filled by column name, analysis by analysis in the order of keys."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from flows.building.contracts import Contract
from flows.common.database import identifier

_TYPES = {
    "VARCHAR": "string",
    "DOUBLE": "Float64",
    "BIGINT": "Int64",
    "INTEGER": "Int32",
    "BOOLEAN": "boolean",
    "DATE": "datetime64[us]",
}


class ResultTables:
    """The tables of ``results`` in an attached database, emptied when this is made.

    ``few``: dyads and therapists below which a figure is marked as resting on few, where a table has that column.

    Rows go to the file analysis by analysis, so that no more than one analysis is held in memory; each insert is a
    transaction of its own, so that one that fails leaves the others.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, database: str = "alliance", *, few: tuple[int, int] = (10, 3)
    ) -> None:
        self._con = con
        self._few = few
        self._schema = f"{identifier(database)}.results"
        self._columns = _columns(con, database)
        self._keys = {table: _key(con, database, table) for table in self._columns}
        self.written: Counter[str] = Counter()
        for table in self._columns:
            con.execute(f"delete from {self._schema}.{identifier(table)}")

    def add(self, table: str, frame: pd.DataFrame, known: Mapping[str, Any]) -> None:
        """Write ``frame`` to ``table``; ``known`` gives the value, the same in all rows, of columns it lacks.

        Columns that the table lacks are left, columns that neither gives stay null; NaN and infinities become null, as
        a reader asks for null and no sum in SQL is to be spoilt.

        Raises ``KeyError`` for a table that the build does not have.
        """
        if not len(frame):
            return
        columns = self._columns[table]
        missing = {name: value for name, value in known.items() if name not in frame.columns}
        frame = frame.assign(**missing)
        if "rests_on_few" in columns:
            frame = frame.assign(rests_on_few=_rests_on_few(frame, self._few))
        incoming = _typed(frame, columns)
        named = ", ".join(identifier(name) for name in columns)
        order = ", ".join(identifier(name) for name in self._keys[table])
        self._con.register("incoming", incoming)
        try:
            self._con.execute(
                f"insert into {self._schema}.{identifier(table)} by name "
                f"select {named} from incoming order by {order or 'all'}"
            )
        finally:
            self._con.unregister("incoming")
        self.written[table] += len(incoming)

    def add_row(self, table: str, row: Mapping[str, Any]) -> None:
        """Write one row."""
        self.add(table, pd.DataFrame([dict(row)]), {})

    def discard(self, analysis_id: str) -> None:
        """Take the rows of an analysis that failed half-way out of every table."""
        for table in self._columns:
            self._con.execute(f"delete from {self._schema}.{identifier(table)} where analysis_id = ?", [analysis_id])


def empty_results(con: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract], database: str) -> None:
    """Make the tables of ``results`` in an attached database that has none of them yet."""
    con.execute(f"create schema {identifier(database)}.results")
    for table, contract in contracts.items():
        typed = ", ".join(f"{identifier(name)} {data_type}" for name, data_type in contract.columns.items())
        key = ", ".join(identifier(name) for name in contract.key)
        con.execute(f"create table {identifier(database)}.results.{identifier(table)} ({typed}, primary key ({key}))")


def _rests_on_few(frame: pd.DataFrame, few: tuple[int, int]) -> pd.Series:
    """Whether a row's figure rests on fewer dyads, or known therapists, than set; null where that is not known."""
    counts = {name: pd.to_numeric(frame.get(name, pd.Series(np.nan, index=frame.index))).astype("Float64")
              for name in ("n_rows", "n_dyads", "n_therapists")}  # fmt: skip
    dyads = counts["n_dyads"].fillna(counts["n_rows"])
    known = (counts["n_therapists"] > 0).fillna(False)
    return (dyads < few[0]) | (known & (counts["n_therapists"] < few[1]).fillna(False))


def _columns(con: duckdb.DuckDBPyConnection, database: str) -> dict[str, dict[str, str]]:
    found = con.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name = 'results' order by table_name, column_index",
        [database],
    ).fetchall()
    tables: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, data_type in found:
        tables[table][column] = data_type
    return dict(tables)


def _key(con: duckdb.DuckDBPyConnection, database: str, table: str) -> list[str]:
    found = con.execute(
        "select constraint_column_names from duckdb_constraints() where database_name = ? "
        "and schema_name = 'results' and table_name = ? and constraint_type = 'PRIMARY KEY'",
        [database, table],
    ).fetchone()
    return list(found[0]) if found else []


def _typed(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The columns of the table, each with its own type: an empty one must not decide by what happens to be in it."""
    made = {}
    for name, data_type in columns.items():
        # The stubs of pandas know a type by its literal name only.
        kind: Any = _TYPES[data_type]
        if name not in frame.columns:
            made[name] = pd.Series(pd.NaT if data_type == "DATE" else pd.NA, index=frame.index, dtype=kind)
        elif kind == "string":
            made[name] = _texts(frame[name])
        elif data_type == "DATE":
            made[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
        elif kind == "boolean":
            made[name] = frame[name].astype("boolean")
        else:
            numbers = pd.to_numeric(frame[name]).astype("Float64")
            values = numbers.to_numpy(dtype=float, na_value=np.nan)
            made[name] = numbers.mask(~np.isfinite(values)).astype(kind)
    return pd.DataFrame(made, index=frame.index)


def _texts(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("string")
    return values.map(_as_text).astype("string")


def _as_text(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return pd.NA
    return str(value)
