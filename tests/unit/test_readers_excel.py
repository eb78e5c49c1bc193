"""Excel workbooks: values as text, and workbooks that must not be opened."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from flows.landing.readers.excel import ExcelReader
from flows.landing.reading import FileRefused, Limits
from tests.unit.landing_studies import ReadRecords, parsed, read


def write(path: Path, rows: list[list[Any]], *, title: str = "Data", mac: bool = False) -> Path:
    workbook = Workbook()
    if mac:
        workbook.epoch = CALENDAR_MAC_1904
    sheet = workbook.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    workbook.create_sheet("Other")
    file = path / "file.xlsx"
    workbook.save(file)
    return file


def read_excel(file: Path, limits: Limits | None = None, **options: Any) -> ReadRecords:
    return read(ExcelReader(), file, parsed("excel", excel=options), limits=limits or Limits())


def refused(file: Path, limits: Limits | None = None, **options: Any) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read_excel(file, limits, **options)
    return caught.value


@pytest.mark.parametrize("mac", [False, True])
def test_typed_values_become_text(tmp_path: Path, mac: bool) -> None:
    row = [
        "007",
        4.0,
        4,
        0.1,
        1e16,
        True,
        "#VALUE!",
        dt.datetime(2024, 5, 31),
        dt.datetime(2024, 5, 31, 9, 30),
        dt.time(9, 30),
        None,
        "2024-05-31",
        45443,
    ]
    file = write(tmp_path, [[f"c{number}" for number in range(len(row))], row], mac=mac)
    got = read_excel(file)
    assert got.records == {
        2: [
            "007",
            "4",
            "4",
            "0.1",
            "10000000000000000",
            "TRUE",
            "#VALUE!",
            "2024-05-31",
            "2024-05-31 09:30:00",
            "09:30:00",
            "",
            "2024-05-31",
            "45443",
        ]
    }


def test_rows_above_blank_rows_and_cells_beyond_the_header(tmp_path: Path) -> None:
    rows = [["Export"], [], ["client", "q1", "q2", None], ["a", 1], [None, " "], ["b", 1, 2, None, 5]]
    got = read_excel(write(tmp_path, rows), header_row=3)
    assert got.names == ["client", "q1", "q2"]
    assert got.records == {4: ["a", "1", ""], 6: ["b", "1", "2", "", "5"]}
    assert [each.row_number for each in got.problems] == [6]


def test_trailing_blank_columns_belong_to_a_record(tmp_path: Path) -> None:
    got = read_excel(write(tmp_path, [["client", "q1", "q2"], ["a", None, None]]))
    assert got.reading.n_cells == 3


def test_sheets_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, [["client"], ["a"]], title="Daten")
    assert read_excel(file, sheet="Daten").records == {2: ["a"]}
    error = refused(file, sheet="Data")
    assert error.problem == "wrong_sheet"
    assert "'Data'" in error.message and "Daten" not in error.message, "a sheet may be named after a client"
    assert "'Daten'" in refused(file, sheet="DATEN").message
    assert refused(file, sheet="Other").problem == "no_header"
    assert "Daten" not in refused(file, header_row=9).message


def test_merged_cells_hold_their_value_once(tmp_path: Path) -> None:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (["client", "q1"], ["a", 1], ["b", 2]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    workbook.save(tmp_path / "file.xlsx")
    assert read_excel(tmp_path / "file.xlsx").records == {2: ["a", "1"], 3: ["", "2"]}


def test_formulas_without_stored_values_are_told(tmp_path: Path) -> None:
    file = write(tmp_path, [["client", "q1", "q2"], ["a", "=1+1", 3], ["b", "=2+2", 4]])
    got = read_excel(file)
    assert got.records == {2: ["a", "", "3"], 3: ["b", "", "4"]}
    (problem,) = got.problems
    assert problem.problem == "formula_without_value" and "value: 2;" in problem.message


def test_stored_values_of_formulas_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, [["client", "q1"], ["a", "=1+1"]])
    _rewrite(
        file,
        "xl/worksheets/sheet1.xml",
        lambda text: text.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>").replace(b"<v/>", b"<v>2</v>"),
    )
    got = read_excel(file)
    assert got.records == {2: ["a", "2"]}
    assert not got.problems


def test_a_wrong_stated_size_loses_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, [["client", "q1"], ["a", 1]])
    _rewrite(file, "xl/worksheets/sheet1.xml", lambda text: text.replace(b'ref="A1:B2"', b'ref="A1:A1"'))
    assert read_excel(file).records == {2: ["a", "1"]}


def test_header_only_and_empty(tmp_path: Path) -> None:
    assert refused(write(tmp_path, [["client", "q1"]])).problem == "no_records"
    assert refused(write(tmp_path, [])).problem == "no_header"
    (tmp_path / "zero.xlsx").touch()
    assert refused(tmp_path / "zero.xlsx").problem == "empty_file"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_workbook_is_refused(tmp_path: Path, share: float) -> None:
    file = write(tmp_path, [["client", "q1"], *([f"c{n}", n] for n in range(200))])
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    assert refused(file).problem == "damaged_workbook"


def test_damage_inside_a_part_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, [["client", "q1"], ["a", 1]])
    _rewrite(file, "xl/worksheets/sheet1.xml", lambda text: text[: len(text) // 2])
    assert refused(file).problem == "damaged_workbook"


def test_text_in_a_workbooks_clothes(tmp_path: Path) -> None:
    (tmp_path / "file.xlsx").write_text("client,q1\na,1\n")
    assert refused(tmp_path / "file.xlsx").problem == "damaged_workbook"


def test_password_and_old_format_are_told_apart(tmp_path: Path) -> None:
    start = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 504
    (tmp_path / "p.xlsx").write_bytes(start + "EncryptedPackage".encode("utf-16-le") + b"\0" * 100)
    (tmp_path / "o.xlsx").write_bytes(start + "Workbook".encode("utf-16-le") + b"\0" * 100)
    assert refused(tmp_path / "p.xlsx").problem == "password_protected"
    assert refused(tmp_path / "o.xlsx").problem == "old_excel_format"


def test_a_bomb_is_not_opened(tmp_path: Path) -> None:
    file = write(tmp_path, [["client", "q1"], ["a", 1]])
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", b"\0" * 60_000_000)
    error = refused(file)
    assert error.problem == "unpacks_too_large"
    small = write(tmp_path, [["client", "q1"], ["a", 1]])
    assert refused(small, Limits(max_unpacked_bytes=100)).problem == "unpacks_too_large"


def test_entities_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, [["client", "q1"], ["a", 1]])
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>'
    _rewrite(file, "xl/worksheets/sheet1.xml", lambda text: bomb + text)
    assert refused(file).problem == "not_a_workbook"


def test_a_sheet_of_blank_cells_without_end_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, [["client", "q1"], ["a", 1], *([[None] * 50 + [" "]] * 20)])
    assert refused(file, Limits(max_visited_cells=100)).problem == "sheet_too_large"


def test_a_long_cell_is_cut_out(tmp_path: Path) -> None:
    got = read_excel(write(tmp_path, [["client", "q1"], ["a", "x" * 500]]), Limits(max_cell_bytes=100))
    assert got.records == {2: ["a", ""]}
    assert got.kinds == {"cell_too_long"}


def _rewrite(file: Path, part: str, change: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == part else content)
    file.write_bytes(buffer.getvalue())
