"""Which findings a refresh changed, held against those of the published warehouse: rows of `meta.changes`."""

from __future__ import annotations

from pathlib import Path

import duckdb

from flows.common.database import attach

# The sentence holds the numbers as they are printed: a change that no reader could see is none.
_ROWS = """
insert into alliance.meta.changes by name
with before as (select finding_id, status, sentence from earlier.results.findings),
after as (select finding_id, status, sentence from alliance.results.findings),
rows as (
    select
        case
            when before.finding_id is null then 'finding_new'
            when after.finding_id is null then 'finding_gone'
            when before.status <> after.status then 'finding_status'
            else 'finding_numbers'
        end as kind,
        coalesce(after.finding_id, before.finding_id) as finding_id,
        case
            when before.finding_id is null then 'was not asked before'
            when before.status is distinct from after.status then 'was ' || before.status || ': ' || before.sentence
            else 'was: ' || before.sentence
        end as note
    from before
    full outer join after on before.finding_id = after.finding_id
    where before.sentence is distinct from after.sentence or before.status is distinct from after.status
)
select
    (select coalesce(max(change_id), 0) from alliance.meta.changes) + row_number() over (order by kind, finding_id)
        as change_id,
    $refresh_id as refresh_id,
    kind,
    finding_id,
    cast(1 as bigint) as n,
    note
from rows
"""


def record_finding_changes(con: duckdb.DuckDBPyConnection, *, published: Path | None, refresh_id: str) -> None:
    """Add the findings that are new, gone or changed to ``alliance.meta.changes``.

    Nothing is marked in a first refresh, nor after one whose version made no findings: all would be new.
    """
    if published is None:
        return
    attach(con, published, "earlier", read_only=True)
    try:
        found = con.execute(
            "select count(*) from duckdb_tables() where database_name = 'earlier' and schema_name = 'results' "
            "and table_name = 'findings'"
        ).fetchone()
        if found and found[0] and con.execute("select count(*) > 0 from earlier.results.findings").fetchall()[0][0]:
            con.execute(_ROWS, {"refresh_id": refresh_id})
    finally:
        con.execute("detach earlier")
