"""What result objects have in common: an empty one when nothing can be computed, and the tidy row of one."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import pandas as pd

T = TypeVar("T")


def blank(kind: type[T], **known: Any) -> T:
    """A result of the dataclass ``kind`` with the ``known`` fields filled and NaN in all others."""
    nothing = {item.name: np.nan for item in fields(kind) if item.name not in known}  # type: ignore[arg-type]
    return kind(**nothing, **known)


def tidy(result: Any, *left_out: str) -> dict[str, Any]:
    """The fields of a result for a row: status as its word, warnings as one ``reason``, ``left_out`` not at all."""
    row = {item.name: getattr(result, item.name) for item in fields(result) if item.name not in (*left_out, "warnings")}
    if "status" in row:
        row["status"] = str(row["status"])
    if hasattr(result, "warnings"):
        row["reason"] = " ".join(result.warnings)
    return row


def one_row(result: Any, *left_out: str) -> pd.DataFrame:
    """The frame of a result that is one row."""
    return pd.DataFrame([tidy(result, *left_out)])
