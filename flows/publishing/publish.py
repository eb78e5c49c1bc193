"""Publish: an audited build becomes the warehouse in one atomic step, and older versions stay reachable.

Everything a reader opens lies in ``warehouse/versions/<refresh_id>``; ``warehouse/current`` is a symbolic link to one
of these, and ``alliance.duckdb``, ``parquet``, ``report`` and ``manifest.json`` beside it lead through that one link.
Renaming the link is the only act of publishing, so a reader meets the file, the Parquet copies, the report and the
manifest of one and the same refresh. Readers that have the old file open keep it until they open it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb

from flows.common.database import attach, connect, identifier, literal
from flows.common.errors import PublishError
from flows.common.paths import StudyPaths

SCHEMAS = ("core", "quality", "results", "meta")

# Written as one Parquet file per site, so that a refresh rewrites only the sites that changed.
BY_SITE = (
    ("core", "forms"),
    ("core", "item_responses"),
    ("core", "scale_scores"),
    ("core", "dyad_sessions"),
    ("core", "dyad_items"),
    ("quality", "response_patterns"),
)
# More free blocks than this share, and the file is written anew.
FREE_BLOCK_SHARE = 0.2
# Keys are unique and no dictionary shortens them; a small limit lets DuckDB see that early. Zstandard at level 1
# takes no longer than snappy and less than half of the space.
_PARQUET = "format parquet, compression zstd, compression_level 1, dictionary_size_limit 5000"
LINKS = ("alliance.duckdb", "parquet", "report", "manifest.json")


@dataclass(frozen=True)
class Resources:
    """What a step may use: DuckDB's memory limit (such as ``2GB``) and its threads."""

    memory_limit: str
    threads: int


def prepare_next(paths: StudyPaths, *, full: bool, resources: Resources) -> None:
    """Lay the file the next warehouse is built in: empty, or a copy of the published one.

    A half-built file of a refresh that was killed is thrown away first.
    """
    shutil.rmtree(paths.next_file.parent, ignore_errors=True)
    paths.next_file.parent.mkdir(parents=True)
    for stale in (paths.build_file, paths.build_file.with_name(paths.build_file.name + ".wal")):
        stale.unlink(missing_ok=True)
    shutil.rmtree(paths.temp_dir, ignore_errors=True)
    paths.temp_dir.mkdir(parents=True)
    if full:
        with connect(memory_limit=resources.memory_limit, threads=resources.threads) as con:
            attach(con, paths.next_file, "alliance")
        return
    shutil.copyfile(paths.published_file, paths.next_file)
    paths.next_file.chmod(0o600)
    # The copy reaches the disk while dbt works on it: what publishing has to wait for is then only what changed.
    Thread(target=_sync, args=(paths.next_file,), name="sync the copy", daemon=True).start()


def compact(paths: StudyPaths, *, removed: bool, resources: Resources) -> bool:
    """Write the built file anew when old bytes in it are too many, or are of people who were taken out.

    DuckDB leaves deleted rows' bytes in the file; a withdrawn client's answers must not be found there.
    Returns whether it was written anew.
    """
    with connect(
        paths.next_file, memory_limit=resources.memory_limit, threads=resources.threads, temp=paths.temp_dir
    ) as con:
        con.execute("checkpoint")
        if not removed and _free_share(con) <= FREE_BLOCK_SHARE:
            return False
    fresh = paths.next_file.with_name("compact.duckdb")
    fresh.unlink(missing_ok=True)
    with connect(memory_limit=resources.memory_limit, threads=resources.threads, temp=paths.temp_dir) as con:
        attach(con, paths.next_file, "alliance", read_only=True)
        attach(con, fresh, "fresh")
        con.execute("copy from database alliance to fresh")
        con.execute("checkpoint fresh")
    fresh.replace(paths.next_file)
    return True


def publish(
    paths: StudyPaths,
    *,
    refresh_id: str,
    rewritten_sites: Iterable[str] | None,
    keep_versions: int,
    report: Callable[[], object] = lambda: None,
    report_dir: Path | None = None,
    resources: Resources,
) -> dict[str, Any]:
    """Make the built file the published warehouse.

    Parameters
    ----------
    rewritten_sites
        The sites whose rows this refresh replaced; None when all were.
    report
        Makes the static report of the built file in ``report_dir``, which is moved into the version; None for none.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    PublishError
        The disk is full or may not be written; what was published before is untouched.
    """
    version = paths.version_dir(refresh_id)
    try:
        shutil.rmtree(version, ignore_errors=True)
        version.mkdir(parents=True)
        with ThreadPoolExecutor(resources.threads) as pool:
            # One file holds most of the bytes: its hash takes as long as several Parquet files, so it begins first.
            hashed = pool.submit(_sha256, paths.next_file)
            with _parquet_being_written(paths, version / "parquet", rewritten_sites, resources, pool) as linked:
                report()
            tables = _row_counts(paths.next_file, resources)
            paths.next_file.replace(version / "alliance.duckdb")
            (version / "alliance.duckdb").chmod(0o440)
            if report_dir is not None:
                shutil.move(str(report_dir), version / "report")
            known = {**_hashes_of_before(paths, linked), "alliance.duckdb": hashed.result()}
            manifest = _manifest(version, refresh_id, tables, known, pool)
        (version / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        _sync(version / "manifest.json")
        for folder in (*(each for each in version.rglob("*") if each.is_dir()), version, paths.versions_dir):
            _sync(folder)
        switch(paths, refresh_id)
    except OSError as error:
        shutil.rmtree(version, ignore_errors=True)
        raise PublishError(
            f"the new version could not be written: {error.strerror or type(error).__name__}",
            next_step="make room or give the user who refreshes the right to write below `warehouse`; "
            "the published warehouse is as it was",
        ) from error
    prune(paths, keep_versions)
    return manifest


def switch(paths: StudyPaths, refresh_id: str) -> None:
    """Let every reader that opens the warehouse from now on see the version `refresh_id`; atomic."""
    for name in LINKS:
        link = paths.warehouse_dir / name
        if not link.is_symlink():
            _replace_link(link, Path("current") / name)
    _replace_link(paths.current_link, Path("versions") / refresh_id)
    _sync(paths.warehouse_dir)


def versions(paths: StudyPaths) -> list[str]:
    """The refresh ids of the versions kept, oldest first."""
    if not paths.versions_dir.is_dir():
        return []
    return sorted(p.name for p in paths.versions_dir.iterdir() if (p / "manifest.json").is_file())


def current_version(paths: StudyPaths) -> str | None:
    """The refresh id of the published version, or None."""
    return (
        paths.current_link.readlink().name
        if paths.current_link.is_symlink() and paths.published_file.exists()
        else None
    )


def prune(paths: StudyPaths, keep: int) -> None:
    """Delete all but the newest `keep` versions, never the published one, and what killed refreshes left half made."""
    published = current_version(paths)
    for folder in paths.versions_dir.glob("[0-9]*T[0-9]*Z"):
        if folder.name != published and not (folder / "manifest.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)
    for name in versions(paths)[: -max(keep, 1)]:
        if name != published:
            shutil.rmtree(paths.versions_dir / name)


def _replace_link(link: Path, target: Path) -> None:
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free_share(con: duckdb.DuckDBPyConnection) -> float:
    row = con.execute("select free_blocks, total_blocks from pragma_database_size()").fetchone()
    return row[0] / row[1] if row and row[1] else 0.0


def _tables(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return con.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'alliance' order by all"
    ).fetchall()


def _row_counts(database: Path, resources: Resources) -> dict[str, int]:
    counts = {}
    with connect(memory_limit=resources.memory_limit, threads=resources.threads) as con:
        attach(con, database, "alliance", read_only=True)
        for schema, table in _tables(con):
            row = con.execute(f"select count(*) from alliance.{identifier(schema)}.{identifier(table)}").fetchone()
            counts[f"{schema}.{table}"] = int(row[0]) if row else 0
    return counts


@contextmanager
def _parquet_being_written(
    paths: StudyPaths,
    folder: Path,
    rewritten_sites: Iterable[str] | None,
    resources: Resources,
    pool: ThreadPoolExecutor,
) -> Iterator[list[str]]:
    """One file per table, and per site for the large ones; unchanged sites' files are linked, not written.

    Files are begun on the way in and all there on the way out. Gives the names of the linked ones, as a manifest has
    them.

    Files are written side by side, each by one thread: that takes half the time of all threads on one file after the
    other, and a file's rows keep their order.
    """
    rewritten = None if rewritten_sites is None else set(rewritten_sites)
    previous = paths.current_link / "parquet"
    # DuckDB counts the thread that asks among its own; with 1 each asking thread works alone.
    with connect(memory_limit=resources.memory_limit, threads=1, temp=paths.temp_dir) as con:
        attach(con, paths.next_file, "alliance", read_only=True)
        written: list[Future[None]] = []
        linked: list[str] = []
        for select, file in _parquet_files(con, folder):
            old = previous / file.relative_to(folder)
            site = file.stem.removeprefix("site_id=")
            if rewritten is not None and site != file.stem and site not in rewritten and old.exists():
                os.link(old.resolve(), file)
                linked.append(str(file.relative_to(folder.parent)))
                continue
            written.append(pool.submit(_copy_to_parquet, con.cursor(), select, file))
        try:
            yield linked
        finally:
            wait(written)  # all of them, also when one fails: their cursors are the connection's
        for one in written:
            one.result()


def _parquet_files(con: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[tuple[str, Path]]:
    """What is selected into which file; makes their folders."""
    for schema, table in _tables(con):
        source = f"alliance.{identifier(schema)}.{identifier(table)}"
        target = folder / schema / table
        target.parent.mkdir(parents=True, exist_ok=True)
        if (schema, table) not in BY_SITE:
            yield f"select * from {source}", target.with_suffix(".parquet")
            continue
        target.mkdir()
        sites = con.execute(f"select distinct site_id from {source} order by 1").fetchall()
        if not sites:
            yield f"select * from {source}", target / "empty.parquet"
        for (site,) in sites:
            yield f"select * from {source} where site_id = {literal(site)}", target / f"site_id={site}.parquet"


def _copy_to_parquet(con: duckdb.DuckDBPyConnection, select: str, file: Path) -> None:
    with con:
        con.execute(f"copy ({select}) to {literal(file)} ({_PARQUET})")
    file.chmod(0o440)


def _manifest(
    version: Path, refresh_id: str, tables: dict[str, int], known: dict[str, str], pool: ThreadPoolExecutor
) -> dict[str, Any]:
    """``known`` are hashes of files, by their path in the version, that need not be read again."""
    names = sorted(str(path.relative_to(version)) for path in version.rglob("*") if path.is_file())
    rest = [name for name in names if name not in known]
    found = pool.map(lambda name: _sha256(version / name), rest)
    hashes = {**known, **dict(zip(rest, found, strict=True))}
    files = {name: {"bytes": (version / name).stat().st_size, "sha256": hashes[name]} for name in names}
    return {"refresh_id": refresh_id, "tables": tables, "files": files}


def _hashes_of_before(paths: StudyPaths, linked: list[str]) -> dict[str, str]:
    """Hashes of linked files as they were when these were written: one that changed on the disk since must not get a
    new hash that says it is right.
    """
    try:
        files = json.loads((paths.current_link / "manifest.json").read_text())["files"]
    except (OSError, ValueError, KeyError):  # lost or damaged: they are read again
        return {}
    return {name: files[name]["sha256"] for name in linked if name in files}


def _sha256(path: Path) -> str:
    """The hash of a file that is on the disk: readers are not sent to what a power cut could still take away."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
        return hashlib.file_digest(handle, "sha256").hexdigest()
