"""What a check says of the answers themselves, and that it says it by the models' own SQL."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import duckdb
import pytest

from flows.building.model_sql import Models
from flows.commands import cells_preview
from flows.commands.checking import CheckedCells, check_study
from flows.common.errors import AllianceError
from tests.unit.study_folders import file_entry, site_yml, write_study
from tests.unit.test_bad_input_cli import run

WAI = (
    "- {instrument: wai_s, rater: client, items: [q1, q2, null, null, null, null, null, null, null, null, null, null]}"
)
HEADER = "id,session,q1,q2\n"


def checked_cells(tmp_path: Path, text: str, form: str = WAI, **entry: str) -> CheckedCells:
    folder = write_study(tmp_path, {"north": site_yml(file_entry(form, **entry))})
    (folder / "deliveries" / "north").mkdir(parents=True, exist_ok=True)
    (folder / "deliveries" / "north" / "a.csv").write_text(text)
    (site,) = check_study(folder).sites
    (cells,) = site.cells
    return cells


def test_cells_are_counted_by_what_would_become_of_them(tmp_path: Path) -> None:
    text = HEADER + "K1,5,1,9\nK2,5,soon,\nK3,banana,1,2\n,5,3,3\nK5,5,#N/A,8\nK6,5,7,7\n"
    cells = checked_cells(tmp_path, text)
    assert (cells.accepted, cells.declared_missing, cells.blank, cells.rejected) == (3, 0, 1, 9)
    found = {(each.reason, each.value_class): each for each in cells.rejections}
    assert {key: each.n_cells for key, each in found.items()} == {
        ("out_of_range", "number"): 2,
        ("not_a_number", "text"): 1,
        ("spreadsheet_error", "spreadsheet_error"): 1,
        ("client_id_blank", "number"): 2,
        ("unknown_session", "number"): 2,
        ("unknown_session", "text"): 1,
    }
    assert (found["out_of_range", "number"].columns, found["out_of_range", "number"].first_row) == (("q2",), 2)
    assert found["unknown_session", "text"].columns == ("session",)


def test_what_a_file_says_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HEADER + "K001xq,5,S3cret,9\nK002xq,hushhush,1,2\n"
    checked_cells(tmp_path, text)
    for options in ([], ["--json"]):
        assert run(monkeypatch, "check", tmp_path, *options) == 0
        said = capsys.readouterr()
        for secret in ("K001xq", "K002xq", "S3cret", "hushhush"):
            assert secret not in said.out + said.err
    (site,) = json.loads(said.out)["sites"]
    assert site["cells"][0]["rejected"] == 5


def test_item_codes_that_no_form_names_are_counted(tmp_path: Path) -> None:
    text = "id,session,code,answer\nK1,5,wai1,3\nK1,5,WAI2,3\nK1,5,WAI3,3\n"
    form = '- {instrument: wai_s, rater: client, items: "wai{item}"}'
    cells = checked_cells(tmp_path, text, form, shape="long", item_code="code", value="answer")
    assert (cells.accepted, cells.unknown_codes) == (1, 2)


def test_letters_with_accents_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    form = (
        "- {instrument: wai_s, rater: {column: who, map: {père: client}}, items: {näher: 1, q2: 2}, "
        "labels: {häufig: 5}, missing: {k.Ä.: none}}"
    )
    text = "id,session,who,näher,q2\nMüller,5,père,häufig,k.Ä.\nMüller,6,PÈRE,HÄUFIG,5\n"
    for written in ("NFC", "NFD"):
        cells = checked_cells(tmp_path, unicodedata.normalize(written, text), form)
        assert (cells.accepted, cells.declared_missing, cells.rejected) == (3, 1, 0), written
    both = (
        text.splitlines()[0] + "\n" + unicodedata.normalize("NFD", text.splitlines()[1]) + "\nMüller,5,père,häufig,5\n"
    )
    # one client, so that the second row contradicts the first
    assert {each.reason for each in checked_cells(tmp_path, both, form).rejections} == {"conflict"}


def test_two_rows_that_disagree_are_told_before_anything_is_loaded(tmp_path: Path) -> None:
    cells = checked_cells(tmp_path, HEADER + "K1,5,1,2\nK1,5,1,3\n")
    assert [(each.reason, each.n_cells) for each in cells.rejections] == [("conflict", 2)]
    assert not (tmp_path / "work").exists()


def test_too_little_memory_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise duckdb.OutOfMemoryException("could not allocate for 'S3cret'")

    monkeypatch.setattr(cells_preview, "update_pseudonyms", fails)
    with pytest.raises(AllianceError, match="memory_limit") as failed:
        checked_cells(tmp_path, HEADER + "K1,5,1,2\n")
    assert "S3cret" not in str(failed.value)


def test_a_macro_that_returns_a_list_returns_a_list_here_too() -> None:
    with duckdb.connect() as con:
        con.execute("create schema raw; create table raw.layout_blocks (date_format varchar)")
        con.execute("insert into raw.layout_blocks values ('iso'), ('%d.%m.%Y')")
        shown = Models(con).rendered("{{ date_of('x', 'f') }}")
        assert con.execute(f"select {shown} from (select '31.12.2024' as x, '%d.%m.%Y' as f)").fetchone() is not None
        assert "'%d.%m.%Y'" in shown
        with pytest.raises(KeyError):
            Models(con).made("no_such_model")
