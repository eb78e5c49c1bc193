"""Reading the warehouse: aggregate queries on small tables, opened read-only."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import duckdb

Row: TypeAlias = dict[str, Any]

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_KEPT = {"\t", "\n", "\u00ad", "\u200c", "\u200d"}


class ReportError(RuntimeError):
    """The report cannot be made from this file; the message says what is missing and what to do."""


class Warehouse:
    """One warehouse file, open for reading.

    Parameters
    ----------
    database
        The file; it is never written to.
    memory_limit
        Bound of DuckDB's memory, such as ``"1GB"``.
    threads
        Threads of DuckDB.
    """

    def __init__(self, database: Path, *, memory_limit: str = "1GB", threads: int = 2) -> None:
        self._database = database
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": "",
        }
        try:
            self._con = duckdb.connect(str(database), read_only=True, config=settings)
        except duckdb.Error as error:
            raise ReportError(
                f"{database.name} cannot be opened as a warehouse ({_first_line(error)}); refresh the study again"
            ) from error

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._con.close()

    def rows(self, sql: str) -> list[Row]:
        """All rows of a query as dicts: NaN is None, and text holds no invisible characters.

        Raises
        ------
        ReportError
            A table or column is missing: the file was made by another version.
        """
        try:
            cursor = self._con.execute(sql)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise ReportError(
                f"{self._database.name} lacks a table or column of this version ({_first_line(error)}); "
                "refresh the study with --full"
            ) from error
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, map(_cleaned, row), strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str) -> Row | None:
        """The first row of a query, None when it has none."""
        return next(iter(self.rows(sql)), None)

    def by_analysis(self, sql: str) -> dict[str, list[Row]]:
        """The rows of a query by their ``analysis_id``; an analysis without rows has an empty list."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows(sql):
            found[row["analysis_id"]].append(row)
        return found


def _cleaned(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return visible(value) if isinstance(value, str) else value


def visible(text: str) -> str:
    """``text`` with control characters and marks that turn the direction of writing replaced, so that what a site put
    into a name can neither break the page's XML nor show another name than it is."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in _HIDDEN and letter not in _KEPT else letter
        for letter in text
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
