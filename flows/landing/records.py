"""Packing records for the store.

A record is kept as one text, its cells joined by the unit separator, and not as a list: writing 25 million cells this
way took a fifth of the time (1.7 s against 9.7 s of processor time) and half the space of a list column, reading them
back the same. The few records with a cell that holds the separator itself are kept as lists. The view ``raw.records``
shows both as lists of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from analysis.common.wording import several
from flows.common.problems import Problem
from flows.landing.file_names import NameGuard
from flows.landing.reading import FileRefused, Listing, Source
from flows.settings.delivery_headers import DeliveredColumn
from flows.settings.settings_types import clean_column_name

# ASCII unit separator: made for this, and next to never in a questionnaire export.
SEPARATOR = "\x1f"

BATCH = pa.schema([("row_number", pa.int32()), ("packed", pa.large_string()), ("listed", pa.list_(pa.large_string()))])
_SEPARATOR = pa.scalar(SEPARATOR, pa.large_string())
_FLUSH_CHARACTERS = 8_000_000
_FLUSH_RECORDS = 50_000


class PackingSink:
    """Takes records from a reader, blanks what must not be kept, and hands packed batches on.

    Parameters
    ----------
    source
        The delivery, for limits and messages.
    write
        Called with tables of schema `BATCH`.
    """

    def __init__(self, source: Source, write: Callable[[pa.Table], None]) -> None:
        self._source = source
        self._write = write
        self._limit = source.limits.max_cell_bytes
        # A character is at most four bytes, so a record this short has no cell beyond the limit.
        self._surely_short = self._limit // 4
        self._columns: tuple[DeliveredColumn, ...] = ()
        self._free_text: tuple[int, ...] = ()
        self._has_contents = False
        self._guard: NameGuard | None = None
        self._cut = Listing(
            source,
            "cell_too_long",
            f"Its contents (more than {self._limit} bytes) were not loaded; the cell counts as blank. "
            "Correct it at the source and deliver the file again.",
        )
        self._reset()

    def begin(self, columns: Sequence[DeliveredColumn], free_text: Iterable[int]) -> None:
        """Take the header; contents of the ``free_text`` columns are not kept.

        Raises
        ------
        FileRefused
            The settings use none of its columns, so that it is hardly the header. So do `add` and `add_columns` where
            the file is named after a person in it.
        """
        names = {clean_column_name(column.name) for column in columns}
        if self._source.used_columns and names.isdisjoint(self._source.used_columns):
            raise FileRefused(
                "wrong_header",
                f"None of the {several(len(self._source.used_columns), 'column')} that the settings use is among the "
                f"{len(names)} names of the header; perhaps it is another row.",
                "Compare the site's settings with the file: header row, format options and the names of the columns.",
            )
        self._guard = NameGuard(self._source, columns)
        self._columns = tuple(columns)
        self._free_text = tuple(sorted(number - 1 for number in free_text))

    def add(self, row_number: int, cells: list[str]) -> None:
        """Take one record."""
        if self._guard is not None and self._guard.places:
            self._guard.look_at([cells[place] for place in self._guard.places if place < len(cells)])
        for place in self._free_text:
            if place < len(cells):
                cells[place] = ""
        packed = SEPARATOR.join(cells)
        if not self._has_contents:
            self._has_contents = any(cell.strip() for cell in cells)
        if len(packed) > self._surely_short:
            packed = SEPARATOR.join(self._without_long_cells(row_number, cells))
        if packed.count(SEPARATOR) == len(cells) - 1:
            self._packed.append(packed)
        else:
            self._listed[len(self._packed)] = cells
            self._packed.append(None)
        self._numbers.append(row_number)
        self._size += len(packed)
        if self._size > _FLUSH_CHARACTERS or len(self._numbers) >= _FLUSH_RECORDS:
            self.flush()

    def add_columns(self, first_row_number: int, columns: Sequence[pa.Array]) -> None:
        """Take a block of records, one array of texts for each column; nulls are blank cells."""
        if not columns or not len(columns[0]):
            return
        n = len(columns[0])
        blank = pa.scalar("", pa.large_string())
        arrays = [pc.fill_null(column.cast(pa.large_string()), blank) for column in columns]
        for place in self._free_text:
            arrays[place] = pa.repeat(blank, n)
        if any(self._needs_care(array) for array in arrays):
            lists = [array.to_pylist() for array in arrays]
            for offset, cells in enumerate(zip(*lists, strict=True)):
                self.add(first_row_number + offset, list(cells))
            return
        self.flush()
        if self._guard is not None:
            for place in self._guard.places:
                self._guard.look_at(pc.unique(arrays[place]).to_pylist())
        if not self._has_contents:
            trimmed = (pc.utf8_trim_whitespace(each) for each in arrays)
            self._has_contents = any(pc.any(pc.not_equal(each, blank)).as_py() for each in trimmed)
        packed = arrays[0] if len(arrays) == 1 else pc.binary_join_element_wise(*arrays, _SEPARATOR)
        numbers = pa.array(range(first_row_number, first_row_number + n), pa.int32())
        self._write(pa.table([numbers, packed, pa.nulls(n, BATCH.field("listed").type)], schema=BATCH))

    def flush(self) -> None:
        """Hand on what has been taken so far."""
        if not self._numbers:
            return
        listed = (
            pa.array([self._listed.get(place) for place in range(len(self._numbers))], BATCH.field("listed").type)
            if self._listed
            else pa.nulls(len(self._numbers), BATCH.field("listed").type)
        )
        columns = [pa.array(self._numbers, pa.int32()), pa.array(self._packed, pa.large_string()), listed]
        self._write(pa.table(columns, schema=BATCH))
        self._reset()

    @property
    def has_contents(self) -> bool:
        """Whether any cell taken so far, free text aside, is not blank."""
        return self._has_contents

    def problems(self) -> list[Problem]:
        """Cells whose contents were too long to keep."""
        return self._cut.problems()

    def _reset(self) -> None:
        self._numbers: list[int] = []
        self._packed: list[str | None] = []
        self._listed: dict[int, list[str]] = {}
        self._size = 0

    def _needs_care(self, texts: pa.Array) -> bool:
        longest = pc.max(pc.binary_length(texts)).as_py()
        return longest > self._limit or pc.any(pc.match_substring(texts, SEPARATOR)).as_py()

    def _without_long_cells(self, row_number: int, cells: list[str]) -> list[str]:
        for place, cell in enumerate(cells):
            if len(cell) > self._surely_short and len(cell.encode("utf-8", "replace")) > self._limit:
                cells[place] = ""
                name = self._columns[place].name if place < len(self._columns) else None
                self._cut.add(f"The cell in column {place + 1} is too long.", row_number=row_number, column_name=name)
        return cells
