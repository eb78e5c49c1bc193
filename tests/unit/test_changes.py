"""What a refresh changed in the answers: each kind of change by its own name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flows.common.database import attach, connect
from flows.publishing.changes import record_changes

# form, site, client, answer
Answer = tuple[int, str, str, float | None]

BEFORE: list[Answer] = [
    (1, "north", "cl_same", 3),
    (2, "north", "cl_corrected", 3),
    (3, "north", "cl_asked_again", None),
    (4, "north", "cl_blank_now", 3),
    (5, "north", "cl_not_in_newer_export", 3),
    (6, "north", "cl_withdrew", 3),
    (7, "south", "cl_of_a_site_that_left", 3),
]
AFTER: list[Answer] = [
    (1, "north", "cl_same", 3),
    (2, "north", "cl_corrected", 4),
    (3, "north", "cl_asked_again", 2),
    (4, "north", "cl_blank_now", None),
    (8, "north", "cl_new", 1),
]
WITHDRAWN = {"cl_withdrew", "cl_who_withdrew_long_ago"}


def write(path: Path, answers: Iterable[Answer], sites: tuple[str, ...]) -> Path:
    """A warehouse of no more than what changes are told by: a form of one item for each answer."""
    rows = list(answers)
    with connect() as con:
        attach(con, path, "made")
        con.execute("create schema made.core; create schema made.meta")
        con.execute("create table made.core.sites as select unnest($1::varchar[]) as site_id", [[*sites]])
        con.execute("create table made.core.forms (form_id bigint, site_id varchar, client_id varchar, "
                    "instrument_id varchar, rater varchar, n_answered integer)")  # fmt: skip
        con.execute("create table made.core.item_responses (response_id bigint, form_id bigint, site_id varchar, "
                    "status varchar, value double)")  # fmt: skip
        con.execute("create table made.meta.changes (change_id bigint, refresh_id varchar, kind varchar, "
                    "site_id varchar, instrument_id varchar, rater varchar, form_id bigint, item_id varchar, "
                    "n bigint, note varchar)")  # fmt: skip
        for form, site, client, value in rows:
            con.execute("insert into made.core.forms values (?, ?, ?, 'wai_s', 'client', ?)",
                        [form, site, client, int(value is not None)])  # fmt: skip
            con.execute("insert into made.core.item_responses values (?, ?, ?, ?, ?)",
                        [form * 256, form, site, "blank" if value is None else "accepted", value])  # fmt: skip
    return path


def changes(tmp_path: Path, published: Path | None) -> tuple[bool, list[tuple[str, str, int | None, int, str]]]:
    after = write(tmp_path / "next.duckdb", AFTER, ("north",))
    with connect() as con:
        attach(con, after, "alliance")
        removed = record_changes(
            con, published=published, refresh_id="r2", rewritten_sites=("north", "south"), withdrawn=WITHDRAWN
        )
        told = con.execute("select kind, site_id, form_id, n, note from alliance.meta.changes order by all").fetchall()
    return removed, told


def test_each_change_has_its_name_and_only_who_withdrew_is_withdrawn(tmp_path: Path) -> None:
    removed, told = changes(tmp_path, write(tmp_path / "published.duckdb", BEFORE, ("north", "south")))
    gone = "answers that an earlier delivery held are gone"
    assert removed
    assert told == [
        ("corrected", "north", None, 1, "1 form"),
        ("new", "north", None, 2, "2 forms"),
        ("vanished", "north", 4, 1, gone),
        ("vanished", "north", 5, 1, gone),
        ("vanished", "south", 7, 1, "the study has no such site any more"),
        ("withdrawn", "north", 6, 1, "the client has withdrawn"),
    ]


def test_everything_is_new_at_first(tmp_path: Path) -> None:
    assert changes(tmp_path, None) == (False, [("new", "north", None, 4, "4 forms")])
