"""Stata .dta: extended missing values ``.a`` to ``.z`` are kept as that text and named as missing; ``.`` is blank.

Dates become ISO text (``%td`` days and ``%tc`` milliseconds since 1960); the other calendars of Stata (weeks, months,
quarters) stay numbers. Numbers stored in single precision are written in single precision (0.1, not 0.100000001490).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyreadstat

from flows.landing.readers.columnwise import Kind, moment, read_cases
from flows.landing.reading import FileRefused, Reading, Sink, Source, refuse_empty
from flows.landing.text import value_text
from flows.settings.site_models import FileSettings

_EPOCH = dt.datetime(1960, 1, 1)
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_NEWER_START, _NEWER_END = b"<stata_dta>", b"</stata_dta>"


class StataReader:
    """Format ``stata``."""

    format = "stata"

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """Nothing: a .dta says everything of itself."""
        return {}

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """None."""
        return ()

    def read(self, source: Source, sink: Sink) -> Reading:
        """See the module."""
        _refuse_cut(source)
        return read_cases(source, sink, _read, _kind)


def _kind(meta: Any, name: str) -> Kind:
    storage = str(meta.readstat_variable_types.get(name, ""))
    convert = _converter(storage, str(meta.original_variable_types.get(name, "")))
    return Kind(convert, None if storage == "string" else _is_letter)


def _refuse_cut(source: Source) -> None:
    """A file that lost its end may still read, but without labels, or with rows missing."""
    size = source.path.stat().st_size
    if not size:
        raise refuse_empty()
    with source.path.open("rb") as handle:
        newer = handle.read(len(_NEWER_START)) == _NEWER_START
        handle.seek(max(0, size - len(_NEWER_END)))
        whole = handle.read() == _NEWER_END
    if newer and not whole:
        raise _damaged()


def _damaged() -> FileRefused:
    return FileRefused(
        "damaged_file",
        "It is not a whole Stata file: cut off, damaged, or of another kind.",
        "Save it again as .dta and compare the sizes.",
    )


def _read(source: Source, offset: int, limit: int) -> tuple[dict[str, list[Any]], Any]:
    try:
        values, meta = pyreadstat.read_dta(
            str(source.path),
            user_missing=True,
            disable_datetime_conversion=True,
            output_format="dict",
            row_offset=offset,
            row_limit=limit,
        )
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OverflowError, UnicodeError):
        raise _damaged() from None
    return values, meta


def _converter(storage: str, display: str) -> Callable[[Any], str]:
    if storage == "string":
        return value_text
    kind = display.lstrip("%").lstrip("-0")
    if kind.startswith(("td", "d")):
        return partial(_numeric, convert=_day)
    if kind.startswith(("tc", "tC")):
        return partial(_numeric, convert=_millisecond)
    return partial(_numeric, convert=_single if storage == "float" else value_text)


def _numeric(value: Any, *, convert: Callable[[Any], str]) -> str:
    """A value of a numeric variable: what is text there is an extended missing value."""
    return f".{value}" if _is_letter(value) else convert(value) if value is not None else ""


def _is_letter(value: Any) -> bool:
    return isinstance(value, str) and value in _LETTERS


def _day(value: float) -> str:
    return moment(value * 86_400, _EPOCH, date_only=True)


def _millisecond(value: float) -> str:
    return moment(value / 1_000, _EPOCH, date_only=False)


def _single(value: float) -> str:
    return value_text(np.float32(value))
