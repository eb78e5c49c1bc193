"""A demo study refreshed once for all end-to-end tests, whichever worker asks first."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock


def alliance(*arguments: str | Path, timeout: int = 600, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in a process of its own."""
    call = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )
    if check and call.returncode != 0:
        raise AssertionError(f"alliance {' '.join(map(str, arguments))} ended with {call.returncode}:\n{call.stderr}")
    return call


@pytest.fixture(scope="session")
def refreshed_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo study after its first refresh through the real flow; read it, never change it."""
    shared = tmp_path_factory.getbasetemp().parent / "shared demo"
    with FileLock(f"{shared}.lock"):
        if not (shared / "warehouse" / "alliance.duckdb").exists():
            shutil.rmtree(shared, ignore_errors=True)
            alliance("init", "--demo", shared)
            alliance("refresh", shared)
    return shared


@pytest.fixture
def own_demo(refreshed_demo: Path, tmp_path: Path) -> Path:
    """A copy of the refreshed demo study that a test may change."""
    copy = tmp_path / "study"
    shutil.copytree(refreshed_demo, copy, symlinks=True, ignore=shutil.ignore_patterns("prefect"))
    return copy
