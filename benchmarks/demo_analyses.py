"""CPU seconds of every analysis of a refreshed study, run again on a copy of its warehouse; prints JSON by kind."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows import environment

environment.quiet()

from flows import analyses  # noqa: E402
from flows.analysing import carrying_out  # noqa: E402
from flows.code_version import code_version  # noqa: E402
from flows.publish import Resources  # noqa: E402
from flows.study import load_study  # noqa: E402

QUESTION_ONE = ("components", "correspondence", "reliability")
"""Kinds of analysis of question 1; all others are of outcome, the two views, or sites."""


def run(folder: Path) -> dict[str, Any]:
    """Seconds by kind of analysis, of outcome and views together, and of everything."""
    study = load_study(folder)
    seconds: dict[str, float] = defaultdict(float)
    original = carrying_out.Registrar.carry_out

    def timed(self: carrying_out.Registrar, analysis: Any, *rest: Callable[..., Any]) -> None:
        started = time.process_time()
        original(self, analysis, *rest)
        seconds[analysis.kind] += time.process_time() - started

    carrying_out.Registrar.carry_out = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as scratch:
        database = Path(scratch) / "copy.duckdb"
        shutil.copyfile(study.paths.published_file, database)
        started = time.process_time()
        analyses.run(
            database,
            study=study,
            code_version=code_version(),
            resources=Resources("2GB", 1),
            progress=lambda line: None,
        )
        total = time.process_time() - started
    mine = {kind: took for kind, took in seconds.items() if kind not in QUESTION_ONE}
    return {
        "bootstrap samples": study.settings.analyses.bootstrap,
        "seconds by kind": {kind: round(took, 2) for kind, took in sorted(seconds.items())},
        "outcome, views and sites, seconds": round(sum(mine.values()), 2),
        "everything, seconds": round(total, 2),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    print(json.dumps(run(parser.parse_args().study)))


if __name__ == "__main__":
    main()
