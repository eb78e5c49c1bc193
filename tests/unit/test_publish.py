"""Publishing: one atomic step, readers never refused, old versions kept, nothing left behind."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from flows.commands.query import as_csv, as_json, run_query
from flows.common.database import attach, connect
from flows.common.errors import NothingPublished, PublishError, UsageError
from flows.common.paths import StudyPaths
from flows.publishing import publish
from flows.publishing.rolling_back import roll_back
from tests.unit.published_versions import RESOURCES, make_next, put_out


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    return StudyPaths(tmp_path / "my study")


def read_n(paths: StudyPaths) -> int:
    _, rows = run_query(paths.published_file, "select max(n) from core.forms")
    return rows[0][0]


def test_what_is_published_can_be_queried_but_not_written(paths: StudyPaths) -> None:
    make_next(paths, 1)
    manifest = put_out(paths, 1)
    assert read_n(paths) == 1
    assert manifest["tables"]["core.forms"] == 2
    assert stat.S_IMODE(paths.published_file.stat().st_mode) == 0o440
    with pytest.raises(UsageError):
        run_query(paths.published_file, "create table core.more (i integer)")
    with pytest.raises(UsageError):
        run_query(paths.published_file, f"copy core.forms to '{paths.folder / 'stolen.csv'}'")


def test_keys_and_comments_reach_the_published_file(paths: StudyPaths) -> None:
    make_next(paths, 1)
    put_out(paths, 1)
    _, keys = run_query(paths.published_file, "select constraint_type from duckdb_constraints()")
    assert ("PRIMARY KEY",) in keys
    _, comments = run_query(paths.published_file, "select comment from duckdb_tables() where table_name = 'forms'")
    assert comments == [("One row per form.",)]


def test_parquet_holds_the_same_rows_and_links_unchanged_sites(paths: StudyPaths) -> None:
    make_next(paths, 1)
    put_out(paths, 1)
    before = (paths.warehouse_dir / "parquet" / "core" / "forms" / "site_id=a.parquet").stat().st_ino
    make_next(paths, 2)
    put_out(paths, 2, rewritten=("b",))
    folder = paths.warehouse_dir / "parquet" / "core" / "forms"
    assert (folder / "site_id=a.parquet").stat().st_ino == before
    rows = duckdb.sql(f"select site_id, n from '{folder}/*.parquet' order by 1").fetchall()
    assert rows == [("a", 1), ("b", 2)]


def test_a_linked_file_that_changed_on_the_disk_gets_no_new_hash(paths: StudyPaths) -> None:
    make_next(paths, 1)
    hashed = put_out(paths, 1)["files"]["parquet/core/forms/site_id=a.parquet"]["sha256"]
    damaged = paths.warehouse_dir / "parquet" / "core" / "forms" / "site_id=a.parquet"
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    make_next(paths, 2)
    files = put_out(paths, 2, rewritten=("b",))["files"]
    assert files["parquet/core/forms/site_id=a.parquet"]["sha256"] == hashed


def test_a_lost_manifest_is_made_anew(paths: StudyPaths) -> None:
    make_next(paths, 1)
    hashed = put_out(paths, 1)["files"]["parquet/core/forms/site_id=a.parquet"]["sha256"]
    (paths.current_link / "manifest.json").unlink()
    make_next(paths, 2)
    files = put_out(paths, 2, rewritten=("b",))["files"]
    assert files["parquet/core/forms/site_id=a.parquet"]["sha256"] == hashed


def test_a_table_without_rows_still_has_a_parquet_file(paths: StudyPaths) -> None:
    make_next(paths, 1, sites=())
    put_out(paths, 1)
    found = duckdb.sql(f"select count(*) from '{paths.warehouse_dir}/parquet/core/forms/*.parquet'").fetchone()
    assert found == (0,)


def test_old_versions_are_kept_and_pruned_and_can_come_back(paths: StudyPaths) -> None:
    for number in (1, 2, 3, 4):
        make_next(paths, number)
        put_out(paths, number)
    assert [name[-2:-1] for name in publish.versions(paths)] == ["2", "3", "4"]
    roll_back(paths, None)
    assert read_n(paths) == 3
    roll_back(paths, "20260101T000002Z")
    assert read_n(paths) == 2
    with pytest.raises(UsageError):
        roll_back(paths, "20260101T000001Z")
    with pytest.raises(UsageError):
        roll_back(paths, None)


def test_the_published_version_is_never_pruned(paths: StudyPaths) -> None:
    for number in (1, 2):
        make_next(paths, number)
        put_out(paths, number)
    roll_back(paths, None)
    publish.prune(paths, keep=1)
    assert publish.versions(paths) == ["20260101T000001Z", "20260101T000002Z"]
    assert read_n(paths) == 1


def test_what_a_killed_refresh_left_half_made_goes_with_the_next(paths: StudyPaths) -> None:
    make_next(paths, 1)
    put_out(paths, 1)
    half = paths.version_dir("20260101T000002Z")
    half.mkdir()
    (half / "alliance.duckdb").write_bytes(b"half")
    (paths.versions_dir / "notes").mkdir()
    make_next(paths, 3)
    put_out(paths, 3)
    assert sorted(each.name for each in paths.versions_dir.iterdir()) == [
        "20260101T000001Z",
        "20260101T000003Z",
        "notes",
    ]


def test_a_failure_leaves_what_was_published(paths: StudyPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    make_next(paths, 1)
    put_out(paths, 1)
    make_next(paths, 2)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish, "_manifest", full_disk)
    with pytest.raises(PublishError, match="No space left"):
        put_out(paths, 2)
    assert read_n(paths) == 1
    assert publish.versions(paths) == ["20260101T000001Z"]


def test_readers_are_never_refused_while_versions_change(paths: StudyPaths) -> None:
    make_next(paths, 0)
    put_out(paths, 0)
    code = (
        "import duckdb, sys\n"
        "seen = set()\n"
        "for _ in range(300):\n"
        "    con = duckdb.connect(sys.argv[1], read_only=True)\n"
        "    seen.add(tuple(con.execute('select min(n), max(n) from core.forms').fetchone()))\n"
        "    con.close()\n"
        "print(all(low == high for low, high in seen))\n"
    )
    done: list[str] = []

    def read() -> None:
        call = subprocess.run(
            [sys.executable, "-c", code, str(paths.published_file)], capture_output=True, text=True, check=True
        )
        done.append(call.stdout.strip())

    reader = threading.Thread(target=read)
    reader.start()
    number = 0
    while reader.is_alive():
        number += 1
        make_next(paths, number)
        put_out(paths, number, keep=3)
    reader.join()
    assert done == ["True"]


def test_compacting_takes_out_the_bytes_of_those_who_withdrew(paths: StudyPaths) -> None:
    make_next(paths, 1)
    secret = "th_" + "f00dfeed" * 40
    with connect() as con:
        attach(con, paths.next_file, "alliance")
        con.execute("insert into alliance.core.clients values (?), ('stays')", [secret])
    with connect(paths.next_file) as con:
        con.execute("delete from core.clients where client_id <> 'stays'")
    assert publish.compact(paths, removed=True, resources=RESOURCES)
    assert b"f00dfeedf00dfeed" not in paths.next_file.read_bytes()
    with connect(paths.next_file, read_only=True) as con:
        assert con.execute("from core.clients").fetchall() == [("stays",)]
        keys = con.execute("select count(*) from duckdb_constraints() where constraint_type = 'PRIMARY KEY'").fetchone()
        assert keys == (3,)


def test_compacting_is_left_out_when_it_would_change_nothing(paths: StudyPaths) -> None:
    make_next(paths, 1)
    assert not publish.compact(paths, removed=False, resources=RESOURCES)


def test_there_is_nothing_to_query_or_to_go_back_to_at_first(paths: StudyPaths) -> None:
    with pytest.raises(NothingPublished):
        run_query(paths.published_file, "select 1")
    with pytest.raises(NothingPublished):
        roll_back(paths, None)


def test_rows_as_csv_and_json() -> None:
    rows = [(1, None), (2, 'a "quoted", text')]
    assert as_csv(["n", "text"], rows) == 'n,text\n1,\n2,"a ""quoted"", text"\n'
    assert '"text": null' in as_json(["n", "text"], rows)


def test_one_statement_is_answered_and_nothing_of_its_answer_is_lost(paths: StudyPaths) -> None:
    make_next(paths, 1)
    put_out(paths, 1)
    for wrong in ("", " ;", "-- nothing", "select 1; select 2"):
        with pytest.raises(UsageError, match="statements were given"):
            run_query(paths.published_file, wrong)
    # one statement to whoever writes it, two to DuckDB, which first makes a type of the columns' names
    assert run_query(paths.published_file, "pivot (select 1 as a, 2 as b) on a using first(b)") == (["1"], [(2,)])
    columns, rows = run_query(
        paths.published_file,
        "select 1 as a, 2 as a, 3 as a_1, 'nan'::double as b, map {date '2024-01-01': 'inf'::float} as c",
    )
    assert columns == ["a", "a_2", "a_1", "b", "c"]
    assert json.loads(as_json(columns, rows)) == [{"a": 1, "a_2": 2, "a_1": 3, "b": None, "c": {"2024-01-01": None}}]
