"""Sharing one bound on memory between DuckDB and what Python holds beside it."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from flows.common.database import literal
from flows.common.numbers import as_bytes

_RESIDENT = Path("/proc/self/statm")
_LEAST = 256 * 1000**2
"""What DuckDB is always left with, in bytes: less may not be enough to go through a large table."""
_HANDED_OVER = 0.15
"""Share of the bound that is kept for what a query hands over to Python while it still holds its own."""


def leave_room(con: duckdb.DuckDBPyConnection, memory_limit: str) -> None:
    """Bound DuckDB so that it and all else in this process stay within ``memory_limit`` (such as ``2GB``) together.

    DuckDB sorts and joins in as much as it may have and puts the rest on the disk; frames and scores that analyses go
    on with come on top. Once they are there it is given less, a quarter of the limit at least. The bound is DuckDB's
    alone where the system does not tell what a process holds (it is read from Linux's /proc), and where DuckDB cannot
    let go of what it holds.
    """
    held = resident_bytes()
    bound = as_bytes(memory_limit)
    if held is None or bound is None:
        return
    used = con.execute("select coalesce(sum(memory_usage_bytes), 0)::bigint from duckdb_memory()").fetchone()
    beside = held - (int(used[0]) if used else 0)
    left = max(bound * (1 - _HANDED_OVER) - beside, bound / 4, min(_LEAST, bound))
    try:
        con.execute(f"set memory_limit = '{int(left) // 1000}KB'")
    except duckdb.OutOfMemoryException:
        # It holds more that it cannot put on the disk: no reason for an analysis not to run.
        con.execute(f"set memory_limit = {literal(memory_limit)}")


@contextmanager
def at_most(con: duckdb.DuckDBPyConnection, bound: int) -> Iterator[Callable[[], None]]:
    """Leave DuckDB no more than ``bound`` bytes for a while, where it has more and can put the rest on the disk.

    What is handed over gives it back before the end, for what cannot be done in so little.

    What it had is told rounded down to a tenth of the unit (1.8 GiB) and given back so.
    """
    told = con.execute("select current_setting('memory_limit')").fetchall()[0][0]
    had = as_bytes(str(told))
    if had is None or had <= bound:
        yield lambda: None
        return
    # A thousandth of the unit more than was told, or each time it would be rounded down to the tenth below.
    before = (had + 1024 ** ((had.bit_length() - 1) // 10) // 1024) // 1000 + 1

    def give_back() -> None:
        # A pass that is left half-way may be closed after its connection was.
        with suppress(duckdb.ConnectionException):
            con.execute(f"set memory_limit = '{before}KB'")

    with suppress(duckdb.OutOfMemoryException, duckdb.IOException):
        con.execute(f"set memory_limit = '{bound // 1000}KB'")
    try:
        yield give_back
    finally:
        give_back()


def resident_bytes() -> int | None:
    """Memory this process holds, in bytes; None where the system does not tell."""
    try:
        pages = int(_RESIDENT.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * mmap.PAGESIZE
