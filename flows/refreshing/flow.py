"""The refresh as a Prefect flow: five coarse tasks over the plain functions of `flows.refreshing.steps`.

Prefect brings what a scheduled run needs (schedule, state, retries, artifacts); nothing of the work depends on it, so
that the steps can be tested and measured without a server. Import `flows.common.environment` and call
``prepare_prefect`` before this module: Prefect reads its settings when it is imported.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.common.errors import AllianceError
from flows.common.paths import StudyPaths
from flows.refreshing import steps
from flows.refreshing.leftover_server import note_server
from flows.refreshing.refresh import Ended, Refresh
from flows.refreshing.summary import arrivals_table, checks_table, headlines_markdown


def _say_cause_only(record: logging.LogRecord) -> bool:
    """A filter of Prefect's log: what a user can act on is one line, and no place in our code helps with it."""
    if record.exc_info and isinstance(record.exc_info[1], AllianceError):
        record.msg, record.args = str(record.exc_info[1]).replace("\n", " "), ()
        record.exc_info = record.exc_text = None
    return True


for _name in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_name).addFilter(_say_cause_only)


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Only what may pass by itself is tried again: a share that is away, a full disk, a file just being copied."""
    try:
        state.result()
    except OSError:
        return True
    except Exception:
        return False
    return False


@task(name="land", retries=2, retry_delay_seconds=5, retry_condition_fn=_is_transient)
def land(refresh: Refresh) -> Refresh:
    """Find and store new deliveries; resolve the layout; decide how much there is to do."""
    refresh = steps.land(refresh)
    create_table_artifact(arrivals_table(refresh), key="landing", description="What arrived, by site")
    return refresh


@task(name="build")
def build(refresh: Refresh) -> Refresh:
    """dbt: from raw cells to item-level, dyad-level and quality tables."""
    return steps.build(refresh)


@task(name="check")
def check(refresh: Refresh) -> Refresh:
    """Great Expectations over the measures; a critical failure ends the refresh here."""
    refresh = steps.measure_and_judge(refresh)
    create_table_artifact(checks_table(refresh), key="checks", description="Checks that did not pass")
    steps.stop_on_critical(refresh)
    return refresh


@task(name="analyse")
def analyse(refresh: Refresh) -> Refresh:
    """Factor, outcome and agreement analyses, written to `results`."""
    refresh = steps.analyse(refresh)
    create_markdown_artifact(headlines_markdown(refresh), key="analyses", description="What the analyses did")
    return refresh


@task(name="publish", retries=2, retry_delay_seconds=5, retry_condition_fn=_is_transient)
def publish(refresh: Refresh) -> Refresh:
    """Report, compact file, Parquet, manifest; then one atomic step."""
    return steps.publish(refresh)


def _note_own_server(study: Path) -> None:
    """Note the server that Prefect started for this run alone, if it did: a killed run leaves it behind."""
    # Loaded by Prefect when it starts one; loading it here would take seconds where a server is given.
    loaded = sys.modules.get("prefect.server.api.server")
    servers = loaded.SubprocessASGIServer._instances.values() if loaded is not None else ()
    for server in servers:
        if server.server_process is not None:
            note_server(StudyPaths(study).prefect_dir, server.server_process.pid)


@flow(name="alliance-refresh")
def refresh_study(study: str, full: bool = False) -> Ended:
    """Refresh the study in the folder `study`; write, audit, publish.

    Raises
    ------
    AllianceError
        With one line of cause; what is published stays as it was.
    """
    _note_own_server(Path(study))
    return steps.carry_out(Path(study), full=full, by=steps.Steps(land, build, check, analyse, publish))
