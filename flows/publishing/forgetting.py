"""What earlier refreshes left behind must not bring back a client who withdrew."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import duckdb

from flows.common.database import connect
from flows.common.paths import StudyPaths
from flows.publishing.publish import current_version, versions


def forget_withdrawn(paths: StudyPaths) -> list[str]:
    """Delete every kept version, but the published one, and the stopped build that hold a client who withdrew.

    A rollback would publish the client again, and a version cannot be changed without ceasing to be what was published.
    Call it once the version without them is published. Returns the refresh ids of the versions deleted.
    """
    withdrawn = withdrawn_clients(paths.landing_file)
    if not withdrawn:
        return []
    if paths.stopped_file.exists() and _holds_any(paths.stopped_file, withdrawn):
        shutil.rmtree(paths.stopped_file.parent)
    published = current_version(paths)
    gone = [
        version
        for version in versions(paths)
        if version != published and _holds_any(paths.version_dir(version) / "alliance.duckdb", withdrawn)
    ]
    for version in gone:
        shutil.rmtree(paths.version_dir(version))
    return gone


def withdrawn_clients(landing: Path) -> set[str]:
    """Pseudonyms of the clients whom ``withdrawals.csv`` names."""
    with connect(landing, read_only=True) as con:
        return {row[0] for row in con.execute("select client_id from raw.withdrawals").fetchall()}


def _holds_any(warehouse: Path, clients: Collection[str]) -> bool:
    """Whether any of `clients` is in the file; one that cannot be read is taken to hold them."""
    try:
        with connect(warehouse, read_only=True) as con:
            row = con.execute(
                "select count(*) from core.clients where list_contains($clients, client_id)", {"clients": list(clients)}
            ).fetchone()
    except duckdb.Error:
        return True
    return row is not None and row[0] > 0
