"""How numbers, dates and names are written in the report."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

NOTHING = "–"
MINUS = "−"
SECONDS_A_MINUTE = 60
# Why cells are rejected (quality.rejected_cells), in words.
REASONS = {
    "out_of_range": "a number outside the item's range, or none of the numbers declared as labels",
    "not_a_step": "a number between two possible answers",
    "not_a_number": "text where a number is expected",
    "label_unknown": "a text that is none of the declared labels",
    "spreadsheet_error": "an error of a spreadsheet such as a failed formula",
    "date_in_value": "a date where an answer is expected",
    "date_not_readable": "a date that is not in the declared format",
    "conflict": "two files or rows give different answers for the same form",
    "client_id_blank": "the record does not say whose it is",
    "rater_unknown": "the record's rater is neither client nor therapist",
    "unknown_session": "the record's session is not declared",
    "session_blank": "the record does not say which session it is of",
    "rater_blank": "the record does not say who answered",
    "pseudonym_missing": "an id that has no pseudonym yet",
}


def count(value: float | None) -> str:
    """A whole number with thousands marked, a dash for none."""
    return NOTHING if value is None else f"{value:,.0f}".replace("-", MINUS)


def number(value: float | None, digits: int = 2) -> str:
    """A number with a fixed number of decimals and a true minus sign; never a negative zero."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def p_value(value: float | None) -> str:
    """A p value with three decimals, never as zero."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def share(part: float | None, whole: float | None) -> str:
    """``part`` of ``whole`` in percent; a dash when there is no whole. A small part is never shown as nothing."""
    if part is None or not whole:
        return NOTHING
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.1f} %"


def interval(lower: float | None, upper: float | None, digits: int = 2) -> str:
    """An interval in words, a dash when an end is not known."""
    if lower is None or upper is None:
        return NOTHING
    return f"{number(lower, digits)} to {number(upper, digits)}"


def day(value: dt.date | None) -> str:
    """A date as ISO 8601."""
    return NOTHING if value is None else value.strftime("%Y-%m-%d")


def moment(value: dt.datetime | None) -> str:
    """A time stamp to the minute; times of the warehouse are UTC."""
    return NOTHING if value is None else value.strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float | None) -> str:
    """Seconds, or minutes and seconds."""
    if seconds is None:
        return NOTHING
    if seconds < SECONDS_A_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), SECONDS_A_MINUTE)
    return f"{minutes} min {rest} s"


def plain(slug: str | None) -> str:
    """A slug as words."""
    return NOTHING if not slug else slug.replace("_", " ")


def count_of(n: float, one: str, many: str | None = None) -> str:
    """A count as :func:`count` writes it, with its noun in singular or plural."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def listed(names: list[str], most: int = 12) -> str:
    """Names in one sentence, the rest counted."""
    shown = names[:most]
    left = len(names) - len(shown)
    if left:
        return ", ".join(shown) + f" and {left:,} more"
    if len(shown) < 2:
        return "".join(shown)
    return ", ".join(shown[:-1]) + " and " + shown[-1]


def from_json(text: str | None, empty: Any) -> Any:
    """The content of a JSON column; ``empty`` when there is none, or it is not JSON or of another kind."""
    if not text:
        return empty
    try:
        found = json.loads(text)
    except ValueError:
        return empty
    return found if isinstance(found, type(empty)) else empty


def ended(status: str | None, reason: str | None) -> str:
    """How an analysis ended: one word, with its sentence when it is not ok."""
    if status in (None, "", "ok"):
        return "ok" if status == "ok" else NOTHING
    return f"{plain(status)}: {reason}" if reason else plain(status)
