"""Loops whose first worker is killed in the middle: importable by the worker processes of the tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from analysis.resampling import Block, MapFunction

DEADLY_BLOCK = 3


def killing_one(run: MapFunction, mark: Path) -> MapFunction:
    """``run``, but the first worker that gets to block 3 of a loop is killed there; ``mark`` says that it was done."""

    def mortal(function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterable[Any]:
        return run(partial(_dies_once, function, mark, os.getpid()), items)

    return mortal


def _dies_once(function: Callable[[Any], Any], mark: Path, spared: int, block: Block) -> Any:
    if block.number == DEADLY_BLOCK and not mark.exists() and os.getpid() != spared:
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return function(block)
