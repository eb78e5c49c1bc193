"""Who does the work of the analyses: this process, further ones of this machine beside it, or Dask workers.

There are two kinds of work. Loops (bootstrap, parallel analysis) come in blocks with a seed of their own
(:mod:`analysis.resampling`), so that a block gives the same numbers wherever and in whatever order it runs. Whole
analyses are pure calls, and several run side by side. A process that dies takes nothing with it: its work is done
again.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import Any, Generic, Protocol, TypeVar

from analysis.resampling import MapFunction
from flows.errors import AllianceError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
LOCAL = "local"
"""The scheduler's name in the settings for a Dask cluster of this machine."""


class Job(Protocol[T_co]):
    """Work that was started."""

    @property
    def done(self) -> bool:
        """Whether :meth:`result` gives an answer at once."""
        ...

    def result(self) -> T_co:
        """What the work gave; raises what it raised."""
        ...


class Workers(Protocol):
    """Those among whom work is shared. ``ahead`` is how many jobs may be under way before the oldest is waited for."""

    ahead: int

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterable[Any]:
        """Like the built-in :func:`map`; ``function`` and ``items`` can be pickled."""
        ...

    def start(self, work: Callable[[], T]) -> Job[T]:
        """Begin ``work``, which can be pickled, needs nothing but what it holds, and runs its loops itself."""
        ...


class Ended(Generic[T]):
    """A job whose result is there."""

    done = True

    def __init__(self, value: T) -> None:
        self._value = value

    def result(self) -> T:
        """The value given."""
        return self._value


class Alone:
    """This process, which ends each job before the next one starts. Loops go to ``run``."""

    ahead = 0

    def __init__(self, run: MapFunction = map) -> None:
        self._run = run

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterable[Any]:
        """See :class:`Workers`."""
        return self._run(function, items)

    def start(self, work: Callable[[], T]) -> Job[T]:
        """See :class:`Workers`."""
        # On a copy, as another process would have it: sums over arrays that lie otherwise in memory may differ in
        # their last digit.
        return Ended(run_packed(pickle.dumps(work)))


def with_workers(body: Callable[[Workers], T], *, workers: int = 1, scheduler: str | None = None) -> T:
    """What ``body`` gives when its work is shared among the workers it is handed.

    One worker is this process; of more, it is one. With a ``scheduler`` the loops, and only these, are tasks on
    Prefect's Dask task runner: ``local`` starts a Dask cluster of ``workers`` processes here, an address such as
    ``tcp://host:8786`` uses one that is there.

    Raises :class:`AllianceError` when a scheduler is asked for and ``prefect-dask`` is not installed.
    """
    if scheduler is not None:
        return _on_dask(lambda run: body(Alone(run)), workers, scheduler)
    if workers == 1:
        return body(Alone())
    from flows.analysing.processes import Processes

    with Processes(workers) as shared:
        return body(shared)


def run_packed(packed: bytes) -> Any:
    """What the pickled function gives that is called without arguments."""
    return pickle.loads(packed)()


def run_part(function: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """The part of a loop that one worker does. ``function`` reaches it once, with what it holds, not once per item."""
    return [function(item) for item in items]


def parts_of(items: Iterable[Any], workers: int) -> list[list[Any]]:
    """``items`` in order, cut into two parts per worker: the later one evens out what the first took longer."""
    every = list(items)
    size = max(-(-len(every) // (2 * workers)), 1)
    return [every[start : start + size] for start in range(0, len(every), size)]


def _on_dask(body: Callable[[MapFunction], T], workers: int, scheduler: str) -> T:
    if find_spec("prefect_dask") is None:
        raise AllianceError(
            "the analyses cannot run on Dask",
            cause="`analyses` in study.yml names a scheduler, and the package prefect-dask is not installed",
            next_step="install the project with its extra `dask` (pip install '.[dask]'), or leave `scheduler` out",
        )
    from flows.analysing.dask_workers import run_on_dask

    return run_on_dask(body, workers=workers, scheduler=scheduler)
