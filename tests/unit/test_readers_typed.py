"""SPSS, Stata and Parquet: typed columns as text, what a file says of its own codes, and damaged files."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from flows.landing.readers import stata as stata_reader
from flows.landing.readers.parquet import ParquetReader
from flows.landing.readers.spss import SpssReader
from flows.landing.readers.stata import StataReader
from flows.landing.reading import FileRefused, Limits
from tests.unit.landing_studies import ReadRecords, parsed, read


def spss(path: Path, limits: Limits | None = None, **settings: Any) -> ReadRecords:
    return read(SpssReader(), path, parsed("spss", **settings), limits=limits or Limits())


def stata(path: Path) -> ReadRecords:
    return read(StataReader(), path, parsed("stata"))


def parquet(path: Path, **settings: Any) -> ReadRecords:
    return read(ParquetReader(), path, parsed("parquet", **settings))


@pytest.fixture
def sav(tmp_path: Path) -> Path:
    frame = pd.DataFrame(
        {
            "client": ["007", "NA", "c 3"],
            "q1": [1.0, 99.0, np.nan],
            "q2": [4.5, -3.0, 0.1],
            "day": [dt.date(2024, 1, 2), dt.date(1999, 12, 31), None],
            "moment": pd.to_datetime(["2024-01-02 03:04:05", None, "2024-01-02 00:00:00"]),
            "clock": [dt.time(9, 30), None, None],
        }
    )
    path = tmp_path / "file.sav"
    pyreadstat.write_sav(
        frame,
        str(path),
        variable_value_labels={"q1": {1: "never", 99: "no answer"}},
        missing_ranges={"q1": [99], "q2": [{"lo": -9, "hi": -1}], "client": ["NA"]},
    )
    return path


def test_spss_values(sav: Path) -> None:
    got = spss(sav)
    assert got.names == ["client", "q1", "q2", "day", "moment", "clock"]
    assert got.records == {
        1: ["007", "1", "4.5", "2024-01-02", "2024-01-02 03:04:05", "09:30:00"],
        2: ["NA", "99", "-3", "1999-12-31", "", ""],
        3: ["c 3", "", "0.1", "", "2024-01-02", ""],
    }


def test_spss_says_its_own_codes(sav: Path) -> None:
    got = spss(sav)
    assert got.column("q1").missing_values == ("99",)
    assert got.column("q1").value_labels == {"1": "never", "99": "no answer"}
    assert got.column("q2").missing_values == ("-3",), "a range is written out as the values that occur in it"
    assert got.column("client").missing_values == ("NA",)
    assert got.column("day").missing_values == () and got.column("day").value_labels is None


def test_spss_labels_within_a_range_are_missing_codes_also_where_they_do_not_occur(tmp_path: Path) -> None:
    frame = pd.DataFrame({"client": ["a", "b"], "q1": [1.0, -2.0]})
    pyreadstat.write_sav(
        frame, str(tmp_path / "file.sav"), missing_ranges={"q1": [{"lo": -9, "hi": -1}]},
        variable_value_labels={"q1": {1: "never", -1: "refused", -7: "not asked"}},
    )  # fmt: skip
    assert spss(tmp_path / "file.sav").column("q1").missing_values == ("-7", "-2", "-1")


def test_spss_in_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.landing.readers.columnwise._CHUNK_ROWS", 7)
    frame = pd.DataFrame({"client": [f"c{n}" for n in range(21)], "q1": [float(n) for n in range(21)]})
    pyreadstat.write_sav(frame, str(tmp_path / "file.sav"), missing_ranges={"q1": [{"lo": 5, "hi": 15}]})
    got = spss(tmp_path / "file.sav")
    assert got.records == {n + 1: [f"c{n}", str(n)] for n in range(21)}
    assert got.column("q1").missing_values == tuple(str(n) for n in range(5, 16))


def test_free_text_long_cells_and_separators_columnwise(tmp_path: Path) -> None:
    frame = pd.DataFrame({"client": ["a\x1fb", "c"], "note": ["secret", "secret"], "q1": ["x" * 300, "2"]})
    pyreadstat.write_sav(frame, str(tmp_path / "file.sav"))
    got = spss(tmp_path / "file.sav", Limits(max_cell_bytes=200), free_text=["note"])
    assert got.records == {1: ["a\x1fb", "", ""], 2: ["c", "", "2"]}
    assert got.reading.n_cells == 6
    assert got.kinds == {"cell_too_long"}


def test_stata_values_and_extended_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "client": ["a", "b", "c"],
            "q1": [1, "a", 3],
            "day": [dt.date(2024, 1, 2), None, dt.date(1950, 1, 1)],
            "moment": pd.to_datetime(["2024-01-02 03:04:05", None, None]),
        }
    )
    path = tmp_path / "file.dta"
    pyreadstat.write_dta(
        frame,
        str(path),
        version=15,
        missing_user_values={"q1": ["a"]},
        variable_value_labels={"q1": {1: "never", "a": "refused"}},
    )
    got = stata(path)
    assert got.records == {
        1: ["a", "1", "2024-01-02", "2024-01-02 03:04:05"],
        2: ["b", ".a", "", ""],
        3: ["c", "3", "1950-01-01", ""],
    }
    assert got.column("q1").missing_values == (".a",)
    assert got.column("q1").value_labels == {"1": "never", ".a": "refused"}


def test_stata_single_precision_is_written_short(tmp_path: Path) -> None:
    frame = pd.DataFrame({"client": ["a", "b"], "q1": np.array([0.1, 2.0], dtype="float32")})
    frame.to_stata(tmp_path / "file.dta", write_index=False, version=118)
    assert stata(tmp_path / "file.dta").records == {1: ["a", "0.1"], 2: ["b", "2"]}


def test_parquet_values(tmp_path: Path) -> None:
    table = pa.table(
        {
            "client": pa.array(["007", None], pa.string()),
            "whole": pa.array([2**53 + 1, None], pa.int64()),
            "real": pa.array([4.0, float("nan")], pa.float64()),
            "single": pa.array(np.array([0.1, 5], dtype="float32"), pa.float32()),
            "exact": pa.array([Decimal("1.50"), None], pa.decimal128(5, 2)),
            "answer": pa.array([True, None]),
            "day": pa.array([dt.date(2024, 5, 31), None]),
            "moment": pa.array([dt.datetime(2024, 5, 31, 9, 30), None]),
            "coded": pa.array(["never", "always"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "file.parquet")
    got = parquet(tmp_path / "file.parquet")
    assert got.records == {
        1: ["007", str(2**53 + 1), "4", "0.1", "1.5", "TRUE", "2024-05-31", "2024-05-31 09:30:00", "never"],
        2: ["", "", "", "5", "", "", "", "", "always"],
    }


def test_parquet_nested_columns_are_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"client": ["a"], "q": [[1, 2]]}), tmp_path / "file.parquet")
    got = parquet(tmp_path / "file.parquet")
    assert got.records == {1: ["a", "[1, 2]"]}
    assert got.kinds == {"nested_column"}


def test_parquet_batches_keep_the_order(tmp_path: Path) -> None:
    ids = [f"c{n}" for n in range(50_001)]
    pq.write_table(pa.table({"client": ids}), tmp_path / "file.parquet", row_group_size=7_000)
    got = parquet(tmp_path / "file.parquet")
    assert [got.records[n + 1][0] for n in range(50_001)] == ids


def _write(kind: str, path: Path, rows: int) -> None:
    frame = pd.DataFrame({"client": [f"c{n}" for n in range(rows)], "q1": [float(n % 7) for n in range(rows)]})
    if kind == "sav":
        pyreadstat.write_sav(frame, str(path))
    elif kind == "dta":
        frame.to_stata(path, write_index=False, version=118)
    else:
        frame.to_parquet(path)


READERS: dict[str, Any] = {"sav": spss, "dta": stata, "parquet": parquet}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.98])
def test_cut_off_files_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / "file"
    _write(kind, path, 500)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileRefused) as caught:
        READERS[kind](path)
    assert caught.value.problem == "damaged_file"


@pytest.mark.parametrize("kind", READERS)
def test_other_files_empty_files_and_no_records(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    path.write_text("client,q1\na,1\n")
    with pytest.raises(FileRefused, match="not a whole"):
        READERS[kind](path)
    path.write_bytes(b"")
    with pytest.raises(FileRefused) as caught:
        READERS[kind](path)
    assert caught.value.problem == "empty_file"
    _write(kind, path, 0)
    with pytest.raises(FileRefused) as caught:
        READERS[kind](path)
    assert caught.value.problem == "no_records"


def test_a_labelled_extended_missing_value_is_missing_also_where_it_does_not_occur(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame({"client": ["x", "y"], "q1": [1.0, 2.0]})
    pyreadstat.write_dta(frame, str(tmp_path / "file.dta"), variable_value_labels={"q1": {1: "never", 2: "often"}})
    read_file = stata_reader._read

    def labelled(*arguments: Any) -> Any:
        # pyreadstat reads labels of .a, and has no way to write them
        values, meta = read_file(*arguments)
        meta.variable_value_labels["q1"]["a"] = "refused"
        return values, meta

    monkeypatch.setattr(stata_reader, "_read", labelled)
    column = stata(tmp_path / "file.dta").column("q1")
    assert column.missing_values == (".a",)
    assert column.value_labels == {"1": "never", "2": "often", ".a": "refused"}
