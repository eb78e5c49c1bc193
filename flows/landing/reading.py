"""What a reader is given, what it gives back, and how it refuses a file.

A new format is one module in ``flows/landing/readers`` with one class that follows `Reader`, and one line in the
registry (``flows/landing/readers/__init__.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from analysis.common.wording import several
from flows.common.problems import Problem, Severity
from flows.settings.delivery_headers import DeliveredColumn, free_text_columns
from flows.settings.settings_types import clean_column_name
from flows.settings.site_models import FileSettings

MAX_NAME_CHARACTERS = 1_000
# The width of core.item_responses.column_number.
MAX_COLUMNS = 32_767
# More rows than these are counted, not listed: a file with the wrong delimiter has a problem in every row.
MAX_LISTED = 20


@dataclass(frozen=True)
class Limits:
    """What a hostile or broken file may cost.

    Parameters
    ----------
    max_cell_bytes
        Contents of a longer cell are not loaded (the cell is blank and a problem says where); a longer header or a
        record of 500 times this length refuses the file.
    max_unpacked_bytes
        An .xlsx that unpacks to more is refused before it is opened.
    max_unpack_ratio
        So is one (of 50 MB or more unpacked) that grows by more than this factor.
    max_visited_cells
        A sheet with more cells, blank ones included, is refused.
    """

    max_cell_bytes: int = 1_000_000
    max_unpacked_bytes: int = 1_000_000_000
    max_unpack_ratio: int = 200
    max_visited_cells: int = 200_000_000

    @property
    def max_record_bytes(self) -> int:
        """A record, or a run of text without a line end, beyond this refuses the file."""
        return 500 * self.max_cell_bytes


class FileRefused(Exception):
    """The file cannot be loaded; nothing of it is. The texts hold no cell contents.

    ``hidden`` is a part of the file's name that must not be told either.
    """

    def __init__(
        self,
        problem: str,
        message: str,
        action: str,
        *,
        row_number: int | None = None,
        column_name: str | None = None,
        hidden: str = "",
    ) -> None:
        self.problem, self.message, self.action = problem, message, action
        self.row_number, self.column_name, self.hidden = row_number, column_name, hidden
        super().__init__(message)


@dataclass(frozen=True)
class Source:
    """One delivery as its reader sees it.

    Parameters
    ----------
    path
        A private copy whose name says nothing: readers need not care about names, links or writers.
    site_id, file_name
        For messages; ``file_name`` is relative to the site's folder.
    file
        The file's settings.
    companions
        Private copies of the files the reader asked for (`Reader.companions`), by the name it asked with.
    used_columns
        Names of all columns the settings use for something.
    """

    path: Path
    site_id: str
    file_name: str
    file: FileSettings
    limits: Limits = Limits()
    companions: Mapping[str, Path] = field(default_factory=dict)
    used_columns: frozenset[str] = frozenset()

    def problem(
        self,
        problem: str,
        message: str,
        action: str,
        *,
        row_number: int | None = None,
        column_name: str | None = None,
        severity: Severity = "warning",
    ) -> Problem:
        """A problem of this file."""
        return Problem(self.site_id, self.file_name, row_number, column_name, problem, message, action, severity)

    def free_text(self, columns: Sequence[DeliveredColumn]) -> frozenset[int]:
        """Numbers of the columns declared free text, whose contents are never loaded."""
        return frozenset(free_text_columns(self.file, columns))


@dataclass(frozen=True)
class Reading:
    """What a reader read.

    ``n_rows`` and ``n_cells`` are what the reader counted in the file, before anything was blanked, packed or
    inserted; the conservation law holds the stored records against them.
    """

    columns: tuple[DeliveredColumn, ...]
    n_rows: int
    n_cells: int
    problems: tuple[Problem, ...] = ()


class Sink(Protocol):
    """Where a reader puts records. ``begin`` comes first, once."""

    def begin(self, columns: Sequence[DeliveredColumn], free_text: Iterable[int]) -> None:
        """Take the header; ``free_text`` are numbers of columns whose contents must not be kept."""

    def add(self, row_number: int, cells: list[str]) -> None:
        """Take one record; the list is the sink's from now on."""

    def add_columns(self, first_row_number: int, columns: Sequence[pa.Array]) -> None:
        """Take a block of records given as one array of texts for each column."""


class Reader(Protocol):
    """Reads one format."""

    format: str

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """What of the settings decides how the bytes are read, as JSON values; when it changes, they are read anew."""

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """Patterns of further files below the site's folder that the reader needs; they hold no records."""

    def read(self, source: Source, sink: Sink) -> Reading:
        """Put all records of ``source`` into ``sink``.

        Raises
        ------
        FileRefused
            The file cannot be read whole; says why and what to do.
        """


class Listing:
    """Problems of one kind, row by row: the first are listed, the rest counted."""

    def __init__(self, source: Source, problem: str, action: str) -> None:
        self._source, self._problem, self._action = source, problem, action
        self._listed: list[Problem] = []
        self.count = 0

    def add(self, message: str, *, row_number: int, column_name: str | None = None) -> None:
        """Note one row (and column)."""
        self.count += 1
        if self.count <= MAX_LISTED:
            self._listed.append(
                self._source.problem(
                    self._problem, message, self._action, row_number=row_number, column_name=column_name
                )
            )

    def problems(self) -> list[Problem]:
        """The listed ones, and one more for those beyond."""
        beyond = self.count - len(self._listed)
        if not beyond:
            return self._listed
        more = self._source.problem(
            self._problem, f"{beyond} further cases of the same kind ({self.count} in all).", self._action
        )
        return [*self._listed, more]


def named_columns(source: Source, names: Iterable[object]) -> tuple[DeliveredColumn, ...]:
    """The header's names as columns, without byte-order marks and outer blanks; duplicates and blank names are kept.

    Raises
    ------
    FileRefused
        Too many columns, or a name too long to be one.
    """
    columns = []
    for number, name in enumerate(names, start=1):
        # Lone surrogates cannot be stored as UTF-8.
        text = str(name).replace("\ufeff", "").strip().encode("utf-8", "backslashreplace").decode("utf-8")
        if len(text) > MAX_NAME_CHARACTERS:
            raise FileRefused(
                "column_name_too_long",
                f"The name of column {number} has more than {MAX_NAME_CHARACTERS} characters.",
                "Check the delimiter, the quoting and the header row in the site's settings.",
            )
        columns.append(DeliveredColumn(number, text))
    if len(columns) > MAX_COLUMNS:
        raise FileRefused(
            "too_many_columns",
            f"The header has {len(columns)} columns; at most {MAX_COLUMNS} can be read.",
            "Check the delimiter in the site's settings, or export fewer columns.",
        )
    return tuple(columns)


def header_problems(source: Source, columns: Sequence[DeliveredColumn]) -> list[Problem]:
    """Names that the header repeats or leaves blank. The file is loaded: the settings decide whether it matters."""
    found = []
    numbers: dict[str, list[int]] = {}
    for column in columns:
        numbers.setdefault(clean_column_name(column.name), []).append(column.number)
    blank = numbers.pop("", [])
    if blank:
        found.append(
            source.problem(
                "blank_column_name",
                f"The header leaves the name of {_these(blank)} blank.",
                "Give the columns names, or leave them: columns without a name are not mapped.",
                severity="info",
            )
        )
    for name, where in numbers.items():
        if len(where) > 1:
            found.append(
                source.problem(
                    "duplicate_column_name",
                    f"The header gives one name to {_these(where)}.",
                    "Give each column its own name; a repeated name cannot be used in the site's settings.",
                    column_name=name,
                    severity="info",
                )
            )
    return found


def _these(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:10])
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"column {shown}" if len(numbers) == 1 else f"columns {shown}{more}"


def refuse_empty() -> FileRefused:
    """For a file of no bytes."""
    return FileRefused("empty_file", "The file has no bytes.", "Export it again; the transfer may have been cut off.")


def refuse_no_records(*, blank: int = 0) -> FileRefused:
    """For a header without records, or with ``blank`` records of blank cells only.

    Not loaded: as a full export it would take every earlier answer away.
    """
    return FileRefused(
        "no_records",
        f"All cells of its {several(blank, 'record')} are blank." if blank else "The file has a header but no records.",
        "Check the export; deliver the file again with its records.",
    )
