"""Run dbt on the build file and say in one line what failed.

dbt runs as a process of its own (`flows.building.dbt_process`): in process it would keep the DuckDB file locked. Its
settings travel as environment variables that stay the same from refresh to refresh, and everything that changes is data
in ``landing.raw``, so that dbt's partial parsing stays valid.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.common.environment import TELEMETRY_OFF
from flows.common.errors import BuildError
from flows.common.paths import StudyPaths

DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"

# Processes that wait for their command, by what they were started with.
_waiting: dict[tuple[StudyPaths, str, int], subprocess.Popen[str]] = {}

# Greedy: a value may itself hold the quote that is around it (O'Brien).
_SINGLE_QUOTED = re.compile(r"'.*'")
_DOUBLE_QUOTED = re.compile(r"\"[^\"]*\"")
_IDENTIFIER = re.compile(r"\"[a-z_][a-z0-9_.]*\"")
_NO_SPACE = "no space left on the disk"
# What dbt-duckdb takes as it stands: it puts paths into SQL unquoted, and reads them as URLs.
_PLAIN_PATH = re.compile(r"[\w/ .,+@=~-]+")


@dataclass(frozen=True)
class Built:
    """What a dbt run did.

    Parameters
    ----------
    run_results
        dbt's own ``run_results.json``.
    seconds
        Wall-clock seconds of each node, by unique id.
    """

    run_results: dict[str, Any]
    seconds: dict[str, float]


def load_ahead(paths: StudyPaths, *, memory_limit: str, threads: int) -> None:
    """Let dbt load and read the project while deliveries are landed; `build` finds it ready, `dismiss` ends it."""
    key = (paths, memory_limit, threads)
    if key not in _waiting and _PLAIN_PATH.fullmatch(str(paths.folder)):
        _waiting[key] = _start(paths, memory_limit, threads)


def dismiss(paths: StudyPaths) -> None:
    """End a process that was loaded ahead and is not needed, or not with these settings."""
    for key in [key for key in _waiting if key[0] == paths]:
        _end(_waiting.pop(key))


@contextmanager
def dismissed_on_error(paths: StudyPaths) -> Iterator[None]:
    """Leave no process waiting when what comes before the build fails."""
    try:
        yield
    except BaseException:
        dismiss(paths)
        raise


def build(
    paths: StudyPaths,
    *,
    full: bool,
    prepare: Callable[[], None],
    memory_limit: str,
    threads: int,
    progress: Callable[[str], None],
) -> Built:
    """Build all models and run dbt's own data tests.

    Parameters
    ----------
    full
        False leaves tables as they are in the copy of the published file where making them anew takes longer: those
        that Python fills, which the later steps empty, and those that are the same for all sites.
    prepare
        Lays the files that dbt is to fill; called while dbt loads.
    progress
        Called with a short sentence as models finish.

    Raises
    ------
    BuildError
        A model or a test with severity error failed; names it and its cause without any value of the data.
    """
    results_file = paths.dbt_target_dir / "run_results.json"
    results_file.unlink(missing_ok=True)
    with plainly_named(paths) as named:
        process = _waiting.pop((named, memory_limit, threads), None)
        dismiss(paths)
        if process is None or process.poll() is not None:
            process = _start(named, memory_limit, threads)
        command = ["build", "--exclude-resource-type", "unit_test", "--exclude", *_left_out(full)]
        _let_begin(process, command, prepare)
        last_error = _follow(process, progress)
    if last_error == _NO_SPACE and process.returncode != 0:
        raise BuildError(
            "dbt could not write its files",
            cause=last_error,
            next_step="make room and try again; the published warehouse is as it was",
        )
    if not results_file.exists():
        raise BuildError(
            f"dbt did not start: {last_error or f'it ended with code {process.returncode}'}",
            next_step="run `alliance check`; if the configuration is right, report this as a defect",
        )
    try:
        run_results = json.loads(results_file.read_text())
    except ValueError:
        raise BuildError(
            f"dbt could not write its results to the end: {last_error or f'it ended with code {process.returncode}'}",
            next_step="look at the free disk space and try again; the published warehouse is as it was",
        ) from None
    failed = [r for r in run_results["results"] if r["status"] in ("error", "fail", "runtime error")]
    if failed or process.returncode != 0:
        raise BuildError(_describe(failed, last_error), next_step=_next_step(failed))
    seconds = {r["unique_id"]: float(r["execution_time"]) for r in run_results["results"]}
    return Built(run_results=run_results, seconds=seconds)


def without_values(message: str) -> str:
    """A database's error message with everything quoted that is not an identifier taken out.

    DuckDB quotes the offending cell in its conversion errors; such a text may be a name.
    """

    def keep(match: re.Match[str]) -> str:
        return match.group(0) if _IDENTIFIER.fullmatch(match.group(0)) else "'...'"

    first = " ".join(line.strip() for line in message.splitlines() if line.strip())
    return _DOUBLE_QUOTED.sub(keep, _SINGLE_QUOTED.sub("'...'", first))[:400]


@contextmanager
def plainly_named(paths: StudyPaths) -> Iterator[StudyPaths]:
    """The study by a path that dbt can take: its own, or a link to it where that holds quotes, ``#`` and the like.

    A link of another name makes dbt parse its project anew each time, so it is used only where it must be.
    """
    if _PLAIN_PATH.fullmatch(str(paths.folder)):
        yield paths
        return
    with tempfile.TemporaryDirectory(prefix="alliance-") as folder:
        link = Path(folder) / "study"
        link.symlink_to(paths.folder, target_is_directory=True)
        yield StudyPaths(link)


def _start(paths: StudyPaths, memory_limit: str, threads: int) -> subprocess.Popen[str]:
    paths.dbt_target_dir.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        _command(paths),
        env=_environment(paths, memory_limit, threads),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=0o077,
    )


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


def _let_begin(process: subprocess.Popen[str], command: list[str], prepare: Callable[[], None]) -> None:
    """Prepare, then tell dbt what to do; if preparing fails, dbt ends without having begun.

    Its input stays open: dbt ends when that does.
    """
    assert process.stdin is not None
    try:
        prepare()
        with suppress(BrokenPipeError):  # dbt died while it loaded; what it said is read by `_follow`
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
    except BaseException:
        _end(process)
        raise


def _left_out(full: bool) -> list[str]:
    # The codebook and the sessions are part of every site's fingerprint: where one changes, everything is built.
    return ["path:seeds"] if full else ["path:seeds", "tag:filled_by_python", "tag:same_for_all_sites"]


def _command(paths: StudyPaths) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from flows.building.dbt_process import main; main()",
        "--project-dir",
        str(DBT_PROJECT),
        "--profiles-dir",
        str(DBT_PROJECT),
        "--target-path",
        str(paths.dbt_target_dir),
        "--log-path",
        str(paths.logs_dir),
    ]


def _environment(paths: StudyPaths, memory_limit: str, threads: int) -> dict[str, str]:
    return {
        **os.environ,
        **TELEMETRY_OFF,
        "PYTHONPATH": os.pathsep.join([str(DBT_PROJECT.parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "ALLIANCE_BUILD": str(paths.build_file),
        "ALLIANCE_LANDING": str(paths.landing_file),
        "ALLIANCE_NEXT": str(paths.next_file),
        "ALLIANCE_TEMP": str(paths.temp_dir),
        "ALLIANCE_MEMORY_LIMIT": memory_limit,
        "ALLIANCE_THREADS": str(threads),
        "DBT_USE_COLORS": "false",
    }


def _follow(process: subprocess.Popen[str], progress: Callable[[str], None]) -> str:
    """Read what dbt says as it comes; give progress; return the last error said, or that the disk is full."""
    assert process.stdout is not None
    last_error, has_space = "", True
    for line in process.stdout:
        # Told within pages of a traceback, and followed by other errors that come of it.
        has_space = has_space and "no space left" not in line.lower()
        try:
            said = json.loads(line)
            error = said.get("error")
        except (ValueError, AttributeError):  # not ours: a crash of the interpreter, say
            last_error = without_values(line) or last_error
            continue
        if error is not None:
            last_error = without_values(error)
        else:
            progress(f"{said['index']} of {said['total']} {said['done']}")
    process.wait()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    return last_error if has_space else _NO_SPACE


def _describe(failed: list[dict[str, Any]], last_error: str) -> str:
    if not failed:
        return f"dbt failed: {last_error}"
    first = failed[0]
    kind, name = first["unique_id"].split(".")[0], first["unique_id"].split(".")[2]
    count = f" ({len(failed) - 1} more after it)" if len(failed) > 1 else ""
    return f"dbt {kind} {name} failed: {without_values(first['message'] or '')}{count}"


def _next_step(failed: list[dict[str, Any]]) -> str:
    if failed and failed[0]["unique_id"].startswith("test."):
        return "the published warehouse is as it was; `alliance status` names the rows that failed the test"
    return "the published warehouse is as it was; run `alliance check` and look at the newest deliveries"
