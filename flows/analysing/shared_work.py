"""Work that can be shared: jobs, parts of loops, and what workers of any kind can be asked."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from analysis.common.resampling import MapFunction

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

    def start(self, work: Callable[[], T], *, pressing: bool = True) -> Job[T]:
        """Begin ``work``, which can be pickled, needs nothing but what it holds, and runs its loops itself. What is not
        ``pressing`` is for those who would else have nothing to do."""
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

    def start(self, work: Callable[[], T], *, pressing: bool = True) -> Job[T]:
        """See :class:`Workers`."""
        # On a copy, as another process would have it: sums over arrays that lie otherwise in memory may differ in
        # their last digit.
        # The packed copy is let go once it is unpacked.
        packed = [pickle.dumps(work)]
        return Ended(pickle.loads(packed.pop())())


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
