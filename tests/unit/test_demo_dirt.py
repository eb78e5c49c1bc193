"""Every piece of the demo's dirt lies in the landed cells where truth/dirt.csv says, and lets all else land."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from demo import Truth, generate
from demo.dirt import CHECK_OF, KINDS
from expectations import load_checks
from flows.landing.store import LandingStore
from flows.settings.codebook import load_codebook
from flows.settings.study import load_study
from tests.unit.landing_studies import landed

BLANK = {None, ""}
IN_CELL: dict[str, set[str | None]] = {
    "value_zero": {"0"},
    "value_eight": {"8"},
    "signed_zero": {"0"},
    "half_step": {"4,5"},
    "date_in_value": {"05.06.2023"},
    "spreadsheet_error": {"#VALUE!"},
    "label_unknown": {"Oftne"},
    "blank_reversed": {"8"},
    "blank": BLANK,
    "declared_missing": {"N/A", "-99", "-98"},
    "client_id_blank": BLANK,
    "date_not_readable": {"31.02.2023"},
    "future_date": {"14.09.2203"},
    "vanished_answer": BLANK,
    "spss_user_missing": {"9", "99"},
    "free_text": BLANK,
    "id_looks_like_number": {"007"},
    "id_looks_like_missing": {"NA"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return generate(tmp_path_factory.mktemp("demo") / "study", load_codebook())


@pytest.fixture(scope="module")
def store(made: Truth) -> Iterator[LandingStore]:
    with landed(load_study(made.folder)) as (result, opened):
        assert result.n_refused == 0
        assert {problem.severity for problem in result.problems} <= {"info", "warning"}
        yield opened


def records(store: LandingStore, site: str, file: str) -> dict[int, list[str | None]]:
    """Cells by row number of one delivery."""
    rows = store.con.execute(
        "select r.row_number, r.cells from raw.records as r inner join raw.deliveries as d using (delivery_number)"
        " where d.site_id = ? and d.file_name = ?",
        [site, file],
    ).fetchall()
    return dict(rows)


def pieces(made: Truth, *kinds: str) -> list[dict[str, Any]]:
    found = made.dirt[made.dirt["kind"].isin(kinds)]
    assert set(found["kind"]) == set(kinds)
    return found.to_dict("records")


def cell(store: LandingStore, piece: dict[str, Any]) -> str | None:
    text = records(store, piece["site"], piece["file"])[piece["row"]][piece["column_number"] - 1]
    return None if text is None else text.strip()


def test_every_kind_occurs_and_is_known(made: Truth) -> None:
    assert set(made.dirt["kind"]) == set(KINDS)


def test_the_checks_named_exist(made: Truth) -> None:
    known = set(load_checks()["check_id"])
    assert set(made.dirt["check_id"]) - {""} <= known
    assert set(CHECK_OF) <= set(KINDS)


def test_spoilt_cells_are_where_the_truth_says(made: Truth, store: LandingStore) -> None:
    for piece in pieces(made, *IN_CELL):
        assert cell(store, piece) in IN_CELL[piece["kind"]], piece


def test_a_blanked_answer_stands_in_the_column_of_its_item(made: Truth, store: LandingStore) -> None:
    for piece in pieces(made, "value_zero", "value_eight", "blank_reversed", "vanished_answer"):
        named = store.con.execute(
            "select column_name from raw.delivery_columns as c inner join raw.deliveries as d using (delivery_number)"
            " where d.site_id = ? and d.file_name = ? and c.column_number = ?",
            [piece["site"], piece["file"], piece["column_number"]],
        ).fetchone()
        assert named is not None
        assert " ".join(named[0].split()) == piece["column"]
        assert named[0].rstrip().endswith(str(piece["item_number"]))


def test_no_form_is_spoilt_twice(made: Truth) -> None:
    cells = made.dirt[made.dirt["item_number"].notna() & ~made.dirt["kind"].isin(["conflict", "already_reversed"])]
    wide = cells[cells["site"] != "seaside"]
    assert not wide.duplicated(["site", "file", "row", "rater"]).any()


def test_the_same_bytes_are_told_and_not_loaded(made: Truth, store: LandingStore) -> None:
    (piece,) = pieces(made, "duplicate_delivery")
    assert records(store, piece["site"], piece["file"]) == {}
    told = store.con.execute("select file_name, problem from raw.landing_problems").fetchall()
    assert (piece["file"], piece["reason"]) in told


def test_corrections_change_one_answer_each(made: Truth, store: LandingStore) -> None:
    for piece in pieces(made, "corrected_answer", "vanished_answer"):
        row, file = piece["note"].removeprefix("was in row ").split(" of ")
        before = records(store, piece["site"], file)[int(row)]
        after = records(store, piece["site"], piece["file"])[piece["row"]]
        differing = [place for place, pair in enumerate(zip(before, after, strict=True), start=1) if pair[0] != pair[1]]
        assert differing == [piece["column_number"]]
        assert before[piece["column_number"] - 1] not in BLANK


def test_the_second_entry_disagrees_in_two_answers(made: Truth, store: LandingStore) -> None:
    found = pieces(made, "conflict")
    by_file = {
        file: {(p["instrument"], p["item_number"]): cell(store, p) for p in found if p["file"] == file}
        for file in ("answers.tsv", "second_entry.csv")
    }
    assert len(found) == 4
    assert by_file["answers.tsv"].keys() == by_file["second_entry.csv"].keys()
    for item, text in by_file["answers.tsv"].items():
        assert text != by_file["second_entry.csv"][item]
        assert abs(int(str(text)) - int(str(by_file["second_entry.csv"][item]))) == 1


def test_a_record_is_repeated_cell_by_cell(made: Truth, store: LandingStore) -> None:
    (piece,) = pieces(made, "duplicate_record")
    rows = records(store, piece["site"], piece["file"])
    assert rows[piece["row"]] == rows[int(piece["note"].removeprefix("same as row "))]


def test_forms_left_empty_hold_no_answer(made: Truth, store: LandingStore) -> None:
    for piece in pieces(made, "no_client_form", "no_therapist_form"):
        cells = records(store, piece["site"], piece["file"])[piece["row"]]
        names = store.con.execute(
            "select c.column_number, c.column_name from raw.delivery_columns as c"
            " inner join raw.deliveries as d using (delivery_number) where d.site_id = ? and d.file_name = ?",
            [piece["site"], piece["file"]],
        ).fetchall()
        items = [
            n for n, name in names if name.startswith(("wais_c_", "haq_c_", "calpas_c_", "QID11_", "QID12_", "QID13_"))
        ]
        assert len(items) == 47
        assert {cells[number - 1] for number in items} <= BLANK


def test_careless_and_identical_answers(made: Truth, store: LandingStore) -> None:
    (careless,) = pieces(made, "straight_lining")
    cells = records(store, careless["site"], careless["file"])[careless["row"]]
    assert list(cells[5:52]) == ["6"] * 47
    one, other = pieces(made, "identical_answers")
    rows = records(store, one["site"], one["file"])
    assert rows[one["row"]][5:] == rows[other["row"]][5:]
    assert rows[one["row"]][0] != rows[other["row"]][0]


def test_a_post_measure_lies_before_the_first_session(made: Truth, store: LandingStore) -> None:
    (piece,) = pieces(made, "outcome_before_first_session")
    rows = records(store, piece["site"], piece["file"]).values()
    day, client = cell(store, piece), records(store, piece["site"], piece["file"])[piece["row"]][0]
    dates = [row[piece["column_number"] - 1] for row in rows if row[0] == client and "session" in str(row[1])]
    assert dates and all(str(day) < str(date) for date in dates)


def test_one_client_has_two_therapists(made: Truth, store: LandingStore) -> None:
    piece = next(p for p in pieces(made, "two_therapists") if p["file"] == "ratings.xlsx")
    rows = records(store, piece["site"], piece["file"])
    client = rows[piece["row"]][0]
    assert len({row[1] for row in rows.values() if row[0] == client}) == 2


def test_gender_comes_in_eight_spellings(made: Truth, store: LandingStore) -> None:
    spellings = set()
    for piece in pieces(made, "gender_spellings"):
        rows = records(store, piece["site"], piece["file"])
        spellings |= {row[piece["column_number"] - 1] for row in rows.values()}
    assert len(spellings) == 8


def test_remarks_never_reach_the_landing_store(made: Truth, store: LandingStore) -> None:
    texts = store.con.execute("select distinct unnest(cells) from raw.records").fetchall()
    assert not [text for (text,) in texts if text and ("Wartezimmer" in text or "phone" in text or "thanks" in text)]


def test_dirt_is_small(made: Truth, store: LandingStore) -> None:
    """Less than half a percent of the cells is rejected or missing on purpose, so that the study can be published."""
    total = store.con.execute("select sum(n_cells) from raw.deliveries").fetchone()
    assert total is not None
    harmed = made.dirt[made.dirt["status"].isin(["rejected", "declared_missing"])]["cells"].sum()
    assert harmed / int(total[0]) < 0.005


def test_headers_keep_their_untidiness(made: Truth) -> None:
    folder = made.folder / "deliveries" / "north"
    assert (folder / "ergebnis_2024-03-15.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    first = (folder / "klienten_2023-06-30.csv").read_bytes().split(b"\r\n")[0]
    second = (folder / "klienten_2024-03-15.csv").read_bytes().split(b"\r\n")[0]
    assert b"Ausgef\xfcllt am" in first and first.endswith(b";;")
    assert b"WAI  4" in second


def test_truth_is_in_the_order_of_the_files(made: Truth) -> None:
    written = pd.read_csv(made.folder / "truth" / "dirt.csv", dtype=str, keep_default_na=False)
    assert written["dirt_number"].tolist() == [str(number) for number in range(1, len(written) + 1)]
    assert (written["meaning"] != "").all() and (written["table"] != "").all()
