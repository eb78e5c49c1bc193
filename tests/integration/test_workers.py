"""Work of the analyses on several workers: the same numbers as on one, also when a worker is killed half-way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.common.resampling import MapFunction
from analysis.common.study_rows import KEYS, Rows
from analysis.components.component_study import ComponentSettings, study_components
from analysis.components.components import find_components
from analysis.components.item_facts import ItemFacts
from analysis.components.stability import Stability, bootstrap_solution
from analysis.correlations.correlation import correlate
from flows.analysing import processes
from flows.analysing.processes import Processes
from flows.analysing.shared_work import Workers, parts_of
from flows.analysing.workers import with_workers
from flows.common import environment
from flows.common.database import attach, connect
from flows.common.errors import AllianceError
from flows.publishing.publish import Resources
from flows.refreshing import analyses
from tests.integration.mortal_workers import (
    die_elsewhere,
    die_once,
    elsewhere,
    killing_one,
    raise_value_error,
    servers_of_this_process,
    slow_elsewhere,
    write_down,
)
from tests.integration.small_build import SmallStudy, loaded_study, make_build
from tests.unit.known_truth import draw, simple_population

REPLICATES = 400


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return draw(*simple_population(2, 5), 160, 8)


def bootstrapped(data: pd.DataFrame, run: MapFunction) -> Stability:
    solution = find_components(correlate(data), n_components=2)
    therapists = np.arange(len(data)) // 4
    return bootstrap_solution(data, solution, seed=3, clusters=therapists, replicates=REPLICATES, run=run)


def assert_same_bytes(one: Stability, other: Stability) -> None:
    assert one.patterns.tobytes() == other.patterns.tobytes()
    assert one.phis.tobytes() == other.phis.tobytes()
    assert one.warnings == other.warnings


def test_every_item_is_in_one_part_and_in_order() -> None:
    assert parts_of(range(7), 2) == [[0, 1], [2, 3], [4, 5], [6]]
    assert parts_of([], 3) == []
    assert parts_of(iter("ab"), 5) == [["a"], ["b"]]


def test_a_whole_component_study_is_the_same_on_two_processes(data: pd.DataFrame) -> None:
    keys = pd.DataFrame({name: [f"{name}{row}" for row in range(len(data))] for name in KEYS})
    keys["therapist_id"] = [f"t{row // 4}" for row in range(len(data))]
    settings = ComponentSettings(n_components=2, bootstrap=120)
    one, two = (
        with_workers(
            lambda shared: study_components(Rows(data, keys), settings, ItemFacts(), 5, run=shared.map)[0],
            workers=workers,
        )
        for workers in (1, 2)
    )
    assert one.warnings == two.warnings
    for name, frame in one.frames.items():
        pd.testing.assert_frame_equal(frame, two.frames[name], check_exact=True)


def test_a_killed_process_is_replaced(data: pd.DataFrame, tmp_path: Path) -> None:
    alone = bootstrapped(data, map)
    mark = tmp_path / "killed"
    shared = with_workers(lambda workers: bootstrapped(data, killing_one(workers.map, mark)), workers=2)
    assert mark.exists()
    assert_same_bytes(alone, shared)


def test_jobs_run_side_by_side_and_loops_among_them(tmp_path: Path) -> None:
    """This process cannot end its share before the other has begun, so that the first job is never its own."""

    def body(workers: Workers) -> tuple[list[int], list[int]]:
        work = partial(elsewhere, os.getpid(), tmp_path / "begun")
        jobs = [workers.start(work) for _ in range(6)]
        looped = list(workers.map(partial(pow, 2), range(9)))
        return [job.result() for job in jobs], looped

    ran_in, looped = with_workers(body, workers=2)
    assert len(set(ran_in)) == 2
    assert os.getpid() in ran_in
    assert looped == [2**power for power in range(9)]


def test_what_a_job_raises_is_raised_where_its_result_is_asked_for() -> None:
    def body(workers: Workers) -> tuple[str, int]:
        bad, good = workers.start(raise_value_error), workers.start(os.getpid)
        with pytest.raises(ValueError, match="wrong"):
            bad.result()
        return "raised", good.result()

    assert with_workers(body, workers=2)[0] == "raised"


def test_a_job_whose_process_is_killed_is_done_again(tmp_path: Path) -> None:
    def body(workers: Workers) -> tuple[int, int]:
        waits, dies = (partial(elsewhere, os.getpid(), tmp_path / "killed"), partial(die_once, tmp_path / "killed"))
        deadly = workers.start(dies)
        # This process takes a job that is open, which must not be the deadly one.
        until_taken(workers)
        return workers.start(waits).result(), deadly.result()

    alive, again = with_workers(body, workers=2)
    assert alive == os.getpid()
    assert again != os.getpid()


def until_taken(workers: Workers) -> None:
    """Wait until no job is open."""
    while workers._open:
        time.sleep(0.05)


def pids_of_waiting() -> list[int]:
    return [pid for pool in processes._waiting for pid in pool._processes]


def test_a_process_that_was_started_ahead_does_the_work() -> None:
    with processes.none_left_waiting():
        processes.start_ahead(2)
        processes.wait_until_started()
        (waiting,) = pids_of_waiting()

        def body(workers: Workers) -> int:
            job = workers.start(os.getpid)
            until_taken(workers)
            return job.result()

        assert with_workers(body, workers=2) == waiting
        assert not processes._waiting


def test_a_process_that_was_started_ahead_for_nothing_ends() -> None:
    with pytest.raises(AllianceError, match="the build failed"), processes.none_left_waiting():
        processes.start_ahead(2)
        processes.wait_until_started()
        (waiting,) = pids_of_waiting()
        raise AllianceError("the build failed")
    assert not processes._waiting
    assert ends(waiting)


def test_a_process_whose_parent_is_killed_ends_too() -> None:
    code = """
import time
from flows.analysing import processes
processes.start_ahead(2)
processes.wait_until_started()
print(*(pid for pool in processes._waiting for pid in pool._processes), flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert ends(child)


def ends(pid: int) -> bool:
    """Whether a process ends within twenty seconds."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_jobs_that_press_come_first_and_of_them_the_one_that_holds_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processes, "wait_for", waits_only)
    go, order = tmp_path / "go", tmp_path / "order"

    def body(workers: Workers) -> None:
        workers.start(partial(write_down, "busy", order, go))
        until_taken(workers)
        later = workers.start(partial(write_down, "later" * 99, order, go), pressing=False)
        for name in ("small", "large" * 9, "small too"):
            workers.start(partial(write_down, name, order, go))
        go.touch()
        later.result()

    with_workers(body, workers=2)
    assert order.read_text().split("\n")[:-1] == ["busy", "large" * 9, "small too", "small", "later" * 99]


def test_a_process_that_waits_for_a_loop_leaves_what_does_not_press_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, order, mine = tmp_path / "go", tmp_path / "order", os.getpid()

    def body(workers: Workers) -> int:
        workers.start(partial(write_down, "busy", order, go))
        until_taken(workers)
        filling = workers.start(os.getpid, pressing=False)
        # Another process is in the loop, and this one waits for it, while `filling` is open.
        list(workers.map(partial(slow_elsewhere, mine, go, tmp_path / "begun"), range(4)))
        monkeypatch.setattr(Processes, "wait_for", waits_only)
        return filling.result()

    assert with_workers(body, workers=2) != mine


def test_no_more_is_handed_over_than_can_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MOST_BYTES", 0)

    def body(workers: Workers) -> list[bool]:
        opened = []
        for _ in range(3):
            workers.start(partial(pow, 2, 3))
            opened.append(bool(workers._open))
        return opened

    assert with_workers(body, workers=2) == [False] * 3


def test_a_job_that_costs_every_process_its_life_ends_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Processes, "wait_for", waits_only)
    mine = os.getpid()
    assert with_workers(lambda workers: workers.start(partial(die_elsewhere, mine)).result(), workers=2) == mine


def waits_only(self: Processes, job: Any) -> None:
    """Instead of helping, so that other processes do all there is."""
    with self._changed:
        while not job.done:
            self._changed.wait()


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("build") / "alliance.duckdb"
    make_build(file, SmallStudy())
    return file


def tables_of(build: Path, *, only_elsewhere: bool = False, **settings: Any) -> dict[str, list[str]]:
    """All rows of `results` in the order in which they lie, every number with all of its digits, after all analyses of
    a study with ``settings``; ``only_elsewhere`` leaves all that can be shared to other processes.

    In a process of its own, since the command has one BLAS thread from its start, and the process of the tests has not.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.ONE_BLAS_THREAD.items():
            patch.setenv(name, value)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(analysed, build, settings, only_elsewhere).result()


def analysed(build: Path, settings: dict[str, Any], only_elsewhere: bool) -> dict[str, list[str]]:
    study = loaded_study(build.parent, bootstrap=60, parallel_samples=120, component_uncertainty=True, **settings)
    run = partial(
        analyses.run,
        build,
        study=study,
        code_version="test",
        resources=Resources("1GB", 1),
        progress=lambda sentence: None,
    )
    with pytest.MonkeyPatch.context() as patch:
        if only_elsewhere:
            patch.setattr(Processes, "wait_for", waits_only)
            patch.setattr(Processes, "_claimed", lambda self, job: False)
        if "scheduler" in settings:
            from prefect.testing.utilities import prefect_test_harness

            with prefect_test_harness(server_startup_timeout=180):
                run()
        else:
            run()
    with connect() as con:
        attach(con, build, "alliance", read_only=True)
        names = con.execute(
            "select table_name from duckdb_tables() where database_name = 'alliance' and schema_name = 'results'"
        ).fetchall()
        return {name: [repr(row) for row in con.sql(f"from alliance.results.{name}").fetchall()] for (name,) in names}


@pytest.fixture(scope="module")
def tables_of_one(build: Path) -> dict[str, list[str]]:
    return tables_of(build)


def assert_same_tables(one: dict[str, list[str]], other: dict[str, list[str]]) -> None:
    assert len(one) > 15
    assert sum(map(len, one.values())) > 1000
    for name, rows in one.items():
        assert rows == other[name], name


def test_all_result_tables_are_the_same_bytes_on_two_processes(
    build: Path, tables_of_one: dict[str, list[str]]
) -> None:
    """Whatever can be done elsewhere is, so that it does not depend on who is free."""
    assert_same_tables(tables_of_one, tables_of(build, workers=2, only_elsewhere=True))


def test_all_result_tables_are_the_same_bytes_on_processes_that_share(
    build: Path, tables_of_one: dict[str, list[str]]
) -> None:
    assert_same_tables(tables_of_one, tables_of(build, workers=3))


def test_dask_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.analysing.workers.find_spec", lambda name: None)
    with pytest.raises(AllianceError, match="extra `dask`"):
        with_workers(lambda workers: None, scheduler="local")


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    pytest.importorskip("prefect_dask")
    with pytest.raises(AllianceError, match="no scheduler answers at tcp://127.0.0.1:1"):
        with_workers(lambda workers: None, scheduler="tcp://127.0.0.1:1")


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    pytest.importorskip("prefect_dask")
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


def test_all_result_tables_are_the_same_bytes_on_dask(build: Path, tables_of_one: dict[str, list[str]]) -> None:
    pytest.importorskip("prefect_dask")
    assert_same_tables(tables_of_one, tables_of(build, workers=2, scheduler="local"))


def test_dask_workers_of_the_refresh_report_to_its_own_server() -> None:
    """One of a worker's own would stay behind when the worker is killed."""
    pytest.importorskip("prefect_dask")
    found = with_workers(
        lambda workers: list(workers.map(servers_of_this_process, range(8))), workers=2, scheduler="local"
    )
    assert os.getpid() not in dict(found)
    assert set(dict(found).values()) == {0}


@pytest.mark.usefixtures("prefect_server")
def test_dask_cluster_of_the_refresh_itself(data: pd.DataFrame) -> None:
    shared = with_workers(lambda workers: bootstrapped(data, workers.map), workers=2, scheduler="local")
    assert_same_bytes(bootstrapped(data, map), shared)


@pytest.mark.usefixtures("prefect_server")
def test_dask_scheduler_at_an_address_loses_a_worker(data: pd.DataFrame, tmp_path: Path) -> None:
    from distributed import LocalCluster

    mark = tmp_path / "killed"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        shared = with_workers(
            lambda workers: bootstrapped(data, killing_one(workers.map, mark)), scheduler=cluster.scheduler_address
        )
    assert mark.exists()
    assert_same_bytes(bootstrapped(data, map), shared)
