"""The steps of a refresh as plain functions: land, build, check, analyse, publish.

Each takes the `Refresh` and returns it with what it learned. All heavy things lie in files; a `Refresh` is small.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from analysis.common.wording import several
from flows.analysing.processes import none_left_waiting
from flows.building import build as dbt
from flows.building import judgement
from flows.common.errors import AllianceError, CheckFailed
from flows.common.locking import refresh_lock
from flows.common.paths import StudyPaths
from flows.common.progress import say
from flows.publishing import publish as publishing
from flows.publishing.code_version import code_version
from flows.publishing.forgetting import forget_withdrawn
from flows.refreshing import landed
from flows.refreshing.ahead import load_ahead
from flows.refreshing.bookkeeping import record_refresh
from flows.refreshing.refresh import Ended, Refresh
from flows.refreshing.scope import Scope
from flows.settings.study import load_study

_ID_FORMAT = "%Y%m%dT%H%M%SZ"
_ENDED_FROM_OUTSIDE = "a signal ended the refresh (Ctrl-C, a service manager, a time limit)"


Step = Callable[[Refresh], Refresh]


@dataclass(frozen=True)
class Steps:
    """What is done at each step of a refresh; Prefect's tasks and benchmarks put their own in their place."""

    land: Step
    build: Step
    check: Step
    analyse: Step
    publish: Step


def carry_out(folder: Path, *, full: bool = False, by: Steps | None = None) -> Ended:
    """Refresh the study in `folder`: the one place that says in which order, and under which lock.

    Raises
    ------
    Busy
        Another refresh of the study runs.
    AllianceError
        A step failed, or critical checks stopped publishing; what is published is as it was.
    """
    do = by or Steps(land, build, check, analyse, publish)
    refresh = begin(folder, full=full)
    locked = refresh_lock(refresh.paths.lock_file, refresh_id=refresh.refresh_id)
    with locked, noted(refresh) as note, none_left_waiting():
        refresh = do.land(refresh)
        if not refresh.is_nothing_new:
            refresh = do.publish(do.analyse(do.check(do.build(refresh))))
        # Also when nothing is new: the refresh that published without a withdrawn client may have been killed here.
        forget(refresh)
        ended = end(refresh)
        note(ended)
    return ended


def begin(folder: Path, *, full: bool = False) -> Refresh:
    """A refresh that starts now."""
    now = dt.datetime.now(dt.UTC)
    paths = StudyPaths(folder.resolve())
    return Refresh(paths, _free_id(paths, now), now, full)


def land(refresh: Refresh) -> Refresh:
    """Load the settings, store new deliveries, resolve the layout and decide the scope."""
    with _step(refresh, "land"):
        study = load_study(refresh.paths.folder, strict=False)
        # Before anything is landed: a threshold nobody knows is found in a second, or after the whole build.
        judgement.checks_of(study.settings.thresholds)
        settings = study.settings
        with dbt.dismissed_on_error(refresh.paths):
            found = landed.land_study(
                study,
                refresh_id=refresh.refresh_id,
                started_at=refresh.started_at,
                full=refresh.full,
                load_build=partial(
                    dbt.load_ahead, refresh.paths, memory_limit=settings.memory_limit, threads=settings.threads
                ),
            )
        if found.scope.kind == "nothing_new":
            dbt.dismiss(refresh.paths)
        say("land", f"{len(found.new_deliveries)} new deliveries; {_scope_in_words(found.scope)}")
    return replace(
        refresh,
        study=study,
        scope=found.scope,
        new_deliveries=found.new_deliveries,
        problems=found.problems,
        overdue=found.overdue,
        arrivals=found.arrivals,
    )


def build(refresh: Refresh) -> Refresh:
    """Lay the next file and let dbt fill it."""
    full = refresh.decided.kind == "full"

    def prepare() -> None:
        publishing.prepare_next(refresh.paths, full=full, resources=refresh.resources)
        # Not before: dbt is still loading, and the file may have to be copied.
        load_ahead(refresh.settings.settings.analyses)

    with _step(refresh, "build"):
        dbt.build(
            refresh.paths,
            full=full,
            prepare=prepare,
            memory_limit=refresh.resources.memory_limit,
            threads=refresh.resources.threads,
            progress=lambda sentence: say("build", sentence),
        )
    return refresh


def measure_and_judge(refresh: Refresh) -> Refresh:
    """Hold the measures against their thresholds and write the results beside them."""
    with _step(refresh, "check"):
        verdict = judgement.judge(
            refresh.paths.next_file,
            run_results=refresh.paths.dbt_target_dir / "run_results.json",
            thresholds=refresh.settings.settings.thresholds,
            refresh_id=refresh.refresh_id,
            checked_at=refresh.started_at,
            resources=refresh.resources,
        )
        warnings = several(verdict.n_warnings, "warning")
        say("check", f"{verdict.n_critical} critical, {warnings} of {verdict.n_results} results")
    return replace(refresh, verdict=verdict)


def check(refresh: Refresh) -> Refresh:
    """Judge the measures; a critical failure ends the refresh here."""
    refresh = measure_and_judge(refresh)
    stop_on_critical(refresh)
    return refresh


def stop_on_critical(refresh: Refresh) -> None:
    """End the refresh before anything is published when a critical check failed.

    Raises
    ------
    CheckFailed
        Names the first check; the build stays in ``work/stopped`` so that it can be looked at.
    """
    verdict = refresh.verdict
    if verdict is None or not verdict.critical:
        return
    stopped = refresh.paths.stopped_file
    stopped.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(refresh.paths.next_file, stopped)
    stopped.chmod(0o600)
    more = f" (and {verdict.n_critical - 1} more)" if verdict.n_critical > 1 else ""
    raise CheckFailed(
        "critical checks stopped publishing",
        cause=verdict.critical[0] + more,
        next_step='`alliance status` lists them; `alliance query --stopped "from quality.check_results"` asks the '
        "build that was stopped; the published warehouse is as it was",
    )


def analyse(refresh: Refresh) -> Refresh:
    """Run the analyses on what the build holds and write their rows to `results`."""
    from flows.refreshing import analyses  # takes seconds, and a refresh with nothing new needs none of it

    with _step(refresh, "analyse"):
        headlines = analyses.run(
            refresh.paths.next_file,
            study=refresh.settings,
            code_version=code_version(),
            resources=refresh.resources,
            progress=lambda sentence: say("analyse", sentence),
        )
    return replace(refresh, headlines=headlines)


def publish(refresh: Refresh) -> Refresh:
    """Complete `meta`, make the report, and let readers see the new version."""
    from report.build import build_report

    with _step(refresh, "publish"):
        removed = record_refresh(refresh)
        publishing.compact(refresh.paths, removed=removed, resources=refresh.resources)
        draft = refresh.paths.report_draft_dir
        shutil.rmtree(draft, ignore_errors=True)
        publishing.publish(
            refresh.paths,
            refresh_id=refresh.refresh_id,
            rewritten_sites=None if refresh.decided.kind == "full" else refresh.decided.changed_sites,
            keep_versions=refresh.settings.settings.keep_versions,
            report=partial(build_report, refresh.paths.next_file, draft),
            report_dir=draft,
            resources=refresh.resources,
        )
        say("publish", f"version {refresh.refresh_id}")
    return refresh


def forget(refresh: Refresh) -> None:
    """Delete earlier versions that hold a client who has withdrawn; the published one does not any more."""
    for version in forget_withdrawn(refresh.paths):
        say("publish", f"version {version} is deleted: a client in it has withdrawn")


def end(refresh: Refresh) -> Ended:
    """What to tell of a refresh that did not fail."""
    scope, verdict = refresh.decided, refresh.verdict
    published = not refresh.is_nothing_new
    return Ended(
        refresh_id=refresh.refresh_id,
        status="published" if published else "nothing_new",
        kind=scope.kind,
        new_deliveries=len(refresh.new_deliveries),
        problems=sum(problem.severity != "info" for problem in refresh.problems),
        warnings=verdict.n_warnings if verdict else 0,
        overdue=refresh.overdue,
        seconds={name: round(value, 2) for name, value in refresh.seconds.items()},
        message="published" if published else "nothing new; the published warehouse is up to date",
    )


@contextmanager
def noted(refresh: Refresh) -> Iterator[Callable[[Ended], None]]:
    """Leave a note of how the refresh ended, also when it failed, for `alliance status`."""

    def write(content: dict[str, Any]) -> None:
        refresh.paths.work_dir.mkdir(parents=True, exist_ok=True)
        refresh.paths.last_refresh_file.write_text(json.dumps(content, indent=1, default=str) + "\n")

    def write_if_there_is_room(status: str, message: str) -> None:
        with suppress(OSError):
            write({"refresh_id": refresh.refresh_id, "status": status, "message": message})

    try:
        yield lambda ended: write(asdict(ended))
    except AllianceError as error:
        write_if_there_is_room("stopped" if isinstance(error, CheckFailed) else "failed", str(error))
        raise
    except OSError as error:
        write_if_there_is_room("failed", error.strerror or "system error")
        raise
    except BaseException as error:
        if not isinstance(error, Exception):
            write_if_there_is_room("failed", _ENDED_FROM_OUTSIDE)
        raise


@contextmanager
def _step(refresh: Refresh, name: str) -> Iterator[None]:
    """Time a step, and turn what it did not foresee into one line without any value of the data.

    Raises
    ------
    AllianceError
        For every exception but `OSError`, which a retry may mend.
    """
    say(name, "begins")
    started = dt.datetime.now(dt.UTC)
    try:
        yield
    except (AllianceError, OSError):
        raise
    except duckdb.OutOfMemoryException:
        raise AllianceError(
            f"the step `{name}` failed",
            cause="it needs more memory, or room to spill to the disk, than it was given",
            next_step="raise `memory_limit` in study.yml, or make room on the disk; "
            "the published warehouse is as it was",
        ) from None
    except duckdb.IOException as error:
        if "no space" in str(error).lower():
            raise _no_space(name) from None
        raise AllianceError(
            f"the step `{name}` failed",
            cause=f"a file could not be read or written: {dbt.without_values(str(error))}",
            next_step="look at the access rights in the study's folder and try again; "
            "the published warehouse is as it was",
        ) from None
    except Exception as error:
        if isinstance(error, duckdb.Error) and "no space" in str(error).lower():
            # A commit that finds the disk full is a TransactionException.
            raise _no_space(name) from None
        if "query interrupted" in str(error).lower():
            # A signal that is to end the process reaches a query first, and DuckDB makes an error of it.
            raise AllianceError(
                f"the step `{name}` was ended", cause=_ENDED_FROM_OUTSIDE, next_step="refresh again when it suits"
            ) from None
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise AllianceError(
            f"the step `{name}` failed",
            cause=f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}: "
            f"{dbt.without_values(str(error))}",
            next_step="the published warehouse is as it was; please report this as a defect",
        ) from None
    refresh.seconds[name] = (dt.datetime.now(dt.UTC) - started).total_seconds()


def _no_space(step: str) -> AllianceError:
    return AllianceError(
        f"the step `{step}` failed",
        cause="no space left on the disk",
        next_step="make room and try again; the published warehouse is as it was",
    )


def _free_id(paths: StudyPaths, now: dt.datetime) -> str:
    """An id after those of all versions kept, also when the clock was set back: ids say which version is newer."""
    kept = publishing.versions(paths)
    if kept:
        newest = dt.datetime.strptime(kept[-1], _ID_FORMAT).replace(tzinfo=dt.UTC)
        now = max(now, newest + dt.timedelta(seconds=1))
    while paths.version_dir(now.strftime(_ID_FORMAT)).exists():
        now += dt.timedelta(seconds=1)
    return now.strftime(_ID_FORMAT)


def _scope_in_words(scope: Scope) -> str:
    if scope.kind == "incremental":
        return f"sites to build: {', '.join(scope.changed_sites) or 'none'}"
    return {"full": "all sites are built", "nothing_new": "nothing new"}[scope.kind]
