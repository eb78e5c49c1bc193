"""Building blocks of the settings' models: slugs, column names, patterns, date formats, and the strict base class."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from flows.common.numbers import as_bytes

Rater = Literal["client", "therapist"]
Phase = Literal["pre", "therapy", "post", "followup"]

SLUG_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
# Days and people are stored as 32-bit integers; a million of either is a typing error long before that.
MOST = 1_000_000
DATE_WORDS = ("iso", "excel_serial", "excel_serial_1904")

# What Python and DuckDB read alike; the rest of strptime differs between the two or depends on the locale.
_DATE_DIRECTIVES = frozenset("YymdbBjHIMSfpaA%")
_DATE_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_ITEM_PLACE = re.compile(r"\{item(?::0(\d)d)?\}")
# With less, DuckDB cannot even open its files.
_LEAST_MEMORY = 256_000_000
_BLANKS = re.compile(r"\s+")


class Settings(BaseModel):
    """Base of every settings model: unknown keys are errors and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


def problem(message: str, next_step: str, kind: str = "settings") -> PydanticCustomError:
    """An error of a validator that carries its own next step."""
    # Pydantic fills braces of the template from the context, so the texts travel in the context.
    return PydanticCustomError(kind, "{message}", {"message": message, "next_step": next_step})


# The same names come back with every delivery of a site.
@lru_cache(maxsize=16_384)
def clean_column_name(name: str) -> str:
    """A column's name as settings and headers are compared: no byte-order mark, no outer blanks, single inner ones, and
    a letter with its accent as one sign (NFC).
    """
    return unicodedata.normalize("NFC", _BLANKS.sub(" ", name.replace("\ufeff", "")).strip())


def _column_name(name: str) -> str:
    cleaned = clean_column_name(name)
    if not cleaned:
        raise problem("a column's name is blank", "write the name as it stands in the header row")
    return cleaned


def _file_pattern(pattern: str) -> str:
    if not pattern:
        raise problem("the pattern is blank", 'write one such as "ratings_*.csv"')
    if "\\" in pattern or re.match(r"^[A-Za-z]:", pattern) or PurePosixPath(pattern).is_absolute():
        raise problem(
            f"{pattern!r} is not a path below the site's folder of deliveries",
            "write it relative to that folder, with forward slashes",
            "outside_folder",
        )
    if ".." in PurePosixPath(pattern).parts:
        raise problem(
            f"{pattern!r} climbs out of the site's folder of deliveries",
            "move the files into that folder and write the pattern without '..'",
            "outside_folder",
        )
    return pattern


def _date_format(text: str) -> str:
    if text in DATE_WORDS:
        return text
    letters = _DATE_DIRECTIVE.findall(text)
    unknown = sorted({letter for letter in letters if letter not in _DATE_DIRECTIVES})
    if unknown:
        raise problem(
            f"the date format {text!r} uses {', '.join('%' + letter for letter in unknown)}, which is not supported",
            "use %Y %y %m %d %b %B %j %H %I %M %S %f %p %a %A",
        )
    has_year = bool({"Y", "y"} & set(letters))
    has_day = "j" in letters or ("d" in letters and bool({"m", "b", "B"} & set(letters)))
    if not (has_year and has_day):
        raise problem(
            f"the date format {text!r} does not name year, month and day",
            f'write it like "%d.%m.%Y", or one of {", ".join(DATE_WORDS)}',
        )
    return text


def _date_in_name(text: str) -> str:
    if text in DATE_WORDS:
        raise problem(
            f"{text!r} is not a format of a file's name", 'write the whole name without its ending: "ratings_%Y-%m-%d"'
        )
    return _date_format(text)


def expand_items(pattern: str, item_number: int) -> str:
    """The column name or item code that a pattern such as ``WAI_{item:02d}`` gives an item."""
    return _ITEM_PLACE.sub(lambda place: f"{item_number:0{place.group(1) or 1}d}", pattern)


def _item_pattern(pattern: str) -> str:
    places = _ITEM_PLACE.findall(pattern)
    rest = _ITEM_PLACE.sub("", pattern)
    if len(places) != 1 or "{" in rest or "}" in rest:
        raise problem(
            f"{pattern!r} does not say once where the item's number stands",
            'write {item} there, as in "WAI_{item}", or {item:02d} for two digits; or list the columns',
        )
    return _column_name(pattern)


def _memory_limit(text: str) -> str:
    size = as_bytes(text)
    if size is None:
        raise problem(f"{text!r} is not an amount of memory", "write it like 2GB or 800MB")
    if size < _LEAST_MEMORY:
        raise problem(f"{text!r} is too little memory to refresh with", "give it 256MB or more")
    return text


def parse_date_in_name(stem: str, pattern: str) -> dt.date | None:
    """The date in a file's name without its ending, or None where the name does not follow the pattern."""
    try:
        return dt.datetime.strptime(stem, pattern).date()
    except ValueError:
        return None


Slug = Annotated[str, Field(pattern=SLUG_PATTERN)]
ColumnName = Annotated[str, AfterValidator(_column_name)]
FilePattern = Annotated[str, AfterValidator(_file_pattern)]
DateFormat = Annotated[str, AfterValidator(_date_format)]
DateInName = Annotated[str, AfterValidator(_date_in_name)]
ItemPattern = Annotated[str, AfterValidator(_item_pattern)]
MemoryLimit = Annotated[str, AfterValidator(_memory_limit)]
Text = Annotated[str, Field(min_length=1)]


def text_as(key: str) -> Any:
    """A validator that lets ``x: Name`` stand for ``x: {<key>: Name}``."""

    def unfold(value: Any) -> Any:
        return {key: value} if isinstance(value, str | int | float) and not isinstance(value, bool) else value

    return unfold
