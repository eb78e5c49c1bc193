"""All analyses of a refreshed study once more, on a copy of its warehouse; prints seconds as JSON.

    python -m benchmarks.study_analyses demo-study --workers 2

A study of 125,000 dyads with outcomes, whose answers are read as a stream:

    python -m benchmarks.large_study large --outcomes
    python -m benchmarks.refresh_steps large
    python -m benchmarks.study_analyses large

``cpu_seconds`` are those of this process and its workers together, ``by_kind`` those of this process alone for each
kind of analysis. The import of the packages and the start of further workers (``start_seconds``) count in neither:
a refresh has both done while dbt builds. ``peak_mb`` is the most memory this process held, to be compared with the
limit (2GB) that it was given.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.common import environment

environment.quiet()

from flows.analysing import carrying_out, processes
from flows.publishing.publish import Resources
from flows.refreshing import analyses
from flows.settings.study import load_study


def main() -> None:
    """Run the analyses of the study given and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(run(options.study, options.workers)))


def run(folder: Path, workers: int) -> dict[str, Any]:
    """Numbers of analyses and bootstrap samples; seconds in all and by kind of analysis."""
    study = load_study(folder)
    asked = study.settings.analyses.model_copy(update={"workers": workers, "scheduler": None})
    study = replace(study, settings=study.settings.model_copy(update={"analyses": asked}))
    by_kind = _timed_by_kind()
    with tempfile.TemporaryDirectory(prefix="alliance-analyses-") as scratch:
        database = Path(scratch) / "alliance.duckdb"
        shutil.copyfile(study.paths.published_file, database)
        started = time.perf_counter()
        processes.start_ahead(workers)
        processes.wait_until_started()
        start = time.perf_counter() - started
        started, used = time.perf_counter(), _cpu_seconds()
        found = analyses.run(
            database, study=study, code_version="benchmark", resources=Resources("2GB", 1), progress=lambda _: None
        )
        wall, cpu = time.perf_counter() - started, _cpu_seconds() - used
    return {
        "analyses": len(found),
        "bootstrap": asked.bootstrap,
        "start_seconds": round(start, 1),
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "by_kind": {kind: round(took, 2) for kind, took in sorted(by_kind.items())},
    }


def _timed_by_kind() -> dict[str, float]:
    """Seconds by kind, filled as analyses are carried out from now on."""
    seconds: dict[str, float] = defaultdict(float)
    for name in ("carry_out", "hand_over"):
        original = getattr(carrying_out.Registrar, name)
        setattr(carrying_out.Registrar, name, _timed(original, seconds))
    return seconds


def _timed(original: Callable[..., None], seconds: dict[str, float]) -> Callable[..., None]:
    def timed(self: carrying_out.Registrar, analysis: Any, *rest: Callable[..., Any]) -> None:
        started = time.process_time()
        original(self, analysis, *rest)
        seconds[analysis.kind] += time.process_time() - started

    return timed


def _cpu_seconds() -> float:
    """CPU seconds of this process and of the children that have ended."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
