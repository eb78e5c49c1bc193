"""What the build makes of a small study that holds one case of everything it decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.dbt_runs import build_core, rows
from tests.integration.raw_fixture import Study, pseudonym, write_landing
from tests.integration.small_studies import (
    CORRECTED_WIDE,
    FIRST_FULL,
    FIRST_WIDE,
    LONG,
    MOOD,
    OTHER_FILE,
    SECOND_FULL,
    wide,
)

STUDY = Study(
    [FIRST_WIDE, FIRST_FULL, LONG, CORRECTED_WIDE, OTHER_FILE, SECOND_FULL, MOOD],
    ["wide", "full", "long", "mood", "silent"],
    withdrawn=[("wide", "C8")],
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, built whole."""
    folder = tmp_path_factory.getbasetemp() / "core"
    folder.mkdir()
    write_landing(folder / "landing.duckdb", STUDY)
    build_core(folder)
    return folder


def answers(
    folder: Path, site: str, client: str, occasion: str, rater: str = "client"
) -> dict[str, tuple[object, ...]]:
    """Status, reason, value and keyed value of a form's responses by item."""
    found = rows(
        folder,
        """SELECT item_id, item_responses.status, missing_reason, value, keyed_value
           FROM item_responses JOIN forms USING (form_id)
           WHERE client_id = ? AND occasion = ? AND rater = ? ORDER BY item_id""",
        [pseudonym(site, "client", client), occasion, rater],
    )
    return {row[0]: row[1:] for row in found}


def test_a_corrected_delivery_counts_and_files_that_disagree_are_rejected(built: Path) -> None:
    assert answers(built, "wide", "C1", "5") == {
        "mini_01": ("accepted", None, 5.0, 5.0),
        "mini_02": ("rejected", "conflict", None, None),
        "mini_03": ("blank", None, None, None),
        "mini_04": ("accepted", None, 2.0, 4.0),
    }
    lineage = rows(
        built,
        """SELECT item_id, r.delivery_number, r.row_number, r.column_number FROM item_responses r JOIN forms f
           USING (form_id) WHERE client_id = ? AND rater = 'therapist' ORDER BY item_id""",
        [pseudonym("wide", "client", "C1")],
    )
    assert lineage == [("mini_01", 4, 2, 9), ("mini_02", 4, 2, 10), ("mini_03", 4, 2, 11), ("mini_04", 4, 2, 12)]


def test_cells_are_decoded_by_their_rule(built: Path) -> None:
    assert answers(built, "wide", "C2", "6") == {
        "mini_01": ("rejected", "out_of_range", None, None),
        "mini_02": ("rejected", "spreadsheet_error", None, None),
        "mini_03": ("declared_missing", "no answer", None, None),
        "mini_04": ("blank", None, None, None),
    }
    assert answers(built, "wide", "C3", "5")["mini_04"] == ("rejected", "not_a_number", None, None)
    assert answers(built, "wide", "C9", "12")["mini_02"] == ("rejected", "not_a_step", None, None)


def test_labels_and_keys_turned_at_the_source(built: Path) -> None:
    assert answers(built, "long", "C1", "last") == {
        "mini_01": ("accepted", None, 4.0, 4.0),
        # delivered as 5 after turning, so the client said 1
        "mini_02": ("accepted", None, 1.0, 5.0),
        "mini_03": ("rejected", "label_unknown", None, None),
        "mini_04": ("accepted", None, 4.0, 2.0),
    }
    assert answers(built, "long", "C1", "3") == {
        "mini_01": ("accepted", None, 1.0, 1.0),
        "mini_02": ("rejected", "conflict", None, None),
        "mini_03": ("blank", None, None, None),
    }


def test_a_newer_full_export_replaces_the_older(built: Path) -> None:
    assert answers(built, "full", "C1", "5")["mini_04"] == ("accepted", None, 5.0, 1.0)
    assert answers(built, "full", "C2", "5") == {}


def test_therapists_of_records_that_name_none(built: Path) -> None:
    found = rows(
        built,
        "SELECT client_id, occasion, therapist_id, therapist_from, dyad_id IS NULL FROM forms"
        " WHERE site_id = 'wide' AND client_id IN (?, ?) ORDER BY occasion, client_id = ?",
        [pseudonym("wide", "client", c) for c in ("C3", "C7", "C7")],
    )
    c3, c7 = (pseudonym("wide", "client", c) for c in ("C3", "C7"))
    t1, t2 = (pseudonym("wide", "therapist", t) for t in ("T1", "T2"))
    assert found == [
        (c7, "4", None, None, True),
        (c3, "5", t2, "only_therapist_of_client", False),
        (c7, "5", t1, "record", False),
        (c3, "last", t2, "record", False),
        (c7, "last", t2, "record", False),
    ]
    assert rows(built, "SELECT count(*) FROM forms WHERE site_id = 'long' AND therapist_id IS NOT NULL") == [(0,)]


def test_records_without_a_usable_key_or_answer_hold_no_form(built: Path) -> None:
    held = {row[0] for row in rows(built, "SELECT DISTINCT client_id FROM forms WHERE site_id = 'wide'")}
    assert held == {pseudonym("wide", "client", c) for c in ("C1", "C2", "C3", "C6", "C7", "C9")}
    # the record ends after two items: the others were never answered
    assert [a[0] for a in answers(built, "wide", "C6", "5").values()] == ["accepted", "accepted", "blank", "blank"]


def test_dates_and_sessions(built: Path) -> None:
    found = rows(
        built,
        "SELECT client_id, occasion, session_id, form_date::VARCHAR FROM forms WHERE rater = 'client'"
        " AND client_id IN (?, ?, ?) ORDER BY occasion",
        [pseudonym("wide", "client", "C1"), pseudonym("wide", "client", "C2"), pseudonym("wide", "client", "C9")],
    )
    assert [row[1:] for row in found] == [("12", None, None), ("5", "s05", "2024-02-05"), ("6", "s05", None)]


def test_scores_by_the_share_of_items_answered(built: Path) -> None:
    found = rows(
        built,
        """SELECT f.site_id, f.phase, s.scale_id, s.score, s.n_answered, s.status, s.origin, s.delivered_score
           FROM scale_scores s JOIN forms f USING (form_id)
           WHERE f.client_id IN (?, ?) AND (f.rater = 'therapist' OR f.site_id = 'mood')
           ORDER BY f.site_id, f.phase, s.scale_id""",
        [pseudonym("wide", "client", "C1"), pseudonym("mood", "client", "C1")],
    )
    assert found == [
        ("mood", "post", "total", 5.0, 1, "ok", "delivered", 5.0),
        ("mood", "pre", "total", 11.0, 3, "ok", "computed", None),
        ("wide", "therapy", "total", 3.5, 4, "ok", "computed", None),
        ("wide", "therapy", "warm", 4.0, 2, "ok", "computed", None),
    ]
    # one of two and two of four items are too few of 75 percent
    assert rows(
        built,
        "SELECT s.scale_id, s.score, s.status FROM scale_scores s JOIN forms f USING (form_id)"
        " WHERE f.client_id = ? AND f.rater = 'client' ORDER BY 1",
        [pseudonym("wide", "client", "C1")],
    ) == [("total", None, "too_few_answered"), ("warm", None, "too_few_answered")]


def test_outcomes_are_signed_so_that_higher_is_better(built: Path) -> None:
    found = rows(built, "SELECT client_id, phase, score, benefit, higher_is FROM outcomes ORDER BY score")
    ids = {n: pseudonym("mood", "client", n) for n in ("C1", "C2", "C3")}
    assert found == [
        (ids["C1"], "post", 5.0, -5.0, "worse"),
        (ids["C3"], "post", 6.0, -6.0, "worse"),
        (ids["C2"], "pre", 9.0, -9.0, "worse"),
        (ids["C1"], "pre", 11.0, -11.0, "worse"),
    ]


def test_both_raters_side_by_side(built: Path) -> None:
    client = pseudonym("wide", "client", "C1")
    dyads = rows(
        built,
        "SELECT s.scale_id, client_score, therapist_score, difference, days_apart FROM dyad_sessions s"
        " JOIN dyads USING (dyad_id) WHERE client_id = ? ORDER BY 1",
        [client],
    )
    assert dyads == [("total", None, 3.5, None, 0), ("warm", None, 4.0, None, 0)]
    items = rows(
        built,
        "SELECT item_id, client_value, therapist_value, difference FROM dyad_items JOIN dyads USING (dyad_id)"
        " WHERE client_id = ? ORDER BY 1",
        [client],
    )
    assert items == [
        ("mini_01", 5.0, 4.0, 1.0), ("mini_02", None, 4.0, None), ("mini_03", None, 3.0, None),
        ("mini_04", 4.0, 3.0, 1.0),
    ]  # fmt: skip


def test_every_cell_is_accounted_for_in_its_class(built: Path) -> None:
    unequal = rows(
        built,
        """SELECT d.delivery_number, d.n_cells, sum(c.n_cells) FROM build.intermediate.int_cell_counts c
           JOIN (SELECT delivery_number, sum(n_cells) AS n_cells FROM build.staging.stg_column_fills GROUP BY 1) d
           USING (delivery_number) GROUP BY 1, 2 HAVING sum(c.n_cells) <> d.n_cells""",
    )
    assert unequal == []
    counted = rows(built, "SELECT delivery_number, cell_status, n_cells FROM build.intermediate.int_cell_counts")
    by_delivery: dict[int, dict[str, int]] = {}
    for number, status, n_cells in counted:
        by_delivery.setdefault(number, {})[status] = n_cells
    sizes = {n: sum(map(len, d.records)) for n, d in enumerate(STUDY.deliveries, start=1)}
    assert {number: sum(counts.values()) for number, counts in by_delivery.items()} == sizes
    # C1 and C2 of the first export: three keys each; C1's four answers came again, C2's did not
    assert by_delivery[2] == {"accepted": 3, "superseded": 4, "withdrawn": 7}
    # Q9 is no item: code and answer; the second Q1 repeats the first; Q2 twice in conflict, Q3 not a label
    assert by_delivery[3] == {
        "accepted": 20 + 9 + 3 + 1, "not_mapped": 2, "superseded": 1, "rejected": 3, "blank": 1,
    }  # fmt: skip
    # row diary: four answers; free text is counted but not known; one cell beyond the header
    assert by_delivery[7] == {"accepted": 15 + 7 + 2, "rejected": 1, "not_mapped": 4 + 5 + 1, "blank": 6}
    # the eight cells of C1 came again; C8 withdrew: three keys and four answers
    assert by_delivery[1]["superseded"] == 8
    assert by_delivery[1]["withdrawn"] == 7
    assert by_delivery[1]["declared_missing"] == 1


def test_rejected_cells_say_where_and_why_but_not_what(built: Path) -> None:
    found = rows(
        built,
        "SELECT delivery_number, row_number, column_number, reason, value_class, item_id, form_id IS NULL"
        " FROM build.intermediate.int_rejected_cells ORDER BY ALL",
    )
    no_client = [(1, 6, column, "client_id_blank", "number", f"mini_{column - 4:02d}", True) for column in range(5, 9)]
    no_session = [(1, 7, column, "unknown_session", "number", f"mini_{column - 4:02d}", True) for column in range(5, 9)]
    assert found == sorted(
        [
            (1, 3, 4, "date_not_readable", "date", None, True),
            (1, 3, 5, "out_of_range", "number", "mini_01", False),
            (1, 3, 6, "spreadsheet_error", "spreadsheet_error", "mini_02", False),
            (1, 4, 8, "not_a_number", "text", "mini_04", False),
            *no_client,
            (1, 7, 3, "unknown_session", "text", None, True),
            *no_session,
            (1, 14, 6, "not_a_step", "number", "mini_02", False),
            (3, 4, 4, "label_unknown", "label", "mini_03", False),
            (3, 9, 4, "conflict", "text", "mini_02", False),
            (3, 10, 4, "conflict", "text", "mini_02", False),
            (4, 2, 6, "conflict", "number", "mini_02", False),
            (5, 2, 5, "conflict", "number", "mini_02", False),
            (7, 6, 7, "out_of_range", "number", None, False),
        ],
        key=lambda row: row[:3],
    )


def test_the_number_of_people_and_forms(built: Path) -> None:
    assert rows(built, "SELECT site_id, n_clients, n_therapists, n_dyads, n_forms FROM sites ORDER BY 1") == [
        ("full", 1, 1, 1, 1), ("long", 1, 0, 0, 2), ("mood", 3, 1, 3, 4), ("silent", 0, 0, 0, 0),
        ("wide", 6, 2, 7, 10),
    ]  # fmt: skip
    assert rows(built, "SELECT sum(n_items) = (SELECT count(*) FROM item_responses) FROM forms") == [(True,)]


def test_a_raw_id_is_nowhere_in_core(built: Path) -> None:
    for table, columns in {"forms": "client_id, therapist_id, dyad_id", "clients": "client_id"}.items():
        for column in columns.split(", "):
            assert rows(built, f"SELECT count(*) FROM {table} WHERE length({column}) <> 19") == [(0,)]


def test_every_table_of_core_has_a_key_a_grain_and_comments(built: Path) -> None:
    tables = rows(
        built,
        """SELECT table_name, comment, (SELECT count(*) FROM duckdb_constraints() k WHERE k.table_oid = t.table_oid
           AND k.database_name = 'alliance' AND constraint_type = 'PRIMARY KEY')
           FROM duckdb_tables() t WHERE database_name = 'alliance' AND schema_name = 'core'""",
    )
    assert len(tables) == 16
    assert [name for name, comment, keys in tables if not str(comment).startswith("One row per ") or keys != 1] == []
    assert (
        rows(
            built,
            "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'alliance'"
            " AND schema_name = 'core' AND coalesce(comment, '') = ''",
        )
        == []
    )


def test_a_study_without_any_delivery(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "core_empty"
    folder.mkdir()
    write_landing(folder / "landing.duckdb", Study([], ["silent"], sessions=[]))
    build_core(folder)
    assert rows(folder, "SELECT * FROM sites") == [("silent", "Silent", None, 0, 0, 0, 0)]
    assert rows(folder, "SELECT count(*) FROM forms UNION ALL SELECT count(*) FROM dyad_items") == [(0,), (0,)]


def test_sessions_by_days_and_pairs_by_nearness(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "core_days"
    folder.mkdir()
    delivery = wide(
        ["C1", "T1", "", "01.02.2024", "1", "1", "1", "1", "2", "2", "2", "2", ""],
        # two in the same window: the client's later one stands for it, and the therapist's near it
        ["C1", "T1", "", "15.03.2024", "2", "2", "2", "2", "", "", "", "", ""],
        ["C1", "T1", "", "20.03.2024", "3", "3", "3", "3", "", "", "", "", ""],
        ["C1", "T1", "", "22.03.2024", "", "", "", "", "4", "4", "4", "4", ""],
        # too far from the client's form to be its pair
        ["C2", "T1", "", "01.02.2024", "1", "1", "1", "1", "", "", "", "", ""],
        ["C2", "T1", "", "12.02.2024", "", "", "", "", "1", "1", "1", "1", ""],
        # neither session nor date
        ["C3", "T1", "", "", "1", "1", "1", "1", "", "", "", "", ""],
    )
    windows = [("start", 1, None, None, None, 0, 29), ("later", 2, None, None, None, 30, 90)]
    study = Study([delivery], ["wide"], sessions=windows, settings={"pairing_max_days": "7"})
    write_landing(folder / "landing.duckdb", study)
    build_core(folder)
    found = rows(
        folder,
        "SELECT client_id, session_id, client_score, therapist_score, days_apart FROM dyad_sessions"
        " JOIN dyads USING (dyad_id) WHERE scale_id = 'total' ORDER BY client_id = ?, session_id DESC",
        [pseudonym("wide", "client", "C2")],
    )
    c1, c2 = (pseudonym("wide", "client", c) for c in ("C1", "C2"))
    # answers all alike give the middle of the range: items 2 and 4 are reverse-keyed
    assert found == [(c1, "start", 3.0, 3.0, 0), (c1, "later", 3.0, 3.0, 2), (c2, "start", 3.0, None, None)]
    assert rows(folder, "SELECT DISTINCT reason FROM build.intermediate.int_rejected_cells") == [("session_blank",)]
