"""Landing as a whole: what is stored, when bytes are read again, and what bad deliveries come to."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.common.errors import LandingError
from flows.landing import land as landing
from flows.landing.land import land
from flows.landing.opening import open_store, preview_store
from flows.landing.reading import Limits
from flows.landing.schema import codebook_frames
from flows.layout.layout import resolve_layout
from tests.unit.landing_studies import file_settings, kinds, landed, make_study


def put(folder: Path, name: str, content: str | bytes = "client,q1,q2\na,1,2\n", site: str = "north") -> Path:
    path = folder / "deliveries" / site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_what_is_stored(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings(pattern="*.csv")], "south": [file_settings(pattern="*.csv")]})
    put(tmp_path, "a.csv", "client,q1,q2\n007,1,\nb,2\n")
    put(tmp_path, "a.csv", "client,q1,q2\n007,1,\nb,2\n", site="south")
    with landed(study) as (result, store):
        assert (result.new, result.read_again, result.n_rows, result.n_cells) == ((1, 2), (), 4, 10)
        row = store.con.execute(
            "select * exclude (landed_at, reader_settings, order_number) from raw.deliveries where site_id = 'north'"
        )
        (number, site, spec, name, content_hash, size, form, rows, columns, cells, day, refresh) = row.fetchall()[0]
        assert content_hash == hashlib.sha256(b"client,q1,q2\n007,1,\nb,2\n").hexdigest()
        assert (number, site, spec, name, size, form) == (1, "north", "ratings", "a.csv", 24, "csv")
        assert (rows, columns, cells, day, refresh) == (2, 3, 5, None, "r1")
        records = store.con.execute("from raw.records where delivery_number = 1 order by row_number").fetchall()
        assert records == [(1, 2, ["007", "1", ""]), (1, 3, ["b", "2"])]
        names = store.con.execute(
            "select column_name from raw.delivery_columns where delivery_number = 1 order by column_number"
        )
        assert names.fetchall() == [("client",), ("q1",), ("q2",)]
        assert [header.site_id for header in store.headers()] == ["north", "south"]
        assert {known_hash for _, known_hash in store.known()} == {content_hash}


def test_row_and_cell_counts_agree_with_what_is_stored(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    ragged = "client,q1,q2\n" + "".join(f"c{n}" + ",1" * (n % 5) + "\n" for n in range(5_000))
    put(tmp_path, "a.csv", ragged)
    with landed(study) as (result, store):
        stored = store.con.execute("select count(*), sum(len(cells)) from raw.records").fetchone()
        assert stored == (result.n_rows, result.n_cells) == (5_000, 15_000)


def test_the_store_is_private_and_its_view_works_when_attached(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv", "client,q1\na\x1fb,1\n")
    with landed(study):
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in study.paths.work_dir.iterdir() if path.is_file()
        }
        assert set(modes.values()) == {0o600} and "landing.duckdb" in modes
        assert stat.S_IMODE(study.paths.work_dir.stat().st_mode) == 0o700
    with duckdb.connect() as con:
        con.execute(f"attach '{study.paths.landing_file}' as other (read_only)")
        assert con.execute("select cells from other.raw.records").fetchall() == [(["a\x1fb", "1"],)]


def test_same_bytes_are_loaded_once(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv")
    put(tmp_path, "b.csv")
    with landed(study) as (result, _):
        assert result.new == (1,)
        assert kinds(result) == {"same_bytes"}
    (tmp_path / "deliveries/north/a.csv").unlink()
    with landed(study, "r2") as (result, store):
        assert result.new == () and result.read_again == ()
        assert store.con.execute("select count(*) from raw.records").fetchone() == (1,)


def test_a_correction_is_a_further_delivery(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv")
    with landed(study):
        pass
    put(tmp_path, "a.csv", "client,q1,q2\na,1,3\n")
    with landed(study, "r2") as (result, store):
        assert result.new == (2,)
        cells = store.con.execute("select delivery_number, cells from raw.records order by 1").fetchall()
        assert cells == [(1, ["a", "1", "2"]), (2, ["a", "1", "3"])]


def test_landing_order_is_date_in_name_then_natural(tmp_path: Path) -> None:
    dated = file_settings(name="dated", pattern="d_*.csv", date_in_name="d_%d%m%Y")
    study = make_study(tmp_path, {"north": [dated, file_settings(pattern="w*.csv")]})
    for index, name in enumerate(["w10.csv", "w9.csv", "d_01022024.csv", "d_02012024.csv"]):
        put(tmp_path, name, f"client,q1,q2\na,1,{index}\n")
    with landed(study) as (_, store):
        headers = store.headers()
        assert [each.file_name for each in headers] == ["w9.csv", "w10.csv", "d_02012024.csv", "d_01022024.csv"]
        assert str(headers[2].delivered_on) == "2024-01-02"


def test_changed_settings_read_the_same_bytes_again(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "client;q1;q2;note\nä;1;2;secret\n".encode("latin-1"))
    options = {"encoding": "cp437", "delimiter": ";"}
    with landed(make_study(tmp_path, {"north": [file_settings(csv=options)]})) as (result, store):
        assert result.new == (1,)
        assert store.con.execute("select cells[1] from raw.records").fetchone() == ("Σ",)
    options["encoding"] = "latin-1"
    study = make_study(tmp_path, {"north": [file_settings(csv=options, free_text=["note"])]})
    with landed(study, "r2") as (result, store):
        assert (result.new, result.read_again, kinds(result)) == ((), (1,), {"read_again"})
        assert store.con.execute("select cells from raw.records").fetchall() == [(["ä", "1", "2", ""],)]
        assert store.con.execute("select count(*), max(refresh_id) from raw.deliveries").fetchone() == (1, "r2")
    with landed(study, "r3") as (result, _):
        assert (result.read_again, result.problems) == ((), ())


def test_decimal_mark_and_forms_do_not_read_again(tmp_path: Path) -> None:
    put(tmp_path, "a.csv")
    with landed(make_study(tmp_path, {"north": [file_settings(csv={"decimal": "."})]})):
        pass
    changed = file_settings(csv={"decimal": ","}, missing={"99": "no answer"})
    with landed(make_study(tmp_path, {"north": [changed]}), "r2") as (result, _):
        assert result.read_again == ()


def test_new_free_text_is_taken_from_deliveries_whose_file_is_gone(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "client,q1,note\na,1,secret\nb\x1f,1,secret\nc,1\n")
    with landed(make_study(tmp_path, {"north": [file_settings()]})):
        pass
    path.unlink()
    study = make_study(tmp_path, {"north": [file_settings(free_text=["note"])]})
    with landed(study, "r2") as (result, store):
        assert result.read_again == (1,)
        rows = store.con.execute("select cells from raw.records order by row_number").fetchall()
        assert rows == [(["a", "1", ""],), (["b\x1f", "1", ""],), (["c", "1"],)]
    with landed(study, "r3") as (result, _):
        assert result.read_again == ()


def test_renamed_file_settings_take_their_deliveries_along(tmp_path: Path) -> None:
    put(tmp_path, "a.csv")
    with landed(make_study(tmp_path, {"north": [file_settings()]})):
        pass
    with landed(make_study(tmp_path, {"north": [file_settings(name="answers")]}), "r2") as (_, store):
        assert [each.file_spec for each in store.headers()] == ["answers"]


def test_a_bad_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings(pattern="*.csv")]})
    put(tmp_path, "a.csv", "client,q1\na,é\n".encode("latin-1"))
    put(tmp_path, "b.csv", b"")
    put(tmp_path, "c.csv", "client,q1\n" + "a,1\n" * 100_000 + 'a,"1\n')
    put(tmp_path, "d.csv")
    put(tmp_path, "~$d.csv")
    put(tmp_path, "notes.txt")
    with landed(study) as (result, store):
        assert (result.new, result.n_refused) == ((1,), 3)
        told = store.con.execute(
            "select file_name, problem, refresh_id from raw.landing_problems order by 1"
        ).fetchall()
        assert told == [
            ("a.csv", "wrong_encoding", "r1"),
            ("b.csv", "empty_file", "r1"),
            ("c.csv", "ends_inside_quotes", "r1"),
            ("notes.txt", "no_file_settings", "r1"),
            ("~$d.csv", "ignored_file", "r1"),
        ]
        assert store.con.execute("select count(*) from raw.records").fetchone() == (1,)


def test_a_file_of_blank_cells_is_not_loaded(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings(pattern="*.csv")]})
    put(tmp_path, "blank.csv", "client,q1\n,\n \t,\u00a0\n")
    put(tmp_path, "one.csv", "client,q1\n,\n,1\n")
    with landed(study) as (result, store):
        assert (result.new, result.n_refused) == ((1,), 1)
        assert [(each.file_name, each.problem) for each in result.problems] == [("blank.csv", "no_records")]
        assert [each.file_name for each in store.headers()] == ["one.csv"]
        assert store.con.execute("select count(*) from raw.records").fetchone() == (2,)


def test_a_record_taken_for_the_header_is_refused_and_shown_to_nobody(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings(csv={"header_row": 2})]})
    put(tmp_path, "a.csv", "client,q1,q2\nK815,1,2\nK816,3,4\n")
    with landed(study) as (result, store):
        (problem,) = result.problems
        assert problem.problem == "wrong_header"
        assert "K815" not in str(problem)
        assert store.headers() == []


def test_a_typed_file_of_blank_cells_is_not_loaded(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings("parquet")]})
    nothing = pa.table({"client": pa.array([None, " "], pa.string()), "q1": pa.array([None, None], pa.int32())})
    pq.write_table(nothing, tmp_path / "deliveries" / "north" / "a.parquet")
    with landed(study) as (result, _):
        assert [(each.file_name, each.problem) for each in result.problems] == [("a.parquet", "no_records")]


def test_a_reader_that_breaks_says_nothing_of_the_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret contents")

    monkeypatch.setattr("flows.landing.readers.delimited.scan", broken)
    with landed(study) as (result, _):
        (problem,) = result.problems
        assert problem.problem == "not_readable"
        assert "RuntimeError" in problem.message and "secret" not in str(problem)


def test_a_reader_that_miscounts_stops_the_refresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv")
    monkeypatch.setattr("flows.landing.records.PackingSink.add", lambda *_: None)
    with pytest.raises(LandingError, match="1 record counted, 0 stored"), landed(study):
        pass


def test_a_killed_refresh_leaves_whole_deliveries(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv")
    put(tmp_path, "b.csv", "client,q1,q2\n" + "b,1,2\n" * 200_000)
    child = os.fork()
    if child == 0:
        from flows.landing.records import PackingSink

        written = PackingSink.flush

        def die(sink: PackingSink) -> None:
            written(sink)
            if sink._source.file_name == "b.csv":
                os._exit(9)

        PackingSink.flush = die
        with landed(study):
            pass
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list(study.paths.work_dir.glob("incoming-*")), "the killed process left its private copy"
    with open_store(study.paths) as store:
        assert [each.file_name for each in store.headers()] == ["a.csv"]
        assert store.con.execute("select count(*) from raw.records").fetchone() == (1,)
    with landed(study, "r2") as (result, store):
        assert result.new == (2,)
        assert store.con.execute("select count(*) from raw.records").fetchone() == (200_001,)
    assert not list(study.paths.work_dir.glob("incoming-*"))


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    path = put(tmp_path, "a.csv")
    hashed = landing.content_hash

    def then_changed(file: Path) -> tuple[str, int]:
        found = hashed(file)
        path.write_text("client,q1,q2\na,1,3\n")
        return found

    monkeypatch.setattr(landing, "content_hash", then_changed)
    with landed(study) as (result, store):
        assert kinds(result) == {"changed_while_reading"} and result.new == ()
        assert not store.headers()
    monkeypatch.undo()
    with landed(study, "r2") as (result, store):
        assert store.con.execute("select cells from raw.records").fetchall() == [(["a", "1", "3"],)]


def test_preview_changes_nothing(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv", "client,q1,q2\na,1,2,3\n")
    with preview_store(study.paths) as store:
        result = land(study, study.paths, "preview", store)
        assert result.new == (1,) and kinds(result) == {"wrong_number_of_cells"}
        assert len(store.headers()) == 1
    assert not study.paths.work_dir.exists()
    with landed(study):
        pass
    put(tmp_path, "b.csv", "client,q1\nb,1\n")
    before = study.paths.landing_file.read_bytes()
    with preview_store(study.paths) as store:
        assert land(study, study.paths, "preview", store).new == (2,)
    assert study.paths.landing_file.read_bytes() == before


def test_layout_tables_are_replaced_whole(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv")
    with landed(study) as (_, store):
        for _ in range(2):
            layout = resolve_layout(study, study.codebook, store.headers(), {"refresh_id": "r1"})
            store.write_layout({**layout.frames, **codebook_frames(study.codebook)})
        blocks = store.con.execute(
            "select client_column, bound_columns, filter_values from raw.layout_blocks"
        ).fetchall()
        assert blocks == [(1, [2, 3], None)]
        assert store.con.execute("select value from raw.study_settings where setting = 'refresh_id'").fetchone() == (
            "r1",
        )
        numbers = store.con.execute(
            "select instrument_id, list(scale_number order by scale_number) from raw.codebook_scales group by 1"
        ).fetchall()
        assert numbers and all(found == list(range(1, len(found) + 1)) for _, found in numbers)
        with pytest.raises(LandingError, match="no column wrong"):
            store.write_layout({"sites": layout.frames["sites"].assign(wrong=1)})
        assert store.con.execute("select count(*) from raw.sites").fetchone() == (1,)


def test_the_store_in_use_is_said(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with open_store(study.paths):
            os.write(ready[1], b"x")
            os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        with pytest.raises(LandingError, match="another process"), open_store(study.paths):
            pass
    finally:
        os.write(done[1], b"x")
        os.waitpid(child, 0)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    study.paths.work_dir.mkdir()
    study.paths.landing_file.write_text("not a database, but long enough to be looked at" * 200)
    with pytest.raises(LandingError), open_store(study.paths):
        pass


def test_limits_are_part_of_what_is_read(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    put(tmp_path, "a.csv", f"client,q1\na,{'x' * 50}\n")
    with landed(study, limits=Limits(max_cell_bytes=20)) as (result, store):
        assert kinds(result) == {"cell_too_long"}
        assert store.con.execute("select cells[2] from raw.records").fetchone() == ("",)
    with landed(study, "r2") as (result, store):
        assert result.read_again == (1,)
        assert store.con.execute("select cells[2] from raw.records").fetchone() == ("x" * 50,)
