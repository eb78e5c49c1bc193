"""The analyse step: run what the study asks for on what the build holds, and write the rows to `results`.

An analysis that cannot run is a row of `results.analyses` with status and reason; none ever stops a refresh. The same
input and settings give the same rows: seeds come from the study's seed and the analysis's id, and no clock is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from analysis.common.wording import several
from flows.analysing.answers import write_findings
from flows.analysing.carrying_out import Registrar
from flows.analysing.catalogue import read_catalogue
from flows.analysing.shared_work import Workers
from flows.analysing.study_analyses import StudyAnalyses
from flows.analysing.tables import ResultTables
from flows.analysing.workers import with_workers
from flows.common.database import attach, connect
from flows.common.memory import leave_room
from flows.publishing.publish import Resources
from flows.settings.study import Study


def run(
    database: Path,
    *,
    study: Study,
    code_version: str,
    resources: Resources,
    progress: Callable[[str], None],
) -> tuple[str, ...]:
    """Empty and refill all tables of `results` in ``database``.

    Gives one line per analysis in plain words: what it is, rows, how it ended, and what it found.
    """
    names = {theme.theme_id: theme.name for theme in study.codebook.themes.values()}
    temp = study.paths.temp_dir
    with connect(memory_limit=resources.memory_limit, threads=resources.threads, temp=temp) as con:
        attach(con, database, "alliance")
        catalogue = read_catalogue(con, names)
        tables = ResultTables(con, few=study.settings.analyses.few)
        asked = study.settings.analyses

        def analyse(workers: Workers) -> list[str]:
            registrar = Registrar(
                tables,
                code_version=code_version,
                unverified=catalogue.unverified,
                progress=progress,
                workers=workers,
                beforehand=partial(leave_room, con, resources.memory_limit),
            )
            StudyAnalyses(con, catalogue, asked, registrar, workers=workers).run()
            return registrar.headlines

        headlines = with_workers(analyse, workers=asked.workers, scheduler=asked.scheduler)
        n_findings = write_findings(con, tables)
        progress(several(n_findings, "finding"))
    return tuple(headlines)
