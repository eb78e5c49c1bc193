"""How a refresh tells a person where it stands.

The listener is kept here and not handed down: Prefect stores a flow's parameters, and a function is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, str], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` with a step's name and a short sentence for as long as the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def say(step: str, sentence: str) -> None:
    """Tell whoever listens what `step` is doing."""
    for listener in _listeners:
        listener(step, sentence)
