"""All analyses of a refreshed study once more, on a copy of its warehouse; prints seconds as JSON.

    python -m benchmarks.study_analyses demo-study --workers 2

``cpu_seconds`` are those of this process and its workers together; the import of the packages counts in neither figure,
but the start of the workers does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from flows import environment

environment.quiet()

from flows import analyses  # noqa: E402
from flows.publish import Resources  # noqa: E402
from flows.study import load_study  # noqa: E402


def main() -> None:
    """Run the analyses of the study given and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    study = load_study(options.study)
    asked = study.settings.analyses.model_copy(update={"workers": options.workers, "scheduler": None})
    study = replace(study, settings=study.settings.model_copy(update={"analyses": asked}))
    with tempfile.TemporaryDirectory(prefix="alliance-analyses-") as folder:
        database = Path(folder) / "alliance.duckdb"
        shutil.copyfile(study.paths.published_file, database)
        started, used = time.perf_counter(), _cpu_seconds()
        found = analyses.run(
            database, study=study, code_version="benchmark", resources=Resources("2GB", 1), progress=lambda _: None
        )
        wall, cpu = time.perf_counter() - started, _cpu_seconds() - used
    samples = {"analyses": len(found), "bootstrap": asked.bootstrap}
    print(json.dumps({**samples, "wall_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1)}))


def _cpu_seconds() -> float:
    """CPU seconds of this process and of the children that have ended."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
