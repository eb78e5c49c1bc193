"""Headers and settings become blocks, bindings, maps and the role of every column."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from flows.common.problems import Problem
from flows.landing.layout_tables import LAYOUT_TABLES, make_frame
from flows.settings.study import Study, load_study
from tests.unit.study_folders import (
    STUDY_YML,
    file_entry,
    header,
    layout_of,
    site_yml,
    study_of,
    wai_columns,
    write_study,
)

WAI = '- {instrument: wai_s, rater: client, items: "w{item}"}'


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    """Rows of some columns, nulls as None."""
    picked = frame[list(columns)].astype(object)
    return [tuple(row) for row in picked.where(picked.notna(), None).itertuples(index=False)]


def found(problems: tuple[Problem, ...]) -> dict[str, Problem]:
    """The problems by kind; each kind at most once."""
    kinds = [each.problem for each in problems]
    assert len(kinds) == len(set(kinds)), kinds
    return dict(zip(kinds, problems, strict=True))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_of(tmp_path, file_entry(WAI, therapist="th", date='{column: day, format: "%d.%m.%Y"}'))


def test_wide_block(study: Study) -> None:
    layout = layout_of(study, header(["id", "th", "session", "day", *wai_columns(), "age"]))
    [block] = layout.frames["layout_blocks"].to_dict("records")
    assert list(block["bound_columns"]) == list(range(5, 17))
    kept = ("instrument_id", "shape", "phase", "orientation", "rater", "client_column",
            "therapist_column", "session_column", "date_column", "date_format", "decimal_mark", "shift", "is_current",
            "delivery_rank")  # fmt: skip
    assert [block[name] for name in kept] == [
        "wai_s", "wide", "therapy", "as_administered", "client", 1, 2, 3, 4, "%d.%m.%Y", ".", 0.0, True, 1,
    ]  # fmt: skip
    for name in ("rater_column", "episode_column", "session", "filter_column", "item_code_column", "value_column"):
        assert pd.isna(block[name])
    assert rows(layout.frames["layout_bindings"], "column_number", "item_number", "scale_id", "rule_id") == [
        (4 + item, item, None, 1) for item in range(1, 13)
    ]
    assert rows(layout.frames["layout_rules"], "instrument_id", "min_value", "max_value", "step", "labels_only") == [
        ("wai_s", 1.0, 7.0, 1.0, False)
    ]
    assert rows(layout.frames["layout_columns"], "column_name", "role", "item_number")[3:6] == [
        ("day", "date", None), ("w1", "item", 1), ("w2", "item", 2),
    ]  # fmt: skip
    assert set(found(layout.problems)) == {"columns_not_mapped"}
    assert "'age'" in layout.problems[0].message


def test_study_tables(tmp_path: Path) -> None:
    forms = """
    - {instrument: wai_s, rater: {column: who, map: {K: client, T: therapist}}, items: "w{item}"}
    - {instrument: oq_45, rater: client, items: "o{item}", phase: post}
    """
    text = site_yml(file_entry(forms), more="expected: {clients: 30, by: 2026-06-30, max_clients_per_therapist: 9}\n")
    layout = layout_of(load_study(write_study(tmp_path, {"north": text}, STUDY_YML + "pairing_max_days: 14\n")))
    assert rows(layout.frames["sites"], *LAYOUT_TABLES["sites"]) == [
        ("north", "Clinic north", 30, dt.date(2026, 6, 30), None, 9)
    ]
    assert rows(layout.frames["site_instruments"], "instrument_id", "rater") == [
        ("oq_45", "client"), ("wai_s", "client"), ("wai_s", "therapist"),
    ]  # fmt: skip
    assert rows(layout.frames["sessions"], *LAYOUT_TABLES["sessions"]) == [
        ("s05", 1, "Session 5", 3.0, 7.0, 5.0, None, None),
        ("last", 2, "Last session", None, None, None, None, None),
    ]
    settings = dict(rows(layout.frames["study_settings"], "setting", "value"))
    assert settings == {"study_id": "demo", "title": "Demo", "min_share_answered": "0.8", "pairing_max_days": "14"}


def test_names_match_but_for_blanks_and_marks(study: Study) -> None:
    names = ["\ufeff id ", "th", "session", "day", *(f" w{n}\u00a0" for n in range(1, 13))]
    assert len(layout_of(study, header(names)).frames["layout_bindings"]) == 12


def test_inner_blanks_are_collapsed_on_both_sides(tmp_path: Path) -> None:
    study = study_of(
        tmp_path, file_entry('- {instrument: wai_s, rater: client, items: {"W  1": 1}}', client='"Klient  Nr"')
    )
    layout = layout_of(study, header(["Klient\nNr", "session", "W   1"]))
    assert rows(layout.frames["layout_bindings"], "column_number", "item_number") == [(3, 1)]


def test_case_matters_and_the_message_says_so(study: Study) -> None:
    layout = layout_of(study, header(["ID", "th", "session", "day", *wai_columns()]))
    problem = found(layout.problems)["column_missing"]
    assert (problem.severity, problem.column_name, problem.file_name) == ("critical", "id", "a.csv")
    assert "'ID', which differs in upper and lower case only" in problem.message
    assert "sites/north.yml" in problem.action
    assert layout.frames["layout_blocks"].empty
    assert set(layout.frames["layout_columns"]["role"]) == {"unmapped"}


def test_missing_therapist_or_date_leaves_the_form(study: Study) -> None:
    layout = layout_of(study, header(["id", "session", *wai_columns()]))
    kinds = {(each.problem, each.column_name): each.severity for each in layout.problems}
    assert kinds == {("column_missing", "th"): "warning", ("column_missing", "day"): "warning"}
    [block] = layout.frames["layout_blocks"].to_dict("records")
    assert pd.isna(block["therapist_column"])
    assert pd.isna(block["date_format"])


def test_missing_session_column_leaves_the_form_out(study: Study) -> None:
    layout = layout_of(study, header(["id", "th", "day", *wai_columns()]))
    assert found(layout.problems)["column_missing"].severity == "critical"
    assert layout.frames["layout_blocks"].empty


def test_some_items_missing(study: Study) -> None:
    layout = layout_of(study, header(["id", "th", "session", "day", *wai_columns(n=10), "W11"]))
    problem = found(layout.problems)["columns_missing"]
    assert "Items 11, 12 of wai_s, client, phase therapy" in problem.message
    assert "'w11', 'w12'" in problem.message
    assert problem.severity == "warning"
    assert len(layout.frames["layout_bindings"]) == 10


@pytest.mark.parametrize(("deliveries", "severity"), [("additional", "warning"), ("full", "critical")])
def test_no_column_matches(tmp_path: Path, deliveries: str, severity: str) -> None:
    study = study_of(tmp_path, file_entry(WAI, deliveries=deliveries))
    layout = layout_of(study, header(["id", "session", "x1", "x2"]))
    problem = found(layout.problems)["no_column_matches"]
    assert (problem.severity, problem.row_number, problem.column_name) == (severity, None, None)
    assert "pattern w{item}" in problem.message
    assert layout.frames["layout_blocks"].empty


def test_repeated_bound_column_leaves_the_form_out(study: Study) -> None:
    layout = layout_of(study, header(["id", "th", "session", "day", *wai_columns(), "w3"]))
    problem = found(layout.problems)["duplicate_column"]
    assert problem.column_name == "w3"
    assert "columns 7, 17" in problem.message
    assert layout.frames["layout_blocks"].empty


def test_repeated_column_that_nothing_uses_does_no_harm(study: Study) -> None:
    layout = layout_of(study, header(["id", "th", "session", "day", *wai_columns(), "x", "x", "", ""]))
    assert set(found(layout.problems)) == {"columns_not_mapped"}
    assert len(layout.frames["layout_blocks"]) == 1
    assert len(layout.frames["layout_columns"]) == 20


def test_one_missing_key_column_is_told_once(tmp_path: Path) -> None:
    forms = (
        '- {instrument: wai_s, rater: client, items: "w{item}"}\n- {instrument: haq_i, rater: client, items: "h{item}"}'
    )
    layout = layout_of(
        study_of(tmp_path, file_entry(forms)), header(["session", *wai_columns(), *wai_columns("h", 11)])
    )
    assert set(found(layout.problems)) == {"column_missing", "columns_not_mapped"}


def test_long_block(tmp_path: Path) -> None:
    forms = """
    - instrument: wai_s
      rater: {column: who, map: {K: client, T: therapist}}
      items: "W{item:02d}"
      scores: {bond: WB}
    - instrument: haq_i
      rater: client
      items: [H1, null, H3, H4, H5, H6, H7, H8, H9, H10, H11]
      only_rows: {column: who, values: [K]}
    """
    study = study_of(tmp_path, file_entry(forms, shape="long", item_code="item", value="answer", therapist="th"))
    layout = layout_of(study, header(["id", "th", "session", "who", "item", "answer"]))
    assert layout.problems == ()
    blocks = layout.frames["layout_blocks"]
    assert rows(blocks, "shape", "item_code_column", "value_column", "rater", "rater_column", "filter_column") == [
        ("long", 5, 6, None, 4, None), ("long", 5, 6, "client", None, 4),
    ]  # fmt: skip
    assert [list(each) for each in blocks["bound_columns"]] == [[], []]
    codes = rows(layout.frames["layout_item_codes"], "block_id", "item_code", "item_number", "scale_id")
    assert codes[0] == (1, "W01", 1, None)
    assert codes[12] == (1, "WB", None, "bond")
    assert codes[13:15] == [(2, "H1", 1, None), (2, "H3", 3, None)]
    assert rows(layout.frames["layout_columns"], "role") == [
        ("client",), ("therapist",), ("session",), ("rater",), ("item_code",), ("value",),
    ]  # fmt: skip
    assert rows(layout.frames["layout_value_maps"], "block_id", "role", "raw_value", "mapped") == [
        (1, "rater", "k", "client"), (1, "rater", "t", "therapist"),
    ]  # fmt: skip


def test_maps_filters_and_constants(tmp_path: Path) -> None:
    forms = """
    - instrument: wai_s
      rater: {column: who}
      items: "w{item}"
      only_rows: {column: event, values: [" s5 ", last]}
    - {instrument: oq_45, rater: client, items: "o{item}", phase: followup, session: {value: 3 months}}
    - {instrument: oq_45, rater: client, items: "p{item}", phase: post}
    """
    entry = file_entry(
        forms, session='{column: event, map: {S5: "5", Ende: last}}', episode="{column: ep, map: {First: '1'}}"
    )
    names = ["id", "who", "event", "ep", *wai_columns(), *wai_columns("o", 45), *wai_columns("p", 45)]
    layout = layout_of(study_of(tmp_path, entry), header(names))
    assert layout.problems == ()
    assert rows(layout.frames["layout_blocks"], "phase", "session", "session_column", "filter_column") == [
        ("therapy", None, 3, 3), ("followup", "3 months", None, None), ("post", None, None, None),
    ]  # fmt: skip
    assert list(layout.frames["layout_blocks"]["filter_values"][0]) == ["s5", "last"]
    assert rows(layout.frames["layout_value_maps"], "block_id", "role", "raw_value", "mapped")[:5] == [
        (1, "rater", "client", "client"), (1, "rater", "therapist", "therapist"),
        (1, "session", "s5", "5"), (1, "session", "ende", "last"), (1, "episode", "first", "1"),
    ]  # fmt: skip
    assert rows(layout.frames["layout_columns"], "role")[2] == ("session",)


def test_columns_shared_by_two_forms(tmp_path: Path) -> None:
    forms = """
    - {instrument: wai_s, rater: client, items: "w{item}", only_rows: {column: who, values: [c]}}
    - {instrument: wai_s, rater: therapist, items: "w{item}", only_rows: {column: who, values: [t]}}
    """
    layout = layout_of(study_of(tmp_path, file_entry(forms)), header(["id", "session", "who", *wai_columns()]))
    assert rows(layout.frames["layout_columns"], "role", "block_name", "instrument_id", "item_number")[2:4] == [
        ("filter", None, None, None), ("item", None, "wai_s", 1),
    ]  # fmt: skip
    assert len(layout.frames["layout_bindings"]) == 24


def test_free_text_and_ignored_columns(tmp_path: Path) -> None:
    entry = file_entry(WAI, ignore='[nr, "*_time"]', free_text='["note*", "[why]"]')
    names = ["id", "session", *wai_columns(), "nr", "a_time", "notes", "[why]", "w", "else"]
    layout = layout_of(study_of(tmp_path, entry), header(names))
    assert rows(layout.frames["layout_columns"], "column_name", "role")[14:] == [
        ("nr", "ignored"), ("a_time", "ignored"), ("notes", "free_text"), ("[why]", "free_text"),
        ("w", "unmapped"), ("else", "unmapped"),
    ]  # fmt: skip


def test_newest_full_export_is_current(tmp_path: Path) -> None:
    entries = (
        file_entry(WAI, deliveries="full", date_in_name='"r_%Y-%m-%d"', pattern='"r_*.csv"'),
        file_entry(WAI, name="other", pattern='"o*.csv"'),
    )
    names = ["id", "session", *wai_columns()]
    layout = layout_of(
        study_of(tmp_path, *entries),
        header(names, 1, file="r_2024-02-01.csv"),
        header(names, 2, file="r_2024-01-01.csv"),
        header(names, 3, file="r_undated.csv"),
        header(names, 4, spec="other", file="o1.csv"),
        header(names, 5, spec="other", file="o2.csv"),
    )
    blocks = layout.frames["layout_blocks"].sort_values("delivery_rank")
    assert rows(blocks, "delivery_number", "is_current") == [(3, False), (4, True), (5, True), (2, False), (1, True)]
    problem = found(layout.problems)["date_in_name_not_found"]
    assert (problem.file_name, problem.severity) == ("r_undated.csv", "warning")


def test_delivery_of_an_entry_that_is_gone(tmp_path: Path) -> None:
    names = ["id", "session", *wai_columns()]
    removed = header(names, spec="old", file="b.csv")
    layout = layout_of(study_of(tmp_path, file_entry(WAI)), removed)
    problem = found(layout.problems)["file_entry_gone"]
    assert (problem.file_name, problem.severity) == ("b.csv", "warning")
    assert layout.uncovered == (removed,)
    assert layout.frames["layout_blocks"].empty
    assert layout.frames["layout_columns"]["role"].tolist() == ["unmapped"] * 14


def test_invalid_site_is_a_critical_problem_and_its_deliveries_stay_unmapped(tmp_path: Path) -> None:
    good = site_yml(file_entry(WAI))
    study = load_study(write_study(tmp_path, {"north": good, "south": "site: south\n"}), strict=False)
    names = ["id", "session", *wai_columns()]
    layout = layout_of(study, header(names, 1), header(names, 2, site="south"), header(names, 3, site="gone"))
    assert {(each.site_id, each.problem, each.severity) for each in layout.problems} == {
        ("south", "site_file_invalid", "critical")
    }
    assert rows(layout.frames["layout_blocks"], "site_id") == [("north",)]
    assert set(layout.frames["layout_columns"]["delivery_number"]) == {1, 2, 3}


@pytest.mark.parametrize("filled", [True, False])
def test_frames_have_the_types_of_their_tables(study: Study, filled: bool) -> None:
    headers = [header(["id", "th", "session", "day", *wai_columns()])] if filled else []
    layout = layout_of(study, *headers)
    assert set(layout.frames) == set(LAYOUT_TABLES)
    with duckdb.connect() as con:
        for table, columns in LAYOUT_TABLES.items():
            con.register("frame", layout.frames[table])
            types = {name: kind for name, kind, *_ in con.execute("describe select * from frame").fetchall()}
            assert types == columns


def test_a_row_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match="sites has no column nam"):
        make_frame("sites", [{"site_id": "a", "nam": "b"}])
