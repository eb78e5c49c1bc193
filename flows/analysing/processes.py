"""Work shared with further processes of this machine, while this one works too.

Each process has a thread here that hands it one job after the other. Nothing is handed over before a process is free,
so that whoever is free takes the next job, this process as well while it waits. Jobs that do not press, the longest
ones, fill what the others leave; this process does them only when it waits for one of them, since all that follows
depends on it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from multiprocessing import get_context, parent_process
from threading import Condition, Thread
from typing import Any, TypeVar

from flows.analysing.shared_work import Job, parts_of, run_packed, run_part
from flows.common import environment

T = TypeVar("T")

ATTEMPTS = 3
"""How many processes a job may cost that dies with each, before it runs in this process."""

MOST_BYTES = 256 * 2**20
"""What the jobs may hold together that nobody has begun."""

_AHEAD = 8
"""Jobs per worker that may be under way: enough that nobody waits, few enough to hold their results in memory."""

_AWAITED, _PRESSING, _NOT_PRESSING = 2, 1, 0
"""Urgency of parts of a loop, for which this process waits, and of the two kinds of jobs."""


_waiting: list[ProcessPoolExecutor] = []
"""Processes that were started ahead and have no work yet."""


def start_ahead(workers: int) -> None:
    """Let the processes that :class:`Processes` will need beside this one start, and import, while others work."""
    while len(_waiting) < workers - 1:
        _waiting.append(_pool())


def wait_until_started() -> None:
    """Return when those that were started ahead can take work."""
    for pool in _waiting:
        pool.submit(os.getpid).result()


@contextmanager
def none_left_waiting() -> Iterator[None]:
    """End, at the end of the context, what was started ahead in it and is not needed after all."""
    try:
        yield
    finally:
        while _waiting:
            _waiting.pop().shutdown(wait=False, cancel_futures=True)


class Processes:
    """``workers`` processes, this one among them; see :class:`flows.analysing.workers.Workers`. The others start with
    the context, where they were not started ahead, so that they import what they need while this one reads, and end
    with it."""

    def __init__(self, workers: int) -> None:
        self.ahead = _AHEAD * workers
        self._workers = workers
        self._open: list[_Job] = []
        self._changed = Condition()
        self._closed = False
        self._threads: list[Thread] = []

    def __enter__(self) -> Processes:
        self._threads = [Thread(target=self._serve, daemon=True) for _ in range(self._workers - 1)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> list[Any]:
        """See :class:`flows.analysing.workers.Workers`."""
        parts = parts_of(items, self._workers)
        if len(parts) < 2:
            return [value for part in parts for value in run_part(function, part)]
        jobs = [_Job(self, partial(run_part, function, part), _AWAITED) for part in parts]
        self._add(jobs)
        for job in reversed(jobs):
            if self._claimed(job):
                self.end(job, *_tried(job.work))
        return [value for job in jobs for value in job.result()]

    def start(self, work: Callable[[], T], *, pressing: bool = True) -> Job[T]:
        """See :class:`flows.analysing.workers.Workers`. Does some of what is open first when that is much to hold."""
        # Pickled now and wherever it runs: what it holds may be changed later, and lies in memory as in any process.
        packed = pickle.dumps(work)
        job = _Job(self, partial(run_packed, packed), _PRESSING if pressing else _NOT_PRESSING, len(packed))
        self._add([job])
        self._help(lambda: sum(one.size for one in self._open) <= MOST_BYTES, _NOT_PRESSING)
        return job

    def end(self, job: _Job, value: Any, error: BaseException | None) -> None:
        """Write down how a job ended, for all who wait."""
        with self._changed:
            job.value, job.error, job.done = value, error, True
            job.work = _nothing  # with what it holds
            self._changed.notify_all()

    def wait_for(self, job: _Job) -> None:
        """Do ``job``, or what else is open until it is done."""
        if self._claimed(job):
            self.end(job, *_tried(job.work))
        self._help(lambda: job.done, min(job.urgency, _PRESSING))

    def _help(self, enough: Callable[[], bool], least: int) -> None:
        """Do what is open and at least as urgent as ``least`` until there is ``enough``."""
        while (other := self._next(enough, least)) is not None:
            self.end(other, *_tried(other.work))

    def _add(self, jobs: list[_Job]) -> None:
        with self._changed:
            self._open.extend(jobs)
            self._changed.notify_all()

    def _claimed(self, job: _Job) -> bool:
        """Whether ``job`` was still open; it is no longer."""
        with self._changed:
            if job in self._open:
                self._open.remove(job)
                return True
            return False

    def _next(self, enough: Callable[[], bool], least: int) -> _Job | None:
        """The next open job that is at least as urgent as ``least``, or None as soon as there is ``enough``: of the
        most urgent ones the one that holds most, as it is likely to take longest, and what begins last should not."""
        with self._changed:
            while not enough():
                found = max(self._open, key=_Job.turn, default=None)
                if found is not None and found.urgency >= least:
                    self._open.remove(found)
                    return found
                self._changed.wait()
            return None

    def _serve(self) -> None:
        """Hand one process job after job until all is closed."""
        try:
            pool = _waiting.pop()
        except IndexError:
            pool = _pool()
        try:
            while (job := self._next(lambda: self._closed, _NOT_PRESSING)) is not None:
                for _ in range(ATTEMPTS):
                    ended = _tried(partial(_in, pool, job.work), BaseException)
                    if not isinstance(ended[1], BrokenProcessPool):
                        break
                    pool.shutdown()
                    pool = _pool()
                else:
                    ended = _tried(job.work, BaseException)
                self.end(job, *ended)
        finally:
            pool.shutdown(cancel_futures=True)


class _Job:
    """One piece of work that holds ``size`` bytes; ``value`` or ``error`` are there when it is ``done``."""

    def __init__(self, owner: Processes, work: Callable[[], Any], urgency: int, size: int = 0) -> None:
        self.work = work
        self.urgency = urgency
        self.size = size
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._owner = owner

    def turn(self) -> tuple[int, int]:
        """The job with the largest comes next."""
        return self.urgency, self.size

    def result(self) -> Any:
        """See :class:`flows.analysing.workers.Job`."""
        self._owner.wait_for(self)
        if self.error is not None:
            raise self.error
        return self.value


def _nothing() -> None:
    raise RuntimeError("This job is done.")


def _pool() -> ProcessPoolExecutor:
    # Not forked: DuckDB and Prefect have threads by now, whose locks a forked child would inherit.
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)
    # The first job would wait for it. If it fails, that job will say so.
    pool.submit(import_module, "flows.analysing.work")
    return pool


def _begin() -> None:
    """What a process does before its first job: no telemetry, and no staying behind.

    One whose parent is killed would wait for its next job for ever, with clinical data in its memory.
    """
    environment.quiet()
    parent = parent_process()

    def end_with_it() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    Thread(target=end_with_it, daemon=True).start()


def _in(pool: ProcessPoolExecutor, work: Callable[[], Any]) -> Any:
    return pool.submit(work).result()


def _tried(work: Callable[[], Any], caught: type[BaseException] = Exception) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except caught as error:
        return None, error
