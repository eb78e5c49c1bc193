"""`make bench`, second part: the statistics that repeat, against named rivals, as ratios of one run on one core.

    python -m benchmarks.kernels                 # all of it; some minutes, most of them the rivals'
    python -m benchmarks.kernels --only fit polychoric
    python -m benchmarks.kernels --study demo-study   # a study that is refreshed already, instead of a new demo study

Then all analyses of a study, on one worker and on two; these two are wall-clock seconds, for a machine that is idle.

Every measurement of a kernel runs in a process of its own with one BLAS thread and counts CPU seconds (user and system)
of the computation alone, after a warm-up and without imports and reading; the least of some repeats counts. A rival
whose loop would take minutes runs a shorter one, and the table says by how much its time was multiplied. R's packages
and `ordinalcorr` are measured where they are installed. Written to benchmarks/out/kernels.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kernel_data import write_data
from benchmarks.measure import measure

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Rival:
    """A rival's measurement: ``program`` (``python`` or ``r``), its task, the least ratio claimed (None: no claim), and
    by how much its loop is shorter than ours."""

    name: str
    program: str
    task: str
    at_least: float | None
    shortened: int = 1


@dataclass(frozen=True)
class Kernel:
    """One computation of ours and who else can make it."""

    name: str
    says: str
    ours: str
    rivals: tuple[Rival, ...]


KERNELS = (
    Kernel(
        "fit",
        "55 items, 6 components, n 1000: correlations, minres, oblimin from one start",
        "fit",
        (
            Rival("factor_analyzer", "python", "fit_factor_analyzer", 10),
            Rival("psych::fa", "r", "fit", 1),
        ),
    ),
    Kernel(
        "fit_starts",
        "the same with ten more starts of the extraction and of the rotation each, as a study has it",
        "fit_starts",
        (Rival("factor_analyzer (one start)", "python", "fit_factor_analyzer", None),),
    ),
    Kernel(
        "bootstrap",
        "the same refitted to 1000 bootstrap samples, each aligned to the full solution",
        "bootstrap",
        (
            Rival("factor_analyzer in a loop", "python", "bootstrap_factor_analyzer", 20, shortened=50),
            Rival("psych::fa(n.iter)", "r", "bootstrap", None, shortened=50),
        ),
    ),
    Kernel(
        "parallel_components",
        "parallel analysis 176 x 47, 1000 normal data sets, principal components",
        "parallel_components",
        (Rival("psych::fa.parallel(fa = 'pc')", "r", "parallel_components", 15),),
    ),
    Kernel(
        "parallel_rows",
        "the same from the rows: 1000 normal and 1000 permuted data sets",
        "parallel_rows",
        (Rival("psych::fa.parallel(fa = 'pc') on the rows", "r", "parallel_rows", 15),),
    ),
    Kernel(
        "parallel_factors",
        "parallel analysis of normal data with psych's common factors (communalities of one minres factor)",
        "parallel_factors",
        (Rival("psych::fa.parallel(fa = 'fa')", "r", "parallel_factors", 30, shortened=10),),
    ),
    Kernel(
        "polychoric",
        "polychoric correlations of 47 items, 176 rows, five categories",
        "polychoric",
        (
            Rival("psych::polychoric", "r", "polychoric_psych", 50),
            Rival("lavaan::lavCor", "r", "polychoric_lavaan", 5),
            Rival("ordinalcorr", "python", "polychoric_ordinalcorr", 5),
        ),
    ),
)


def main() -> None:
    """Run what was asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[kernel.name for kernel in KERNELS], help="some of the kernels")
    parser.add_argument("--study", type=Path, help="a refreshed study whose analyses are timed")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="alliance-kernels-") as folder:
        write_data(Path(folder))
        for kernel in KERNELS:
            if options.only is None or kernel.name in options.only:
                rows += [_printed(row) for row in _compared(kernel, Path(folder))]
        study = options.study
        if study is None and options.only is None:
            study = Path(folder) / "demo"
            measure(["flows.cli", "init", "--demo", str(study)])
            measure(["flows.cli", "refresh", str(study)])
        if study is not None:
            rows += [_printed(row) for row in _analyses(study)]
    OUT.mkdir(exist_ok=True)
    (OUT / "kernels.json").write_text(json.dumps(rows, indent=1) + "\n")


def _printed(row: dict[str, object]) -> dict[str, object]:
    print("  ".join(f"{key}: {value}" for key, value in row.items() if value is not None), flush=True)
    return row


def _compared(kernel: Kernel, folder: Path) -> Iterator[dict[str, object]]:
    ours = _python(kernel.ours, folder)
    if isinstance(ours, str):
        raise RuntimeError(f"{kernel.name}: {ours}")
    yield {"kernel": kernel.name, "what": kernel.says, "who": "ours", "cpu_seconds": round(ours, 4)}
    for rival in kernel.rivals:
        took = _python(rival.task, folder) if rival.program == "python" else _r(rival.task, folder)
        if isinstance(took, str):
            yield {"kernel": kernel.name, "who": rival.name, "not_measured": took}
            continue
        took *= rival.shortened
        yield {
            "kernel": kernel.name,
            "who": rival.name,
            "cpu_seconds": round(took, 4),
            "ratio": round(took / ours, 1),
            "at_least": rival.at_least,
            "scaled_up_from": f"1/{rival.shortened} of the loop" if rival.shortened > 1 else None,
        }


def _python(task: str, folder: Path) -> float | str:
    return _measured([sys.executable, "-m", "benchmarks.kernel_tasks", task, str(folder)])


def _r(task: str, folder: Path) -> float | str:
    if shutil.which("Rscript") is None:
        return "R is not installed."
    return _measured(["Rscript", str(HERE / "kernels.R"), task, str(folder)])


def _measured(command: list[str]) -> float | str:
    """CPU seconds that ``command`` prints as its last line, or its sentence on why there are none."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_CORE}, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    last = done.stdout.strip().splitlines()[-1]
    try:
        return float(last)
    except ValueError:
        return last


def _analyses(study: Path) -> Iterator[dict[str, object]]:
    alone = None
    for workers in (1, 2):
        command = [sys.executable, "-m", "benchmarks.study_analyses", str(study), "--workers", str(workers)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_CORE}, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        found.pop("by_kind")
        alone = alone or found["wall_seconds"]
        yield {
            "kernel": "study",
            "what": f"all analyses of {study.name}, on {workers} worker{'s' if workers > 1 else ''}",
            **found,
            "wall_share_of_one_worker": round(found["wall_seconds"] / alone, 2),
        }


if __name__ == "__main__":
    main()
