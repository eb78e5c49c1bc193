"""Files that hold typed columns and say what is missing in them (SPSS, Stata): columns of values to columns of texts.

These files have no header row: a record's row number is the number of its case, as SPSS and Stata show it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flows.landing.reading import Reading, Sink, Source, header_problems, named_columns, refuse_no_records
from flows.landing.text import datetime_text, value_text
from flows.settings.delivery_headers import DeliveredColumn

_CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class Kind:
    """How a column's values become text, and which are user-missing; ``declared`` are, whether they occur or not."""

    convert: Callable[[Any], str]
    is_missing: Callable[[Any], bool] | None = None
    declared: frozenset[Any] = frozenset()


def read_cases(
    source: Source,
    sink: Sink,
    read: Callable[[Source, int, int], tuple[dict[str, list[Any]], Any]],
    kind_of: Callable[[Any, str], Kind],
) -> Reading:
    """Put all cases of a file into the sink, some at a time.

    Parameters
    ----------
    read
        Source, first case and number of cases to pyreadstat's columns and metadata.
    kind_of
        Metadata and a column's name to its kind.

    Raises
    ------
    FileRefused
        What ``read`` raises, or there is no case.
    """
    meta = read(source, 0, 1)[1]
    names = list(meta.column_names)
    plain = named_columns(source, names)
    sink.begin(plain, source.free_text(plain))
    kinds = {name: kind_of(meta, name) for name in names}
    labels: Mapping[str, Mapping[Any, Any]] = meta.variable_value_labels
    # A labelled code is missing in every delivery or in none, whether it occurs in this one or not.
    missing = {name: set(kind.declared) | _missing(labels.get(name, {}), kind) for name, kind in kinds.items()}
    n_rows = 0
    while True:
        values, _ = read(source, n_rows, _CHUNK_ROWS)
        n = len(values[names[0]]) if names else 0
        if not n:
            break
        for name, kind in kinds.items():
            missing[name] |= _missing(values[name], kind)
        sink.add_columns(n_rows + 1, [texts(values[name], kinds[name].convert) for name in names])
        n_rows += n
        if n < _CHUNK_ROWS:
            break
    if not n_rows:
        raise refuse_no_records()
    columns = tuple(
        DeliveredColumn(
            column.number,
            column.name,
            labels_text(labels[name], kinds[name].convert) if name in labels else None,
            _codes(missing[name], kinds[name].convert),
        )
        for column, name in zip(plain, names, strict=True)
    )
    return Reading(columns, n_rows, n_rows * len(names), tuple(header_problems(source, columns)))


def _missing(values: Iterable[Any], kind: Kind) -> set[Any]:
    return {value for value in distinct(values) if kind.is_missing(value)} if kind.is_missing is not None else set()


def _codes(codes: set[Any], convert: Callable[[Any], str]) -> tuple[str, ...]:
    ordered = sorted(codes, key=lambda code: (isinstance(code, str), code))
    return tuple(dict.fromkeys(convert(code).strip() for code in ordered))


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
