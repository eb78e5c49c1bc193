"""What happens to a study over time: nothing new, new deliveries, corrections, failures, two at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from flows.common.errors import AllianceError, BuildError, CheckFailed
from flows.common.locking import refresh_lock
from flows.publishing.publish import versions
from flows.refreshing import steps
from flows.refreshing.refresh import Ended
from tests.e2e.conftest import alliance


def refresh(study: Path, full: bool = False) -> Ended:
    """The steps in one process, without Prefect's server, as the benchmark runs them."""
    return steps.carry_out(study, full=full)


def ask(study: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def delete_analyses(study: Path) -> None:
    """Leave the analyses out, which other tests look at and which cost most of the time."""
    text = (study / "study.yml").read_text()
    head, _, _ = text.partition("\nanalyses:")
    (study / "study.yml").write_text(head + "\nanalyses: {bootstrap: 0, min_rows: 100000}\n")


def test_the_same_deliveries_again_are_nothing_new(own_demo: Path) -> None:
    before = versions(steps.begin(own_demo).paths)
    ended = refresh(own_demo)
    assert ended.status == "nothing_new"
    assert versions(steps.begin(own_demo).paths) == before


def test_a_correction_and_a_withdrawal_reach_readers_and_are_shown(own_demo: Path) -> None:
    delete_analyses(own_demo)
    refresh(own_demo)
    source = own_demo / "deliveries" / "lakeside" / "export_2024-03-15.csv"
    lines = source.read_text(encoding="utf-8").split("\n")
    n_before = ask(own_demo, "select count(*) from core.forms where site_id = 'lakeside'")[0][0]
    others = "select count(*), sum(hash(response_id, value)) from core.item_responses where site_id <> 'lakeside'"
    untouched = ask(own_demo, others)

    # A newer full export in which the last client's records are gone and one answer is another.
    header = lines[0].split(",")
    record = header.index("record_id")
    gone = [line for line in lines if line and line.split(",")[record] == lines[-2].split(",")[record]]
    kept = [line for line in lines if line not in gone]
    (source.parent / "export_2024-06-15.csv").write_text("\n".join(kept), encoding="utf-8")
    ended = refresh(own_demo)

    assert (ended.status, ended.kind, ended.new_deliveries) == ("published", "incremental", 1)
    assert ask(own_demo, "select count(*) from core.forms where site_id = 'lakeside'")[0][0] < n_before
    assert ask(own_demo, others) == untouched
    kinds = dict(
        ask(own_demo, f"select kind, count(*) from meta.changes where refresh_id = '{ended.refresh_id}' group by 1")
    )
    assert kinds.get("vanished"), kinds
    assert "withdrawn" not in kinds, "the client is gone from the export and did not withdraw"
    assert ask(own_demo, "select count(*) from quality.cell_accounting where unaccounted <> 0") == [(0,)]
    assert ask(own_demo, "select sum(withdrawn) > 0 from quality.cell_accounting where site_id = 'lakeside'") == [
        (True,)
    ]


def test_an_incremental_refresh_equals_a_full_one(own_demo: Path, tmp_path: Path) -> None:
    delete_analyses(own_demo)
    late = own_demo / "deliveries" / "seaside" / "answers.tsv"
    shutil.move(late, tmp_path / "late.tsv")
    shutil.rmtree(own_demo / "work")
    shutil.rmtree(own_demo / "warehouse")
    refresh(own_demo)
    shutil.move(tmp_path / "late.tsv", late)
    assert refresh(own_demo).kind == "incremental"
    # What a landing has to tell, and what is judged of it, depends on which files it read; the data must not.
    listed = "select schema_name, table_name from duckdb_tables() where schema_name = 'core' or table_name in "
    listed += "('cell_accounting', 'rejected_cells', 'orphan_forms', 'response_patterns', 'item_measures', 'key_fit')"
    tables = ask(own_demo, listed)
    lineage = "delivery_number|landed_at|refresh_id|checked_at|check_result_id|problem_number|failing_keys"
    incremental = {table: contents(own_demo, *table, lineage) for table in tables}
    refresh(own_demo, full=True)
    for table in tables:
        now = contents(own_demo, *table, lineage)
        assert len(now) == len(incremental[table]), table
        assert set(now) ^ set(incremental[table]) == set(), table


def contents(study: Path, schema: str, table: str, without: str) -> list[tuple]:
    """All rows without lineage. Floating sums differ in their last digits with the order of threads, and no further."""
    rows = ask(study, f"select columns(c -> not regexp_matches(c, '{without}')) from {schema}.{table}")
    return sorted((tuple(round(v, 6) if isinstance(v, float) else v for v in row) for row in rows), key=repr)


def test_a_broken_file_is_told_and_the_rest_goes_on(own_demo: Path) -> None:
    delete_analyses(own_demo)
    (own_demo / "deliveries" / "hillside" / "outcome.xlsx").write_bytes(b"PK\x03\x04 cut off")
    ended = refresh(own_demo)
    assert ended.status == "published"
    problems = ask(
        own_demo, "select site_id, file_name, action from quality.landing_problems where severity = 'warning'"
    )
    assert any(site == "hillside" and name == "outcome.xlsx" and action for site, name, action in problems)
    assert ask(own_demo, "select count(*) > 0 from core.forms where site_id = 'hillside'") == [(True,)]


def test_a_critical_check_stops_publishing(own_demo: Path) -> None:
    delete_analyses(own_demo)
    before = ask(own_demo, "select max(refresh_id) from meta.refreshes")
    site = own_demo / "sites" / "hillside.yml"
    site.write_text(site.read_text().replace("client:", "client: NoSuchColumn #", 1))
    with pytest.raises(CheckFailed) as stopped:
        refresh(own_demo)
    assert "hillside" in str(stopped.value)
    assert ask(own_demo, "select max(refresh_id) from meta.refreshes") == before
    told = alliance("status", own_demo, check=False)
    assert "stopped" in told.stdout
    answer = alliance("query", "--stopped", "select count(*) as n from quality.check_results", "-s", own_demo)
    assert "n" in answer.stdout


def test_a_failed_build_names_its_cause_and_leaves_the_warehouse(
    own_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (own_demo / "warehouse" / "current").readlink()
    monkeypatch.setattr("flows.refreshing.steps.publishing.prepare_next", lambda *_, **__: None)
    shutil.rmtree(own_demo / "work" / "next", ignore_errors=True)
    with pytest.raises(AllianceError) as failed:
        refresh(own_demo, full=True)
    assert isinstance(failed.value, BuildError)
    assert len(str(failed.value).splitlines()) == 2
    assert (own_demo / "warehouse" / "current").readlink() == before


@pytest.mark.parametrize("after", [2.0, 6.0, 12.0])
def test_a_refresh_killed_half_way_loses_nothing(own_demo: Path, after: float) -> None:
    delete_analyses(own_demo)
    before = (own_demo / "warehouse" / "current").readlink()
    code = (
        "import sys; from pathlib import Path; from tests.e2e.test_refresh_again import refresh\n"
        "refresh(Path(sys.argv[1]), True)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(own_demo)], start_new_session=True)
    time.sleep(after)
    assert process.poll() is None, "it was to be killed at work"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (own_demo / "warehouse" / "current").readlink() == before
    assert ask(own_demo, "select count(*) > 0 from core.forms") == [(True,)]
    assert refresh(own_demo, full=True).status == "published"
    assert ask(own_demo, "select count(*) from quality.cell_accounting where unaccounted <> 0") == [(0,)]


def test_a_refresh_that_is_asked_to_end_leaves_no_server_behind(tmp_path: Path) -> None:
    study = tmp_path / "study"
    alliance("init", "--demo", study)
    process = subprocess.Popen([sys.executable, "-m", "flows.cli", "refresh", str(study)], stderr=subprocess.PIPE)
    assert process.stderr is not None
    # The server is up and noted before the first step says that it begins.
    while b"land begins" not in (line := process.stderr.readline()):
        assert line, "it ended before it began"
    [note] = (study / "work" / "prefect").glob("server-*.json")
    server = json.loads(note.read_text())["server"]
    process.send_signal(signal.SIGTERM)
    # A server that lives on would hold the pipe open.
    process.communicate(timeout=120)
    assert process.returncode in (128 + signal.SIGTERM, 1), "1 where a query heard of it first"
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
    assert "signal" in json.loads((study / "work" / "last_refresh.json").read_text())["message"]


def test_readers_in_another_process_are_never_refused_during_refreshes(own_demo: Path) -> None:
    delete_analyses(own_demo)
    code = (
        "import duckdb, sys\n"
        "n = 0\n"
        "while not sys.stdin.closed and n < 100000:\n"
        "    with duckdb.connect(sys.argv[1], read_only=True) as con:\n"
        "        con.execute('select count(*), max(refresh_id) from meta.refreshes').fetchone()\n"
        "    n += 1\n"
        "    if n % 50 == 0:\n"
        "        import select\n"
        "        if select.select([sys.stdin], [], [], 0)[0]: break\n"
        "print(n)\n"
    )
    published = own_demo / "warehouse" / "alliance.duckdb"
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(published)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for _ in range(2):
        refresh(own_demo, full=True)
    said, _ = reader.communicate("stop\n")
    assert reader.returncode == 0
    assert int(said) >= 1000


def test_two_at_once_the_second_leaves(own_demo: Path) -> None:
    holding = threading.Event()
    leave = threading.Event()

    def hold() -> None:
        with refresh_lock(own_demo / "work" / "refresh.lock", refresh_id="first"):
            holding.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(10)
    try:
        second = alliance("refresh", own_demo, "--json", check=False)
    finally:
        leave.set()
        holder.join()
    assert second.returncode == 4
    assert "since" in json.loads(second.stdout)["message"]
