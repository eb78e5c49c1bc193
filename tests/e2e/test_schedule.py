"""A schedule really runs: a Prefect server of its own, a served deployment, a refresh that nobody started by hand."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.conftest import alliance

PATIENCE_SECONDS = 300


def test_a_scheduled_refresh_runs_by_itself(own_demo: Path) -> None:
    note = own_demo / "work" / "last_refresh.json"
    note.unlink()
    serving = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "schedule", str(own_demo), "--every", "5"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Who runs the tests in the background ignores Ctrl-C, and what is started from there would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not note.exists() and time.monotonic() < deadline:
            assert serving.poll() is None, "the schedule ended by itself"
            time.sleep(1)
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(timeout=60)
    assert json.loads(note.read_text())["status"] in ("nothing_new", "published")


def test_a_schedule_needs_to_know_when(refreshed_demo: Path) -> None:
    asked = alliance("schedule", refreshed_demo, check=False)
    assert asked.returncode == 2
    assert "--cron" in asked.stderr


def test_a_schedule_that_means_nothing_is_told_before_a_server_starts(refreshed_demo: Path) -> None:
    zone = ["--cron", "0 3 * * *", "--timezone", "Mars/Olympus"]
    for wrong in (["--cron", "soon"], ["--cron", ""], ["--cron", "0 0 31 2 *"], zone):
        asked = alliance("schedule", refreshed_demo, *wrong, check=False)
        assert asked.returncode == 2
        assert "no schedule" in asked.stderr and "Traceback" not in asked.stderr
        assert "server" not in asked.stdout
