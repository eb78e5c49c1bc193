"""A refresh of the changed sites leaves the same warehouse as a build of everything, whatever arrived first."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.dbt_runs import build_core, rows
from tests.integration.raw_fixture import Delivery, Study, write_landing
from tests.integration.small_studies import (
    CORRECTED_WIDE,
    FIRST_FULL,
    FIRST_WIDE,
    LONG,
    MOOD,
    OTHER_FILE,
    SECOND_FULL,
)

SITES = ["wide", "full", "long", "mood"]
TABLES = (
    "sites", "therapists", "clients", "dyads", "forms", "item_responses", "scale_scores", "outcomes", "dyad_sessions",
    "dyad_items", "dyad_gaps", "instruments", "scales", "items", "scale_items", "sessions",
)  # fmt: skip


def study(deliveries: Sequence[Delivery], sites: Sequence[str] = SITES) -> Study:
    """The study with these deliveries, in this order of arrival."""
    return Study(deliveries, sites, withdrawn=[("wide", "C8")])


def build(folder: Path, what: Study, changed: Sequence[str] | None = None, published: Path | None = None) -> Path:
    """Builds ``what`` in ``folder``, starting from a copy of the warehouse in ``published`` where one is given."""
    folder.mkdir()
    if published is not None:
        shutil.copy(published / "alliance.duckdb", folder / "alliance.duckdb")
    write_landing(folder / "landing.duckdb", what, changed)
    build_core(folder)
    return folder


def content(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of core, ordered, without the deliveries' numbers, which depend on the order of arrival."""
    return {
        table: rows(folder, f"SELECT * EXCLUDE (delivery_number) FROM {table} ORDER BY ALL")
        if table in ("forms", "item_responses", "scale_scores")
        else rows(folder, f"FROM {table} ORDER BY ALL")
        for table in TABLES
    }


ARRIVED_BEFORE = [FIRST_WIDE, FIRST_FULL, LONG, MOOD]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the builds of this module."""
    return tmp_path_factory.getbasetemp()


@pytest.fixture(scope="module")
def before(base: Path) -> Path:
    """The warehouse before the new deliveries."""
    return build(base / "before", study(ARRIVED_BEFORE))


@pytest.fixture(scope="module")
def whole(base: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a build of everything holds after them."""
    return content(build(base / "whole", study([*ARRIVED_BEFORE, CORRECTED_WIDE, OTHER_FILE, SECOND_FULL])))


def test_one_refresh_after_the_other_equals_the_full_build(
    base: Path, before: Path, whole: dict[str, list[tuple[object, ...]]]
) -> None:
    then = build(base / "then", study([*ARRIVED_BEFORE, CORRECTED_WIDE]), ["wide"], before)
    assert content(then) != content(before)
    last = build(
        base / "last", study([*ARRIVED_BEFORE, CORRECTED_WIDE, OTHER_FILE, SECOND_FULL]), ["wide", "full"], then
    )
    assert content(last) == whole


def test_the_order_of_arrival_does_not_matter(base: Path, whole: dict[str, list[tuple[object, ...]]]) -> None:
    other = [MOOD, FIRST_FULL, SECOND_FULL, LONG, FIRST_WIDE, CORRECTED_WIDE, OTHER_FILE]
    assert content(build(base / "other_order", study(other))) == whole


def test_an_unchanged_site_keeps_its_rows_and_a_site_that_left_loses_them(base: Path, before: Path) -> None:
    stayed = [delivery for delivery in ARRIVED_BEFORE if delivery.site_id != "mood"]
    after = build(base / "left", study(stayed, ["wide", "full", "long"]), ["mood"], before)
    for table, held in content(before).items():
        if table in ("instruments", "scales", "items", "scale_items", "sessions"):
            assert content(after)[table] == held
        else:
            site = rows(after, f"SELECT DISTINCT site_id FROM {table}")
            assert ("mood",) not in site
            assert (
                len(content(after)[table])
                == rows(before, f"SELECT count(*) FROM {table} WHERE site_id <> 'mood'")[0][0]
            )


def test_building_a_site_again_changes_nothing(base: Path, before: Path) -> None:
    again = build(base / "again", study(ARRIVED_BEFORE), ["wide", "long"], before)
    assert content(again) == content(before)
    keys = rows(
        again,
        "SELECT count(*) FROM duckdb_constraints()"
        " WHERE database_name = 'alliance' AND constraint_type = 'PRIMARY KEY'",
    )
    assert keys == [(len(TABLES),)]
