"""The key, the pseudonyms, and the clients who withdrew."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import stat
from pathlib import Path

import pytest

from flows.landing.pseudonyms import BLANKS, KeyRefused, load_or_make_key, pseudonym, update_pseudonyms
from flows.landing.store import LandingStore
from flows.landing.withdrawals import land_withdrawals
from flows.layout.layout import resolve_layout
from flows.settings.study import Study
from tests.unit.landing_studies import file_settings, landed, make_study

KEY = bytes(range(32))


def write_layout(study: Study, store: LandingStore) -> None:
    store.write_layout(resolve_layout(study, study.codebook, store.headers()).frames)


def stored(store: LandingStore) -> set[tuple[str, str, str, str]]:
    rows = store.con.execute("select site_id, kind, local_id, pseudonym from raw.pseudonyms").fetchall()
    assert len({row[:3] for row in rows}) == len(rows)
    return set(rows)


def test_a_pseudonym_is_the_documented_hash() -> None:
    expected = hmac.new(KEY, b"north\x1fclient\x1f\xc3\xa4 1", hashlib.sha256).hexdigest()[:16]
    assert pseudonym(KEY, "north", "client", " ä 1\t\u00a0") == f"cl_{expected}"


def test_site_kind_and_key_each_change_it() -> None:
    made = {
        pseudonym(KEY, "north", "client", "1"),
        pseudonym(KEY, "south", "client", "1"),
        pseudonym(KEY, "north", "therapist", "1"),
        pseudonym(KEY, "north", "episode", "1"),
        pseudonym(bytes(32), "north", "client", "1"),
    }
    assert len({each[3:] for each in made}) == 5
    assert {each[:3] for each in made} == {"cl_", "th_", "ep_"}


def test_key_is_made_once_and_private(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    with landed(study) as (_, store):
        key = load_or_make_key(study.paths, store)
        assert len(key) == 32 and load_or_make_key(study.paths, store) == key
    assert stat.S_IMODE(study.paths.pseudonym_key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(study.paths.keys_dir.stat().st_mode) == 0o700
    assert study.paths.pseudonym_key_file.read_text().strip() == key.hex()


@pytest.mark.parametrize(
    ("what", "said"),
    [("readable", "chmod 600"), ("folder", "chmod 700"), ("short", "64 hexadecimal"), ("link", "regular file")],
)
def test_a_key_that_cannot_be_trusted_is_refused(tmp_path: Path, what: str, said: str) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    with landed(study) as (_, store):
        load_or_make_key(study.paths, store)
        path = study.paths.pseudonym_key_file
        secret = path.read_text().strip()
        if what == "readable":
            path.chmod(0o640)
        elif what == "folder":
            path.parent.chmod(0o755)
        elif what == "short":
            path.write_text(secret[:-2])
        else:
            path.rename(tmp_path / "elsewhere")
            path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(KeyRefused) as caught:
            load_or_make_key(study.paths, store)
    assert said in str(caught.value) and secret[:-2] not in str(caught.value)


def test_a_lost_key_is_never_silently_replaced(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    (tmp_path / "deliveries/north/a.csv").write_text("client,q1,q2\na,1,2\n")
    with landed(study) as (_, store):
        write_layout(study, store)
        update_pseudonyms(store, load_or_make_key(study.paths, store))
        study.paths.pseudonym_key_file.unlink()
        with pytest.raises(KeyRefused, match="gone"):
            load_or_make_key(study.paths, store)
        assert not study.paths.pseudonym_key_file.exists()
        # nor by that of another study, with which a client who withdrew would come back unknown
        study.paths.pseudonym_key_file.write_text(KEY.hex())
        study.paths.pseudonym_key_file.chmod(0o600)
        with pytest.raises(KeyRefused, match="another one"):
            load_or_make_key(study.paths, store)


def test_ids_of_all_kinds_trimmed_and_once(tmp_path: Path) -> None:
    settings = file_settings(therapist="t", episode={"column": "e", "map": {"first": "1"}})
    study = make_study(tmp_path, {"north": [settings], "south": [file_settings()]})
    (tmp_path / "deliveries/north/a.csv").write_text(
        "client,t,e,q1,q2\n007,T1,first,1,2\n 007\u00a0,T1,2,1,2\n7,,first,1,2\n,T2\n"
    )
    (tmp_path / "deliveries/south/a.csv").write_text("client,q1,q2\n007,1,2\n")
    with landed(study) as (_, store):
        write_layout(study, store)
        assert update_pseudonyms(store, KEY) == 8
        assert update_pseudonyms(store, KEY) == 0
        expected = {
            ("north", "client", "007"),
            ("north", "client", "7"),
            ("north", "therapist", "T1"),
            ("north", "therapist", "T2"),
            ("north", "episode", "first"),
            ("north", "episode", "2"),
            ("north", "episode", "1"),
            ("south", "client", "007"),
        }
        assert stored(store) == {(*ids, pseudonym(KEY, *ids)) for ids in expected}


def test_only_the_deliveries_asked_for(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    for name in ("a", "b"):
        (tmp_path / f"deliveries/north/{name}.csv").write_text(f"client,q1,q2\n{name},1,2\n")
    with landed(study) as (_, store):
        write_layout(study, store)
        assert update_pseudonyms(store, KEY, [2]) == 1
        assert {row[2] for row in stored(store)} == {"b"}
        assert update_pseudonyms(store, KEY, []) == 0


def test_trimming_is_that_of_the_build() -> None:
    macro = (Path(__file__).parents[2] / "dbt_project/macros/text.sql").read_text()
    (characters,) = re.findall(r"trim\(\{\{ text \}\}, (.*)\)", macro)
    assert re.findall(r"chr\((\d+)\)", characters) == [str(ord(letter)) for letter in BLANKS]


def withdrawals(
    tmp_path: Path, content: str | bytes
) -> tuple[set[tuple[str, str, str]], dict[str, int | None], set[str]]:
    study = make_study(tmp_path, {"north": [file_settings()]})
    (tmp_path / "deliveries/north/a.csv").write_text("client,q1,q2\n007,1,2\n")
    (tmp_path / "withdrawals.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    with landed(study) as (_, store):
        write_layout(study, store)
        update_pseudonyms(store, KEY)
        problems = land_withdrawals(study, study.paths, store, KEY)
        rows = store.con.execute("select site_id, client_id, reason from raw.withdrawals").fetchall()
    assert not any("007" in str(each) or "secret" in str(each) for each in problems)
    return set(rows), {each.problem: each.row_number for each in problems}, {each.severity for each in problems}


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_withdrawals_are_pseudonymised(tmp_path: Path, delimiter: str) -> None:
    content = "\ufeffSite,Client,date,reason\nnorth, 007 ,2024-05-31,asked\n,,,\n".replace(",", delimiter)
    rows, problems, _ = withdrawals(tmp_path, content)
    assert rows == {("north", pseudonym(KEY, "north", "client", "007"), "asked")}
    assert not problems


def test_a_client_nobody_delivered_is_told(tmp_path: Path) -> None:
    rows, problems, severities = withdrawals(tmp_path, "site,client\nnorth,secret\n")
    assert rows == {("north", pseudonym(KEY, "north", "client", "secret"), "")}
    assert problems == {"withdrawal_of_unknown_client": 2} and severities == {"warning"}


@pytest.mark.parametrize(
    ("content", "problem", "row_number"),
    [
        ("site,client\nnorth,007\nelsewhere,secret\n", "withdrawal_of_unknown_site", 3),
        ("site,client\n,secret\n", "withdrawal_incomplete", 2),
        ("place,person\nnorth,007\n", "withdrawals_not_readable", 1),
        ("", "withdrawals_not_readable", 1),
        ("site,client\nnorth,é\n".encode("latin-1"), "withdrawals_not_readable", None),
        ('site,client\nnorth,"007\n', "withdrawals_not_readable", None),
    ],
)
def test_withdrawals_that_cannot_be_followed_are_critical(
    tmp_path: Path, content: str | bytes, problem: str, row_number: int | None
) -> None:
    _, problems, severities = withdrawals(tmp_path, content)
    assert problems == {problem: row_number} and severities == {"critical"}


def test_what_clients_of_a_site_that_left_withdrew_stays_withdrawn(tmp_path: Path) -> None:
    withdrawals(tmp_path, "site,client\nnorth,007\n")
    study = make_study(tmp_path, {"north": [file_settings()]})
    with landed(study) as (_, store):
        left = dataclasses.replace(study, sites={})
        assert land_withdrawals(left, study.paths, store, KEY) == []
        assert store.con.execute("select site_id from raw.withdrawals").fetchall() == [("north",)]


def test_no_file_is_no_withdrawal_and_clears_earlier_ones(tmp_path: Path) -> None:
    withdrawals(tmp_path, "site,client\nnorth,007\n")
    (tmp_path / "withdrawals.csv").unlink()
    study = make_study(tmp_path, {"north": [file_settings()]})
    with landed(study) as (_, store):
        assert land_withdrawals(study, study.paths, store, KEY) == []
        assert store.con.execute("select count(*) from raw.withdrawals").fetchone() == (0,)
