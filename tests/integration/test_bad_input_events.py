"""Wrong deliveries over time: what one refresh after the other makes of them before anything is built."""

from __future__ import annotations

import datetime as dt
import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from flows.building import build as dbt
from flows.commands.checking import check_study
from flows.commands.status import read_status
from flows.common.errors import AllianceError, ConfigurationError, LandingError
from flows.common.progress import listening
from flows.refreshing import steps
from flows.refreshing.landed import LandedStudy, land_study
from flows.refreshing.scope import Scope
from flows.settings.study import load_study

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


@pytest.mark.parametrize("deliveries", ["additional", "full"])
def test_a_file_that_is_put_back_as_it_was_counts_as_the_newest_again(tmp_path: Path, deliveries: str) -> None:
    study = make_study(tmp_path, north={"deliveries": deliveries})
    right, wrong = HEADER + "K1,5,1,2\nK2,5,3,4\n", HEADER + "K1,5,7,7\n"
    ranks = "select list(delivery_number order by delivery_rank) from raw.layout_blocks"
    current = "select list(delivery_number) from raw.layout_blocks where is_current"
    for number, (text, order) in enumerate(((right, [1]), (wrong, [1, 2]), (right, [2, 1]), (wrong, [1, 2]))):
        deliver(study, "a.csv", text)
        landed = land(study, f"2026010{number + 1}T000000Z")
        assert raw(study, ranks) == [(order,)]
        assert ("restored" in severities(landed)) == (number > 1)
        assert deliveries == "additional" or raw(study, current) == [(order[-1:],)]
        # told once, and no reason to build again
        state = landed.scope.study_state
        again = land(study, f"2026010{number + 1}T120000Z")
        assert "restored" not in severities(again) and again.scope.study_state == state
    # what comes now is newer than what came again
    deliver(study, "b.csv", HEADER + "K1,5,1,1\n")
    land(study, "20260109T000000Z")
    ((after,),) = raw(study, ranks)
    assert len(after) == 3 and after[:2] == [1, 2]


def test_an_old_export_under_a_new_name_says_that_the_one_between_counts(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={"deliveries": "full", "date_in_name": "r_%Y-%m-%d"})
    first, second = HEADER + "K1,5,1,2\n", HEADER + "K1,5,7,7\n"
    deliver(study, "r_2024-01-01.csv", first)
    deliver(study, "r_2024-02-01.csv", second)
    deliver(study, "r_2023-12-01.csv", first)
    # older by its name than the one between: nothing is amiss
    assert severities(land(study))["same_bytes"] == "info"
    deliver(study, "r_2024-03-01.csv", first)
    told = {problem.problem: problem for problem in land(study).problems}
    assert told["same_bytes_again"].severity == "warning"
    assert "`leave_out`" in told["same_bytes_again"].action


def test_versions_with_a_withdrawn_client_go_also_when_the_refresh_that_should_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(tmp_path, north={})
    deliver(study, "a.csv", HEADER + "K1,5,1,2\n")
    asked: list[Path] = []
    monkeypatch.setattr(steps, "forget_withdrawn", lambda paths: asked.append(paths.folder) or [])
    nothing_new = Scope("nothing_new", (), {}, "")

    def undone(refresh: steps.Refresh) -> steps.Refresh:
        raise AssertionError("nothing is new")

    def landed_before(refresh: steps.Refresh) -> steps.Refresh:
        found = replace(steps.land(refresh), scope=nothing_new)
        dbt.dismiss(refresh.paths)  # something was new after all, and dbt waits for it
        return found

    plain = steps.Steps(landed_before, *[undone] * 4)
    assert steps.carry_out(study, by=plain).status == "nothing_new"
    assert asked == [study]


def test_names_of_files_that_could_not_be_read_hold_no_id(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    for name in ("K017xq.csv", "x_k001XQ_y.csv", "form12.csv", "2024-05-31.csv"):
        deliver(study, name, "")
    deliver(study, "K002xq.txt", "x")
    # folders that belong to no site, one of which could be a site's
    for folder in ("K002xq", "k001xq"):
        (study / "deliveries" / folder).mkdir()
        deliver(study, "x", "x", site=folder)
    # Nothing is known of any id yet.
    land(study)
    assert len({*raw(study, "select file_name from raw.landing_problems")}) == 7
    deliver(study, "a.csv", HEADER + "K001xq,5,1,2\nK002xq,5,1,2\n")
    land(study, "20260102T000000Z")
    names = {name for (name,) in raw(study, "select file_name from raw.landing_problems where file_name <> ''")}
    # Also what the refresh before told; a name that only looks like an id, and is written otherwise, stays.
    assert names >= {"***.csv", "x_***_y.csv", "form12.csv", "2024-05-31.csv", "***.txt"}
    told = raw(study, "select file_name || message || action from raw.landing_problems")
    assert not any("xq" in text.lower() for (text,) in told)


def test_progress_names_no_file(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    deliver(study, "K017xq.csv", HEADER + "K017xq,5,1,2\n")
    told: list[str] = []
    with listening(lambda step, sentence: told.append(f"{step} {sentence}")):
        assert "id_in_file_name" in severities(land(study))
    assert "land site north: reading ratings, file 1 of 1" in told
    assert not any("xq" in sentence.lower() for sentence in told)


@pytest.mark.parametrize("damage", ["cut", "overwritten", "text"])
def test_a_damaged_landing_store_says_what_to_do(tmp_path: Path, damage: str) -> None:
    study = make_study(tmp_path, north={})
    deliver(study, "a.csv", HEADER + "".join(f"K{n},5,1,2\n" for n in range(5_000)))
    land(study)
    store = study / "work" / "landing.duckdb"
    whole = store.read_bytes()
    changed = bytearray(whole)
    changed[8_192::512] = bytes(255 - each for each in changed[8_192::512])
    store.write_bytes(
        {"cut": whole[: len(whole) // 2], "overwritten": bytes(changed), "text": b"a,b\n1,2\n" * 999}[damage]
    )
    for read in (land, check_study):
        with pytest.raises(LandingError) as failed:
            read(study)
        assert "another process" not in str(failed.value)
        assert "backup" in str(failed.value)
    # As the message says: everything that is still in deliveries comes back under the same pseudonyms.
    before = sorted(each.stem for each in (study / "keys").iterdir())
    for file in (study / "work").glob("landing.duckdb*"):
        file.unlink()
    assert land(study).new_deliveries == ("north/a.csv",)
    assert sorted(each.stem for each in (study / "keys").iterdir()) == before


def test_ids_of_refreshes_grow_when_the_clock_is_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(tmp_path, north={})
    newest = study / "warehouse" / "versions" / "20991231T235959Z"
    newest.mkdir(parents=True)
    (newest / "manifest.json").write_text("{}")
    assert steps.begin(study).refresh_id == "21000101T000000Z"


@pytest.mark.parametrize(("left_of_south", "told"), [(None, True), ("site: south\nname: [", False)])
def test_a_site_that_left_is_told_and_its_forms_count_as_changed(
    tmp_path: Path, left_of_south: str | None, told: bool
) -> None:
    study = make_study(tmp_path, north={}, south={})
    (study / "warehouse").mkdir()
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb")) as con:
        con.execute("create schema meta; create table meta.site_states (site_id varchar, fingerprint varchar)")
        con.execute("insert into meta.site_states values ('north', 'x'), ('south', 'x')")
        con.execute("create table meta.refreshes as select 'r1' as refresh_id, '{}' as settings, 'c' as code_version")
    (study / "deliveries" / "south").rmdir()
    site_file = study / "sites" / "south.yml"
    site_file.unlink() if left_of_south is None else site_file.write_text(left_of_south)
    landed = land(study)  # with --full
    assert ("site_gone" in severities(landed)) is told
    assert "south" in landed.scope.changed_sites
    assert raw(study, "select count(*) from raw.landing_problems where problem = 'site_gone'") == [(int(told),)]


def test_a_refresh_that_the_system_stopped_leaves_a_note(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    refresh = steps.begin(study)
    with pytest.raises(OSError), steps.noted(refresh):
        raise OSError(errno.ENOSPC, "No space left on device")
    noted = json.loads(refresh.paths.last_refresh_file.read_text())
    assert (noted["status"], noted["message"]) == ("failed", "No space left on device")
    refresh.paths.last_refresh_file.write_text("[1]")
    assert read_status(refresh.paths).last_attempt is None


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt(), SystemExit(143)])
def test_a_refresh_that_a_signal_ended_leaves_a_note(tmp_path: Path, ended_by: BaseException) -> None:
    refresh = steps.begin(make_study(tmp_path, north={}))
    with pytest.raises(type(ended_by)), steps.noted(refresh), steps._step(refresh, "analyse"):
        raise ended_by
    noted = json.loads(refresh.paths.last_refresh_file.read_text())
    assert noted["status"] == "failed" and "signal" in noted["message"]


def test_a_signal_during_a_query_is_no_defect(tmp_path: Path) -> None:
    refresh = steps.begin(make_study(tmp_path, north={}))
    with pytest.raises(AllianceError, match="was ended: a signal") as failed, steps._step(refresh, "build"):
        raise RuntimeError("Query interrupted")  # DuckDB's words for it; when a query hears of it depends on the query
    assert "defect" not in str(failed.value)


def test_a_full_disk_is_said_even_where_no_note_of_it_can_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = steps.begin(make_study(tmp_path, north={}))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(AllianceError) as failed, steps.noted(refresh), steps._step(refresh, "check"):
        raise duckdb.IOException("Could not write file '/study/secret': No space left on device")
    assert "no space left on the disk" in str(failed.value)
    with pytest.raises(AllianceError, match="no space left on the disk"), steps._step(refresh, "check"):
        raise duckdb.TransactionException("Failed to commit: Could not write file 'x': No space left on device")
    assert "defect" not in str(failed.value) and "secret" not in str(failed.value)


def test_too_little_memory_is_a_sentence_about_the_setting(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    (study / "study.yml").write_text("study: small\ntitle: Small\nmemory_limit: 1MB\n")
    with pytest.raises(ConfigurationError, match="too little memory"):
        load_study(study)
    with pytest.raises(AllianceError, match="raise `memory_limit`"), steps._step(steps.begin(study), "build"):
        raise duckdb.OutOfMemoryException("failed to pin block")


def test_a_threshold_of_no_check_is_told_before_anything_is_landed(tmp_path: Path) -> None:
    study = make_study(tmp_path, north={})
    deliver(study, "a.csv", HEADER + "K1,5,1,2\n")
    threshold = "thresholds: {nonsense: {threshold: 0.1, reason: none}}"
    (study / "study.yml").write_text(f"study: small\ntitle: Small\n{threshold}\n")
    for read in (check_study, lambda folder: steps.land(steps.begin(folder))):
        with pytest.raises(ConfigurationError, match="thresholds, nonsense: there is no such check"):
            read(study)
    assert not (study / "work").exists()
