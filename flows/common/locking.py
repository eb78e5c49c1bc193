"""One refresh at a time per study: a second one learns who runs since when, and leaves."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from flows.common.errors import Busy


@contextmanager
def refresh_lock(lock_file: Path, *, refresh_id: str) -> Iterator[None]:
    """Hold the study's lock for the length of a refresh.

    The lock belongs to the operating system's file lock, so a killed refresh leaves none behind; the note beside it
    only says who holds it.

    Raises
    ------
    Busy
        Another process holds the lock.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    note = lock_file.with_suffix(".json")
    lock = FileLock(lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(
            f"another refresh of this study runs: {_who(note)}",
            next_step="wait until it has ended, or look at it with `alliance status`",
        ) from None
    try:
        note.write_text(
            json.dumps(
                {
                    "refresh_id": refresh_id,
                    "user": _user(),
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )
        )
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def running_refresh(lock_file: Path) -> str | None:
    """Who refreshes the study just now, or None."""
    if not lock_file.exists():
        return None
    note = lock_file.with_suffix(".json")
    lock = FileLock(lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return _who(note)
    except OSError:
        # Who may only read the study cannot try its lock, but can read who holds it.
        return _who(note) if note.exists() else None
    lock.release()
    return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _who(note: Path) -> str:
    try:
        said = json.loads(note.read_text())
        return f"{said['user']} on {said['host']} (process {said['pid']}) since {said['since']}"
    except (OSError, ValueError, KeyError):
        return "a process that has just begun"
