"""Delimited text: what is kept, what is told, what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.landing.readers.delimited import CsvReader
from flows.landing.reading import FileRefused, Limits
from tests.unit.landing_studies import ReadRecords, parsed, read


def read_csv(path: Path, content: bytes | str, limits: Limits | None = None, **options: object) -> ReadRecords:
    file = path / "file.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(CsvReader(), file, parsed(csv=options), limits=limits or Limits())


def refused(path: Path, content: bytes | str, limits: Limits | None = None, **options: object) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read_csv(path, content, limits, **options)
    return caught.value


def test_ids_and_blanks_stay_text(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "client,q1,q2\n007,NA,\n NA ,#N/A,1e5\n")
    assert got.names == ["client", "q1", "q2"]
    assert got.records == {2: ["007", "NA", ""], 3: [" NA ", "#N/A", "1e5"]}
    assert not got.problems


def test_quotes_newlines_sql_and_html_come_through(tmp_path: Path) -> None:
    nasty = ["a\";'drop table x;--", "<script>alert(1)</script>\r\nsecond line", 'a;b"c']
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=";").writerows([['cli"ent', "q\n1", "<b>"], nasty, ["x", "y", "z"]])
    got = read_csv(tmp_path, buffer.getvalue(), delimiter=";")
    assert got.names == ['cli"ent', "q\n1", "<b>"]
    assert got.records == {2: nasty, 3: ["x", "y", "z"]}


def test_short_and_long_rows_are_kept_and_told(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "client,q1,q2\na,1,2\nb,1\nc,1,2,3,4\n")
    assert got.records == {2: ["a", "1", "2"], 3: ["b", "1"], 4: ["c", "1", "2", "3", "4"]}
    assert got.reading.n_cells == 10
    assert [(each.problem, each.row_number) for each in got.problems] == [
        ("wrong_number_of_cells", 3),
        ("wrong_number_of_cells", 4),
    ]


def test_many_ragged_rows_are_counted_not_listed(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "client,q1\n" + "a,1,\n" * 500)
    assert len(got.problems) == 21
    assert "480 further" in got.problems[-1].message


def test_blank_lines_are_no_records_but_count_as_rows(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "client,q1\r\na,1\r\n\r\nb,2\r\n,\r\n\r\n\r\n")
    assert got.records == {2: ["a", "1"], 4: ["b", "2"], 5: ["", ""]}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_last_line_without_one(tmp_path: Path, line_end: str) -> None:
    got = read_csv(tmp_path, line_end.join(["client,q1", "a,1", "b,2"]))
    assert got.records == {2: ["a", "1"], 3: ["b", "2"]}


def test_header_row_counts_rows_as_a_spreadsheet_does(tmp_path: Path) -> None:
    got = read_csv(tmp_path, 'Export of "today"\n\n"two\nlines",x\nclient,q1\na,1\n', header_row=4)
    assert got.names == ["client", "q1"]
    assert got.records == {5: ["a", "1"]}


def test_tabs_and_another_quote(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "client\tq1\n'a\tb'\t\"1\"\n", delimiter="\\t", quote="'")
    assert got.records == {2: ["a\tb", '"1"']}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"])
def test_declared_encodings(tmp_path: Path, encoding: str) -> None:
    text = "Klient,Größe\nÄnne,5\n"
    got = read_csv(tmp_path, text.encode(encoding), encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    assert got.names == ["Klient", "Größe"]
    assert got.records == {2: ["Änne", "5"]}


def test_utf16_little_endian_mark_before_a_quoted_name(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "\ufeffclient,q1\na,1\n".encode("utf-16-le"), encoding="utf-16-le")
    assert got.names == ["client", "q1"]


def test_wrong_encoding_names_line_byte_and_encoding(tmp_path: Path) -> None:
    content = b"client,q1\n" + b"a,1\n" * 400_000 + "ü,2\n".encode("latin-1")
    error = refused(tmp_path, content)
    offset = len("client,q1\n") + 4 * 400_000 + 1
    assert error.problem == "wrong_encoding"
    assert f"byte {offset}, in line 400002" in error.message
    assert "utf-8" in error.message


def test_utf16_read_as_utf8_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, "client,q1\na,1\n".encode("utf-16"))
    assert error.problem == "wrong_encoding"
    assert "utf-16" in error.message + error.action


def test_utf8_read_as_latin1_is_told_and_with_its_mark_refused(tmp_path: Path) -> None:
    assert "perhaps_wrong_encoding" in read_csv(tmp_path, "client,q1\nÄnne,1\n", encoding="latin-1").kinds
    assert refused(tmp_path, "\ufeffclient,q1\na,1\n", encoding="latin-1").problem == "wrong_encoding"
    assert not read_csv(tmp_path, "client,q1\nÄnne,1\n".encode("latin-1"), encoding="latin-1").problems


def test_wrong_delimiter_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, "client;q1;q2\na;1;2\n")
    assert error.problem == "wrong_delimiter"
    assert "a semicolon 2 times" in error.message and "';'" in error.action


def test_one_column_is_no_wrong_delimiter(tmp_path: Path) -> None:
    assert read_csv(tmp_path, "client\na\nb\n").records == {2: ["a"], 3: ["b"]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty_file"),
        (b"client,q1\n", "no_records"),
        (b"client,q1", "no_records"),
        (b'client,q1\na,"1\nb,2\nc,3\n', "ends_inside_quotes"),
        (b'client,q1\na,1\nb,"2" or 3\n', "malformed_quotes"),
        (b"client," + b"x" * 2_000 + b"\na,1\n", "column_name_too_long"),
        (b"," * 40_000 + b"\n1\n", "too_many_columns"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    assert refused(tmp_path, content).problem == problem


def test_where_quoting_fails_is_said(tmp_path: Path) -> None:
    assert refused(tmp_path, 'client,q1\na,1\nb,"2\nc,3\n').row_number == 3
    assert refused(tmp_path, 'client,q1\n"a\nb",1\nb,"2"x\n').row_number == 3


def test_header_beyond_the_file(tmp_path: Path) -> None:
    assert refused(tmp_path, "client,q1\n", header_row=5).problem == "no_header"


def test_cut_off_last_row_is_told(tmp_path: Path) -> None:
    assert "perhaps_cut_off" in read_csv(tmp_path, "client,q1,q2\na,1,2\nb,1").kinds
    assert "perhaps_cut_off" not in read_csv(tmp_path, "client,q1,q2\na,1,2\nb,1\n").kinds


def test_zero_bytes_are_kept_and_told(tmp_path: Path) -> None:
    got = read_csv(tmp_path, b"client,question 1\nanne\0,1\n")
    assert got.records == {2: ["anne\0", "1"]}
    assert got.kinds == {"zero_bytes"}


def test_a_huge_cell_is_cut_out_counted_and_told(tmp_path: Path) -> None:
    content = b"client,q1,q2\na," + b"x" * 100_000_000 + b",2\nb,1,2\n"
    got = read_csv(tmp_path, content)
    assert got.records == {2: ["a", "", "2"], 3: ["b", "1", "2"]}
    assert got.reading.n_cells == 6
    (problem,) = got.problems
    assert (problem.problem, problem.row_number, problem.column_name) == ("cell_too_long", 2, "q1")


def test_length_is_bytes_not_characters(tmp_path: Path) -> None:
    limits = Limits(max_cell_bytes=100)
    got = read_csv(tmp_path, f"client,q1\n{'x' * 100},{'ä' * 51}\n", limits)
    assert got.records == {2: ["x" * 100, ""]}


def test_a_record_without_end_is_refused(tmp_path: Path) -> None:
    limits = Limits(max_cell_bytes=10_000)
    assert refused(tmp_path, b"client,q1\na," + b"x" * 7_000_000, limits).problem == "record_too_long"
    quoted = b'client,q1\na,"' + b"x\n" * 3_500_000 + b'"\n'
    assert refused(tmp_path, quoted, limits).problem in ("record_too_long", "ends_inside_quotes")


def test_a_cell_holding_the_packing_separator_survives(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "client,q1\na\x1fb,1\nc,2\n")
    assert got.records == {2: ["a\x1fb", "1"], 3: ["c", "2"]}


def test_free_text_is_blanked_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("client,note,q1,note 2\na,secret,1,more\nb,secret\n")
    got = read(CsvReader(), file, parsed(free_text=["note*"]))
    assert got.records == {2: ["a", "", "1", ""], 3: ["b", ""]}
    assert got.reading.n_cells == 6


def test_repeated_and_blank_names_are_told_by_place(tmp_path: Path) -> None:
    got = read_csv(tmp_path, "client,q1, q1 ,,\na,1,2,3,4\n")
    assert got.names == ["client", "q1", "q1", "", ""]
    assert got.kinds == {"duplicate_column_name", "blank_column_name"}
    assert any("columns 2, 3" in each.message for each in got.problems)


def test_messages_never_hold_contents(tmp_path: Path) -> None:
    secret = "Annegret"
    contents: list[bytes] = [
        f"client,q1\n{secret},1,2\n".encode(),
        f'client,q1\n{secret},"1"{secret}\n'.encode(),
        f'client,q1\n{secret},"{secret}\n'.encode(),
        f"client,q1\n{secret},é\n".encode("latin-1"),
    ]
    for content in contents:
        try:
            told = [f"{each.message} {each.action}" for each in read_csv(tmp_path, content).problems]
        except FileRefused as error:
            told = [f"{error.message} {error.action}"]
        assert told and not any(secret in each for each in told)


# Any text but what csv.writer itself cannot write back unchanged: lone surrogates.
_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(_CELLS, min_size=2, max_size=2), min_size=1, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, quoting: int
) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting)
    writer.writerows([["a", "b"], *rows])
    folder = tmp_path_factory.mktemp("round")
    got = read_csv(folder, buffer.getvalue(), delimiter=delimiter)
    assert got.records == dict(enumerate(rows, start=2))


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    try:
        got = read_csv(folder, b"a,b\n" + content)
    except FileRefused as error:
        assert error.problem != "counts_disagree"
    else:
        assert got.reading.n_rows > 0
