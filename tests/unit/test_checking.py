"""What `alliance check` says of a study: nothing that a refresh would meet is left out."""

from __future__ import annotations

from pathlib import Path

from flows.commands.checking import check_study, counted
from flows.common.errors import ExitCode
from flows.settings.new_study import make_empty
from tests.unit.study_folders import file_entry, site_yml, write_study

WAI = '- {instrument: wai_s, rater: client, items: "w{item}"}'


def _study(tmp_path: Path) -> Path:
    folder = write_study(tmp_path, {"north": site_yml(file_entry(WAI))})
    (folder / "deliveries" / "north").mkdir(parents=True)
    return folder


def test_problems_of_no_site_are_told_and_counted(tmp_path: Path) -> None:
    folder = _study(tmp_path)
    (folder / "deliveries" / "elsewhere").mkdir()
    (folder / "deliveries" / "elsewhere" / "a.csv").write_text("id\n1\n")
    checked = check_study(folder)
    assert [severity for severity, _ in checked.problems] == ["warning"]
    assert "deliveries/elsewhere belongs to no site" in checked.problems[0][1]
    assert "1 warning, 0 rejected cells: a refresh can go on" in checked.message
    assert checked.exit_code == ExitCode.OK


def test_withdrawals_that_cannot_be_followed_stop_a_check(tmp_path: Path) -> None:
    folder = _study(tmp_path)
    (folder / "withdrawals.csv").write_text("who\n1\n")
    checked = check_study(folder)
    assert [severity for severity, _ in checked.problems] == ["critical"]
    assert checked.exit_code == ExitCode.REFRESH_FAILED


def test_a_new_study_is_right_as_it_is(tmp_path: Path) -> None:
    make_empty(tmp_path / "mine")
    checked = check_study(tmp_path / "mine")
    assert checked.problems == []
    assert checked.exit_code == ExitCode.OK
    assert checked.message.startswith("1 site, 0 new deliveries with 0 records; 0 critical problems, 0 warnings")


def test_counted() -> None:
    assert [counted(1, "site"), counted(2800, "record"), counted(0, "new delivery", "new deliveries")] == [
        "1 site",
        "2,800 records",
        "0 new deliveries",
    ]
