"""One refresh at a time: the second says who runs since when, and a killed one leaves no lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.common.errors import Busy
from flows.common.locking import refresh_lock, running_refresh

HOLDER = """
import sys, time
from pathlib import Path
from flows.common.locking import refresh_lock
with refresh_lock(Path(sys.argv[1]), refresh_id="first"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "refresh.lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline().strip() == "held"
    yield process
    process.kill()
    process.wait()


def test_the_second_refresh_leaves_and_names_the_first(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(Busy, match=f"process {holder.pid}"), refresh_lock(tmp_path / "refresh.lock", refresh_id="2"):
        pass
    assert f"process {holder.pid}" in (running_refresh(tmp_path / "refresh.lock") or "")


def test_a_killed_refresh_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert running_refresh(tmp_path / "refresh.lock") is None
    with refresh_lock(tmp_path / "refresh.lock", refresh_id="2"):
        assert (tmp_path / "refresh.json").exists()
    assert not (tmp_path / "refresh.json").exists()
