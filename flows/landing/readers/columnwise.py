"""Files that hold typed columns (SPSS, Stata): turning columns of values into columns of texts.

These files have no header row: a record's row number is the number of its case, as SPSS and Stata show it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from flows.landing.text import datetime_text, value_text


def texts(values: Sequence[Any], convert: Callable[[Any], str] = value_text) -> pa.Array:
    """Values as an array of texts, each distinct value converted once."""
    known: dict[Any, str] = {}
    written = []
    for value in values:
        # 1, 1.0 and True are one key; a column holds values of one kind, but for text beside numbers.
        text = known.get(value)
        if text is None:
            text = known[value] = convert(value)
        written.append(text)
    return pa.array(written, pa.large_string())


def moment(seconds: float, epoch: dt.datetime, *, date_only: bool) -> str:
    """Seconds since ``epoch`` as ISO text; a number beyond the calendar stays a number."""
    try:
        value = epoch + dt.timedelta(seconds=seconds)
    except OverflowError:
        return value_text(seconds)
    return value.date().isoformat() if date_only else datetime_text(value)


def labels_text(labels: Mapping[Any, Any], convert: Callable[[Any], str] = value_text) -> dict[str, str]:
    """Value labels with their codes as the cells show them."""
    return {convert(code): str(label) for code, label in labels.items()}


def distinct(values: Iterable[Any]) -> set[Any]:
    """The distinct values that are there."""
    return {value for value in values if value is not None}
