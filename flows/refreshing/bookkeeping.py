"""Complete the `meta` schema of the next warehouse: what changed, which refresh made it, what each column holds."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from flows.common.database import attach, connect
from flows.common.progress import say
from flows.publishing.changes import record_changes
from flows.publishing.code_version import code_version
from flows.publishing.finding_changes import record_finding_changes
from flows.publishing.forgetting import withdrawn_clients

if TYPE_CHECKING:
    from flows.refreshing.refresh import Refresh

_REFRESH = """
insert into alliance.meta.refreshes by name
select
    $refresh_id as refresh_id,
    $started_at as started_at,
    $finished_at as finished_at,
    $kind as kind,
    $status as status,
    $n_new_deliveries as n_new_deliveries,
    (select count(*) from alliance.core.forms) as n_forms,
    (select count(*) from alliance.core.item_responses) as n_responses,
    $code_version as code_version,
    $settings as settings,
    $duration_seconds as duration_seconds
"""

_DICTIONARY = """
insert into alliance.meta.data_dictionary by name
select
    columns.schema_name as table_schema,
    columns.table_name,
    columns.column_name,
    columns.column_index as position,
    -- the names of a list stand in the table they come from
    case when columns.data_type like 'ENUM(%' then 'ENUM' else columns.data_type end as data_type,
    trim(columns.comment, ' ' || chr(10)) as description
from duckdb_columns() as columns
where columns.database_name = 'alliance'
order by all
"""


def record_refresh(refresh: Refresh) -> bool:
    """Write the refresh into `meta` of the next warehouse.

    Returns whether answers that were published before are gone, so that the file must be written anew.
    """
    published = _readable(refresh.paths.published_file)
    with connect(
        memory_limit=refresh.resources.memory_limit, threads=refresh.resources.threads, temp=refresh.paths.temp_dir
    ) as con:
        attach(con, refresh.paths.next_file, "alliance")
        _carry_history(con, published)
        removed = record_changes(
            con,
            published=published,
            refresh_id=refresh.refresh_id,
            rewritten_sites=refresh.decided.changed_sites,
            withdrawn=withdrawn_clients(refresh.paths.landing_file),
        )
        record_finding_changes(con, published=published, refresh_id=refresh.refresh_id)
        _record_states(con, refresh)
        _record_this(con, refresh)
        con.execute("delete from alliance.meta.data_dictionary")
        con.execute(_DICTIONARY)
    return removed


def _readable(published: Path) -> Path | None:
    """The published file, or None where there is none or it is damaged: it must not keep a sound one from readers."""
    if not published.exists():
        return None
    try:
        with connect(published, read_only=True) as con:
            con.execute("select 1 from core.item_responses, meta.refreshes limit 1")
    except duckdb.Error:
        say("publish", "the published file cannot be read: its history ends, and everything counts as new")
        return None
    return published


def _carry_history(con: duckdb.DuckDBPyConnection, published: Path | None) -> None:
    """Earlier refreshes and their changes stay readable, whether the file was built anew or not.

    An older version of the table may lack columns that are there now; what it has is taken by name.
    """
    if published is None:
        return
    attach(con, published, "history", read_only=True)
    try:
        for table in ("refreshes", "changes"):
            con.execute(f"delete from alliance.meta.{table}")
            con.execute(f"insert into alliance.meta.{table} by name from history.meta.{table}")
    except (duckdb.CatalogException, duckdb.BinderException):
        return  # made by a version without this table or with other columns: history begins here
    finally:
        con.execute("detach history")


def _record_states(con: duckdb.DuckDBPyConnection, refresh: Refresh) -> None:
    con.execute("delete from alliance.meta.site_states")
    states = [list(state) for state in sorted(refresh.decided.site_states.items())]
    if states:
        con.executemany("insert into alliance.meta.site_states (site_id, fingerprint) values (?, ?)", states)


def _record_this(con: duckdb.DuckDBPyConnection, refresh: Refresh) -> None:
    finished = dt.datetime.now(dt.UTC)
    settings = {
        "study_state": refresh.decided.study_state,
        "study": refresh.settings.settings.model_dump(mode="json"),
        "changed_sites": list(refresh.decided.changed_sites),
    }
    con.execute(
        _REFRESH,
        {
            "refresh_id": refresh.refresh_id,
            "started_at": refresh.started_at.replace(tzinfo=None),
            "finished_at": finished.replace(tzinfo=None),
            "kind": refresh.decided.kind,
            "status": "published_with_warnings" if refresh.verdict and refresh.verdict.n_warnings else "published",
            "n_new_deliveries": len(refresh.new_deliveries),
            "code_version": code_version(),
            "settings": json.dumps(settings, sort_keys=True),
            "duration_seconds": round((finished - refresh.started_at).total_seconds(), 3),
        },
    )
