"""What the command line says when files and folders of a study are not what they should be."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import duckdb
import pytest

from flows import cli
from tests.unit.study_folders import STUDY_YML, file_entry, site_yml, write_study

FORM = "- {instrument: wai_s, rater: client, items: 'w{item}'}"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["alliance", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = write_study(tmp_path / "study", {"north": site_yml(file_entry(FORM))})
    (folder / "deliveries" / "north").mkdir(parents=True)
    return folder


def test_a_file_in_the_way_is_one_sentence(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "work").write_text("in the way")
    assert run(monkeypatch, "refresh", study, "--json") == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err and str(study) not in said.err
    assert "File exists (work)" in json.loads(said.out)["message"]


@pytest.mark.parametrize("command", [["status"], ["query", "select 1", "-s"]])
def test_a_damaged_warehouse_is_one_sentence(
    command: list[str], study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = study / "warehouse" / "versions" / "20260101T000000Z"
    version.mkdir(parents=True)
    (version / "alliance.duckdb").write_bytes(b"not a database" * 100)
    (study / "warehouse" / "current").symlink_to("versions/20260101T000000Z")
    (study / "warehouse" / "alliance.duckdb").symlink_to("current/alliance.duckdb")
    assert run(monkeypatch, *command, study) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "rollback" in said


def test_a_published_file_without_its_link_is_no_version(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "warehouse").mkdir()
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb")) as con:
        con.execute("create schema meta")
    assert run(monkeypatch, "status", study) == 1
    assert "rollback" in capsys.readouterr().err


def test_names_are_shown_as_they_are_and_many_are_shortened(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["id", "session", *(f"w{item}" for item in range(1, 13)), "root:x:0", *(f"x{n}" for n in range(2_000))]
    text = ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n"
    (study / "deliveries" / "north" / "a.csv").write_text(text)
    assert run(monkeypatch, "check", study) == 0
    said = capsys.readouterr().out
    assert "root:x:0" in said
    assert "1989 more" in said and len(said) < 5_000


def test_a_delivery_saved_as_settings_is_not_shown(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "sites" / "south.yml").write_text("id;session;w1\nK815;5;3\n")
    (study / "study.yml").write_text(STUDY_YML)
    assert run(monkeypatch, "check", study) == 2
    said = capsys.readouterr().out
    assert "sites/south.yml, line 1: the file holds text" in said
    assert "K815" not in said


def test_a_full_disk_is_said_before_anything_starts(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 5_000_000, 5_000_000)
    )
    assert run(monkeypatch, "refresh", study) == 1
    said = capsys.readouterr().err
    assert "5 MB are free" in said and "make room" in said


def test_a_study_that_may_only_be_read_can_be_checked_and_looked_at(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "deliveries" / "north" / "a.csv").write_text("id,session,w1\nK1,5,1\n")
    (study / "work").mkdir()
    (study / "work" / "refresh.lock").touch()

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    # As root, rights alone would refuse nothing.
    monkeypatch.setattr("filelock.FileLock.acquire", refused)
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    work = study / "work"
    before = sorted(work.iterdir())
    assert run(monkeypatch, "check", study) == 0
    assert run(monkeypatch, "status", study) == 5
    assert sorted(work.iterdir()) == before
    assert "published version: none yet" in capsys.readouterr().out
