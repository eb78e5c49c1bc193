"""Wrong deliveries over time: what one refresh after the other makes of them before anything is built."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from flows.checking import check_study
from flows.landed import LandedStudy, land_study
from flows.study import load_study

HEADER = "id,session,q1,q2\n"
FORM = {"instrument": "wai_s", "rater": "client", "items": ["q1", "q2"] + [None] * 10}


def make_study(folder: Path, **sites: dict[str, Any]) -> Path:
    """A study whose sites have one kind of file each; ``sites`` are changes to its settings."""
    (folder / "sites").mkdir(exist_ok=True)
    (folder / "study.yml").write_text("study: small\ntitle: Small\n")
    for site, changes in sites.items():
        file = {"name": "ratings", "pattern": "*.csv", "format": "csv", "client": "id", "session": "session"}
        text = yaml.safe_dump({"site": site, "name": site, "files": [{**file, "forms": [FORM], **changes}]})
        (folder / "sites" / f"{site}.yml").write_text(text)
        (folder / "deliveries" / site).mkdir(parents=True, exist_ok=True)
    return folder


def deliver(folder: Path, name: str, text: str, site: str = "north") -> Path:
    path = folder / "deliveries" / site / name
    path.write_text(text, encoding="utf-8")
    return path


def land(folder: Path, refresh_id: str = "20260101T000000Z") -> LandedStudy:
    study = load_study(folder, strict=False)
    return land_study(study, refresh_id=refresh_id, started_at=dt.datetime.now(dt.UTC), full=True)


def raw(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "work" / "landing.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def severities(landed: LandedStudy) -> dict[str, str]:
    return {problem.problem: problem.severity for problem in landed.problems}


@pytest.mark.parametrize("kept_as", [None, "a.csv"])
def test_a_delivery_that_could_not_be_used_stops_nothing_once_its_file_is_gone(
    tmp_path: Path, kept_as: str | None
) -> None:
    study = make_study(tmp_path, north={})
    wrong = deliver(study, "a.csv", "number,session,q1,q2\nK1,5,1,2\n")
    assert severities(land(study))["column_missing"] == "critical"
    assert check_study(study).exit_code == 1
    if kept_as is None:
        wrong.unlink()
    else:
        deliver(study, kept_as, HEADER + "K1,5,1,2\n")
    told = severities(land(study))
    assert "column_missing" not in told
    assert told["set_aside"] == "info"
    assert check_study(study).exit_code == 0
    assert raw(study, "select count(*) from raw.layout_blocks") == [(0 if kept_as is None else 1,)]
    # It is still known, with all its columns, so that its cells can be accounted for.
    assert raw(study, "select count(*) from raw.layout_columns where delivery_number = 1 and role = 'unmapped'") == [
        (4,)
    ]


def test_a_full_export_that_could_not_be_used_and_was_taken_away_replaces_nothing(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={"deliveries": "full"})
    deliver(study, "a.csv", HEADER + "K1,5,1,2\n")
    wrong = deliver(study, "b.csv", "number,session,q1,q2\nK1,5,1,2\n")
    assert severities(land(study))["column_missing"] == "critical"
    wrong.unlink()
    assert "critical" not in severities(land(study)).values()
    assert raw(study, "select delivery_number, is_current from raw.layout_blocks") == [(1, True)]


def test_what_can_be_used_stays_when_its_file_is_gone(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    file = deliver(study, "a.csv", HEADER + "K1,5,1,2\n")
    land(study)
    file.unlink()
    assert "set_aside" not in severities(land(study))
    assert raw(study, "select count(*) from raw.layout_blocks") == [(1,)]


def test_a_broken_file_among_unchanged_ones_is_something_new_until_it_is_mended(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    # The second record is short: told once, by the refresh that reads it.
    deliver(study, "a.csv", HEADER + "K1,5,1,2\nK2,5\n")
    states = [land(study).scope.study_state]
    states.append(land(study).scope.study_state)
    broken = deliver(study, "b.csv", "")
    states.append(land(study).scope.study_state)
    states.append(land(study).scope.study_state)
    broken.unlink()
    states.append(land(study).scope.study_state)
    first, again, with_broken, with_broken_again, mended = states
    assert first == again == mended
    assert with_broken == with_broken_again != first
