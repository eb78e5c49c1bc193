"""Who does the work of the analyses: this process, further ones of this machine beside it, or Dask workers.

There are two kinds of work. Loops (bootstrap, parallel analysis) come in blocks with a seed of their own
(:mod:`analysis.common.resampling`), so that a block gives the same numbers wherever and in whatever order it runs.
Whole analyses are pure calls, and several run side by side. A process that dies takes nothing with it: its work is done
again.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeVar

from analysis.common.resampling import MapFunction
from flows.analysing.shared_work import Alone, Workers
from flows.common.errors import AllianceError

T = TypeVar("T")


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


def _on_dask(body: Callable[[MapFunction], T], workers: int, scheduler: str) -> T:
    if find_spec("prefect_dask") is None:
        raise AllianceError(
            "the analyses cannot run on Dask",
            cause="`analyses` in study.yml names a scheduler, and the package prefect-dask is not installed",
            next_step="install the project with its extra `dask` (pip install '.[dask]'), or leave `scheduler` out",
        )
    from flows.analysing.dask_workers import run_on_dask

    return run_on_dask(body, workers=workers, scheduler=scheduler)
