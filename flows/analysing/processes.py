"""Work shared with further processes of this machine, while this one works too.

Each process has a thread here that hands it one job after the other. Nothing is handed over before a process is free,
so that whoever is free takes the next job, this process as well while it waits.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from threading import Condition, Thread
from typing import Any, TypeVar

from flows.analysing.shared_work import Job, parts_of, run_packed, run_part
from flows.common import environment

T = TypeVar("T")

ATTEMPTS = 3
"""How many processes a job may cost that dies with each, before it runs in this process."""

_AHEAD = 4
"""Jobs per worker that may be under way: enough that nobody waits, few enough to be held in memory."""


class Processes:
    """``workers`` processes, this one among them; see :class:`flows.analysing.workers.Workers`. The others start with
    the first work there is to share, and end with the context."""

    def __init__(self, workers: int) -> None:
        self.ahead = _AHEAD * workers
        self._workers = workers
        self._open: deque[_Job] = deque()
        self._changed = Condition()
        self._closed = False
        self._threads: list[Thread] = []

    def __enter__(self) -> Processes:
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
        jobs = [_Job(self, partial(run_part, function, part)) for part in parts]
        # Before all others, since this process goes on only when they are done.
        self._add(jobs, first=True)
        for job in reversed(jobs):
            if self._claimed(job):
                self.end(job, *_tried(job.work))
        return [value for job in jobs for value in job.result()]

    def start(self, work: Callable[[], T]) -> Job[T]:
        """See :class:`flows.analysing.workers.Workers`."""
        # Pickled now and wherever it runs: what it holds may be changed later, and lies in memory as in any process.
        job = _Job(self, partial(run_packed, pickle.dumps(work)))
        self._add([job], first=False)
        return job

    def end(self, job: _Job, value: Any, error: BaseException | None) -> None:
        """Write down how a job ended, for all who wait."""
        with self._changed:
            job.value, job.error, job.done = value, error, True
            self._changed.notify_all()

    def wait_for(self, job: _Job) -> None:
        """Do what is open until ``job`` is done."""
        while not job.done:
            other = self._next(lambda: job.done)
            if other is not None:
                self.end(other, *_tried(other.work))

    def _add(self, jobs: list[_Job], *, first: bool) -> None:
        with self._changed:
            self._open.extendleft(reversed(jobs)) if first else self._open.extend(jobs)
            self._changed.notify_all()
        if not self._threads:
            self._threads = [Thread(target=self._serve, daemon=True) for _ in range(self._workers - 1)]
            for thread in self._threads:
                thread.start()

    def _claimed(self, job: _Job) -> bool:
        """Whether ``job`` was still open; it is no longer."""
        with self._changed:
            if job in self._open:
                self._open.remove(job)
                return True
            return False

    def _next(self, enough: Callable[[], bool]) -> _Job | None:
        """The next open job, or None as soon as there is ``enough``."""
        with self._changed:
            while not enough() and not self._open:
                self._changed.wait()
            return None if enough() else self._open.popleft()

    def _serve(self) -> None:
        """Hand one process job after job until all is closed."""
        pool = _pool()
        try:
            while (job := self._next(lambda: self._closed)) is not None:
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
    """One piece of work; ``value`` or ``error`` are there when it is ``done``."""

    def __init__(self, owner: Processes, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._owner = owner

    def result(self) -> Any:
        """See :class:`flows.analysing.workers.Job`."""
        self._owner.wait_for(self)
        if self.error is not None:
            raise self.error
        return self.value


def _pool() -> ProcessPoolExecutor:
    # Not forked: DuckDB and Prefect have threads by now, whose locks a forked child would inherit.
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=environment.quiet)


def _in(pool: ProcessPoolExecutor, work: Callable[[], Any]) -> Any:
    return pool.submit(work).result()


def _tried(work: Callable[[], Any], caught: type[BaseException] = Exception) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except caught as error:
        return None, error
