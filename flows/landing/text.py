"""How typed values of Excel, SPSS, Stata and Parquet files become text: one rule for all formats.

Numbers are written plainly and as short as they can be without loss (4, not 4.0; never 1e+16, because ids are
numbers too), booleans as TRUE and FALSE, dates and times in ISO 8601.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal

import numpy as np


def number_text(value: float | int | Decimal | np.number) -> str:
    """The shortest plain decimal text that gives ``value`` back. NaN, which is no value, is blank."""
    if isinstance(value, int | np.integer):
        return str(int(value))
    if not math.isfinite(value):
        return "" if math.isnan(value) else str(value)
    if value == int(value):
        return str(int(value))
    text = str(value) if isinstance(value, Decimal | np.floating) else repr(float(value))
    text = format(Decimal(text), "f") if "e" in text.lower() else text
    return text.rstrip("0") if "." in text else text


def value_text(value: object) -> str:
    """Any typed value of a file as text; None is the empty text.

    A date and time at midnight is written as a date: Excel has no type for dates alone.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float | Decimal | np.number):
        return number_text(value)
    if isinstance(value, dt.datetime):
        return datetime_text(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return duration_text(value.total_seconds())
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return json.dumps(value, default=value_text, ensure_ascii=False)


def datetime_text(value: dt.datetime) -> str:
    """``2024-05-31`` at midnight without time zone, else ``2024-05-31 09:30:00``."""
    if value.tzinfo is None and value.time() == dt.time():
        return value.date().isoformat()
    return value.isoformat(sep=" ")


def duration_text(seconds: float) -> str:
    """``09:30:00``; hours go beyond 24 and fractions of a second are kept."""
    sign = "-" if seconds < 0 else ""
    whole, fraction = divmod(round(abs(seconds) * 1_000_000), 1_000_000)
    text = f"{sign}{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text
