"""Whatever happens to a study, in whatever order: its warehouse holds what was delivered, as a full build makes it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import duckdb
import pytest

from flows.common.paths import StudyPaths
from flows.landing.pseudonyms import pseudonym
from flows.publishing.publish import current_version, versions
from flows.publishing.rolling_back import roll_back
from flows.refreshing import steps
from tests.e2e.event_study import SITES, World

# A number of its own for longer runs: ALLIANCE_EVENT_SEEDS="3 4 5" ALLIANCE_EVENTS=20
SEEDS = [int(seed) for seed in os.environ.get("ALLIANCE_EVENT_SEEDS", "1").split()]
N_REFRESHES = int(os.environ.get("ALLIANCE_EVENTS", "6"))
# What tells when and from which place something came may differ between one build and another; data may not.
LINEAGE = "delivery_number|row_number|column_number|delivery_key|landed_at|refresh_id|checked_at|failing_keys"
ANSWERS = """
    select forms.site_id::varchar, forms.client_id, forms.therapist_id, forms.occasion, forms.rater::varchar,
        responses.response_id % 256, responses.status::varchar, responses.value
    from core.item_responses as responses inner join core.forms as forms using (form_id)
"""
TABLES = """
    select schema_name, table_name from duckdb_tables() where schema_name = 'core' or table_name in (
        'cell_accounting', 'rejected_cells', 'orphan_forms', 'response_patterns', 'item_measures', 'key_fit',
        'check_measures')
"""


def delivery(world: World, site: str) -> None:
    world.grow(site, world.random.randint(0, 2))
    world.correct(site)
    if world.random.random() < 0.4:
        world.lose(site)
    world.deliver(site)


def old_bytes_under_a_new_name(world: World, site: str) -> None:
    world.deliver(site, world.random.choice(world.sent[site]))


def file_overwritten(world: World, site: str) -> None:
    files = world.landed_files(site)
    if files:
        world.correct(site)
        world.deliver(site, name=world.random.choice(files).name)


def file_moved_away(world: World, site: str) -> None:
    for file in world.landed_files(site)[:1]:
        file.unlink()


def client_withdraws(world: World, site: str) -> None:
    world.withdraw(site)


def rule_of_the_study_changes(world: World, site: str) -> None:
    world.write_study(pairing_max_days=world.random.randint(0, 6))


def missing_code_of_a_site_changes(world: World, site: str) -> None:
    world.missing[site] ^= {"9"}
    world.write_site(site)


def site_leaves_or_returns(world: World, site: str) -> None:
    if site in world.away or len(world.away) < 1:
        world.leave_or_return(site)


def delivery_is_taken_back_or_not(world: World, site: str) -> None:
    world.leave_out(site)


def refresh_is_killed(world: World, site: str) -> None:
    delivery(world, site)
    command = [sys.executable, "-m", "benchmarks.refresh_steps", str(world.folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(world.random.uniform(1, 9))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def version_is_rolled_back(world: World, site: str) -> None:
    paths = StudyPaths(world.folder)
    earlier = [version for version in versions(paths) if version != current_version(paths)]
    if earlier:
        roll_back(paths, world.random.choice(earlier))


def working_files_are_deleted(world: World, site: str) -> None:
    paths = StudyPaths(world.folder)
    paths.build_file.unlink(missing_ok=True)
    shutil.rmtree(world.random.choice([paths.dbt_target_dir, paths.next_dir, paths.temp_dir]), ignore_errors=True)


EVENTS: list[Callable[[World, str], None]] = [
    *[delivery] * 4, old_bytes_under_a_new_name, *[file_overwritten] * 2, file_moved_away, client_withdraws,
    rule_of_the_study_changes, missing_code_of_a_site_changes, refresh_is_killed, version_is_rolled_back,
    working_files_are_deleted, site_leaves_or_returns, delivery_is_taken_back_or_not,
]  # fmt: skip


def ask(study: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def content(study: Path, schema: str, table: str) -> list[str]:
    # What a landing has to tell is told by the refresh that read the file, not by every later one.
    of_landing = "where check_id not like 'landing_%'" if table == "check_measures" else ""
    rows = ask(study, f"select columns(c -> not regexp_matches(c, '{LINEAGE}')) from {schema}.{table} {of_landing}")
    return sorted(repr([round(v, 6) if isinstance(v, float) else v for v in row]) for row in rows)


def pseudonymous(world: World) -> set[tuple]:
    key = bytes.fromhex((world.folder / "keys" / "pseudonym.key").read_text().strip())
    return {
        (site, pseudonym(key, site, "client", client), pseudonym(key, site, "therapist", therapist), *rest)
        for site, client, therapist, *rest in world.expected()
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_warehouse_is_what_was_delivered(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    world = World(tmp_path / "study", random)
    world.make()
    happened = ["begin"]
    for _ in range(N_REFRESHES):
        ended = steps.carry_out(world.folder)
        world.refreshed()
        assert set(ask(world.folder, ANSWERS)) == pseudonymous(world), happened
        assert ask(world.folder, "select count(*) from quality.cell_accounting where unaccounted <> 0") == [(0,)]

        whole = tmp_path / "whole"
        shutil.copytree(world.folder, whole, symlinks=True)
        steps.carry_out(whole, full=True)
        for table in ask(whole, TABLES):
            assert content(world.folder, *table) == content(whole, *table), (table, happened, ended.kind)
        shutil.rmtree(whole)

        for _ in range(random.randint(1, 3)):
            event = random.choice(EVENTS)
            event(world, random.choice(sorted(SITES)))
            happened.append(event.__name__)
            if event is refresh_is_killed:
                break  # it may have seen what was delivered or not, so nothing more is until the next refresh
