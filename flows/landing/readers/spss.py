"""SPSS .sav and .zsav: user-missing values are kept as they are and named as such, value labels kept as labels.

A range of user-missing values (``-9 thru -1``) is written out as the values of that range that occur or have a label.
Dates become ISO text, times ``09:30:00``; SPSS counts both in seconds, dates from 1582-10-14.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pyreadstat

from flows.landing.readers.columnwise import Kind, moment, read_cases
from flows.landing.reading import FileRefused, Reading, Sink, Source, refuse_empty
from flows.landing.text import duration_text, value_text
from flows.settings.site_models import FileSettings

_EPOCH = dt.datetime(1582, 10, 14)
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
        return read_cases(source, sink, _read, _kind)


def _kind(meta: Any, name: str) -> Kind:
    """Discrete codes are missing whether they occur or not; of a range those values that occur or have a label."""
    convert = _converter(meta.original_variable_types.get(name, ""))
    ranges: list[dict[str, Any]] = (meta.missing_ranges or {}).get(name, [])
    discrete = frozenset(each["lo"] for each in ranges if each["lo"] == each["hi"])
    return Kind(convert, partial(_is_missing, ranges=ranges) if ranges else None, discrete)


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
