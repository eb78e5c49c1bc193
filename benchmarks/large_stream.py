"""Correlations of any number of rows from one pass: memory and CPU seconds, beside merely reading the same columns.

    python -m benchmarks.large_stream --rows 10000 200000 10000000

Rows lie in a DuckDB file of their own, made of range() and hash(), 1 answer in 50 missing. They are read in batches as
:mod:`flows.analysing.row_stream` reads them, but from a table with one column per item: what joining and turning
the answers costs a study is not measured here. Every figure is of a process of its own with one thread. Printed as
JSON, a line per figure; ``read`` goes through the batches and looks at nothing, ``read_numbers`` turns their columns
into the array that sums are made of.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from analysis.components.component_stream import correlate_sums, first_pass
from analysis.components.component_study import ComponentSettings
from flows.analysing.row_stream import CELLS_AT_ONCE

MEMORY_LIMIT = "256MB"
CATEGORIES = 7
TASKS = ("read", "read_numbers", "pearson", "polychoric")
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class TableRows:
    """All rows of the table ``answers`` in a DuckDB file, a batch at a time."""

    def __init__(self, file: Path) -> None:
        self._con = duckdb.connect(str(file), read_only=True, config={"memory_limit": MEMORY_LIMIT, "threads": 1})
        self.items = tuple(str(row[0]) for row in self._con.execute("describe answers").fetchall())
        self.origin = np.full(len(self.items), (CATEGORIES + 1) / 2)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches as DuckDB hands them over."""
        yield from self._con.execute("from answers").to_arrow_reader(CELLS_AT_ONCE // len(self.items))

    def answers(self) -> Iterator[np.ndarray]:
        """See :class:`analysis.components.component_stream.RowStream`."""
        for batch in self.batches():
            columns = (batch.column(place).to_numpy(zero_copy_only=False) for place in range(len(self.items)))
            yield np.array([column.astype(float, copy=False) for column in columns]).T


def write_table(file: Path, rows: int, items: int) -> None:
    """``rows`` answers to ``items`` items that share a factor, from 1 to 7, stored as doubles like those of a build."""
    shared = "hash(row) % 4"
    cells = [
        f"case when hash(row, {item}, 1) % 50 > 0 then 1.0 + ({shared} + hash(row, {item}) % 4) end as item_{item}"
        for item in range(1, items + 1)
    ]
    with duckdb.connect(str(file), config={"memory_limit": "1GB", "threads": 1}) as con:
        con.execute(
            f"create table answers as select {', '.join(cells).replace(' end as', ' end::double as')} "
            f"from range({rows}) as made(row)"
        )


def run(task: str, file: Path) -> dict[str, float]:
    """CPU seconds of ``task`` in this process, and the memory that it has needed beyond what was there before."""
    stream = TableRows(file)
    before = peak_mb()
    started = time.process_time()
    if task == "read":
        n_rows = sum(batch.num_rows for batch in stream.batches())
    elif task == "read_numbers":
        n_rows = sum(len(chunk) for chunk in stream.answers())
    else:
        settings = ComponentSettings(correlation=task)
        passed = first_pass(stream, settings)  # which reads no `rows`
        n_rows = passed.answered.n_rows
        correlate_sums(passed, settings)
    seconds = time.process_time() - started
    return {"rows": n_rows, "cpu_seconds": round(seconds, 2), "peak_mb": peak_mb(), "before_mb": before}


def peak_mb() -> int:
    """Peak of this program's own memory; the figure of getrusage begins with that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def main() -> None:
    """Measure every task on tables of the sizes asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 200_000, 2_000_000])
    parser.add_argument("--items", type=int, default=12)
    parser.add_argument("--one", nargs=2, metavar=("TASK", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run(options.one[0], Path(options.one[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="alliance-stream-") as folder:
        for rows in options.rows:
            file = Path(folder) / f"{rows}.duckdb"
            write_table(file, rows, options.items)
            for task in TASKS:
                print(json.dumps({"items": options.items, "task": task, **_in_a_process(task, file)}), flush=True)
            file.unlink()


def _in_a_process(task: str, file: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.large_stream", "--one", task, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_CORE}, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
