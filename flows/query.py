"""Ask the published warehouse one question, without being able to change it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Literal

import duckdb

from flows.database import connect
from flows.errors import NothingPublished, UsageError

Format = Literal["table", "csv", "json"]


def run_query(published_file: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one statement on the published file, opened read-only.

    The connection can neither write the warehouse nor reach another file: reading and writing outside files is
    switched off once the warehouse is open, so that a query pasted from elsewhere does no harm.

    Raises
    ------
    NothingPublished
        There is no published file yet.
    UsageError
        The statement is wrong; the message is DuckDB's.
    """
    if not published_file.exists():
        raise NothingPublished("this study has no published warehouse yet", next_step="run `alliance refresh`")
    with connect(published_file, read_only=True) as con:
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
        try:
            cursor = con.execute(sql)
            if cursor.description is None:
                return [], []
            return [column[0] for column in cursor.description], cursor.fetchall()
        except duckdb.Error as error:
            raise UsageError(
                "the query could not be answered",
                cause=str(error),
                next_step='`alliance query "from meta.data_dictionary"` lists all tables and columns',
            ) from error


def as_csv(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    """Comma-separated text with a header; null is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def as_json(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    """A list of objects; dates as ISO text."""
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str, ensure_ascii=False, indent=1)
