"""Writes deliveries so that the same content gives the same bytes: nothing in a file may tell when it was written."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyreadstat

Cell = str | float | None

_MADE = dt.datetime(2024, 3, 15, 12, 0, 0)
# Where an SPSS file keeps date ("dd mmm yy") and time of its making: PSPP manual, system file format, header record.
_SAV_DATE = slice(92, 109)
_CREATED = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(<)")


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 with bare newlines, on every system alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))


def write_csv(
    path: Path, rows: Iterable[Sequence[Cell]], *, delimiter: str = ",", encoding: str = "utf-8", newline: str = "\r\n"
) -> None:
    """Delimited text; cells are quoted only where they must be."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=newline)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue().encode(encoding))


def write_xlsx(path: Path, workbook: openpyxl.Workbook) -> None:
    """A workbook whose document properties and archive entries bear a fixed time."""
    made = io.BytesIO()
    workbook.save(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _CREATED.sub(rb"\g<1>" + _MADE.strftime("%Y-%m-%dT%H:%M:%SZ").encode() + rb"\g<3>", content)
            entry = zipfile.ZipInfo(name, date_time=_MADE.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            target.writestr(entry, content)


def write_sav(
    path: Path,
    frame: pd.DataFrame,
    *,
    column_labels: dict[str, str | None],
    value_labels: dict[str, dict[float, str]],
    missing: dict[str, list[Any]],
    formats: dict[str, str],
) -> None:
    """An SPSS system file with value labels and user-missing values, its time of making fixed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.sav"
        pyreadstat.write_sav(
            frame,
            str(made),
            column_labels=column_labels,
            variable_value_labels=value_labels,
            missing_ranges=missing,
            variable_format=formats,
        )
        content = bytearray(made.read_bytes())
    content[_SAV_DATE] = _MADE.strftime("%d %b %y%H:%M:%S").encode("ascii")
    path.write_bytes(bytes(content))
