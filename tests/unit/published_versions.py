"""The smallest warehouse that can be published: two sites' forms and some clients, version by version."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flows.common.database import attach, connect
from flows.common.paths import StudyPaths
from flows.publishing import publish
from flows.publishing.publish import Resources

RESOURCES = Resources("500MB", 1)


def make_next(
    paths: StudyPaths, number: int, sites: tuple[str, ...] = ("a", "b"), clients: Collection[str] = ()
) -> None:
    """Lay the next file: one form for each site, which holds ``number``."""
    publish.prepare_next(paths, full=True, resources=RESOURCES)
    with connect() as con:
        attach(con, paths.next_file, "alliance")
        for schema in publish.SCHEMAS:
            con.execute(f"create schema alliance.{schema}")
        con.execute("create table alliance.core.forms (form_id bigint primary key, site_id varchar, n integer)")
        con.execute("comment on table alliance.core.forms is 'One row per form.'")
        for index, site in enumerate(sites):
            con.execute("insert into alliance.core.forms values (?, ?, ?)", [index, site, number])
        con.execute("create table alliance.core.clients (client_id varchar primary key)")
        for client in clients:
            con.execute("insert into alliance.core.clients values (?)", [client])
        con.execute("create table alliance.meta.refreshes (refresh_id varchar primary key)")


def version_of(number: int) -> str:
    """The refresh id of the version that `put_out` makes of ``number``."""
    return f"20260101T{number:06d}Z"


def put_out(paths: StudyPaths, number: int, rewritten: tuple[str, ...] | None = None, keep: int = 3) -> dict[str, Any]:
    """Publish the next file; returns its manifest."""
    return publish.publish(
        paths, refresh_id=version_of(number), rewritten_sites=rewritten, keep_versions=keep,
        resources=RESOURCES,
    )  # fmt: skip
