"""A published warehouse that somebody damaged does not keep a sound one from being published."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from flows.common.progress import listening
from flows.refreshing.bookkeeping import _carry_history, _readable


def published(folder: Path) -> Path:
    file = folder / "alliance.duckdb"
    with duckdb.connect(str(file)) as con:
        for schema, table in (("core", "item_responses"), ("meta", "refreshes"), ("meta", "changes")):
            con.execute(f"create schema if not exists {schema}; create table {schema}.{table} as select 7 as n")
    return file


def test_a_sound_file_is_read_and_its_history_carried_on(tmp_path: Path) -> None:
    file = published(tmp_path)
    assert _readable(file) == file
    with duckdb.connect() as con:
        con.execute("attach ':memory:' as alliance; create schema alliance.meta")
        con.execute("create table alliance.meta.refreshes (n int); create table alliance.meta.changes (n int)")
        _carry_history(con, file)
        assert con.execute("from alliance.meta.refreshes").fetchall() == [(7,)]


@pytest.mark.parametrize("damage", ["cut", "text", "other database", "gone"])
def test_a_damaged_file_is_no_history(tmp_path: Path, damage: str) -> None:
    file = published(tmp_path)
    whole = file.read_bytes()
    file.unlink()
    if damage == "other database":
        with duckdb.connect(str(file)) as con:
            con.execute("create table x as select 1 as n")
    elif damage != "gone":
        file.write_bytes(whole[:5_000] if damage == "cut" else b"a,b\n" * 5_000)
    said: list[str] = []
    with listening(lambda step, sentence: said.append(sentence)):
        assert _readable(file) is None
    assert bool(said) == (damage != "gone")
