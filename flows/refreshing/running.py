"""Run the refresh flow now, or serve it on a schedule."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flows.common import environment
from flows.common.errors import AllianceError, Busy, UsageError
from flows.common.locking import running_refresh
from flows.common.paths import StudyPaths
from flows.common.progress import Listener, listening, say
from flows.refreshing.leftover_server import end_leftover_servers, note_server

if TYPE_CHECKING:
    from flows.refreshing.refresh import Ended

_SERVER_WAIT_SECONDS = 180
# What the smallest study takes: Prefect's records, dbt's parsed project, the build and a new version.
_LEAST_ROOM_BYTES = 100_000_000


def run_refresh(folder: Path, *, full: bool, listener: Listener) -> Ended:
    """Refresh the study in `folder` as a Prefect flow run.

    Raises
    ------
    Busy
        Another refresh runs; known before a server is started.
    AllianceError
        The refresh failed or was stopped; what is published is as it was.
    """
    paths = StudyPaths(folder)
    who = running_refresh(paths.lock_file)
    if who is not None:
        raise Busy(f"another refresh of this study runs: {who}", next_step="wait until it has ended")
    _make_private(paths.work_dir)
    _hold_room(paths.work_dir)
    if "PREFECT_API_URL" not in os.environ:
        # How a run by hand ends is said by the command itself; a server's log would say it again, three times.
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    environment.prepare_prefect(paths.prefect_dir)
    end_leftover_servers(paths.prefect_dir)
    if "PREFECT_API_URL" not in os.environ:
        hold_records(paths.prefect_dir)
    end_on_sigterm()
    with listening(listener):
        say("prefect", "starts its server" if "PREFECT_API_URL" not in os.environ else "uses the server given")
        from flows.refreshing.flow import refresh_study

        try:
            return refresh_study(str(folder), full=full)
        except AllianceError:
            raise
        except Exception as error:
            raise AllianceError(
                "the refresh failed",
                cause=f"{type(error).__name__}: {getattr(error, 'strerror', None) or 'see the Prefect run'}",
                next_step="the published warehouse is as it was; look at free disk space and access rights, then retry",
            ) from None


def serve_schedule(
    folder: Path, *, cron: str | None, every: int | None, timezone: str, say: Callable[[str], None]
) -> None:
    """Serve the deployment ``alliance-refresh/<study>`` until stopped.

    One run at a time: a run that falls due while another is at work is cancelled by Prefect, and the study's own lock
    stands behind that for refreshes started by hand.
    """
    paths = StudyPaths(folder)
    _make_private(paths.work_dir)
    environment.prepare_prefect(paths.prefect_dir)
    # Prefect reads the address when it is first imported, which telling a wrong cron does: it must be set by then, or
    # Prefect starts its embedded server, which has no scheduler, and waits for ever without an error.
    port = None if "PREFECT_API_URL" in os.environ else _free_port()
    if port is not None:
        os.environ["PREFECT_API_URL"] = _address(port)
    _hold_when(cron, timezone)
    end_leftover_servers(paths.prefect_dir)
    if port is not None:
        hold_records(paths.prefect_dir)
    end_on_sigterm()
    with _server(paths, port, say):
        from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
        from prefect.schedules import Cron, Interval

        from flows.refreshing.flow import refresh_study

        when = Cron(cron, timezone=timezone) if cron is not None else Interval(float(every or 0))
        say(f"serving alliance-refresh/{folder.name}; stop with Ctrl-C")
        refresh_study.serve(
            name=folder.name,
            schedule=when,
            parameters={"study": str(folder)},
            limit=1,
            global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            print_starting_message=False,
            pause_on_shutdown=True,
        )


def hold_records(folder: Path) -> None:
    """Say that Prefect's own database is damaged before a server fails on it without a word.

    Raises
    ------
    AllianceError
        The file is there and no database.
    """
    file = folder / "prefect.db"
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as records:
            records.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return  # another server is at work in it
    except sqlite3.DatabaseError:
        raise AllianceError(
            "Prefect cannot start",
            cause=f"its own records, {folder.parent.name}/{folder.name}/{file.name}, are damaged",
            next_step=f"delete the folder {folder.parent.name}/{folder.name}: it holds nothing but what Prefect noted "
            "of earlier runs",
        ) from None


def end_on_sigterm() -> None:
    """Let SIGTERM end this process as an exit does: a service manager or a time limit stops with it.

    Without this nothing is cleared away: the Prefect server would outlive the process, with whatever pipe it holds.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _hold_when(cron: str | None, timezone: str) -> None:
    """A schedule that means nothing, or a day that never comes, is told before a server is started for it."""
    # The server's own kind also knows the next date.
    from prefect.server.schemas.schedules import CronSchedule

    try:
        schedule = CronSchedule(cron="0 3 * * *" if cron is None else cron, timezone=timezone)
        asyncio.run(schedule.get_dates(n=1))
    except ValueError:
        raise UsageError(
            "this is no schedule",
            cause=f"`--cron {cron}`, `--timezone {timezone}`",
            next_step='write five fields that some day fulfils, such as "0 3 * * *" for every night at three, and a '
            "time zone such as Europe/Berlin",
        ) from None


def _hold_room(folder: Path) -> None:
    """Prefect's own server and dbt meet a full disk with pages of their own errors; better say so before."""
    free = shutil.disk_usage(folder).free
    if free < _LEAST_ROOM_BYTES:
        raise AllianceError(
            "there is no room for a refresh",
            cause=f"{free // 1_000_000} MB are free on the disk of the study's folder `work`, and at least "
            f"{_LEAST_ROOM_BYTES // 1_000_000} are needed",
            next_step="make room and try again; the published warehouse is as it was",
        )


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextmanager
def _server(paths: StudyPaths, port: int | None, say: Callable[[str], None]) -> Iterator[None]:
    """The Prefect server to schedule with: one of this study's own on ``port``, or without it the one that is there.

    The embedded server that a single run uses has no scheduler, so a schedule needs a real one.
    """
    if port is None:
        yield
        return
    say("starting a Prefect server on this machine")
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    note = note_server(paths.prefect_dir, server.pid)
    try:
        _wait_until_healthy(_address(port), server)
        say(f"Prefect API at {_address(port)}")
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
        note.unlink(missing_ok=True)


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SERVER_WAIT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AllianceError(
        "the Prefect server did not start",
        cause=f"it ended with code {server.returncode}" if server.poll() is not None else "it took too long",
        next_step="try again, or set PREFECT_API_URL to a server that runs",
    )
