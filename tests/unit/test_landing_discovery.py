"""Which files are found, which are refused, and how they are matched to file settings."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from flows.landing.discover import discover, matches, natural_order, printable
from flows.settings.study import Study
from tests.unit.landing_studies import file_settings, kinds, landed, make_study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deliveries/north").mkdir(parents=True)
    return tmp_path / "deliveries/north"


def north(tmp_path: Path, *files: dict[str, object]) -> Study:
    return make_study(tmp_path, {"north": list(files) or [file_settings(pattern="**/*.csv")]})


def told(study: Study) -> dict[str, str]:
    return {problem.problem: problem.file_name for problem in discover(study, study.paths).problems}


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "sub/a.csv", False),
        ("*.csv", "a.CSV", False),
        ("sub/*.csv", "sub/a.csv", True),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("w??_[ab].csv", "w01_a.csv", True),
        ("w??_[ab].csv", "w01_c.csv", False),
        ("a.b", "axb", False),
        ("x/**", "x/y/z", True),
        ("*", "we'ird;\"name.csv", True),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def test_natural_order() -> None:
    names = ["w10.csv", "w9.csv", "W1.csv", "a.csv", "10.csv", "9.csv"]
    assert sorted(names, key=natural_order) == ["9.csv", "10.csv", "a.csv", "W1.csv", "w9.csv", "w10.csv"]


def test_links_are_not_followed(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("client,q1\na,1\n")
    (folder / "file.csv").symlink_to(outside / "secret.csv")
    (folder / "folder").symlink_to(outside)
    study = north(tmp_path)
    found = discover(study, study.paths)
    assert not found.files
    assert [each.file_name for each in found.problems if each.problem == "symbolic_link"] == ["file.csv", "folder"]


def test_the_sites_own_folder_may_not_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.csv").write_text("client,q1\na,1\n")
    (tmp_path / "deliveries").mkdir()
    (tmp_path / "deliveries/north").symlink_to(tmp_path / "outside")
    study = north(tmp_path)
    assert not discover(study, study.paths).files
    assert "symbolic_link" in told(study) and "no_deliveries_folder" not in told(study)


def test_pipes_sockets_and_folders_named_like_files(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(folder / "pipe.csv")
    # A socket's path may not be long, so it is bound from within its folder.
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.csv")
    (folder / "folder.csv").mkdir()
    (folder / "folder.csv/inner.csv").write_text("client,q1\na,1\n")
    study = north(tmp_path)
    found = discover(study, study.paths)
    assert [each.file_name for each in found.files] == ["folder.csv/inner.csv"]
    assert sorted(each.file_name for each in found.problems) == ["pipe.csv", "socket.csv"]
    assert {each.problem for each in found.problems} == {"not_a_file"}


def test_a_pipe_put_in_place_of_a_found_file_does_not_hang(tmp_path: Path, folder: Path) -> None:
    from flows.landing.private_copy import NotRegular, content_hash

    os.mkfifo(folder / "a.csv")
    with pytest.raises(NotRegular):
        content_hash(folder / "a.csv")
    (folder / "link.csv").symlink_to(folder / "a.csv")
    with pytest.raises(NotRegular):
        content_hash(folder / "link.csv")


@pytest.mark.parametrize(
    "name", ["~$a.csv", ".hidden.csv", "a.csv~", "a.csv.tmp", "a.csv.part", ".~lock.a.csv#", "Thumbs.db"]
)
def test_temporary_files_are_ignored(tmp_path: Path, folder: Path, name: str) -> None:
    (folder / name).touch()
    study = north(tmp_path, file_settings(pattern="**"))
    found = discover(study, study.paths)
    assert not found.files
    assert {each.problem for each in found.problems} == {"ignored_file", "nothing_delivered"}


def test_files_of_no_settings_and_of_two(tmp_path: Path, folder: Path) -> None:
    (folder / "ab.csv").touch()
    (folder / "c.csv").touch()
    study = north(tmp_path, file_settings(name="a", pattern="a*.csv"), file_settings(name="b", pattern="?b.csv"))
    assert told(study) == {"two_file_settings": "ab.csv", "no_file_settings": "c.csv"}
    assert not discover(study, study.paths).files


def test_nothing_delivered_missing_folder_and_unknown_site(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "deliveries/nowhere").mkdir()
    study = north(tmp_path)
    assert told(study) == {"nothing_delivered": ""}, "an empty folder holds no delivery that could be missed"
    (tmp_path / "deliveries/nowhere/a.csv").write_text("id\n1\n")
    assert told(study) == {"nothing_delivered": "", "unknown_site": "nowhere"}
    folder.rmdir()
    assert "no_deliveries_folder" in told(study)


@pytest.mark.parametrize(
    "name", [b"quo'te\";drop.csv", b"new\nline.csv", b"<b>html</b>".replace(b"/", b"") + b".csv", b"\xff\xfe.csv"]
)
def test_strange_names_are_landed_under_printable_ones(tmp_path: Path, folder: Path, name: bytes) -> None:
    (folder / os.fsdecode(name)).write_text("client,q1\na,1\n")
    with landed(north(tmp_path)) as (result, store):
        assert result.new == (1,) and not result.problems
        (header,) = store.headers()
        assert header.file_name == printable(os.fsdecode(name)) and header.file_name.isprintable()


def test_a_new_delivery_under_a_strange_name_is_known_again(tmp_path: Path, folder: Path) -> None:
    (folder / os.fsdecode(b"\xff.csv")).write_text("client,q1\na,1\n")
    study = north(tmp_path)
    with landed(study):
        pass
    with landed(study, "r2") as (result, _):
        assert result.new == result.read_again == () and not result.problems


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_rights_are_told(tmp_path: Path, folder: Path) -> None:
    (folder / "a.csv").write_text("client,q1\na,1\n")
    (folder / "a.csv").chmod(0)
    with landed(north(tmp_path)) as (result, _):
        assert kinds(result) == {"not_readable"}


def test_unreadable_rights_are_told_even_as_root(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.csv").write_text("client,q1\na,1\n")

    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("flows.landing.land.content_hash", denied)
    with landed(north(tmp_path)) as (result, _):
        assert kinds(result) == {"not_readable"} and result.n_refused == 1


def test_a_redcap_dictionary_is_no_delivery(tmp_path: Path, folder: Path) -> None:
    dictionary = "Variable / Field Name,Field Type\nclient,text\nq1,radio\nq2,radio\n"
    (folder / "dictionary_1.csv").write_text("nonsense\n")
    (folder / "dictionary_2.csv").write_text(dictionary)
    (folder / "export.csv").write_text("client,q1,q2\na,1,2\n")
    study = north(tmp_path, file_settings("redcap", pattern="*.csv", redcap={"dictionary": "dictionary_*.csv"}))
    with landed(study) as (result, store):
        assert result.new == (1,) and not result.problems
        assert [each.file_name for each in store.headers()] == ["export.csv"]
        before = store.reading_hashes()
    (folder / "dictionary_2.csv").write_text(dictionary.replace("q2,radio", "q2,notes"))
    with landed(study, "r2") as (result, store):
        assert result.read_again == (1,), "another dictionary means another reading"
        assert store.reading_hashes().keys() == before.keys() and store.reading_hashes() != before
        assert store.con.execute("select cells from raw.records").fetchall() == [(["a", "1", ""],)]


@pytest.mark.parametrize(
    ("name", "said"),
    [("North/a.csv", "Rename it to north"), ("late/a.csv", "Add sites/late.yml"), ("Köln 2/a.csv", "Give it the id")],
)
def test_what_to_do_with_a_folder_of_no_site(tmp_path: Path, folder: Path, name: str, said: str) -> None:
    path = tmp_path / "deliveries" / name
    path.parent.mkdir()
    path.write_text("id\n1\n")
    study = north(tmp_path)
    (problem,) = (each for each in discover(study, study.paths).problems if each.problem == "unknown_site")
    assert said in problem.action


def test_a_file_beside_the_folders_of_sites_belongs_into_one(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "deliveries" / "a.csv").write_text("id\n1\n")
    study = north(tmp_path)
    (problem,) = (each for each in discover(study, study.paths).problems if each.problem == "unknown_site")
    assert "Move it into the folder of the site" in problem.action
