"""A server that a killed process left behind is ended by the next; nobody else's is."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from flows.common.errors import AllianceError
from flows.refreshing.leftover_server import end_leftover_servers, note_server
from flows.refreshing.running import hold_records

WAIT = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture(params=[True, False], ids=["own session", "same session"])
def server(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(WAIT, stdin=subprocess.PIPE, start_new_session=request.param) as process:
        yield process
        process.kill()


def note_of_one_who_is_gone(folder: Path, server: int) -> Path:
    note = note_server(folder, server)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    note.write_text(json.dumps({**json.loads(note.read_text()), "owner": gone.pid}))
    return note


def test_a_server_without_its_owner_is_ended(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    note = note_of_one_who_is_gone(tmp_path, server.pid)
    assert end_leftover_servers(tmp_path) == 1
    assert server.wait(timeout=30) != 0
    assert not note.exists()
    assert end_leftover_servers(tmp_path) == 0


def test_a_server_whose_owner_is_at_work_goes_on(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    note = note_server(tmp_path, server.pid)
    assert json.loads(note.read_text())["owner"] == os.getpid()
    assert end_leftover_servers(tmp_path) == 0
    assert note.exists() and server.poll() is None


def test_another_process_of_the_same_number_goes_on(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    note = note_of_one_who_is_gone(tmp_path, server.pid)
    note.write_text(json.dumps({**json.loads(note.read_text()), "command": "prefect server start"}))
    (tmp_path / "server-1.json").write_text("[")
    assert end_leftover_servers(tmp_path) == 0
    assert server.poll() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("left", "damaged"), [("none", False), ("sound", False), ("locked", False), ("text", True), ("cut", True)]
)
def test_damaged_records_of_prefect_are_told_before_its_server_fails_on_them(
    tmp_path: Path, left: str, damaged: bool
) -> None:
    file = tmp_path / "prefect.db"
    with closing(sqlite3.connect(file)) as records:
        records.execute("create table run (name text)")
        records.commit()
        if left == "locked":
            records.execute("begin exclusive")
        if left == "none":
            file.unlink()
        elif left == "text":
            file.write_text("no database" * 1000)
        elif left == "cut":
            # its first page is gone, as after a disk that was full
            file.write_bytes(bytes(4096) + file.read_bytes()[4096:])
        with pytest.raises(AllianceError, match="delete the folder") if damaged else nullcontext():
            hold_records(tmp_path)
