"""Opening DuckDB files the same way everywhere: bounded memory, nothing from the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pandas as pd

# A 2.0 file cannot be opened by 1.x clients; this is the oldest layout that all of them read.
STORAGE_VERSION = "v1.0.0"


@contextmanager
def connect(
    path: Path | None = None,
    *,
    read_only: bool = False,
    memory_limit: str = "1GB",
    threads: int = 2,
    temp: Path | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that closes itself, loads no extension from the network and stays within `memory_limit`."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if temp is not None:
        # DuckDB makes the folder itself when it needs one, but not the one above.
        with suppress(OSError):
            temp.parent.mkdir(parents=True, exist_ok=True)
        settings["temp_directory"] = str(temp)
    con = duckdb.connect(str(path) if path else ":memory:", read_only=read_only, config=settings)
    try:
        con.execute("set enable_progress_bar = false")
        yield con
    finally:
        con.close()


def literal(text: str | Path) -> str:
    """`text` as an SQL string literal, for the statements that take no parameters."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def attach(con: duckdb.DuckDBPyConnection, path: Path, alias: str, *, read_only: bool = False) -> None:
    """Attach a file; a new one is made in the storage version that every DuckDB 1.x client reads."""
    options = "read_only" if read_only else f"storage_version {literal(STORAGE_VERSION)}"
    con.execute(f"attach {literal(path)} as {identifier(alias)} ({options})")


def plain_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with names of a list (ENUM) as plain text, where pandas has them categorical."""
    names = frame.select_dtypes("category").columns
    return frame.astype({name: frame[name].cat.categories.dtype for name in names})


def text_frame(found: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The rows of an executed query, with names of a list as plain text."""
    return plain_text(found.df())
