"""A server that a killed process left behind is ended by the next; nobody else's is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.refreshing.leftover_server import end_leftover_servers, note_server

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
