"""The status words of an analysis, the exception of ours, and the helper that turns one into the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Status(StrEnum):
    """How an analysis ended. The order is that of :func:`most_serious`: later members say more against a number."""

    OK = "ok"
    NOT_APPLICABLE = "not_applicable"
    SUPPRESSED = "suppressed"
    LOCAL_MINIMA = "local_minima"
    BOUNDARY = "boundary"
    HEYWOOD = "heywood"
    INDEFINITE = "indefinite"
    NOT_CONVERGED = "not_converged"
    UNDERIDENTIFIED = "underidentified"
    TOO_FEW_CLUSTERS = "too_few_clusters"
    TOO_FEW_ITEMS = "too_few_items"
    TOO_FEW_ROWS = "too_few_rows"
    TOO_MANY_COMPONENTS = "too_many_components"
    CONSTANT = "constant"
    COLLINEAR = "collinear"
    SINGULAR = "singular"
    NO_DATA = "no_data"
    UNKNOWN_NAME = "unknown_name"
    INVALID_INPUT = "invalid_input"


class AnalysisError(Exception):
    """An analysis cannot give a number. ``status`` says why in one word, the message in one sentence."""

    def __init__(self, message: str, status: Status = Status.INVALID_INPUT) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Attempt(Generic[T]):
    """What came of one analysis: ``value`` is None exactly when it could not run; ``reason`` is a sentence or empty."""

    value: T | None
    status: Status
    reason: str


def attempt(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Attempt[T]:
    """Call ``function`` and hand back its value, or the status and sentence of the :class:`AnalysisError` it raised.

    Any other exception is a fault of the program and passes through.
    """
    try:
        value = function(*args, **kwargs)
    except AnalysisError as error:
        return Attempt(None, error.status, str(error))
    return Attempt(value, Status(getattr(value, "status", Status.OK)), " ".join(getattr(value, "warnings", ())))


def most_serious(statuses: Iterable[str]) -> Status:
    """The status that says most against a number; ``ok`` when there is none.

    >>> most_serious(["ok", "heywood", "local_minima"]).value
    'heywood'
    """
    order = list(Status)
    return max((Status(status) for status in statuses), key=order.index, default=Status.OK)
