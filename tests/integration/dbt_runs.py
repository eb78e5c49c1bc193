"""Runs dbt as the refresh does, on files in a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
CORE = ("path:models/staging", "path:models/intermediate/*.sql", "path:models/marts/core")


def run_dbt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs dbt on ``folder``'s landing.duckdb, build.duckdb and alliance.duckdb and fails the test if dbt fails.

    The files are named through a link that stays the same from run to run, because dbt reads the whole project anew,
    which takes longer than the run, when a path in its profile changes.
    """
    link, target = folder.parent / "current", folder.parent / "dbt_target"
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    environment = {
        **os.environ,
        "ALLIANCE_BUILD": str(link / "build.duckdb"),
        "ALLIANCE_LANDING": str(link / "landing.duckdb"),
        "ALLIANCE_NEXT": str(link / "alliance.duckdb"),
        "ALLIANCE_MEMORY_LIMIT": "1GB",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    command = [
        sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-use-colors", "--log-level-file", "none",
        *arguments, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
        "--target-path", str(target), "--log-path", str(folder / "logs"),
    ]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    return done


def build_core(folder: Path) -> None:
    """Builds staging, intermediate and core with their data tests; unit tests are a run of their own."""
    run_dbt(
        folder, "build", "--exclude-resource-type", "unit_test", "--indirect-selection", "cautious", "--select", *CORE
    )


def rows(folder: Path, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of a query that sees the warehouse as default, and the build file as ``build``."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{folder / 'build.duckdb'}' AS build (READ_ONLY)")
        connection.execute(f"ATTACH '{folder / 'alliance.duckdb'}' AS alliance (READ_ONLY)")
        connection.execute("USE alliance.core")
        return connection.execute(sql, parameters).fetchall()
