"""Opening ``work/landing.duckdb``: the study's own store, or a copy of it in memory to look ahead with.

The file is readable by its owner only. One that cannot be opened is told with what to do next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from flows.common.database import attach, connect
from flows.common.errors import LandingError
from flows.common.paths import StudyPaths
from flows.landing.store import LandingStore

# What DuckDB raises for a file that is in use, cut off, overwritten, or of another kind.
_DAMAGE = (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException, duckdb.InternalException)


@contextmanager
def open_store(paths: StudyPaths, *, memory_limit: str = "1GB", threads: int = 2) -> Iterator[LandingStore]:
    """The study's landing store, made when it is not there (folder 0700, file 0600).

    Raises
    ------
    LandingError
        The file is in use by another process, or is no DuckDB file.
    """
    paths.work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.work_dir.chmod(0o700)
    # DuckDB makes the file, its log and its spill files itself, at times of its own choosing.
    before = os.umask(0o077)
    try:
        try:
            opened = connect(paths.landing_file, memory_limit=memory_limit, threads=threads, temp=paths.temp_dir)
            with opened as con:
                paths.landing_file.chmod(0o600)
                # The log grows to one site's worth before it is folded in; small deliveries would else pay each time.
                con.execute("set wal_autocheckpoint = '256MB'")
                store = LandingStore(con)
                store.make_tables()
                yield store
        except _DAMAGE as error:
            raise _not_opened(error, paths.landing_file) from None
    finally:
        os.umask(before)


@contextmanager
def preview_store(
    paths: StudyPaths, *, memory_limit: str = "1GB", threads: int = 2, temp: Path | None = None
) -> Iterator[LandingStore]:
    """A store in memory that holds what the study's own store holds; the study's own is let go at once.

    Raises
    ------
    LandingError
        The study's store is in use by a refresh.
    """
    with connect(memory_limit=memory_limit, threads=threads, temp=temp) as con:
        store = LandingStore(con)
        store.make_tables()
        if paths.landing_file.exists():
            try:
                attach(con, paths.landing_file, "landed", read_only=True)
            except _DAMAGE as error:
                raise _not_opened(error, paths.landing_file) from None
            for table in ("deliveries", "delivery_columns", "stored_records"):
                con.execute(f"insert into raw.{table} by name from landed.raw.{table}")
            con.execute("detach landed")
        yield store


def _not_opened(error: duckdb.Error, file: Path) -> LandingError:
    said = str(error).lower()
    what = "the landing store could not be opened or written"
    if "set lock" in said or "conflicting lock" in said:
        return LandingError(
            what, cause="another process has it open", next_step="wait until the other has ended and try again"
        )
    if _is_writable(file) and not isinstance(error, duckdb.OutOfMemoryException) and "no space" not in said:
        return LandingError(
            what,
            cause=f"work/{file.name} is damaged, or no DuckDB file ({type(error).__name__})",
            next_step=f"bring it back from a backup; without one, move work/{file.name} and its .wal away, and all "
            "files that are still in `deliveries` are read anew (leave the folder `keys` as it is)",
        )
    return LandingError(
        what, cause=type(error).__name__, next_step="check the free disk space and the rights of the folder `work`"
    )


def _is_writable(file: Path) -> bool:
    try:
        with file.open("r+b"):
            return True
    except OSError:
        return False
