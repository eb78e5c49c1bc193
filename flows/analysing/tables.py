"""Filling the tables of `results`: emptied, then filled by column name, in the order of their keys."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from flows.database import identifier


class ResultTables:
    """Rows for every table of the schema `results`, collected and then written at once."""

    def __init__(self) -> None:
        self._frames: dict[str, list[pd.DataFrame]] = defaultdict(list)

    def add(self, table: str, frame: pd.DataFrame, **known: Any) -> None:
        """Keep ``frame`` for ``table``; ``known`` are columns with one value for all rows that the frame has not."""
        if len(frame):
            missing = {name: value for name, value in known.items() if name not in frame.columns}
            self._frames[table].append(frame.assign(**missing))

    def write(self, con: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """Replace the content of all tables of ``alliance.results``; gives the number of rows of each.

        Columns that a table lacks are not written, columns that the frames lack stay null, NaN and infinities become
        null: a reader asks for null, and no SQL sum is spoilt.

        Raises ``KeyError`` for a table that the build does not have.
        """
        tables = _columns(con)
        unknown = sorted(set(self._frames) - set(tables))
        if unknown:
            raise KeyError(f"the build has no results table {', '.join(unknown)}")
        written = {}
        con.execute("begin transaction")
        for table, columns in tables.items():
            con.execute(f"delete from alliance.results.{identifier(table)}")
            written[table] = self._fill(con, table, columns)
        con.execute("commit")
        return written

    def _fill(self, con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str]) -> int:
        if table not in self._frames:
            return 0
        # Columns are typed one by one, as an empty column of one frame must not decide the type of another's.
        typed = [_typed(frame, columns) for frame in self._frames[table]]
        incoming = pd.concat(typed, ignore_index=True)
        con.register("incoming", incoming)
        named = ", ".join(identifier(name) for name in columns)
        order = ", ".join(identifier(name) for name in _key(con, table) or list(columns))
        con.execute(
            f"insert into alliance.results.{identifier(table)} by name select {named} from incoming order by {order}"
        )
        con.unregister("incoming")
        return len(incoming)


def _columns(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    found = con.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = 'alliance' and schema_name = 'results' order by table_name, column_index"
    ).fetchall()
    tables: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, data_type in found:
        tables[table][column] = data_type
    return dict(tables)


def _key(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    found = con.execute(
        "select constraint_column_names from duckdb_constraints() where database_name = 'alliance' "
        "and schema_name = 'results' and table_name = ? and constraint_type = 'PRIMARY KEY'",
        [table],
    ).fetchone()
    return list(found[0]) if found else []


_TYPES = {"VARCHAR": "string", "DOUBLE": "Float64", "BIGINT": "Int64", "INTEGER": "Int32", "BOOLEAN": "boolean"}


def _typed(frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    made = {}
    for name, data_type in columns.items():
        kind = _TYPES[data_type]
        if name not in frame.columns:
            made[name] = pd.Series(pd.NA, index=frame.index, dtype=kind)
            continue
        values = frame[name]
        if kind == "string":
            values = values.map(_as_text)
        else:
            values = pd.to_numeric(values).replace([np.inf, -np.inf], np.nan) if kind != "boolean" else values
        made[name] = values.astype("Float64").astype(kind) if kind.startswith("Int") else values.astype(kind)
    return pd.DataFrame(made, index=frame.index)


def _as_text(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return pd.NA
    return str(value)
