"""The loops of the analyses as tasks on Prefect's Dask task runner. Needs the extra ``dask`` (prefect-dask).

Import this after :func:`flows.common.environment.prepare_prefect`: Prefect reads its settings when it is imported.
Workers import this project and need its packages in the same versions, and Prefect's tasks report to the server that
``PREFECT_API_URL`` names, which workers of other machines must reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import cloudpickle
from distributed import Client
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_dask import DaskTaskRunner

from analysis.common.resampling import MapFunction
from flows.analysing.shared_work import LOCAL, parts_of, run_part
from flows.common import environment
from flows.common.errors import AllianceError

T = TypeVar("T")

# One thread per process: numpy holds the lock of Python between its calls, and BLAS has one thread as everywhere.
_CLUSTER = {"threads_per_worker": 1, "processes": True, "dashboard_address": None, "env": environment.ONE_BLAS_THREAD}


@task(name="loop", retries=2, cache_policy=NO_CACHE, persist_result=False)
def _loop(packed: bytes) -> bytes:
    """One part of a loop. Packed, because Prefect walks through what a task is given, array by array."""
    function, items = cloudpickle.loads(packed)
    return cloudpickle.dumps(run_part(function, items))


def run_on_dask(body: Callable[[MapFunction], T], *, workers: int, scheduler: str) -> T:
    """See :func:`flows.analysing.workers.with_workers`. Dask gives the parts of a worker that died to another one."""
    runner: Any = (
        DaskTaskRunner(cluster_kwargs={**_CLUSTER, "n_workers": workers})
        if scheduler == LOCAL
        else DaskTaskRunner(address=scheduler)
    )
    count = workers if scheduler == LOCAL else max(workers, _workers_of(scheduler))

    def run(function: Callable[[Any], Any], items: Iterable[Any], /) -> list[Any]:
        parts = parts_of(items, count)
        if len(parts) < 2:
            return [value for part in parts for value in run_part(function, part)]
        waiting = [_loop.submit(cloudpickle.dumps((function, part))) for part in parts]
        return [value for one in waiting for value in cloudpickle.loads(one.result())]

    # The body's value is an object of this process: it leaves by this list, not by Prefect's result storage.
    given: list[T] = []
    kept = _StaysHere(lambda: given.append(body(run)))

    @flow(name="alliance-analyses", task_runner=runner, persist_result=False)
    def analyses() -> None:
        kept.call()

    with _own_server() if scheduler == LOCAL else nullcontext():
        analyses()
    return given[0]


@contextmanager
def _own_server() -> Iterator[None]:
    """Let the workers of this machine report to the server of this process, where no other is named: each would else
    start one of its own, which stays behind when the worker is killed."""
    if PREFECT_API_URL.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer  # takes seconds, where Prefect has not loaded it

    server = SubprocessASGIServer()
    server.start()
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        yield


class _StaysHere:
    """A call that only this process can make. Prefect sends the flow along with each task, with what it refers to; a
    body holds the connection to the build, which cannot be sent, and the rows of the study, which must not be."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return _StaysHere, (_was_left_behind,)


def _was_left_behind() -> None:
    raise RuntimeError("The body of the analyses runs in the process that began it.")


def _workers_of(address: str) -> int:
    try:
        with Client(address, timeout="10s") as client:
            count = len(client.scheduler_info(n_workers=-1)["workers"])
    except OSError as error:
        raise _unusable(f"no scheduler answers at {address}", "start it") from error
    if count == 0:
        raise _unusable(f"the scheduler at {address} has no workers", "start some")
    return count


def _unusable(cause: str, remedy: str) -> AllianceError:
    return AllianceError(
        "the analyses cannot run on Dask",
        cause=cause,
        next_step=f"{remedy}, correct `scheduler` under `analyses` in study.yml, or leave it out",
    )
