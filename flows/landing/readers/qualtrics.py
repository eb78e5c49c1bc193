"""Qualtrics CSV export: three header rows (names, question wording, ImportIds), then records.

Columns are known by ImportId, which stays the same when a question is renamed, or by the first row's name. The
wording is read past and never kept: it is copyright.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flows.landing.readers.delimited import Dialect, Header, Rows, read_delimited
from flows.landing.reading import FileRefused, Reading, Sink, Source, named_columns
from flows.settings.site_models import FileSettings


class QualtricsReader:
    """Format ``qualtrics``."""

    format = "qualtrics"

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """Encoding, delimiter and which header row names the columns."""
        return {**asdict(_dialect(file)), "columns_by": file.qualtrics_options.columns_by}

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """None."""
        return ()

    def read(self, source: Source, sink: Sink) -> Reading:
        """See the module."""

        def header(rows: Rows) -> Header:
            names, _, ids = rows.take(), rows.take(), rows.take()
            import_ids = [_import_id(cell) for cell in ids]
            if len(names) < 2 or not any(import_ids):
                raise FileRefused(
                    "no_import_ids",
                    "The third row holds no ImportIds, so the file does not begin with Qualtrics' three header rows.",
                    "Check `delimiter`, export again as CSV without changing the file, or use `format: csv`.",
                    row_number=3,
                )
            if source.file.qualtrics_options.columns_by == "import_id":
                columns = named_columns(source, import_ids)
            else:
                columns = named_columns(source, names)
            return Header(columns, source.free_text(columns))

        return read_delimited(source, sink, _dialect(source.file), header, known_names=True)


def _dialect(file: FileSettings) -> Dialect:
    options = file.qualtrics_options
    return Dialect(options.encoding, options.delimiter)


def _import_id(cell: str) -> str:
    """The ImportId in a cell such as ``{"ImportId":"QID3_1","choiceId":"1"}``; blank where there is none."""
    try:
        said = json.loads(cell)
    except (ValueError, RecursionError):
        return ""
    return str(said.get("ImportId", "")) if isinstance(said, dict) else ""
