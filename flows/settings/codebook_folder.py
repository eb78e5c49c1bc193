"""A folder of codebook files: what its rows must mean together, and what holds where a study leaves something out.

Single cells are read and checked in flows/settings/codebook_files.py; the codebook itself is in
flows/settings/codebook.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.common.wording import several
from flows.settings.codebook_files import TABLES, Row, describe, read_table

KnownThemes = Mapping[str, tuple[str | None, str | None]]
"""Name and description by theme_id."""

_UNCHECKED = "unverified"  # nobody has told that the study's key was held against its source


def make_item_id(instrument_id: str, item_number: int, last_item_number: int) -> str:
    """The id of an item: two-digit item number, three digits where the instrument's item numbers reach 100."""
    return f"{instrument_id}_{item_number:0{3 if last_item_number >= 100 else 2}d}"


def item_range(low: float | None, high: float | None, instrument_range: tuple[float, float]) -> tuple[float, float]:
    """Lowest and highest answer of an item whose own bounds may be None."""
    return (instrument_range[0] if low is None else low, instrument_range[1] if high is None else high)


class CodebookFolder:
    """The codebook files of one folder: read, checked against each other and completed with defaults."""

    def __init__(self, folder: Path, label: str, shipped: bool, known_themes: KnownThemes) -> None:
        self.folder = folder
        self.label = label
        self.shipped = shipped
        self.known_themes = known_themes
        self.problems: list[str] = []
        self.unusable: set[str] = set()
        self.rows: dict[str, list[Row]] = {table: self._read(table) for table in TABLES}

    def check(self) -> list[str]:
        """All problems of the folder: file, line, column, what was found and what to do, a sentence each."""
        self._refuse_stray_files()
        self._demand_needed_files()
        self._check_instrument_ids()
        self._check_ranges()
        self._check_items()
        self._check_scales()
        self._check_themes()
        return self.problems

    def complete(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of the five tables with every column: what the file gives, else the default, else None.

        Only of use where `check` found no problem.
        """
        status = {row.values["instrument_id"]: row.values.get("status") for row in self.rows["instruments"]}
        last = {instrument_id: max(numbers) for instrument_id, numbers in self._item_numbers().items()}
        tables: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
        for table, rows in self.rows.items():
            for row in rows:
                given = {column: value for column, value in row.values.items() if value is not None}
                defaults = _defaults(table, given, status, last)
                tables[table].append(dict.fromkeys(TABLES[table].columns) | defaults | given)
        return tables

    def _file(self, table: str) -> str:
        return f"{self.label}/{table}.csv"

    def _refuse(self, table: str, row: Row, column: str, sentence: str) -> None:
        self.problems.append(f"{self._file(table)}, line {row.line}, column {column}: {sentence}")

    def _read(self, table: str) -> list[Row]:
        path = self.folder / f"{table}.csv"
        if not self.shipped and not path.exists():
            return []
        rows = read_table(path, self._file(table), TABLES[table], self.shipped, self.problems)
        if rows is None:
            self.unusable.add(table)
        return rows or []

    def _refuse_stray_files(self) -> None:
        if not self.folder.is_dir():
            self.problems.append(
                f"{self.label}: found a file; make it a folder that holds instruments.csv and items.csv"
            )
            return
        for path in sorted(self.folder.iterdir()):
            if path.suffix.lower() == ".csv" and path.name not in {f"{table}.csv" for table in TABLES}:
                self.problems.append(
                    f"{self.label}: found a file named {describe(path.name)}, which is no codebook file;"
                    f" rename it to {', '.join(f'{table}.csv' for table in TABLES)}, or move it elsewhere"
                )

    def _demand_needed_files(self) -> None:
        described = [table for table in ("items", "scales", "scale_items") if self.rows[table]]
        wanted = {"instruments": described, "items": ["instruments"] if self.rows["instruments"] else []}
        for table, because_of in wanted.items():
            if because_of and not (self.folder / f"{table}.csv").exists():
                reason = " and ".join(f"{other}.csv" for other in because_of)
                self.problems.append(f"{self._file(table)}: the file is missing, and {reason} cannot do without")
                self.unusable.add(table)

    def _check_instrument_ids(self) -> None:
        if "instruments" in self.unusable:
            return
        declared = {instrument_id for _, instrument_id in self._keyed("instruments")}
        for table in ("scales", "items", "scale_items"):
            stray: dict[str, list[Row]] = defaultdict(list)
            for row, (instrument_id, *_) in self._keyed(table):
                if instrument_id not in declared:
                    stray[instrument_id].append(row)
            for instrument_id, rows in stray.items():
                more = f" (and in {several(len(rows) - 1, 'more line')})" if len(rows) > 1 else ""
                sentence = (
                    f"found {describe(instrument_id)}{more}, which has no line in instruments.csv of this folder;"
                    " add one, or correct the id (an instrument is given whole: its line, its items, its scales)"
                )
                self._refuse(table, rows[0], "instrument_id", sentence)

    def _check_ranges(self) -> None:
        ranges: dict[str, tuple[float, float]] = {}
        for row, instrument_id in self._keyed("instruments"):
            low, high = row.values.get("min_value"), row.values.get("max_value")
            if low is None or high is None:
                continue
            if low < high:
                ranges[instrument_id] = (low, high)
            else:
                sentence = f"found {high:g}, which is not above the min_value {low:g}; correct one of the two"
                self._refuse("instruments", row, "max_value", sentence)
        for row, (instrument_id, _) in self._keyed("items"):
            own_low, own_high = row.values.get("min_value"), row.values.get("max_value")
            if instrument_id not in ranges or (own_low is None and own_high is None):
                continue
            low, high = item_range(own_low, own_high, ranges[instrument_id])
            if low >= high:
                sentence = f"the item's answers go from {low:g} to {high:g} (blank: the instrument's); correct them"
                self._refuse("items", row, "min_value" if own_high is None else "max_value", sentence)

    def _keyed(self, table: str) -> Iterator[tuple[Row, Any]]:
        """Rows whose key is readable, with the key: a value, or a tuple where the key has several columns."""
        key = TABLES[table].key
        for row in self.rows[table]:
            values = tuple(row.values.get(column) for column in key)
            if None not in values:
                yield row, values if len(key) > 1 else values[0]

    def _item_numbers(self) -> dict[str, set[int]]:
        numbers: dict[str, set[int]] = defaultdict(set)
        for _, (instrument_id, number) in self._keyed("items"):
            numbers[instrument_id].add(number)
        return dict(numbers)

    def _check_items(self) -> None:
        numbers = self._item_numbers()
        for row, instrument_id in self._keyed("instruments"):
            if instrument_id not in numbers and "items" not in self.unusable:
                sentence = f"found {describe(instrument_id)}, which has no items; list them in items.csv"
                self._refuse("instruments", row, "instrument_id", sentence)
        themes = self.known_themes.keys() | {theme_id for _, theme_id in self._keyed("themes")}
        for row, (instrument_id, number) in self._keyed("items"):
            theme, item_id = row.values.get("theme"), row.values.get("item_id")
            if theme and theme not in themes and "themes" not in self.unusable:
                sentence = f"found {describe(theme)}, which is no theme; use a built-in one, or add it to themes.csv"
                self._refuse("items", row, "theme", sentence)
            made = make_item_id(instrument_id, number, max(numbers[instrument_id]))
            if item_id and item_id != made:
                sentence = f"found {describe(item_id)}, but item ids are made, here {made}; leave the cell blank"
                self._refuse("items", row, "item_id", sentence)

    def _check_scales(self) -> None:
        numbers = self._item_numbers()
        declared = {key for _, key in self._keyed("scales")}
        filled = {(instrument_id, scale_id) for _, (instrument_id, scale_id, _) in self._keyed("scale_items")}
        for row, (instrument_id, scale_id, number) in self._keyed("scale_items"):
            if (instrument_id, scale_id) not in declared and "scales" not in self.unusable:
                sentence = f"found {describe(scale_id)}, which is no scale of {instrument_id}; add it to scales.csv"
                self._refuse("scale_items", row, "scale_id", sentence)
            if instrument_id in numbers and number not in numbers[instrument_id]:
                sentence = f"found {number}, but {instrument_id} has no such item; add it to items.csv, or correct it"
                self._refuse("scale_items", row, "item_number", sentence)
        for row, (instrument_id, scale_id) in self._keyed("scales"):
            if (instrument_id, scale_id) not in filled and "scale_items" not in self.unusable:
                sentence = f"found {describe(scale_id)}, a scale without items; list its items in scale_items.csv"
                self._refuse("scales", row, "scale_id", sentence)

    def _check_themes(self) -> None:
        for row, theme_id in self._keyed("themes"):
            meaning = (row.values.get("name"), row.values.get("description"))
            if self.known_themes.get(theme_id, meaning) != meaning:
                sentence = f"found {describe(theme_id)}, a built-in theme with another meaning; choose another id"
                self._refuse("themes", row, "theme_id", sentence)


def _defaults(
    table: str, given: dict[str, Any], status: dict[str, str | None], last_item_numbers: dict[str, int]
) -> dict[str, Any]:
    """What holds where a study's file says nothing."""
    if table == "instruments":
        return {
            "name": given["instrument_id"],
            "domain": "alliance",
            "higher_is": "better",
            "raters": ("client", "therapist"),
            "step": 1.0,
            "status": _UNCHECKED,
        }
    if table == "scales":
        return {
            "name": given["scale_id"],
            "method": "mean",
            "kind": "total" if given["scale_id"] == "total" else "subscale",
            "status": status[given["instrument_id"]] or _UNCHECKED,
        }
    if table == "items":
        instrument_id = given["instrument_id"]
        return {
            "item_id": make_item_id(instrument_id, given["item_number"], last_item_numbers[instrument_id]),
            "reverse_keyed": False,
            "theme": "other",
            "overlaps_outcome": False,
        }
    if table == "themes":
        return {"name": given["theme_id"]}
    return {}
