"""Carrying out one analysis so that it always ends as a row of the registry, whatever happens in it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from analysis.status import AnalysisError
from analysis.study_rows import StudyResult
from flows.analysing.headlines import headline
from flows.analysing.registry import Analysis, Input, registry_row
from flows.analysing.tables import ResultTables

Material = TypeVar("Material")
FAILED = "failed"
"""Status of an analysis that met something its code did not foresee."""

PEOPLE = ("n_rows", "n_clients", "n_therapists", "n_sites")


class Registrar:
    """Runs analyses, writes their rows and the registry, and keeps one line in plain words of each."""

    def __init__(
        self,
        tables: ResultTables,
        *,
        code_version: str,
        unverified: frozenset[str],
        progress: Callable[[str], None],
    ) -> None:
        self._tables = tables
        self._code_version = code_version
        self._unverified = unverified
        self._progress = progress
        self.headlines: list[str] = []

    def carry_out(
        self,
        analysis: Analysis,
        take: Callable[[], tuple[Material, Input]],
        study: Callable[[Material], StudyResult],
    ) -> None:
        """Take the input, study it and write what came of it; an exception becomes status and reason.

        ``take`` hands over the material with the numbers of people in it; what it raises leaves these numbers empty.
        """
        taken = Input(None)
        try:
            material, taken = take()
            result = study(material)
            self._write(analysis, taken, result)
        except AnalysisError as error:
            result = StudyResult({}, str(error.status), str(error))
        except Exception as error:
            # The message of an unknown exception may hold values of the data; its place in the code cannot.
            self._tables.discard(analysis.analysis_id)
            result = StudyResult({}, FAILED, f"Unforeseen {_place(error)}; please report this as a defect.")
        self._register(analysis, taken, result)

    def refuse(self, analysis: Analysis, error: AnalysisError) -> None:
        """Register an analysis that lacks what it would take."""
        self._register(analysis, Input(None), StudyResult({}, str(error.status), str(error)))

    def _write(self, analysis: Analysis, taken: Input, result: StudyResult) -> None:
        known = {"analysis_id": analysis.analysis_id, **{name: taken.counts.get(name) for name in PEOPLE}}
        for table, frame in result.frames.items():
            self._tables.add(table, frame, known)
        for table, parts in result.streams.items():
            for part in parts:
                self._tables.add(table, part, known)

    def _register(self, analysis: Analysis, taken: Input, result: StudyResult) -> None:
        row = registry_row(analysis, taken, result, unverified=self._unverified, code_version=self._code_version)
        self._tables.add_row("analyses", row)
        line = headline(analysis, row["n_rows"], result)
        self.headlines.append(line)
        self._progress(line)


def _place(error: Exception) -> str:
    """Kind of the error, file and line, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{type(error).__name__} in {Path(own[-1].filename).name}, line {own[-1].lineno}"
