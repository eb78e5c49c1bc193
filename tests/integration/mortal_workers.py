"""Work whose first worker is killed in the middle: importable by the worker processes of the tests."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from analysis.common.resampling import Block, MapFunction

DEADLY_BLOCK = 3


def killing_one(run: MapFunction, mark: Path) -> MapFunction:
    """``run``, but the first worker that gets to block 3 of a loop is killed there; ``mark`` says that it was done.
    This process, where it takes part, waits for that."""

    def mortal(function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterable[Any]:
        return run(partial(_dies_once, function, mark, os.getpid()), items)

    return mortal


def _dies_once(function: Callable[[Any], Any], mark: Path, spared: int, block: Block) -> Any:
    if os.getpid() == spared:
        _wait_for(mark)
    elif block.number == DEADLY_BLOCK:
        die_once(mark)
    return function(block)


def die_once(mark: Path) -> int:
    """Kill the process the first time; the number of the process that does it the second time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def servers_of_this_process(_: int) -> tuple[int, int]:
    """The process, and how many web servers it has started."""
    import psutil  # comes with Dask

    begun = psutil.Process().children(recursive=True)
    return os.getpid(), sum("uvicorn" in " ".join(child.cmdline()) for child in begun)


def die_elsewhere(spared: int) -> int:
    """Kill every process but ``spared``."""
    if os.getpid() != spared:
        os.kill(os.getpid(), signal.SIGKILL)
    return spared


def elsewhere(spared: int, mark: Path) -> int:
    """The number of the process that this runs in; ``spared`` waits until another has been here."""
    if os.getpid() == spared:
        _wait_for(mark)
    else:
        mark.touch()
    return os.getpid()


def write_down(name: str, order: Path, go: Path) -> None:
    """Add ``name`` as a line to the file ``order``, as soon as ``go`` is there."""
    _wait_for(go)
    with order.open("a") as file:
        file.write(f"{name}\n")


def slow_elsewhere(spared: int, go: Path, mark: Path, item: int) -> int:
    """``item``, after half a second; ``spared`` says ``go`` and waits until another has begun."""
    if os.getpid() == spared:
        go.touch()
        _wait_for(mark)
    else:
        mark.touch()
        time.sleep(0.5)
    return item


def raise_value_error() -> int:
    """Raises ``ValueError``."""
    raise ValueError("wrong")


def _wait_for(mark: Path) -> None:
    limit = time.monotonic() + 300
    while not mark.exists() and time.monotonic() < limit:
        time.sleep(0.05)
