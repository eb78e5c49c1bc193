"""Where the loops of the analyses run: in this process, in several of this machine, or on Dask workers.

Bootstrap and parallel analysis come in blocks with a seed of their own (:mod:`analysis.resampling`), so that a block
gives the same numbers wherever and in whatever order it runs. A worker that dies takes nothing with it: its blocks run
again on another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any, TypeVar

from analysis.resampling import MapFunction
from flows import environment
from flows.errors import AllianceError

T = TypeVar("T")
LOCAL = "local"
"""The scheduler's name in the settings for a Dask cluster of this machine."""

ATTEMPTS = 3
"""How often a pool is made anew after one of its processes died, before the loop runs in this process."""


def with_workers(body: Callable[[MapFunction], T], *, workers: int = 1, scheduler: str | None = None) -> T:
    """What ``body`` gives when its loops run by the ``map`` it is handed.

    One worker is this process. More are processes of this machine, or with a ``scheduler`` tasks on Prefect's Dask task
    runner: ``local`` starts a Dask cluster of ``workers`` processes here, an address such as ``tcp://host:8786`` uses
    one that is there.

    Raises :class:`AllianceError` when a scheduler is asked for and ``prefect-dask`` is not installed.
    """
    if scheduler is not None:
        return _on_dask(body, workers, scheduler)
    if workers == 1:
        return body(map)
    with _ProcessMap(workers) as run:
        return body(run)


def run_part(function: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """The part of a loop that one worker does. ``function`` reaches it once, with what it holds, not once per item."""
    return [function(item) for item in items]


def parts_of(items: Iterable[Any], workers: int) -> list[list[Any]]:
    """``items`` in order, cut into two parts per worker: the later one evens out what the first took longer."""
    every = list(items)
    size = max(-(-len(every) // (2 * workers)), 1)
    return [every[start : start + size] for start in range(0, len(every), size)]


class _ProcessMap:
    """A ``map`` over processes; they start with the first loop that has parts to share."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _ProcessMap:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> list[Any]:
        parts = parts_of(items, self._workers)
        for _ in range(ATTEMPTS if len(parts) > 1 else 0):
            try:
                done = list(self._started().map(run_part, [function] * len(parts), parts))
            except BrokenProcessPool:
                self._close()
            else:
                return [value for part in done for value in part]
        return [value for part in parts for value in run_part(function, part)]

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked: DuckDB and Prefect have threads by now, whose locks a forked child would inherit.
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=get_context("spawn"), initializer=environment.quiet
            )
        return self._pool

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _on_dask(body: Callable[[MapFunction], T], workers: int, scheduler: str) -> T:
    if find_spec("prefect_dask") is None:
        raise AllianceError(
            "the analyses cannot run on Dask",
            cause="`analyses` in study.yml names a scheduler, and the package prefect-dask is not installed",
            next_step="install the project with its extra `dask` (pip install '.[dask]'), or leave `scheduler` out",
        )
    from flows.analysing.dask_workers import run_on_dask

    return run_on_dask(body, workers=workers, scheduler=scheduler)
