"""A refresh whose loops run on a Dask scheduler that the study names, with two workers, one of them killed half-way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from flows.common import environment

pytest.importorskip("prefect_dask")
from distributed import Client

HALF_WAY = "Components (joint, client)"
"""With this line the refresh says that one of the two raters' components are found."""

LIMIT = 300
"""Seconds that anything may take, on a busy machine."""


@contextmanager
def running(*arguments: str | Path, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this Python that writes what it says to ``said``; it is ended with the context, with all it started
    (a worker that is killed leaves its Prefect server)."""
    with (
        said.open("wb") as out,
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=out,
            stderr=out,
            cwd=said.parent,
            env={**os.environ, **environment.ONE_BLAS_THREAD, "PYTHONPATH": str(Path(__file__).parents[2])},
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Address of a scheduler and its two workers' addresses with process ids, each started by Dask's own command."""
    known = folder / "scheduler.json"
    common = ("--scheduler-file", known, "--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as stack:
        stack.enter_context(running("-m", "dask", "scheduler", *common, "--port", "0", said=folder / "scheduler.txt"))
        address = until(lambda: json.loads(known.read_text())["address"] if known.exists() else None)
        for name in ("one", "two"):
            worker = ("-m", "dask", "worker", *common, "--nthreads", "1", "--no-nanny", "--local-directory", folder)
            stack.enter_context(running(*worker, said=folder / f"{name}.txt"))
        with Client(address, timeout=LIMIT) as client:
            client.wait_for_workers(2, timeout=LIMIT)
            yield address, client.run(os.getpid)


def until(found: Callable[[], Any]) -> Any:
    """The first answer of ``found`` that is something."""
    limit = time.monotonic() + LIMIT
    while not (answer := found()):
        assert time.monotonic() < limit, "waited for too long"
        time.sleep(0.01)
    return answer


def kill_one_at_work(client: Client, workers: dict[str, int], going_on: Callable[[], bool]) -> str | None:
    """Kill a worker that has begun a task and not ended it; its address, or None when none had one to the end."""
    while going_on():
        for worker in [name for name, tasks in client.processing().items() if tasks]:
            os.kill(workers[worker], signal.SIGSTOP)  # it ends nothing while it is looked at again
            if client.processing()[worker]:
                os.kill(workers[worker], signal.SIGKILL)
                return worker
            os.kill(workers[worker], signal.SIGCONT)
        time.sleep(0.01)
    return None


def results(study: Path) -> dict[str, pd.DataFrame]:
    """All tables of ``results``, rows in the order in which they lie."""
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb"), read_only=True) as con:
        names = con.execute("select table_name from duckdb_tables() where schema_name = 'results'").fetchall()
        return {name: con.sql(f"from results.{name}").df() for (name,) in names}


def test_a_scheduler_of_the_settings_does_the_loops_and_may_lose_a_worker(own_demo: Path, tmp_path: Path) -> None:
    """Held against the refresh that made ``own_demo`` by itself; of its item sets only the joined one, to save time."""
    before = results(own_demo)
    said = tmp_path / "refresh.txt"
    with cluster(tmp_path) as (address, workers):
        with (own_demo / "study.yml").open("a") as settings:
            settings.write(f'  scheduler: "{address}"\n  item_sets: [joint]\n')
        with Client(address) as client, running("-m", "flows.cli", "refresh", own_demo, said=said) as refresh:
            until(lambda: HALF_WAY in said.read_text() or refresh.poll() is not None)
            killed = kill_one_at_work(client, workers, lambda: refresh.poll() is None)
            assert refresh.wait(LIMIT) == 0, said.read_text()
            assert killed is not None, "no worker was given a task: " + said.read_text()
            assert list(client.scheduler_info()["workers"]) == [name for name in workers if name != killed]
    after = results(own_demo)
    del after["findings"]  # which count analyses
    both = set(before["analyses"]["analysis_id"]) & set(after["analyses"]["analysis_id"])
    # Scales are told of with the joined set only where it is the only one.
    assert len(after["analyses"]) == len(both) + 2
    assert set(before["analyses"]["kind"]) == set(after["analyses"]["kind"])
    for name in after:
        old, new = (
            frame[frame["analysis_id"].isin(both)].reset_index(drop=True) for frame in (before[name], after[name])
        )
        pd.testing.assert_frame_equal(old, new, check_exact=True, obj=name)
