"""What a page of the report is made of. Builders of sections make these, the templates turn them into HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from markupsafe import Markup

Tone: TypeAlias = Literal["", "good", "notice", "warning", "bad", "empty"]
Shape: TypeAlias = Literal["text", "number", "code"]

ROWS_IN_SIGHT = 15
"""A longer table is folded behind its caption."""


@dataclass(frozen=True)
class Text:
    """A paragraph. Words between backticks are shown as code; everything is escaped."""

    block: ClassVar[str] = "text"
    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Heading:
    """A heading inside a section, one level below the section's own by default."""

    block: ClassVar[str] = "heading"
    text: str
    level: int = 3


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers are set right-aligned."""

    title: str
    shape: Shape = "text"


@dataclass(frozen=True)
class Cell:
    """A cell that is more than its text: toned, or marked as standing out."""

    text: str
    tone: Tone = ""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table: the first column heads each row. ``note`` stands below it, ``rows`` are as wide as ``columns``."""

    block: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        uneven = [row for row in self.rows if len(row) != len(self.columns)]
        if uneven:
            raise ValueError(f"a row of the table '{self.caption}' has not {len(self.columns)} cells: {uneven[0]}")


@dataclass(frozen=True)
class Figure:
    """A figure: ``svg`` has a title and a description of its own, ``caption`` says what it shows and n."""

    block: ClassVar[str] = "figure"
    title: str
    svg: Markup
    caption: str


@dataclass(frozen=True)
class Facts:
    """Names and values side by side."""

    block: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fold:
    """Blocks behind a summary, on the screen closed unless ``is_open``, in print always open."""

    block: ClassVar[str] = "fold"
    summary: str
    blocks: tuple[Block, ...]
    is_open: bool = False


Block: TypeAlias = Text | Heading | Table | Figure | Facts | Fold


@dataclass(frozen=True)
class Section:
    """A section of the page. ``anchor`` is its id in links."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], note: str = "") -> Table:
    """A table whose columns are written as ``"Clients#"`` for numbers, ``"Keys`"`` for code, else text."""
    shapes: dict[str, Shape] = {"#": "number", "`": "code"}
    made = tuple(Column(name.rstrip("#`"), shapes.get(name[-1:], "text")) for name in columns)
    cells = (tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    return Table(caption, made, tuple(cells), note)


def foldable(made: Table, limit: int = ROWS_IN_SIGHT) -> Table | Fold:
    """The table as it is, or behind its caption when it has more than ``limit`` rows."""
    if len(made.rows) <= limit:
        return made
    n = len(made.rows)
    return Fold(f"{made.caption} ({n:,} {'row' if n == 1 else 'rows'})", (made,))
