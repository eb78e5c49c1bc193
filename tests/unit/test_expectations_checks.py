"""The checks as data, their overrides, and dbt's tests as check results."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
from pathlib import Path

import pytest

from expectations import (
    RESULT_COLUMNS,
    CheckOutcome,
    CheckSettingsError,
    checks_reference,
    from_dbt_run_results,
    load_checks,
)
from expectations.checks import CHECK_COLUMNS, DIRECTIONS, SEVERITIES

ROOT = Path(__file__).resolve().parents[2]
NOW = dt.datetime(2024, 7, 1)


def test_every_check_is_complete() -> None:
    checks = load_checks()
    assert tuple(checks.columns) == CHECK_COLUMNS
    assert checks["check_id"].is_unique
    assert checks["check_id"].str.fullmatch(r"[a-z][a-z0-9_]{0,39}").all()
    assert set(checks["severity"]) <= set(SEVERITIES)
    assert set(checks["direction"]) <= set(DIRECTIONS)
    assert set(checks["tool"]) <= {"great_expectations", "landing"}
    assert checks["threshold"].notna().all()
    assert checks["min_denominator"].ge(0).all()
    for column in ("name", "description", "threshold_reason"):
        assert checks[column].str.fullmatch(r"[A-Z0-9].*\.", flags=re.DOTALL).all(), f"{column} is a sentence"


def test_every_check_is_measured_by_dbt_and_every_measure_is_declared() -> None:
    """A check without a measure would silently never be judged."""
    sql = "\n".join(path.read_text() for path in (ROOT / "dbt_project" / "models").rglob("*.sql"))
    for check_id in load_checks()["check_id"]:
        assert re.search(rf"['\"]{check_id}['\"]", sql), f"no model measures {check_id}"


def test_a_study_sets_its_own_threshold_with_a_reason() -> None:
    checks = load_checks({"missing_rate": {"threshold": 0.4, "reason": "long outcome battery"}}).set_index("check_id")
    assert checks.loc["missing_rate", "threshold"] == 0.4
    assert checks.loc["missing_rate", "threshold_reason"] == "long outcome battery"
    assert (
        checks.loc["rejected_share", "threshold"]
        == load_checks().set_index("check_id").loc["rejected_share", "threshold"]
    )


def test_all_problems_of_the_settings_are_named_at_once() -> None:
    with pytest.raises(CheckSettingsError) as caught:
        load_checks(
            {
                "mising_rate": {"threshold": 0.4, "reason": "x"},
                "missing_rate": {"threshold": "many", "reason": "x"},
                "rejected_share": {"threshold": 0.1},
                "floor": {"threshold": float("inf"), "reason": "x"},
            }
        )
    assert len(caught.value.problems) == 4
    assert "did you mean missing_rate?" in caught.value.problems[0]
    assert "as a number" in caught.value.problems[1]
    assert "reason" in caught.value.problems[2]
    assert "finite" in caught.value.problems[3]


@pytest.mark.parametrize("check_id", ["cells_unaccounted", "landing_critical"])
def test_no_study_can_say_that_cells_may_be_lost(check_id: str) -> None:
    with pytest.raises(CheckSettingsError, match="a promise of the warehouse"):
        load_checks({check_id: {"threshold": 0.5, "reason": "we are in a hurry"}})


RUN_RESULTS = {
    "results": [
        {"unique_id": "model.alliance.forms", "status": "success", "failures": None, "message": "OK"},
        {"unique_id": "test.alliance.not_null_forms_site_id.1a2b", "status": "pass", "failures": 0, "message": None},
        {"unique_id": "test.alliance.few_orphans.3c", "status": "warn", "failures": 3, "message": "Got 3 'Mrs Smith'"},
        {"unique_id": "test.alliance.unique_dyads.4d", "status": "fail", "failures": 1, "message": "Mrs Smith"},
        {"unique_id": "test.alliance.broken.5e", "status": "error", "failures": None, "message": "Mrs Smith"},
        {"unique_id": "test.alliance.later.6f", "status": "skipped", "failures": None, "message": None},
        {"unique_id": "unit_test.alliance.forms.orientation", "status": "pass", "failures": 0, "message": None},
    ]
}


def test_dbt_tests_become_checks_and_results() -> None:
    checks, results = from_dbt_run_results(json.dumps(RUN_RESULTS), refresh_id="r1", checked_at=NOW)
    assert tuple(checks.columns) == CHECK_COLUMNS
    assert tuple(results.columns) == RESULT_COLUMNS
    assert list(results["check_id"]) == [
        "dbt_not_null_forms_site_id",
        "dbt_few_orphans",
        "dbt_unique_dyads",
        "dbt_broken",
        "dbt_later",
    ]
    assert list(results["status"]) == ["pass", "warn", "fail", "error", "not_applicable"]
    assert set(checks["tool"]) == {"dbt"}
    assert list(results["reason"].fillna(""))[:3] == ["", "3 rows break the rule", "1 row breaks the rule"]


def test_messages_of_dbt_are_not_taken_over() -> None:
    checks, results = from_dbt_run_results(RUN_RESULTS, refresh_id="r1", checked_at=NOW)
    assert "Smith" not in checks.to_csv() + results.to_csv()


def test_a_run_without_tests_gives_empty_frames() -> None:
    checks, results = from_dbt_run_results({"results": []}, refresh_id="r1", checked_at=NOW)
    assert checks.empty and tuple(checks.columns) == CHECK_COLUMNS
    assert results.empty and tuple(results.columns) == RESULT_COLUMNS


def test_results_of_both_tools_are_numbered_together() -> None:
    _, results = from_dbt_run_results(RUN_RESULTS, refresh_id="r1", checked_at=NOW)
    together = CheckOutcome(results).with_results(results.assign(check_id="other_" + results["check_id"]))
    assert list(together.results["check_result_id"]) == list(range(1, 11))
    assert len(together.critical_failures) == 4
    assert len(CheckOutcome(results).with_results(results.iloc[:0]).results) == 5


def test_expectations_import_nothing_of_flows() -> None:
    for path in (ROOT / "expectations").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            assert not [name for name in names if name.split(".")[0] in ("flows", "analysis", "report")], path


def test_the_reference_page_has_every_check_with_its_threshold() -> None:
    page = checks_reference()
    for check in load_checks().itertuples():
        assert page.count(f"### `{check.check_id}`\n") == 1
        assert check.threshold_reason in page
    assert "measure is at most 0.05, judged from a denominator of 20 on, for each instrument." in page
