"""The judge: every status, nothing of the data in what comes back, and faults of the tool told from faults of data."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from expectations import RESULT_COLUMNS, judge, load_checks
from expectations import runner as runner_module
from expectations.suites import make_context, make_suites, quiet_great_expectations

NOW = dt.datetime(2024, 7, 1, 12, 0, 0)
ROOT = Path(__file__).resolve().parents[2]


def measure(check_id: str, numerator: float, denominator: float, **other: str | None) -> dict[str, object]:
    """A row of quality.check_measures."""
    row: dict[str, object] = {
        "check_id": check_id,
        "site_id": "north",
        "instrument_id": "",
        "rater": "",
        "subject": "",
        "numerator": numerator,
        "denominator": denominator,
        "failing_keys": "[]",
        "note": None,
    }
    return {**row, **other}


def judged(*measures: dict[str, object]) -> pd.DataFrame:
    """The results of hand-made measures under the built-in checks."""
    return judge(pd.DataFrame(measures), load_checks(), refresh_id="r1", checked_at=NOW).results


@pytest.fixture(scope="module")
def outcome():
    """One measure for each status, judged once: a run of Great Expectations takes seconds."""
    measures = [
        measure("rejected_share", 1, 100, instrument_id="wai_s", rater="client"),
        measure("rejected_share", 30, 100, instrument_id="haq_i", rater="client", failing_keys='["12:3:4"]'),
        measure("rejected_share", 3, 4, instrument_id="calpas", rater="client"),
        measure("rejected_share", 0, 0, instrument_id="srs", rater="client", note="not delivered"),
        measure("forms_vanished", 90, 100, subject="ratings"),
        measure("forms_vanished", 5, 100, subject="outcomes"),
        measure("cells_unaccounted", 0, 500),
        measure("cells_unaccounted", 1, 500, site_id="south"),
        measure("site_arrived", 0, 1, site_id="south"),
        measure("site_arrived", 40, 1),
        measure("key_verified", 5, 5, site_id="", instrument_id="calpas"),
        measure("item_rest_sign", -40.0, 100, instrument_id="wai_s", rater="client", subject="wai_s_04"),
        measure("item_rest_sign", 40.0, 100, instrument_id="wai_s", rater="client", subject="wai_s_05"),
    ]
    return judge(pd.DataFrame(measures), load_checks(), refresh_id="r1", checked_at=NOW)


def status_of(results: pd.DataFrame, check_id: str, **key: str) -> str:
    """The status of one result."""
    found = results[results["check_id"] == check_id]
    for column, value in key.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return str(found.iloc[0]["status"])


@pytest.mark.parametrize(
    ("check_id", "key", "status"),
    [
        ("rejected_share", {"instrument_id": "wai_s"}, "pass"),
        ("rejected_share", {"instrument_id": "haq_i"}, "warn"),
        ("rejected_share", {"instrument_id": "calpas"}, "not_applicable"),
        ("rejected_share", {"instrument_id": "srs"}, "not_applicable"),
        ("forms_vanished", {"subject": "ratings"}, "fail"),
        ("forms_vanished", {"subject": "outcomes"}, "pass"),
        ("cells_unaccounted", {"site_id": "north"}, "pass"),
        ("cells_unaccounted", {"site_id": "south"}, "fail"),
        ("site_arrived", {"site_id": "south"}, "warn"),
        ("site_arrived", {"site_id": "north"}, "pass"),
        ("key_verified", {}, "warn"),
        ("item_rest_sign", {"subject": "wai_s_04"}, "warn"),
        ("item_rest_sign", {"subject": "wai_s_05"}, "pass"),
    ],
)
def test_each_measure_gets_its_status(outcome, check_id: str, key: dict[str, str], status: str) -> None:
    assert status_of(outcome.results, check_id, **key) == status


def test_every_measure_comes_back_once_in_the_shape_of_the_table(outcome) -> None:
    results = outcome.results
    assert tuple(results.columns) == RESULT_COLUMNS
    assert len(results) == 13
    assert list(results["check_result_id"]) == list(range(1, 14))
    assert set(results["refresh_id"]) == {"r1"}
    assert outcome.counts() == {"pass": 5, "warn": 4, "fail": 2, "error": 0, "not_applicable": 2}


def test_critical_failures_and_warnings_are_told_apart(outcome) -> None:
    assert set(outcome.critical_failures["check_id"]) == {"forms_vanished", "cells_unaccounted"}
    # key_verified is for the record only
    assert set(outcome.warnings["check_id"]) == {"rejected_share", "site_arrived", "item_rest_sign"}


def test_every_result_but_a_pass_has_a_reason(outcome) -> None:
    results = outcome.results
    assert results[results["status"] == "pass"]["reason"].isna().all()
    others = results[results["status"] != "pass"]
    assert others["reason"].str.len().gt(0).all()
    reasons = dict(zip(others["instrument_id"] + others["subject"], others["reason"], strict=True))
    assert reasons["srs"] == "not delivered"
    assert reasons["calpas"] in ("rests on 4 only; judged from 20", "measured 1 (5 of 5), expected at most 0")
    assert reasons["haq_i"] == "measured 0.3 (30 of 100), expected at most 0.05"


def test_a_measure_on_the_threshold_passes() -> None:
    # 0.15 of 100 is 15; 3 x 0.05 in floating point is above 0.15
    results = judged(
        measure("floor", 100 * (0.05 + 0.05 + 0.05), 100, instrument_id="wai_s", rater="client", subject="task")
    )
    assert list(results["status"]) == ["pass"]


def test_no_measures_give_no_results() -> None:
    empty = pd.DataFrame([measure("floor", 1, 1)]).iloc[:0]
    outcome = judge(empty, load_checks(), refresh_id="r1", checked_at=NOW)
    assert tuple(outcome.results.columns) == RESULT_COLUMNS
    assert outcome.results.empty


def test_a_measure_nobody_declared_is_a_critical_error() -> None:
    outcome = judge(pd.DataFrame([measure("no_such_check", 1, 1)]), load_checks(), refresh_id="r1", checked_at=NOW)
    assert list(outcome.results["status"]) == ["error"]
    assert len(outcome.critical_failures) == 1


def test_two_measures_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="rejected_share / north"):
        judged(measure("rejected_share", 1, 100), measure("rejected_share", 2, 100))


def test_a_missing_column_is_named() -> None:
    frame = pd.DataFrame([measure("floor", 1, 1)]).drop(columns="note")
    with pytest.raises(ValueError, match="note"):
        judge(frame, load_checks(), refresh_id="r1", checked_at=NOW)


def test_an_exception_inside_great_expectations_is_an_error_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """One expectation reads a column that is not there; the other checks are judged as ever."""

    def suites_with_a_fault(context, checks):
        suites = make_suites(context, checks)
        for suite in suites.values():
            for expectation in suite.expectations:
                if expectation.meta["check_id"] == "cells_unaccounted":
                    expectation.column = "Mrs Smith"
        return suites

    monkeypatch.setattr(runner_module, "make_suites", suites_with_a_fault)
    outcome = judge(
        pd.DataFrame(
            [measure("cells_unaccounted", 0, 500), measure("landing_critical", 0, 1), measure("floor", 90, 100)]
        ),
        load_checks(),
        refresh_id="r1",
        checked_at=NOW,
    )
    assert status_of(outcome.results, "cells_unaccounted") == "error"
    assert status_of(outcome.results, "landing_critical") == "pass"
    assert status_of(outcome.results, "floor") == "warn"
    assert list(outcome.critical_failures["check_id"]) == ["cells_unaccounted"]
    reason = outcome.critical_failures.iloc[0]["reason"]
    assert "could not judge" in reason
    assert "Smith" not in reason


def test_a_crash_of_a_whole_suite_is_an_error_of_its_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def suites_with_a_crash(context, checks):
        return {**make_suites(context, checks), "critical": object()}

    monkeypatch.setattr(runner_module, "make_suites", suites_with_a_crash)
    results = judged(measure("cells_unaccounted", 0, 500), measure("missing_rate", 1, 100))
    assert status_of(results, "cells_unaccounted") == "error"
    assert status_of(results, "missing_rate") == "pass"


def test_results_hold_no_cell_of_the_data(outcome) -> None:
    """Failing keys come back as they were; nothing else of a row but counts."""
    text = outcome.results.to_csv()
    assert "12:3:4" in text
    for word in ("unexpected", "partial", "Traceback"):
        assert word not in text


def test_suites_carry_severity_threshold_and_sentence() -> None:
    checks = load_checks({"rejected_share": {"threshold": 0.2, "reason": "many free answers at this stage"}})
    suites = make_suites(make_context(), checks)
    assert set(suites) == {"critical", "warning", "info"}
    expectations = {e.meta["check_id"]: e for suite in suites.values() for e in suite.expectations}
    assert len(expectations) == len(checks)
    chosen = expectations["rejected_share"]
    assert chosen.severity == "warning"
    assert chosen.max_value == pytest.approx(0.2)
    assert chosen.min_value is None
    assert chosen.description == "Few answers had to be rejected."


def test_a_run_writes_no_file_and_says_nothing(tmp_path: Path) -> None:
    script = """
import datetime as dt, pandas as pd
from expectations import judge, load_checks
row = dict(check_id="floor", site_id="n", instrument_id="", rater="", subject="", numerator=90.0, denominator=100.0,
           failing_keys="[]", note=None)
print(judge(pd.DataFrame([row]), load_checks(), refresh_id="r", checked_at=dt.datetime(2024, 1, 1)).counts())
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "{'pass': 0, 'warn': 1, 'fail': 0, 'error': 0, 'not_applicable': 0}"
    assert done.stderr == ""
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_analytics_are_off_before_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GX_ANALYTICS_ENABLED", raising=False)
    quiet_great_expectations()
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"


def test_importing_the_package_does_not_import_great_expectations() -> None:
    script = "import sys, expectations; sys.exit('great_expectations' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == 0
