"""What `alliance findings` tells: the published findings in their order, and which of them this refresh changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from flows.common.database import connect
from flows.common.errors import AllianceError, NothingPublished

QUESTIONS = {
    "components": "1. Which components do clients, and which do therapists, see?",
    "correspondence": "1. How well do they match the declared scales?",
    "outcome": "2. Which components predict outcome?",
    "scale_outcome": "2. Do the declared scales predict outcome?",
    "two_views": "3. How do the two views relate?",
    "emphasis": "3. Where do the two place different emphasis?",
}

_FINDINGS = """
select
    findings.*,
    changes.kind as change,
    changes.note as change_note
from results.findings as findings
left join meta.changes as changes
    on changes.finding_id = findings.finding_id
    and changes.refresh_id = (select max(refresh_id) from meta.refreshes)
order by findings.finding_number
"""

_GONE = """
select finding_id, note from meta.changes
where kind = 'finding_gone' and refresh_id = (select max(refresh_id) from meta.refreshes)
order by finding_id
"""


def read_findings(published_file: Path) -> dict[str, Any]:
    """``findings`` (rows of results.findings with what changed) and ``gone`` (findings of the refresh before).

    Raises
    ------
    NothingPublished
        There is no published file yet.
    AllianceError
        It was made by a version that had no findings.
    """
    if not published_file.exists():
        raise NothingPublished("this study has no published warehouse yet", next_step="run `alliance refresh`")
    with connect(published_file, read_only=True) as con:
        try:
            return {"findings": _rows(con, _FINDINGS), "gone": _rows(con, _GONE)}
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise AllianceError(
                "the published warehouse has no findings",
                cause="a version of the program that did not make them has published it",
                next_step="run `alliance refresh`",
            ) from error


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    cursor = con.execute(sql)
    columns = [column[0] for column in cursor.description or []]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
