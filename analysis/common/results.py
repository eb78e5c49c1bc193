"""What result objects have in common: an empty one, its parts by name, and its tidy row.

They share no base class with fields: a base's fields would come first in :func:`dataclasses.fields`, and with them the
columns that a frame begins with would be counts and levels instead of what was estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from analysis.common.arguments import one_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = TypeVar("P")
T = TypeVar("T", bound="DataclassInstance")


def blank(kind: type[T], **known: Any) -> T:
    """A result of the dataclass ``kind`` with the ``known`` fields filled and NaN in all others."""
    nothing = {item.name: np.nan for item in fields(kind) if item.name not in known}
    return kind(**nothing, **known)


def tidy(result: Any, *left_out: str) -> dict[str, Any]:
    """The fields of a result for a row: status as its word, warnings as one ``reason``, ``left_out`` not at all."""
    row = {item.name: getattr(result, item.name) for item in fields(result) if item.name not in (*left_out, "warnings")}
    if "status" in row:
        row["status"] = str(row["status"])
    if hasattr(result, "warnings"):
        row["reason"] = " ".join(result.warnings)
    return row


def part_named(parts: Sequence[P], kind: str, name: str) -> P:
    """The one of ``parts`` whose field ``kind`` (such as ``term``) is ``name``; raises :class:`AnalysisError` for a
    name that none has."""
    named = {getattr(part, kind): part for part in parts}
    return named[one_of(name, named, kind)]


def one_row(result: Any, *left_out: str) -> pd.DataFrame:
    """The frame of a result that is one row."""
    return pd.DataFrame([tidy(result, *left_out)])


class OneRow:
    """A result that is one row as it stands."""

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        return one_row(self)
