"""SPSS .sav and .zsav: user-missing values are kept as they are and named as such, value labels kept as labels.

A range of user-missing values (``-9 thru -1``) is written out as the values of that range that occur in the file.
Dates become ISO text, times ``09:30:00``; SPSS counts both in seconds, dates from 1582-10-14.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pyreadstat

from flows.delivery_headers import DeliveredColumn
from flows.landing.readers.columnwise import distinct, labels_text, moment, texts
from flows.landing.reading import (
    FileRefused,
    Reading,
    Sink,
    Source,
    header_problems,
    named_columns,
    refuse_empty,
    refuse_no_records,
)
from flows.landing.text import duration_text, value_text
from flows.site_models import FileSettings

_EPOCH = dt.datetime(1582, 10, 14)
_CHUNK_ROWS = 50_000
_DATES = {"DATE", "ADATE", "EDATE", "JDATE", "SDATE", "QYR", "MOYR", "WKYR"}
_MOMENTS = {"DATETIME", "YMDHMS"}
_TIMES = {"TIME", "DTIME", "MTIME"}


class SpssReader:
    """Format ``spss``."""

    format = "spss"

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """Nothing: a .sav says everything of itself."""
        return {}

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """None."""
        return ()

    def read(self, source: Source, sink: Sink) -> Reading:
        """See the module."""
        meta = _read(source, 0, 1)[1]
        names = list(meta.column_names)
        plain = named_columns(source, names)
        sink.begin(plain, source.free_text(plain))
        ranges: dict[str, list[dict[str, Any]]] = meta.missing_ranges or {}
        converters = {name: _converter(meta.original_variable_types.get(name, "")) for name in names}
        missing: dict[str, set[Any]] = {name: set() for name in ranges}
        n_rows = 0
        while True:
            values, _ = _read(source, n_rows, _CHUNK_ROWS)
            n = len(values[names[0]]) if names else 0
            if not n:
                break
            for name, wanted in ranges.items():
                missing[name] |= {value for value in distinct(values[name]) if _is_missing(value, wanted)}
            sink.add_columns(n_rows + 1, [texts(values[name], converters[name]) for name in names])
            n_rows += n
            if n < _CHUNK_ROWS:
                break
        if not n_rows:
            raise refuse_no_records()
        columns = tuple(
            DeliveredColumn(
                column.number,
                column.name,
                labels_text(meta.variable_value_labels[name], converters[name])
                if name in meta.variable_value_labels
                else None,
                _codes(ranges.get(name, []), missing.get(name, set()), converters[name]),
            )
            for column, name in zip(plain, names, strict=True)
        )
        return Reading(columns, n_rows, n_rows * len(names), tuple(header_problems(source, columns)))


def _read(source: Source, offset: int, limit: int) -> tuple[dict[str, list[Any]], Any]:
    if not source.path.stat().st_size:
        raise refuse_empty()
    try:
        values, meta = pyreadstat.read_sav(
            str(source.path),
            user_missing=True,
            disable_datetime_conversion=True,
            output_format="dict",
            row_offset=offset,
            row_limit=limit,
        )
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OverflowError, UnicodeError):
        raise FileRefused(
            "damaged_file",
            "It is not a whole SPSS file: cut off, damaged, or of another kind.",
            "Export it again as .sav and compare the sizes.",
        ) from None
    return values, meta


def _converter(variable_format: str) -> Callable[[Any], str]:
    kind = re.sub(r"[\d.]+$", "", variable_format.upper())
    if kind in _DATES or kind in _MOMENTS:
        return partial(_moment, date_only=kind in _DATES)
    return _duration if kind in _TIMES else value_text


def _moment(value: Any, *, date_only: bool) -> str:
    return moment(value, _EPOCH, date_only=date_only) if isinstance(value, int | float) else value_text(value)


def _duration(value: Any) -> str:
    return duration_text(value) if isinstance(value, int | float) else value_text(value)


def _is_missing(value: Any, ranges: list[dict[str, Any]]) -> bool:
    if isinstance(value, str):
        return any(value.strip() == str(each["lo"]).strip() for each in ranges)
    return any(not isinstance(each["lo"], str) and each["lo"] <= value <= each["hi"] for each in ranges)


def _codes(ranges: list[dict[str, Any]], found: set[Any], convert: Callable[[Any], str]) -> tuple[str, ...]:
    """Discrete codes, whether they occur or not, and the values of ranges that occur; in order."""
    discrete = {each["lo"] for each in ranges if each["lo"] == each["hi"]}
    ordered = sorted(discrete | found, key=lambda code: (isinstance(code, str), code))
    return tuple(dict.fromkeys(convert(code).strip() for code in ordered))
