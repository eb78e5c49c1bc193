"""Carrying out one analysis so that it always ends as a row of the registry, whatever happens in it."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from analysis.common.status import AnalysisError
from analysis.common.study_rows import StudyResult
from flows.analysing.headlines import headline
from flows.analysing.registry import Analysis, Input, registry_row
from flows.analysing.shared_work import Alone, Ended, Job, Workers
from flows.analysing.tables import ResultTables

Material = TypeVar("Material")
FAILED = "failed"
"""Status of an analysis that met something its code did not foresee."""

PEOPLE = ("n_rows", "n_clients", "n_therapists", "n_sites")


class Registrar:
    """Runs analyses, writes their rows and the registry, and keeps one line in plain words of each.

    Analyses that others do not wait for are handed over to ``workers``. Rows are written in the order in which the
    analyses were begun, whoever was ready first, but for those of :meth:`write_last`; :meth:`finish` writes the last.
    ``beforehand`` is called before an analysis takes its input.
    """

    def __init__(
        self,
        tables: ResultTables,
        *,
        code_version: str,
        unverified: frozenset[str],
        progress: Callable[[str], None],
        workers: Workers | None = None,
        beforehand: Callable[[], None] = lambda: None,
    ) -> None:
        self._tables = tables
        self._code_version = code_version
        self._unverified = unverified
        self._progress = progress
        self._workers = workers or Alone()
        self._beforehand = beforehand
        self._turns: deque[_Turn] = deque()
        self._last: deque[_Turn] = deque()
        self._begun = self._turns
        self._rest: list[Callable[[], None]] = []
        self.headlines: list[str] = []

    def carry_out(
        self,
        analysis: Analysis,
        take: Callable[[], tuple[Material, Input]],
        study: Callable[[Material], StudyResult],
    ) -> None:
        """Take the input and study it here and now; an exception becomes status and reason.

        ``take`` hands over the material with the numbers of people in it; what it raises leaves these numbers empty.
        """
        self._beforehand()
        taken, work = _prepared(take, lambda material: partial(study, material))
        result = ended(work)
        self._turns.append(_Turn(analysis, taken, Ended(result)))
        # What still comes in parts is read as it is written, and what it is read from does not wait.
        self._settle(0 if result.streams else self._workers.ahead)

    def hand_over(
        self,
        analysis: Analysis,
        take: Callable[[], tuple[Material, Input]],
        study: Callable[[Material], Callable[[], StudyResult]],
    ) -> None:
        """Take the input and let a worker study it: ``study`` gives the work, which can be pickled."""
        self._beforehand()
        taken, work = _prepared(take, study)
        job: Job[StudyResult]
        try:
            job = self._workers.start(partial(ended, work), pressing=self._begun is self._turns)
        except Exception as error:
            job = Ended(_result_of(error))
        self._begun.append(_Turn(analysis, taken, job))
        self._settle(self._workers.ahead)

    def write_last(self, begin: Callable[[], None]) -> None:
        """Write what ``begin`` hands over after all else, whenever it is done.

        Other workers begin with it now: they would else wait wherever this process goes on alone, and the longest
        analyses would be left to the end, with nothing beside them. Without others it begins when all else is written,
        so that its input is not held in memory meanwhile.
        """
        if not self._workers.ahead:
            self._rest.append(begin)
            return
        self._begun = self._last
        begin()
        self._begun = self._turns

    def finish(self) -> None:
        """Write all that was handed over, once it is there."""
        for turn in self._last:
            ended(turn.job.result)  # before the writing of others, as nobody may have begun with the longest
        self._turns.extend(self._last)
        for begin in self._rest:
            begin()
        self._settle(0)

    def _settle(self, ahead: int) -> None:
        """Write what is ready, and wait for the oldest until at most ``ahead`` analyses are under way."""
        while self._turns and (self._turns[0].job.done or len(self._turns) > ahead):
            turn = self._turns.popleft()
            found = ended(turn.job.result)
            result = ended(partial(self._written, turn.analysis, turn.taken, found))
            if result is not found:
                self._tables.discard(turn.analysis.analysis_id)
            self._register(turn.analysis, turn.taken, result)

    def _written(self, analysis: Analysis, taken: Input, result: StudyResult) -> StudyResult:
        known = {"analysis_id": analysis.analysis_id, **{name: taken.counts.get(name) for name in PEOPLE}}
        for table, frame in result.frames.items():
            self._tables.add(table, frame, known)
        for table, parts in result.streams.items():
            for part in parts:
                self._tables.add(table, part, known)
        return result

    def _register(self, analysis: Analysis, taken: Input, result: StudyResult) -> None:
        row = registry_row(analysis, taken, result, unverified=self._unverified, code_version=self._code_version)
        self._tables.add_row("analyses", row)
        line = headline(analysis, row["n_rows"], result)
        self.headlines.append(line)
        self._progress(line)


@dataclass(frozen=True)
class _Turn:
    """An analysis that waits for its turn to be written."""

    analysis: Analysis
    taken: Input
    job: Job[StudyResult]


def ended(work: Callable[[], StudyResult]) -> StudyResult:
    """What ``work`` gives, or the status and sentence of what it raises."""
    try:
        return work()
    except Exception as error:
        return _result_of(error)


def _result_of(error: Exception) -> StudyResult:
    if isinstance(error, AnalysisError):
        return StudyResult({}, str(error.status), str(error))
    # The message of an unknown exception may hold values of the data; its place in the code cannot.
    return StudyResult({}, FAILED, f"Unforeseen {_place(error)}; please report this as a defect.")


def _prepared(
    take: Callable[[], tuple[Material, Input]], study: Callable[[Material], Callable[[], StudyResult]]
) -> tuple[Input, Callable[[], StudyResult]]:
    """The input, and the work on it; what either raises is left for the work to raise."""
    taken = Input(None)
    try:
        material, taken = take()
        return taken, study(material)
    except Exception as error:
        return taken, partial(_as_it_is, _result_of(error))


def _as_it_is(result: StudyResult) -> StudyResult:
    return result


def _place(error: Exception) -> str:
    """Kind of the error, file and line, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{type(error).__name__} in {Path(own[-1].filename).name}, line {own[-1].lineno}"
