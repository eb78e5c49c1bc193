"""The quality marts on a study with one trap of each kind: each must be found where it is, and nowhere else."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from expectations import CheckOutcome, from_dbt_run_results, judge, load_checks
from tests.integration.dbt_runs import run_dbt
from tests.integration.quality_study import deliveries, make_landing, pseudonym

EMPTY_TABLES = {
    "meta": {"refreshes", "site_states", "changes", "data_dictionary"},
    "results": {
        "agreement", "analyses", "cfa_correlations", "cfa_loadings", "component_correlations", "component_scores",
        "components", "congruence", "correspondence", "emphasis", "item_correlations", "loadings", "model_fit",
        "outcome_effects", "reliability", "retention", "site_effects", "suitability",
    },
    "quality": {"checks", "check_results"},
}  # fmt: skip


def query(folder: Path, sql: str) -> pd.DataFrame:
    """What the warehouse being built answers."""
    with duckdb.connect(str(folder / "alliance.duckdb"), read_only=True) as connection:
        return connection.execute(sql).df()


def run_results(done: subprocess.CompletedProcess[str]) -> str:
    """What dbt wrote about a run."""
    target = done.args[done.args.index("--target-path") + 1]
    return (Path(target) / "run_results.json").read_text()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, built whole."""
    folder = tmp_path_factory.mktemp("traps")
    make_landing(folder / "landing.duckdb")
    done = run_dbt(folder, "build", "--exclude", "path:seeds", "--exclude-resource-type", "unit_test")
    (folder / "run_results.json").write_text(run_results(done))
    return folder


@pytest.fixture(scope="module")
def outcome(study: Path) -> CheckOutcome:
    """Its measures, judged."""
    measures = query(study, "from quality.check_measures")
    return judge(measures, load_checks(), refresh_id="r1", checked_at=dt.datetime(2024, 7, 1))


def found(outcome: CheckOutcome, check_id: str, statuses: Sequence[str] = ("warn", "fail")) -> set[tuple[str, ...]]:
    """Where a check did not hold, as site, instrument, rater, subject."""
    results = outcome.results
    rows = results[(results["check_id"] == check_id) & results["status"].isin(statuses)]
    return set(rows[["site_id", "instrument_id", "rater", "subject"]].itertuples(index=False, name=None))


def site(site_id: str) -> tuple[str, ...]:
    """The key of a measure of a whole site."""
    return (site_id, "", "", "")


TRAPS = {
    "site_arrived": {site("west")},
    "clients_arrived": {site("east")},
    "site_on_time": {site("south")},
    "instrument_arrived": {("east", "haq_i", "client", "")},
    "landing_warnings": {site("east")},
    "landing_critical": set(),
    "cells_unaccounted": set(),
    "forms_vanished": {("south", "", "", "wai")},
    "forms_gone": {("south", "", "", "wai")},
    "deliveries_in_two_sites": {site("north"), site("east")},
    "ids_in_two_sites": {site("north"), site("east")},
    "client_ids_alike": {site("south")},
    "therapist_ids_alike": set(),
    "blanks_turned": {("south", "calpas", "", "")},
    "top_of_range_used": {("east", "wai_s", "client", ""), ("east", "wai_s", "therapist", "")},
    "reversed_items_sign": {("east", "wai_s", "client", ""), ("east", "wai_s", "therapist", "")},
    "dates_impossible": {("south", "calpas", "client", "")},
    "dates_in_future": {("south", "calpas", "client", "")},
    "dates_unreadable": {site("south")},
    "outcome_before_session": {("south", "global_rating", "client", "")},
    "therapist_forms_alone": set(),
    "therapist_load": {site("east")},
    "identical_records": {site("south")},
    "identical_answers": {("south", "calpas", "client", "")},
    "straight_lining": {("south", "calpas", "client", "")},
    "core_table_filled": set(),
}


@pytest.mark.parametrize("check_id", sorted(TRAPS))
def test_each_trap_is_found_where_it_is_and_nowhere_else(outcome: CheckOutcome, check_id: str) -> None:
    assert found(outcome, check_id) == TRAPS[check_id]


def test_the_other_instrument_is_named_as_a_rival(outcome: CheckOutcome) -> None:
    assert ("east", "wai_s", "client", "wai_sr") in found(outcome, "rival_key_fit")
    assert not {key for key in found(outcome, "rival_key_fit") if key[0] == "north"}


def test_turned_items_are_named_one_by_one(outcome: CheckOutcome) -> None:
    turned = {key for key in found(outcome, "item_rest_sign") if key[1] == "wai_s"}
    assert {(key[0], key[3]) for key in turned} == {("east", "wai_s_04"), ("east", "wai_s_10")}


def test_nothing_is_an_error_and_only_the_truncated_export_stops_publishing(outcome: CheckOutcome) -> None:
    assert outcome.counts()["error"] == 0
    assert set(outcome.critical_failures["check_id"]) == {"forms_vanished"}
    vanished = outcome.critical_failures.iloc[0]
    assert (vanished["numerator"], vanished["denominator"]) == (24, 30)


def test_what_is_missing_is_a_row(study: Path, outcome: CheckOutcome) -> None:
    """Every instrument check has a row for every declared site, instrument and rater, also where nothing arrived."""
    declared = set(
        query(study, "select site_id, instrument_id, rater from core.forms").itertuples(index=False, name=None)
    ) | {("east", "haq_i", "client"), ("west", "wai_s", "client")}
    results = outcome.results
    for check_id in ("missing_rate", "rejected_share", "dates_in_future", "instrument_arrived", "straight_lining"):
        rows = results[results["check_id"] == check_id]
        assert set(rows[["site_id", "instrument_id", "rater"]].itertuples(index=False, name=None)) == declared
    absent = results[(results["check_id"] == "missing_rate") & (results["site_id"] == "west")].iloc[0]
    assert absent["status"] == "not_applicable"
    assert "not delivered" in absent["reason"]
    for check_id in ("site_on_time", "clients_arrived", "cells_unaccounted", "identical_records"):
        assert set(results[results["check_id"] == check_id]["site_id"]) == {"north", "east", "south", "west"}


def test_every_declared_check_is_measured(outcome: CheckOutcome) -> None:
    assert set(outcome.results["check_id"]) == set(load_checks()["check_id"])


def test_failing_keys_are_published_keys_and_at_most_twenty(study: Path, outcome: CheckOutcome) -> None:
    keys = [json.loads(text) for text in outcome.results["failing_keys"]]
    assert max(map(len, keys)) == 20
    shape = re.compile(r"cl_[0-9a-f]{16}|th_[0-9a-f]{16}|\d+|\d+:\d+|\d+:\d+:\d+")
    assert all(shape.fullmatch(key) for listed in keys for key in listed)
    identical = outcome.results[
        (outcome.results["check_id"] == "identical_records") & (outcome.results["site_id"] == "south")
    ].iloc[0]
    assert set(json.loads(identical["failing_keys"])) == {pseudonym("south", "client", k) for k in ("K00", "K01")}


def test_no_local_id_is_in_a_quality_table(study: Path) -> None:
    """Client ids of two digits could be any number; the long one and the therapists' are looked for."""
    tables = query(study, "select table_name from duckdb_tables() where schema_name = 'quality'")["table_name"]
    for table in tables:
        text = query(study, f"from quality.{table}").to_csv()
        assert "Transfer-0042" not in text
        assert not re.search(r"(?<![A-Za-z0-9_])[KT]\d{1,2}(?![A-Za-z0-9_])", text), table


def test_cells_add_up(study: Path) -> None:
    accounting = query(study, "from quality.cell_accounting order by delivery_number")
    assert (accounting["unaccounted"] == 0).all()
    cells = [sum(len(record.cells()) for record in delivery.records) for delivery in deliveries()]
    assert list(accounting["n_cells"]) == cells
    assert list(query(study, "select n_cells from quality.deliveries order by delivery_number")["n_cells"]) == cells


def test_forms_of_flat_answers_are_flagged_not_dropped(study: Path) -> None:
    flagged = query(
        study,
        "select patterns.flags, patterns.longest_run from quality.response_patterns as patterns"
        " join core.forms using (form_id) where forms.instrument_id = 'calpas' and patterns.flagged",
    )
    assert list(flagged["flags"]) == ["straight_lining flat long_run"] * 3
    assert list(flagged["longest_run"]) == [24] * 3
    assert query(study, "select count(*) as n from core.forms where instrument_id = 'calpas'")["n"][0] == 40


def test_tables_that_python_fills_are_there_empty_and_described(study: Path) -> None:
    for schema, tables in EMPTY_TABLES.items():
        for table in tables:
            assert query(study, f"select count(*) as n from {schema}.{table}")["n"][0] == 0
    described = query(
        study,
        "select schema_name, table_name, comment from duckdb_tables()"
        " where schema_name in ('quality', 'results', 'meta')",
    )
    assert described["comment"].str.startswith("One row per").all(), described
    columns = query(
        study,
        "select table_name, column_name, comment from duckdb_columns()"
        " where schema_name in ('quality', 'results', 'meta')",
    )
    assert columns["comment"].str.len().gt(0).all()
    keyed = query(study, "select table_name from duckdb_constraints() where constraint_type = 'PRIMARY KEY'")
    assert set(described["table_name"]) <= set(keyed["table_name"])


def test_dbts_own_tests_become_results(study: Path) -> None:
    text = (study / "run_results.json").read_text()
    checks, results = from_dbt_run_results(text, refresh_id="r1", checked_at=dt.datetime(2024, 7, 1))
    assert len(results) == len(checks) > 0
    assert set(results["status"]) <= {"pass", "warn"}


def test_checks_and_results_fit_the_tables_they_are_for(study: Path, outcome: CheckOutcome, tmp_path: Path) -> None:
    copy = tmp_path / "alliance.duckdb"
    copy.write_bytes((study / "alliance.duckdb").read_bytes())
    dbt_checks, dbt_results = from_dbt_run_results(
        (study / "run_results.json").read_text(), refresh_id="r1", checked_at=dt.datetime(2024, 7, 1)
    )
    checks = pd.concat([load_checks(), dbt_checks])
    results = outcome.with_results(dbt_results).results
    with duckdb.connect(str(copy)) as connection:
        connection.register("new_checks", checks)
        connection.register("new_results", results)
        connection.execute("insert into quality.checks by name from new_checks")
        connection.execute("insert into quality.check_results by name from new_results")
        found = connection.execute(
            "select count(*), count(checks.check_id), count(distinct tool) from quality.check_results as results"
            " left join quality.checks as checks on results.check_id = checks.check_id"
        ).fetchone()
    assert found == (len(results), len(results), 3)


def test_a_refresh_of_one_site_leaves_the_others_measures_as_they_were(study: Path) -> None:
    """Only east is built again; every measure stays, those that only raw deliveries of south can give too."""
    before = query(study, "from quality.check_measures order by all")
    with duckdb.connect(str(study / "landing.duckdb")) as connection:
        connection.execute("delete from raw.changed_sites where site_id <> 'east'")
    run_dbt(study, "run")
    after = query(study, "from quality.check_measures order by all")
    pd.testing.assert_frame_equal(before, after)
