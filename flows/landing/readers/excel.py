"""Excel workbooks (.xlsx): one sheet, with the values that Excel last stored for its formulas.

- A row without any value is no record; every other record has as many cells as the header, or more.
- Dates become ISO text in the workbook's own date system (1900 or 1904), numbers the shortest text, errors their
  name (``#VALUE!``). Only the first cell of a merged area holds its value.
- The archive is judged before it is opened: a bomb, a workbook with a password or one of the old .xls kind is refused.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook import Workbook

from analysis.common.wording import several
from flows.common.problems import Problem
from flows.landing.reading import (
    FileRefused,
    Limits,
    Listing,
    Reading,
    Sink,
    Source,
    header_problems,
    named_columns,
    refuse_empty,
    refuse_no_records,
)
from flows.landing.text import value_text
from flows.settings.site_models import FileSettings

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_BOMB_FROM = 50_000_000
_DECLARATIONS = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
# A formula with nothing, or an empty value, behind it up to the cell's end.
_NO_VALUE = re.compile(rb"(?:</f>|<f[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")


class ExcelReader:
    """Format ``excel``."""

    format = "excel"

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """Sheet and header row."""
        return file.excel_options.model_dump(mode="json")

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """None."""
        return ()

    def read(self, source: Source, sink: Sink) -> Reading:
        """See the module."""
        judge_archive(source.path, source.limits)
        with source.path.open("rb") as handle, warnings.catch_warnings():
            # openpyxl warns of what it leaves out (charts, filters); nothing of it is data.
            warnings.simplefilter("ignore")
            workbook = _open(handle)
            try:
                return _read_sheet(source, sink, workbook)
            finally:
                workbook.close()


def judge_archive(path: Path, limits: Limits) -> None:
    """Look at a file's first bytes and the archive's table of contents, without unpacking it.

    Raises
    ------
    FileRefused
        No .xlsx, or one that must not be opened.
    """
    with path.open("rb") as handle:
        start = handle.read(8)
        if not start:
            raise refuse_empty()
        if start == _OLE:
            raise _of_ole(start + handle.read(4_000_000))
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            unpacked = sum(part.file_size for part in parts)
            packed = max(1, sum(part.compress_size for part in parts))
            if unpacked > limits.max_unpacked_bytes or (
                unpacked > _BOMB_FROM and unpacked / packed > limits.max_unpack_ratio
            ):
                raise FileRefused(
                    "unpacks_too_large",
                    f"The workbook unpacks to {unpacked} bytes, {unpacked // packed} times its size.",
                    "If it is meant to be that large, deliver the sheet as CSV.",
                )
            if any(part.flag_bits & 1 for part in parts):
                raise _protected()
            for part in parts:
                with archive.open(part) as content:
                    if _DECLARATIONS.search(content.read(4_096)):
                        raise FileRefused(
                            "not_a_workbook",
                            "A part of the workbook declares entities, which no spreadsheet program writes.",
                            "Save it again as .xlsx with a spreadsheet program.",
                        )
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError):
        raise _damaged() from None


def _of_ole(start: bytes) -> FileRefused:
    if _ENCRYPTED in start:
        return _protected()
    return FileRefused(
        "old_excel_format", "It is a workbook of the old .xls kind.", "Save it as .xlsx and deliver that."
    )


def _protected() -> FileRefused:
    return FileRefused(
        "password_protected",
        "The workbook is protected by a password.",
        "Save it without a password and deliver that by a safe way.",
    )


def _damaged() -> FileRefused:
    return FileRefused(
        "damaged_workbook",
        "It is not a whole .xlsx workbook: cut off, damaged, or of another kind.",
        "Open it with a spreadsheet program, save it as .xlsx and deliver it again.",
    )


def _open(handle: Any) -> Workbook:
    try:
        return load_workbook(handle, read_only=True, data_only=True, keep_links=False)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, SyntaxError):
        # openpyxl raises whatever it stumbles over; its messages may quote the file. ParseError is a SyntaxError.
        raise _damaged() from None


def _read_sheet(source: Source, sink: Sink, workbook: Workbook) -> Reading:
    sheet = _sheet(source, workbook)
    header_row = source.file.excel_options.header_row
    rows = _rows(sheet, source.limits)
    header: list[str] | None = None
    for number, cells in rows:
        if number == header_row:
            header = cells
            break
    if not header:
        raise FileRefused(
            "no_header",
            f"Row {header_row} of the sheet is blank or missing, and should be the header.",
            "Correct `header_row` or `sheet` in the site's settings.",
        )
    columns = named_columns(source, header)
    free_text = source.free_text(columns)
    sink.begin(columns, free_text)
    width = len(columns)
    beyond = Listing(
        source, "wrong_number_of_cells", "The record was loaded as it is. Give the column a name in the header row."
    )
    n_rows = n_cells = 0
    for number, cells in rows:
        if not cells:
            continue
        if len(cells) > width:
            beyond.add(f"The row has {several(len(cells), 'cell')}, the header {width}.", row_number=number)
        cells += [""] * (width - len(cells))
        n_rows += 1
        n_cells += len(cells)
        sink.add(number, cells)
    if not n_rows:
        raise refuse_no_records()
    problems = [*header_problems(source, columns), *beyond.problems(), *_formula_problems(source, workbook, sheet)]
    return Reading(columns, n_rows, n_cells, tuple(problems))


def _sheet(source: Source, workbook: Workbook) -> Any:
    wanted = source.file.excel_options.sheet
    sheets = workbook.worksheets
    if wanted is None and sheets:
        return sheets[0]
    for sheet in sheets:
        if sheet.title.strip() == wanted:
            return sheet
    # Other sheets' names stay unsaid: there are workbooks with one sheet for each client.
    near = [sheet.title for sheet in sheets if wanted and _folded(sheet.title) == _folded(wanted)]
    hint = f" One is written {near[0]!r}." if near else ""
    raise FileRefused(
        "wrong_sheet",
        f"The workbook has no sheet {wanted!r} among its {len(sheets)}.{hint}" if wanted else "It has no sheet.",
        "Open the workbook and write the sheet's name in the site's settings (`sheet`) as it stands there.",
    )


def _folded(name: str) -> str:
    return "".join(name.split()).casefold()


def _rows(sheet: Any, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """Row numbers and texts, without the blank cells at a row's end."""
    # The size a file states of itself is often wrong; without it openpyxl reads what is there.
    sheet.reset_dimensions()
    visited = 0
    try:
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            visited += len(row)
            if visited > limits.max_visited_cells:
                raise FileRefused(
                    "sheet_too_large",
                    f"The sheet has more than {limits.max_visited_cells} cells, blank ones included.",
                    "Delete blank rows and columns beyond the table, or deliver the sheet as CSV.",
                )
            cells = [value_text(value) for value in row]
            while cells and not cells[-1].strip():
                cells.pop()
            yield number, cells
    except FileRefused:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, SyntaxError, EOFError):
        raise _damaged() from None


def _formula_problems(source: Source, workbook: Workbook, sheet: Any) -> list[Problem]:
    """Formulas that no program has computed: they read as blank, and nobody would see it."""
    archive: zipfile.ZipFile = workbook._archive
    count, tail = 0, b""
    with archive.open(sheet._worksheet_path) as content:
        while chunk := content.read(1 << 20):
            text = tail + chunk
            # A cell may straddle two chunks; what lies behind the last cell's end is looked at with the next.
            cut = text.rfind(b"</c>") + 4 if b"</c>" in text else 0
            count += len(_NO_VALUE.findall(text, 0, cut)) if b"<f" in text or b"</f>" in text else 0
            tail = text[cut:]
    if not count:
        return []
    return [
        source.problem(
            "formula_without_value",
            f"Formulas of the sheet that have no stored value: {count}; such cells read as blank.",
            "Open the workbook with a spreadsheet program, save it and deliver it again.",
        )
    ]
