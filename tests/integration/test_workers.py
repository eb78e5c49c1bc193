"""The loops of the analyses on several workers: the same numbers as on one, also when a worker is killed half-way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.component_study import ComponentSettings, study_components
from analysis.components import find_components
from analysis.correlation import correlate
from analysis.item_facts import ItemFacts
from analysis.resampling import MapFunction
from analysis.stability import Stability, bootstrap_solution
from analysis.study_rows import KEYS, Rows
from flows.analysing.workers import parts_of, with_workers
from flows.errors import AllianceError
from tests.integration.mortal_workers import killing_one
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
            lambda run: study_components(Rows(data, keys), settings, ItemFacts(), 5, run=run)[0], workers=workers
        )
        for workers in (1, 2)
    )
    assert one.warnings == two.warnings
    for name, frame in one.frames.items():
        pd.testing.assert_frame_equal(frame, two.frames[name], check_exact=True)


def test_a_killed_process_is_replaced(data: pd.DataFrame, tmp_path: Path) -> None:
    alone = bootstrapped(data, map)
    mark = tmp_path / "killed"
    shared = with_workers(lambda run: bootstrapped(data, killing_one(run, mark)), workers=2)
    assert mark.exists()
    assert_same_bytes(alone, shared)


def test_dask_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.analysing.workers.find_spec", lambda name: None)
    with pytest.raises(AllianceError, match="extra `dask`"):
        with_workers(lambda run: None, scheduler="local")


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    pytest.importorskip("prefect_dask")
    with pytest.raises(AllianceError, match="no scheduler answers at tcp://127.0.0.1:1"):
        with_workers(lambda run: None, scheduler="tcp://127.0.0.1:1")


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    pytest.importorskip("prefect_dask")
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.mark.usefixtures("prefect_server")
def test_dask_cluster_of_the_refresh_itself(data: pd.DataFrame) -> None:
    shared = with_workers(lambda run: bootstrapped(data, run), workers=2, scheduler="local")
    assert_same_bytes(bootstrapped(data, map), shared)


@pytest.mark.usefixtures("prefect_server")
def test_dask_scheduler_at_an_address_loses_a_worker(data: pd.DataFrame, tmp_path: Path) -> None:
    from distributed import LocalCluster

    mark = tmp_path / "killed"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        shared = with_workers(
            lambda run: bootstrapped(data, killing_one(run, mark)), scheduler=cluster.scheduler_address
        )
    assert mark.exists()
    assert_same_bytes(bootstrapped(data, map), shared)
