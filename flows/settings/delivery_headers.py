"""What the layout knows of a delivery: its columns, not its records; and how its columns are found by name."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from flows.settings.settings_types import clean_column_name
from flows.settings.site_models import FileSettings


@dataclass(frozen=True, slots=True)
class DeliveredColumn:
    """One column of a delivery.

    ``number`` counts from 1, ``name`` is as in the header. ``value_labels`` (code -> label) and ``missing_values``
    (codes as text) are what an SPSS or Stata file says of itself.
    """

    number: int
    name: str
    value_labels: Mapping[str, str] | None = None
    missing_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryHeader:
    """One delivery without its records.

    ``delivery_number`` is its place in the order of landing, ``delivered_on`` the date its name gives (None where the
    file settings declare none, or the name does not follow them). ``order_number`` is its place among deliveries that
    no date orders, where that is another: its bytes came again after others.
    """

    delivery_number: int
    site_id: str
    file_spec: str
    file_name: str
    columns: tuple[DeliveredColumn, ...]
    delivered_on: dt.date | None = None
    order_number: int | None = None

    @property
    def order(self) -> int:
        """What orders deliveries where no date does."""
        return self.delivery_number if self.order_number is None else self.order_number


@dataclass(frozen=True)
class NotFound:
    """Why a column cannot be used: ``missing`` or ``duplicate``; ``hint`` is a sentence for the message, or blank."""

    name: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class ColumnFinder:
    """Finds columns of one delivery by name: exact after outer blanks, doubled inner blanks and byte-order marks."""

    columns: tuple[DeliveredColumn, ...]

    @cached_property
    def by_name(self) -> dict[str, list[DeliveredColumn]]:
        """Columns by cleaned name; more than one where the header repeats it. Columns without a name are left out."""
        found: dict[str, list[DeliveredColumn]] = {}
        for column in self.columns:
            name = clean_column_name(column.name)
            if name:
                found.setdefault(name, []).append(column)
        return found

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): name for name in self.by_name}

    def find(self, name: str) -> DeliveredColumn | NotFound:
        """The one column of that name."""
        wanted = clean_column_name(name)
        found = self.by_name.get(wanted, [])
        if len(found) == 1:
            return found[0]
        if found:
            numbers = ", ".join(str(column.number) for column in found)
            return NotFound(wanted, "duplicate", f"It is the name of columns {numbers}.")
        return NotFound(wanted, "missing", self._hint(wanted))

    def _hint(self, wanted: str) -> str:
        other_case = self._folded.get(wanted.casefold())
        if other_case is not None:
            return f"The file has {other_case!r}, which differs in upper and lower case only."
        near = difflib.get_close_matches(wanted, self.by_name, n=1, cutoff=0.75)
        return f"Did you mean {near[0]!r}?" if near else ""


def matching_columns(patterns: Sequence[str], columns: Sequence[DeliveredColumn]) -> tuple[int, ...]:
    """Numbers of the columns whose name is one of ``patterns``; a ``*`` in a pattern stands for any text."""
    numbers = []
    for column in columns:
        name = clean_column_name(column.name)
        # Only the star is special: square brackets and question marks are ordinary in headers of survey tools.
        if any(name == each or ("*" in each and fnmatchcase(name, _only_star(each))) for each in patterns):
            numbers.append(column.number)
    return tuple(numbers)


def _only_star(pattern: str) -> str:
    return "".join(f"[{letter}]" if letter in "[?" else letter for letter in pattern)


def free_text_columns(file: FileSettings, columns: Sequence[DeliveredColumn]) -> tuple[int, ...]:
    """Numbers of the columns declared ``free_text``: landing stores none of their contents."""
    return matching_columns(file.free_text, columns)
