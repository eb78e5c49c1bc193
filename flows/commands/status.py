"""How a study stands: the last refresh, what arrived from whom, and which checks did not pass."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import duckdb

from flows.common.database import connect
from flows.common.locking import running_refresh
from flows.common.paths import StudyPaths

_ARRIVALS = """
select
    sites.site_id,
    coalesce(deliveries.n, 0) as deliveries,
    deliveries.last_arrival,
    sites.n_clients,
    sites.n_forms
from core.sites as sites
left join (
    select site_id, count(*) as n, max(landed_at) as last_arrival from quality.deliveries group by all
) as deliveries on sites.site_id = deliveries.site_id
order by sites.site_id
"""

_NOT_PASSED = """
select
    results.status, results.severity, checks.name, results.site_id, results.instrument_id, results.rater,
    results.subject, results.numerator, results.denominator, results.measured, results.threshold, results.reason
from quality.check_results as results
inner join quality.checks as checks on results.check_id = checks.check_id
where results.status in ('fail', 'error', 'warn')
order by
    case results.severity when 'critical' then 0 when 'warning' then 1 else 2 end,
    checks.name, results.site_id, results.instrument_id, results.rater, results.subject
"""

_PROBLEMS = """
select severity, site_id, file_name, message, action
from quality.landing_problems
where severity in ('critical', 'warning') and refresh_id = ?
order by severity, site_id, file_name, problem_number
"""

_REFRESH = """
select refresh_id, started_at, kind, n_new_deliveries, n_forms, n_responses, code_version, duration_seconds
from meta.refreshes where refresh_id = ?
"""


@dataclass(frozen=True)
class Status:
    """How a study stands.

    Parameters
    ----------
    running
        Who refreshes it just now, or None.
    last_attempt
        The note of the last refresh, published or not.
    not_passed
        Check results of the published version (or of the stopped build, when the last refresh was stopped).
    problems
        What landing warned of in the refresh that made the same source.
    """

    published_version: str | None
    running: str | None
    last_attempt: dict[str, Any] | None
    refresh: dict[str, Any] | None = None
    arrivals: list[dict[str, Any]] = field(default_factory=list)
    not_passed: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)


def read_status(paths: StudyPaths) -> Status:
    """Read how the study stands; never fails on a study that has not been refreshed."""
    # Somebody may have put a copy in the link's place; that is no published version.
    is_linked = paths.published_file.exists() and paths.current_link.is_symlink()
    version = paths.current_link.readlink().name if is_linked else None
    last = _last_attempt(paths)
    running = running_refresh(paths.lock_file)
    stopped = last is not None and last.get("status") == "stopped" and paths.stopped_file.exists()
    source = paths.stopped_file if stopped else paths.published_file
    made_by = last["refresh_id"] if stopped and last is not None else version
    if not source.exists():
        return Status(version, running, last)
    with connect(source, read_only=True) as con:
        refresh = _rows(con, _REFRESH, [version])
        return Status(
            version,
            running,
            last,
            refresh=refresh[0] if refresh else None,
            arrivals=_rows(con, _ARRIVALS),
            not_passed=_rows(con, _NOT_PASSED),
            problems=_rows(con, _PROBLEMS, [made_by]),
        )


def _last_attempt(paths: StudyPaths) -> dict[str, Any] | None:
    try:
        content = json.loads(paths.last_refresh_file.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "refresh_id" in content else None


def _rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    cursor = con.execute(sql, parameters or [])
    columns = [column[0] for column in cursor.description or []]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
