"""DuckDB is bounded by what the rest of the process leaves of the study's limit."""

from pathlib import Path

import duckdb
import pytest
from pydantic import TypeAdapter

from flows.common import memory
from flows.common.database import connect
from flows.common.numbers import as_bytes
from flows.settings.settings_types import MemoryLimit


def limit_of(con: duckdb.DuckDBPyConnection) -> float:
    """The limit in units of a million bytes."""
    found = con.execute("select current_setting('memory_limit')").fetchone()
    assert found is not None
    size = as_bytes(found[0])
    assert size is not None
    return size / 1e6


@pytest.mark.parametrize(
    ("limit", "held", "left"),
    [
        ("2GB", 300, 1400),
        ("2GB", 1100, 600),
        ("2GB", 3000, 500),  # a quarter
        ("800MB", 700, 256),  # and what it needs
        ("256MB", 300, 256),
    ],
)
def test_what_python_holds_is_taken_from_the_limit(
    limit: str, held: int, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: held * 10**6)
    with connect(memory_limit=limit) as con:
        memory.leave_room(con, limit)
        assert limit_of(con) == pytest.approx(left, rel=0.01)


def test_what_duckdb_holds_itself_is_not_taken_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: 400 * 10**6)
    with connect(memory_limit="1GB") as con:
        con.execute("create table numbers as select random() as number from range(20_000_000)")
        memory.leave_room(con, "1GB")
        assert limit_of(con) > 550


def test_the_limit_stays_where_duckdb_cannot_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: 2000 * 10**6)
    with connect(memory_limit="1GB") as con:
        con.execute("set temp_directory = ''")
        con.execute("create table numbers as select random() as number from range(40_000_000)")
        memory.leave_room(con, "1GB")
        assert limit_of(con) == pytest.approx(1000, rel=0.05)


def test_the_limit_is_duckdbs_alone_where_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: None)
    with connect(memory_limit="2GB") as con:
        memory.leave_room(con, "2GB")
        assert limit_of(con) == pytest.approx(2000, rel=0.05)


@pytest.mark.parametrize(
    ("amount", "size"),
    [("2GB", 2e9), ("1.5 GiB", 1.5 * 2**30), ("800MB", 8e8), ("3KB", 3e3), ("1 TB", 1e12), ("2G", None), ("0GB", None)],
)
def test_amounts_of_memory_are_read_as_settings_have_them(amount: str, size: float | None) -> None:
    assert as_bytes(amount) == size


@pytest.mark.parametrize("amount", ["2GB", "2 GB", "256MB", "1.5 GiB"])
def test_a_limit_may_be_set_with_a_blank_and_in_either_unit(amount: str) -> None:
    assert TypeAdapter(MemoryLimit).validate_python(amount) == amount


def test_what_a_process_holds_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = memory.resident_bytes()
    assert held is None or 10**7 < held < 10**12
    monkeypatch.setattr(memory, "_RESIDENT", tmp_path / "statm")
    assert memory.resident_bytes() is None


@pytest.mark.parametrize("limit", ["2GB", "333MB"])
def test_less_for_a_while_does_not_wear_the_limit_off(limit: str) -> None:
    with connect(memory_limit=limit) as con:
        had = limit_of(con)
        for _ in range(30):
            with memory.at_most(con, 96_000_000):
                assert limit_of(con) == pytest.approx(96, rel=0.01)
        assert limit_of(con) == had


def test_who_has_less_than_a_bound_keeps_it() -> None:
    with connect(memory_limit="64MB") as con, memory.at_most(con, 96_000_000):
        assert limit_of(con) == pytest.approx(64, rel=0.01)


def test_room_on_the_disk_is_made_where_no_working_folder_is_left(tmp_path: Path) -> None:
    with connect(memory_limit="200MB", temp=tmp_path / "work" / "temp") as con:
        con.execute("create temp table held as select range as number from range(10000000)")
        with memory.at_most(con, 30_000_000):
            assert limit_of(con) == pytest.approx(30, rel=0.01)
            assert con.execute("select sum(number) from held").fetchall() == [(49999995000000,)]


def test_what_was_left_half_way_may_be_closed_after_its_connection() -> None:
    with connect(memory_limit="200MB") as con:
        left = memory.at_most(con, 96_000_000)
        left.__enter__()
    left.__exit__(None, None, None)
