"""No kept version may bring back a client who withdrew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.common.database import connect
from flows.common.errors import UsageError
from flows.common.paths import StudyPaths
from flows.publishing import publish
from flows.publishing.forgetting import forget_withdrawn
from flows.publishing.rolling_back import roll_back
from tests.unit.published_versions import make_next, put_out, version_of


def publish_with(paths: StudyPaths, number: int, clients: list[str]) -> str:
    make_next(paths, number, clients=clients)
    put_out(paths, number, keep=9)
    return version_of(number)


def withdraw(paths: StudyPaths, *clients: str) -> None:
    paths.landing_file.unlink(missing_ok=True)
    paths.landing_file.parent.mkdir(parents=True, exist_ok=True)
    with connect(paths.landing_file) as con:
        con.execute("create schema raw; create table raw.withdrawals (site_id varchar, client_id varchar)")
        for client in clients:
            con.execute("insert into raw.withdrawals values ('north', ?)", [client])


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    return StudyPaths(tmp_path / "study")


def test_versions_with_a_withdrawn_client_go_and_the_others_stay(paths: StudyPaths) -> None:
    before = publish_with(paths, 1, ["c_1"])
    held = publish_with(paths, 2, ["c_1", "c_2"])
    after = publish_with(paths, 3, ["c_1"])
    withdraw(paths, "c_2")
    assert forget_withdrawn(paths) == [held]
    assert publish.versions(paths) == [before, after]
    assert publish.current_version(paths) == after
    roll_back(paths, None)
    assert publish.current_version(paths) == before
    with pytest.raises(UsageError):
        roll_back(paths, held)


def test_without_withdrawals_nothing_goes(paths: StudyPaths) -> None:
    kept = [publish_with(paths, number, ["c_1", "c_2"]) for number in (1, 2)]
    withdraw(paths)
    assert forget_withdrawn(paths) == []
    assert publish.versions(paths) == kept


def test_a_stopped_build_and_a_version_nobody_can_read_go_too(paths: StudyPaths) -> None:
    broken = publish_with(paths, 1, ["c_1"])
    publish_with(paths, 2, ["c_2"])
    published = publish_with(paths, 3, ["c_1"])
    paths.stopped_file.parent.mkdir(parents=True)
    shutil.copyfile(paths.version_dir("20260101T000002Z") / "alliance.duckdb", paths.stopped_file)
    damaged = paths.version_dir(broken) / "alliance.duckdb"
    damaged.chmod(0o600)
    damaged.write_bytes(b"not a database")
    withdraw(paths, "c_2")
    assert forget_withdrawn(paths) == [broken, "20260101T000002Z"]
    assert publish.versions(paths) == [published]
    assert not paths.stopped_file.exists()
