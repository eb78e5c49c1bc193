"""Ask the published warehouse one question, without being able to change it."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any, Literal

import duckdb

from flows.common.database import connect
from flows.common.errors import NothingPublished, UsageError

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
        The statement is wrong (the message is DuckDB's), or it is none, or more than one.
    """
    if not published_file.exists():
        raise NothingPublished("this study has no published warehouse yet", next_step="run `alliance refresh`")
    with connect(published_file, read_only=True) as con:
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
        try:
            # Before a pivot DuckDB puts a statement of its own, without text, that makes a type of the column names.
            statements = con.extract_statements(sql)
            n_given = sum(one.type != duckdb.StatementType.CREATE or bool(one.query.strip()) for one in statements)
            if n_given != 1:
                raise UsageError(
                    f"{n_given} statements were given, and one can be answered",
                    next_step='give one, such as "select count(*) from core.forms"',
                )
            cursor = con.execute(sql)
            if cursor.description is None:
                return [], []
            return _each_once([column[0] for column in cursor.description]), cursor.fetchall()
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
    """A list of objects; dates as ISO text, and null for what JSON has no number for (not a number, infinity)."""
    objects = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
    return json.dumps(objects, default=str, ensure_ascii=False, indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _each_once(names: list[str]) -> list[str]:
    """Names of columns, a repeated one with a number behind, so that none hides another in an object."""
    taken = set(names)
    unique: list[str] = []
    for name in names:
        number, fresh = 1, name
        while fresh in unique or (fresh != name and fresh in taken):
            fresh, number = f"{name}_{number}", number + 1
        unique.append(fresh)
    return unique
