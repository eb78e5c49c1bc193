"""Prefect servers that a killed process of this study left behind: found by a note, and ended by the next one.

A refresh that is killed outright (out of memory, ``kill -9``) cannot stop the server it started, which would listen on
the loopback address for ever.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

_NOTES = "server-*.json"


def note_server(folder: Path, process: int) -> Path:
    """Note that this process has started the server ``process``; returns the note."""
    note = folder / _NOTES.replace("*", str(process))
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"owner": os.getpid(), "server": process, "command": _command(process)}) + "\n")
    return note


def end_leftover_servers(folder: Path) -> int:
    """End the noted servers whose owners are gone; returns how many. Those of others at work are left alone."""
    ended = 0
    for note in sorted(folder.glob(_NOTES)):
        try:
            said = json.loads(note.read_text())
            owner, server, command = int(said["owner"]), int(said["server"]), str(said["command"])
        except (OSError, ValueError, KeyError, TypeError):
            note.unlink(missing_ok=True)
            continue
        if _command(owner):
            continue
        # Numbers of processes are given anew: only the very same command is the server.
        if command and _command(server) == command:
            with suppress(OSError):
                os.killpg(server, signal.SIGTERM) if os.getpgid(server) == server else os.kill(server, signal.SIGTERM)
                ended += 1
        note.unlink(missing_ok=True)
    return ended


def _command(process: int) -> str:
    """The command line of a process that runs, or blank; blank too where the system has no ``ps``."""
    try:
        asked = ["ps", "-ww", "-o", "stat=,command=", "-p", str(process)]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    state, _, command = said.strip().partition(" ")
    return "" if state.startswith("Z") else command.strip()
