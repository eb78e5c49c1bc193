"""Typed reading of the codebook's CSV files: every cell is checked, and every problem is collected, not just the first.

What the values mean together (does the item exist, is the theme known) is checked in flows/settings/codebook_folder.py.
"""

from __future__ import annotations

import csv
import difflib
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from analysis.common.wording import several

MAX_ITEM_NUMBER = 255
# Python's own limit. It is the process's, and reading a delivery raises it.
_MAX_CELL_LENGTH = 131_072

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a codebook file.

    ``parse`` turns a cell that is not blank into its value, or raises ValueError with what was expected and what to
    do. ``needed`` says who must give a value: ``always``, only the ``shipped`` codebook (a study gets a default), or
    ``never`` (a blank stays null). ``dtype`` is the pandas type of the column.
    """

    name: str
    parse: Callable[[str], Any]
    dtype: str
    needed: Literal["always", "shipped", "never"]


@dataclass(frozen=True, slots=True)
class Table:
    """One codebook file: its columns in order, and those that identify a row."""

    key: tuple[str, ...]
    columns: dict[str, Column]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a codebook file. ``values`` lacks the columns whose cell was refused; None is a blank cell."""

    line: int
    values: dict[str, Any]


def describe(text: str) -> str:
    """What a cell holds, for an error message: class and value, shortened and with control characters escaped."""
    if not text:
        return "nothing"
    kind = "whole number" if _WHOLE_NUMBER.fullmatch(text) else "number" if _NUMBER.fullmatch(text) else "text"
    shown = text if len(text) <= 60 else text[:57] + "..."
    return f"{kind} {shown!r}"


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise ValueError(
            "expected an id that begins with a small letter and has at most 40 small letters, digits and underscores;"
            " rename it"
        )
    return text


def _text(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("expected one line of plain text; remove line breaks, tabs and other control characters")
    return text


def _number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError("expected a number such as 7 or 0.5, with a point as decimal mark")
    return value


def _step(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise ValueError("expected 0 (any answer between the bounds) or a positive number such as 1 or 0.5")
    return value


def _item_number(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(f"expected a whole number from 1 to {MAX_ITEM_NUMBER}")
    digits = text.lstrip("+").lstrip("0") or "0"
    if len(digits) > 3 or not 1 <= int(digits) <= MAX_ITEM_NUMBER:
        raise ValueError(
            f"expected an item number from 1 to {MAX_ITEM_NUMBER}, because the warehouse packs item numbers in 8 bits;"
            " renumber the items, or split the questionnaire into two instruments"
        )
    return int(digits)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return text.lower() == "true"


def _one_of(*options: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(f"expected {' or '.join(options)}")
        return text

    return parse


def _raters(text: str) -> tuple[str, ...]:
    named = text.split()
    if len(set(named)) < len(named) or not set(named) <= {"client", "therapist"}:
        raise ValueError("expected client, therapist, or both as 'client therapist'")
    return tuple(sorted(named))


_STATUS = _one_of("confirmed", "variant", "unverified")


def _table(key: str, *columns: Column) -> Table:
    return Table(tuple(key.split()), {column.name: column for column in columns})


TABLES: dict[str, Table] = {
    "instruments": _table(
        "instrument_id",
        Column("instrument_id", _slug, "string", "always"),
        Column("name", _text, "string", "shipped"),
        Column("version", _text, "string", "never"),
        Column("domain", _one_of("alliance", "outcome"), "string", "shipped"),
        Column("min_value", _number, "float64", "always"),
        Column("max_value", _number, "float64", "always"),
        Column("step", _step, "float64", "shipped"),
        Column("higher_is", _one_of("better", "worse"), "string", "shipped"),
        Column("raters", _raters, "string", "shipped"),
        Column("status", _STATUS, "string", "shipped"),
        Column("source", _text, "string", "shipped"),
        Column("note", _text, "string", "never"),
    ),
    "scales": _table(
        "instrument_id scale_id",
        Column("instrument_id", _slug, "string", "always"),
        Column("scale_id", _slug, "string", "always"),
        Column("name", _text, "string", "shipped"),
        Column("method", _one_of("mean", "sum"), "string", "shipped"),
        Column("kind", _one_of("subscale", "total"), "string", "shipped"),
        Column("status", _STATUS, "string", "shipped"),
        Column("note", _text, "string", "never"),
    ),
    "items": _table(
        "instrument_id item_number",
        Column("instrument_id", _slug, "string", "always"),
        Column("item_number", _item_number, "int64", "always"),
        Column("item_id", _text, "string", "shipped"),
        Column("reverse_keyed", _boolean, "bool", "shipped"),
        Column("topic", _text, "string", "shipped"),
        Column("theme", _slug, "string", "shipped"),
        Column("overlaps_outcome", _boolean, "bool", "shipped"),
        Column("min_value", _number, "float64", "never"),
        Column("max_value", _number, "float64", "never"),
    ),
    "scale_items": _table(
        "instrument_id scale_id item_number",
        Column("instrument_id", _slug, "string", "always"),
        Column("scale_id", _slug, "string", "always"),
        Column("item_number", _item_number, "int64", "always"),
    ),
    "themes": _table(
        "theme_id",
        Column("theme_id", _slug, "string", "always"),
        Column("name", _text, "string", "shipped"),
        Column("description", _text, "string", "shipped"),
    ),
}


def read_table(path: Path, label: str, table: Table, shipped: bool, problems: list[str]) -> list[Row] | None:
    """Reads one codebook file; adds what is wrong to ``problems``, each with file, line and column.

    ``label`` is the file's name in messages. A ``shipped`` file must have every column. Returns None if the file as a
    whole could not be used, so that a caller does not report what only follows from that.
    """
    lines = _read_lines(path, label, problems)
    if lines is None:
        return None
    header = _read_header(lines, label, table, shipped, problems)
    if header is None:
        return None
    needed = {"always", "shipped"} if shipped else {"always"}
    rows: list[Row] = []
    first_line: dict[tuple[Any, ...], int] = {}
    for line, cells in lines[1:]:
        row = _read_row(line, cells, header, label, table, needed, problems)
        if row is None:
            continue
        key = tuple(row.values.get(column) for column in table.key)
        if None not in key:
            first = first_line.setdefault(key, line)
            if first != line:
                shown = ", ".join(f"{column} {value}" for column, value in zip(table.key, key, strict=True))
                problems.append(
                    f"{label}, line {line}, column {table.key[-1]}: {shown} was already given in line {first};"
                    " keep one of the two lines"
                )
                continue
        rows.append(row)
    return rows


def _read_lines(path: Path, label: str, problems: list[str]) -> list[tuple[int, list[str]]] | None:
    """Lines that are not blank, with their line numbers and stripped cells; the first is the header."""
    lines: list[tuple[int, list[str]]] = []
    last = 0
    csv.field_size_limit(_MAX_CELL_LENGTH)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            for raw_cells in reader:
                last = reader.line_num
                cells = [cell.strip() for cell in raw_cells]
                if any(cells):
                    lines.append((last, cells))
    except UnicodeDecodeError:
        problems.append(f"{label}: the file is not UTF-8 text; save it as CSV with encoding UTF-8")
        return None
    except csv.Error as error:
        problems.append(f"{label}, after line {last}: not readable as CSV ({error}); check the quotes of the next line")
        return None
    except OSError as error:
        problems.append(f"{label}: the file cannot be read ({error.strerror}); check that it is a file you may read")
        return None
    if not lines:
        problems.append(f"{label}: the file is empty; give at least the line with the column names, or remove the file")
        return None
    return lines


def _read_header(
    lines: list[tuple[int, list[str]]], label: str, table: Table, shipped: bool, problems: list[str]
) -> list[str] | None:
    """Column names of the file, or None if they cannot be used. Empty columns at the right edge are let go."""
    line, header = lines[0]
    while header[-1] == "":
        header = header[:-1]
    where = f"{label}, line {line}"
    if len(header) == 1 and (mark := next((mark for mark in ";\t|" if mark in header[0]), None)):
        problems.append(f"{where}: the columns are separated by {mark!r}; save the file as CSV separated by commas")
        return None
    before = len(problems)
    for position, name in enumerate(header, start=1):
        if name in table.columns:
            if name in header[: position - 1]:
                problems.append(f"{where}, column {name}: the column is there twice; remove one")
            continue
        close = difflib.get_close_matches(name, table.columns, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        problems.append(
            f"{where}, column {position}: found {describe(name)}, which is not a column of this file; {hint}"
            f"use {', '.join(table.columns)}"
        )
    for column in table.columns.values():
        if column.name not in header and (shipped or column.needed == "always"):
            problems.append(f"{where}, column {column.name}: the column is missing; add it")
    return header if len(problems) == before else None


def _read_row(
    line: int,
    cells: list[str],
    header: list[str],
    label: str,
    table: Table,
    needed: set[str],
    problems: list[str],
) -> Row | None:
    """One line as values; None if its number of cells is not that of the header, so that no cell can be placed."""
    while len(cells) > len(header) and cells[-1] == "":
        cells = cells[:-1]
    if len(cells) != len(header):
        problems.append(
            f"{label}, line {line}: found {several(len(cells), 'cell')} where the header has {len(header)};"
            " put a text that holds a comma in double quotes, and a comma for each blank cell"
        )
        return None
    values: dict[str, Any] = {}
    for name, text in zip(header, cells, strict=True):
        column = table.columns[name]
        where = f"{label}, line {line}, column {name}"
        if not text:
            if column.needed in needed:
                problems.append(f"{where}: found nothing; a value is needed here")
            else:
                values[name] = None
            continue
        try:
            values[name] = column.parse(text)
        except ValueError as error:
            problems.append(f"{where}: found {describe(text)}; {error}")
    return Row(line, values)
