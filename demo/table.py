"""One delivered file while it is being made: its cells as the site writes them, and where each answer stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class FormKey(NamedTuple):
    """All alliance answers of one rater at one session of a dyad (both by index)."""

    dyad: int
    session: int
    rater: str


@dataclass
class Table:
    """Cells of one file; None and '' are blank.

    ``file`` is the path below the site's folder of deliveries, ``first_row`` the number a spreadsheet shows for the
    first record (1 in an SPSS file, which has no header row). The 47 alliance items of a form stand in one row
    (``item_columns`` by rater) or, in a long file, in 47 rows from ``form_rows`` on (``item_columns`` then names the
    answer's column 47 times, and ``long`` is set).
    """

    file: str
    header: list[str]
    first_row: int = 2
    long: bool = False
    rows: list[list[str | float | None]] = field(default_factory=list)
    form_rows: dict[FormKey, int] = field(default_factory=dict)
    item_columns: dict[str, list[int]] = field(default_factory=dict)

    def add(self, cells: Sequence[str | float | None], *keys: FormKey) -> int:
        """Appends a record that begins (long) or holds (wide) the forms of ``keys``; returns its index."""
        self.rows.append(list(cells))
        for key in keys:
            self.form_rows.setdefault(key, len(self.rows) - 1)
        return len(self.rows) - 1

    def columns_named(self, names: Sequence[str]) -> list[int]:
        """Indices of the columns of these names."""
        place = {name: index for index, name in reversed(list(enumerate(self.header)))}
        return [place[name] for name in names]

    def place(self, key: FormKey, item: int) -> tuple[int, int]:
        """Row and column index of one answer; ``item`` counts the 47 from 0."""
        row = self.form_rows[key] + (item if self.long else 0)
        return row, self.item_columns[key.rater][item]

    def row_number(self, row: int) -> int:
        """The record's number as a spreadsheet shows it."""
        return row + self.first_row
