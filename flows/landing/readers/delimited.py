"""Delimited text: CSV, TSV, and the ground that REDCap's and Qualtrics' exports stand on.

Python's csv module reads it, in strict mode and as a stream. (DuckDB's reader was tried: twice the processor time for
these small cells once the rows are packed, and it drops what a ragged row has too much or too little.)

- A line without any character is no record; it still counts as a row, as in a spreadsheet.
- Rows with fewer or more cells than the header are kept as they are and reported.
- A quote that is never closed, or followed by more text, refuses the file: rows may have been swallowed.
- Cells are counted twice, by the parser and (where no cell is quoted) by counting bytes; they must agree.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.common.wording import several
from flows.common.problems import Problem
from flows.landing.readers.text_scan import TextScan, locate_decode_error, scan
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
from flows.settings.delivery_headers import DeliveredColumn
from flows.settings.site_models import FileSettings

DELIMITER_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


@dataclass(frozen=True)
class Dialect:
    """How the text is written."""

    encoding: str
    delimiter: str
    quote: str = '"'

    @property
    def codec(self) -> str:
        """Python's name of the encoding; the one that takes a byte-order mark away where there may be one."""
        name = codecs.lookup(self.encoding).name
        return "utf-8-sig" if name == "utf-8" else name


@dataclass(frozen=True)
class Header:
    """The columns, and what the reader has to say about them."""

    columns: tuple[DeliveredColumn, ...]
    free_text: frozenset[int]
    problems: tuple[Problem, ...] = ()


class Rows:
    """The rows of a delimited text in order, header rows and blank lines included; counts what it gives out.

    Raises FileRefused while it is read: encoding, quoting, or a record beyond all limits.
    """

    def __init__(self, path: Path, dialect: Dialect, limits: Limits) -> None:
        self._path, self._dialect, self._limits = path, dialect, limits
        self.number = 0
        self._rows = self._parse()

    def __iter__(self) -> Iterator[list[str]]:
        return self._rows

    def take(self) -> list[str]:
        """The next row.

        Raises
        ------
        FileRefused
            There is none.
        """
        row = next(self._rows, None)
        if row is None:
            raise FileRefused(
                "no_header",
                f"The file ends at row {self.number}, before its header is complete.",
                "Check `header_row` in the site's settings, and the file.",
            )
        return row

    def _parse(self) -> Iterator[list[str]]:
        # The limit is the process's; a cell too long to keep must still be read to be cut out.
        csv.field_size_limit(self._limits.max_record_bytes)
        dialect = self._dialect
        try:
            with self._path.open(encoding=dialect.codec, newline="") as text:
                parsed = csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
                for row in parsed:
                    self.number += 1
                    yield row
        except UnicodeError:
            raise locate_decode_error(self._path, dialect.encoding) from None
        except csv.Error as error:
            raise self._quoting(str(error)) from None

    def _quoting(self, said: str) -> FileRefused:
        row_number = self.number + 1
        if "unexpected end" in said:
            return FileRefused(
                "ends_inside_quotes",
                f"The file ends inside a quoted cell that began in row {row_number}: it is cut off, or a quote there "
                "is not closed.",
                "Export it again, or correct `quote` in the site's settings.",
                row_number=row_number,
            )
        if "field larger" in said:
            return FileRefused(
                "record_too_long",
                f"A cell in row {row_number} is longer than any record may be ({self._limits.max_record_bytes} bytes).",
                "Check the delimiter and the quoting, or leave the column out of the export.",
                row_number=row_number,
            )
        return FileRefused(
            "malformed_quotes",
            f"In row {row_number} a closing quote is followed by something else than a delimiter.",
            "Correct `quote` and `delimiter` in the site's settings, or export the file again.",
            row_number=row_number,
        )


def read_delimited(
    source: Source, sink: Sink, dialect: Dialect, header: Callable[[Rows], Header], *, known_names: bool = False
) -> Reading:
    """Read a delimited text.

    Parameters
    ----------
    header
        Takes the header rows from `Rows` and says what the columns are.
    known_names
        The names do not come from the file's own first row, so that a wrong delimiter cannot be told by them.

    Raises
    ------
    FileRefused
        See the module's rules.
    """
    found = scan(source.path, dialect.delimiter, dialect.quote, source.limits, check_utf8=not _is_unicode(dialect))
    if not found.size:
        raise refuse_empty()
    problems = _text_problems(source, found, dialect)
    rows = Rows(source.path, dialect, source.limits)
    head = header(rows)
    width = len(head.columns)
    if width <= 1 and not known_names:
        _refuse_wrong_delimiter(head.columns, dialect)
    header_rows = rows.number
    sink.begin(head.columns, head.free_text)
    ragged = Listing(
        source,
        "wrong_number_of_cells",
        "The record was loaded as it is. Check for delimiters in unquoted text, and correct the file at its source.",
    )
    n_rows = n_cells = 0
    last_width = width
    for row in rows:
        last_width = len(row)
        if last_width != width:
            if not last_width:
                continue
            ragged.add(f"The row has {several(last_width, 'cell')}, the header {width}.", row_number=rows.number)
        n_rows += 1
        n_cells += last_width
        sink.add(rows.number, row)
    if not n_rows:
        raise refuse_no_records()
    if found.comparable and _is_ascii_based(dialect):
        _hold_against_bytes(source, found, dialect, rows.number, n_rows, n_cells, header_rows)
    if 0 < last_width < width and not found.ends_with_newline:
        problems.append(
            source.problem(
                "perhaps_cut_off",
                "The last row has too few cells and no line end: the file may be cut off.",
                "Compare it with the export at the site.",
                row_number=rows.number,
            )
        )
    problems += [*head.problems, *header_problems(source, head.columns), *ragged.problems()]
    return Reading(head.columns, n_rows, n_cells, tuple(problems))


def _is_unicode(dialect: Dialect) -> bool:
    return codecs.lookup(dialect.encoding).name.startswith("utf")


def _is_ascii_based(dialect: Dialect) -> bool:
    # Multi-byte encodings of East Asia use ASCII bytes inside characters; there bytes cannot be counted.
    try:
        if not (dialect.delimiter + dialect.quote).isascii():
            return False
        name = codecs.lookup(dialect.encoding).name
        return name in ("utf-8", "utf-8-sig") or (
            len(bytes(range(256)).decode(name, "replace")) == 256 and "a".encode(name) == b"a"
        )
    except (LookupError, UnicodeError):
        return False


def _hold_against_bytes(
    source: Source, found: TextScan, dialect: Dialect, last_row: int, n_rows: int, n_cells: int, header_rows: int
) -> None:
    lines = found.n_newlines + (0 if found.ends_with_newline else 1)
    header_cells = _cells_of_first_lines(source.path, dialect, header_rows)
    # Blank lines hold no delimiter, so the delimiters of all records are their cells less one each.
    if lines != last_row or found.n_delimiters - header_cells != n_cells - n_rows:
        raise FileRefused(
            "counts_disagree",
            f"Two ways of counting the file's cells disagree (lines: {lines}, rows: {last_row}).",
            "Report this as a defect, with the file's first line.",
        )


def _cells_of_first_lines(path: Path, dialect: Dialect, n: int) -> int:
    """Delimiters in the first lines, counted as bytes."""
    with path.open("rb") as raw:
        return sum(raw.readline().count(dialect.delimiter.encode(dialect.encoding)) for _ in range(n))


def _text_problems(source: Source, found: TextScan, dialect: Dialect) -> list[Problem]:
    if found.n_nul and not dialect.codec.startswith(("utf-16", "utf-32")):
        if found.n_nul * 10 > found.size:
            raise FileRefused(
                "wrong_encoding",
                f"The file is not text in {dialect.encoding}: many of its bytes are zero, as in utf-16.",
                "Set `encoding: utf-16` in the site's settings, or export the file as utf-8.",
            )
        message = f"The file holds {found.n_nul} zero bytes, which no text has; they were kept."
        return [source.problem("zero_bytes", message, "Compare the file with the export at the site.")]
    if found.has_utf8_mark and not _is_unicode(dialect):
        raise FileRefused(
            "wrong_encoding",
            f"The file begins with the mark of utf-8, but {dialect.encoding} is declared.",
            "Set `encoding: utf-8` in the site's settings.",
        )
    if found.is_utf8_beyond_ascii:
        message = f"The declared encoding is {dialect.encoding}, but every character of the file is valid utf-8."
        return [source.problem("perhaps_wrong_encoding", message, "Look for garbled letters; try `encoding: utf-8`.")]
    return []


def _refuse_wrong_delimiter(columns: Sequence[DeliveredColumn], dialect: Dialect) -> None:
    text = columns[0].name if columns else ""
    counts = {other: text.count(other) for other in DELIMITER_NAMES if other != dialect.delimiter}
    likely = max(counts, key=lambda other: counts[other])
    if counts[likely]:
        raise FileRefused(
            "wrong_delimiter",
            f"With {DELIMITER_NAMES.get(dialect.delimiter, repr(dialect.delimiter))} as delimiter the header is a "
            f"single column; it holds {DELIMITER_NAMES[likely]} {counts[likely]} times.",
            f"Set `delimiter: {likely!r}` in the site's settings if that is how the file is written.",
        )


class CsvReader:
    """Format ``csv``: delimited text with one header row."""

    format = "csv"

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """Encoding, delimiter, quote and header row; the decimal mark is not landing's business."""
        options = file.csv_options
        return {**asdict(_dialect(file)), "header_row": options.header_row}

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """None."""
        return ()

    def read(self, source: Source, sink: Sink) -> Reading:
        """See `read_delimited`."""

        def header(rows: Rows) -> Header:
            for _ in range(source.file.csv_options.header_row - 1):
                rows.take()
            columns = named_columns(source, rows.take())
            return Header(columns, source.free_text(columns))

        return read_delimited(source, sink, _dialect(source.file), header)


def _dialect(file: FileSettings) -> Dialect:
    options = file.csv_options
    return Dialect(options.encoding, options.delimiter, options.quote)
