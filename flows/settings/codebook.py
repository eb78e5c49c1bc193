"""The codebook: which items an instrument has, how they are keyed and which scales they form.

The shipped codebook (dbt_project/seeds/codebook) is the one truth for the built-in instruments; a study may add
instruments, or replace one whole, by CSV files of the same names in its own ``codebook`` folder. Everything that
scores, checks or draws reads keys from here. The user's side of it is described in docs/reference/codebook.md.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from analysis.common.wording import several
from flows.settings.codebook_files import TABLES
from flows.settings.codebook_folder import CodebookFolder, KnownThemes, item_range

SHIPPED_CODEBOOK_DIR = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds" / "codebook"

Origin = Literal["built_in", "study"]


class CodebookError(ValueError):
    """A codebook that cannot be used. ``problems`` holds one sentence for every problem found."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = list(problems)
        shown = [f"- {problem}" for problem in self.problems[:50]]
        if len(self.problems) > 50:
            shown.append(f"- and {len(self.problems) - 50} more")
        count = several(len(self.problems), "problem")
        super().__init__(f"the codebook has {count}:\n" + "\n".join(shown))


@dataclass(frozen=True, slots=True)
class Instrument:
    """A questionnaire in one version.

    ``min_value`` and ``max_value`` are the lowest and highest answer of an item; answers go up from the lowest by
    ``step``, 0 where any value between the two is an answer (a visual analogue scale, an average).
    """

    instrument_id: str
    name: str
    version: str | None
    domain: str
    min_value: float
    max_value: float
    step: float
    higher_is: str
    raters: tuple[str, ...]
    status: str
    source: str | None
    note: str | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Scale:
    """A declared subscale or total of an instrument; ``item_numbers`` ascend."""

    instrument_id: str
    scale_id: str
    name: str
    method: str
    kind: str
    status: str
    note: str | None
    origin: Origin
    item_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An item of an instrument. ``min_value`` and ``max_value`` are None where the instrument's hold."""

    instrument_id: str
    item_number: int
    item_id: str
    reverse_keyed: bool
    topic: str | None
    theme: str
    overlaps_outcome: bool
    min_value: float | None
    max_value: float | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Theme:
    """What items of different instruments have in common, in one word."""

    theme_id: str
    name: str
    description: str | None
    origin: Origin


@dataclass(frozen=True, eq=False)
class Codebook:
    """The shipped codebook together with the study's own. Made by `load_codebook`; never changed afterwards."""

    instruments: dict[str, Instrument]
    themes: dict[str, Theme]
    _items: dict[str, tuple[Item, ...]] = field(repr=False)
    _scales: dict[str, tuple[Scale, ...]] = field(repr=False)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """Ids of all items, by instrument and item number."""
        return tuple(item.item_id for items in self._items.values() for item in items)

    def items(self, instrument_id: str) -> tuple[Item, ...]:
        """Items of an instrument by item number. Raises KeyError for an unknown instrument."""
        return self._items[self._known(instrument_id)]

    def scales(self, instrument_id: str) -> tuple[Scale, ...]:
        """Scales of an instrument, perhaps none. Raises KeyError for an unknown instrument."""
        return self._scales[self._known(instrument_id)]

    def item_range(self, item: Item) -> tuple[float, float]:
        """Lowest and highest answer of an item: its own where the codebook gives them, else the instrument's."""
        instrument = self.instruments[item.instrument_id]
        return item_range(item.min_value, item.max_value, (instrument.min_value, instrument.max_value))

    def frames(self) -> dict[str, pd.DataFrame]:
        """The five tables by name, each with the columns of its seed file and ``origin`` (``built_in``, ``study``).

        Text columns have pandas' string type, item numbers int64, bounds float64, flags bool; no type is guessed from
        the values, so that a column without any value keeps its type.
        """
        return {
            table: pd.DataFrame(
                {column: pd.Series([row[column] for row in rows], dtype=dtype) for column, dtype in dtypes.items()}
            )
            for table, dtypes, rows in self._tables()
        }

    def fingerprint(self) -> str:
        """SHA-256 (hex digits) of what `frames` holds: every value and origin counts, the order of rows does not."""
        content = {table: sorted(json.dumps(row, sort_keys=True) for row in rows) for table, _, rows in self._tables()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _known(self, instrument_id: str) -> str:
        if instrument_id not in self.instruments:
            raise KeyError(f"no instrument {instrument_id!r} in the codebook; it has {', '.join(self.instruments)}")
        return instrument_id

    def _tables(self) -> Iterator[tuple[str, dict[str, str], list[dict[str, Any]]]]:
        """Name, pandas type of each column, and rows of the five tables."""
        scales = [scale for group in self._scales.values() for scale in group]
        records: dict[str, list[dict[str, Any]]] = {
            "instruments": [
                {**_record(instrument), "raters": " ".join(instrument.raters)}
                for instrument in self.instruments.values()
            ],
            "scales": [_record(scale) for scale in scales],
            "items": [_record(item) for items in self._items.values() for item in items],
            "scale_items": [
                {**_record(scale), "item_number": number} for scale in scales for number in scale.item_numbers
            ],
            "themes": [_record(theme) for theme in self.themes.values()],
        }
        for table, rows in records.items():
            dtypes = {column.name: column.dtype for column in TABLES[table].columns.values()} | {"origin": "string"}
            yield table, dtypes, [{column: row[column] for column in dtypes} for row in rows]


def load_codebook(study_codebook_dir: Path | None = None) -> Codebook:
    """Reads the shipped codebook and, if the folder exists, the study's own CSV files of the same names.

    An instrument named in the study's instruments.csv replaces the built-in one of that id whole, with its scales and
    items; the study's themes are added. Raises CodebookError with all problems of all files.
    """
    shipped = _load_folder(SHIPPED_CODEBOOK_DIR, "dbt_project/seeds/codebook", "built_in", {})
    if study_codebook_dir is None or not study_codebook_dir.exists():
        return shipped
    themes = {theme.theme_id: (theme.name, theme.description) for theme in shipped.themes.values()}
    study = _load_folder(study_codebook_dir, study_codebook_dir.name, "study", themes)
    kept = [instrument_id for instrument_id in shipped.instruments if instrument_id not in study.instruments]
    return Codebook(
        instruments={i: shipped.instruments[i] for i in kept} | study.instruments,
        themes=shipped.themes | {i: theme for i, theme in study.themes.items() if i not in shipped.themes},
        _items={i: shipped.items(i) for i in kept} | {i: study.items(i) for i in study.instruments},
        _scales={i: shipped.scales(i) for i in kept} | {i: study.scales(i) for i in study.instruments},
    )


def _record(entry: Instrument | Scale | Item | Theme) -> dict[str, Any]:
    return {column.name: getattr(entry, column.name) for column in fields(entry)}


def _load_folder(folder: Path, label: str, origin: Origin, known_themes: KnownThemes) -> Codebook:
    """What one folder declares. Raises CodebookError with all its problems."""
    files = CodebookFolder(folder, label, origin == "built_in", known_themes)
    if problems := files.check():
        raise CodebookError(problems)
    tables = files.complete()
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in tables["scale_items"]:
        members[row["instrument_id"], row["scale_id"]].append(row["item_number"])
    instruments = {row["instrument_id"]: Instrument(**row, origin=origin) for row in tables["instruments"]}
    items: dict[str, list[Item]] = {instrument_id: [] for instrument_id in instruments}
    scales: dict[str, list[Scale]] = {instrument_id: [] for instrument_id in instruments}
    for row in sorted(tables["items"], key=lambda row: row["item_number"]):
        items[row["instrument_id"]].append(Item(**row, origin=origin))
    for row in tables["scales"]:
        numbers = tuple(sorted(members[row["instrument_id"], row["scale_id"]]))
        scales[row["instrument_id"]].append(Scale(**row, origin=origin, item_numbers=numbers))
    return Codebook(
        instruments=instruments,
        themes={row["theme_id"]: Theme(**row, origin=origin) for row in tables["themes"]},
        _items={i: tuple(group) for i, group in items.items()},
        _scales={i: tuple(group) for i, group in scales.items()},
    )
