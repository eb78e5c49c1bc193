"""dbt's own tests as rows of ``quality.checks`` and ``quality.check_results``."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from expectations.checks import CHECK_COLUMNS
from expectations.outcome import RESULT_COLUMNS

_STATUS = {"pass": "pass", "warn": "warn", "fail": "fail", "error": "error", "runtime error": "error"}
_THRESHOLD = {"threshold": 0.0, "threshold_reason": "A rule about keys and references has no exceptions."}


def from_dbt_run_results(
    run_results: Mapping[str, Any] | str, *, refresh_id: str, checked_at: dt.datetime
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The data tests of a dbt run as checks and as check results.

    Parameters
    ----------
    run_results
        ``run_results.json`` of dbt, as text or read. Models, seeds and unit tests in it are left alone.

    Returns
    -------
    tuple of two pandas.DataFrame
        Checks (columns of ``quality.checks``, tool ``dbt``), one per test, and results (columns of
        ``quality.check_results``, ``check_result_id`` from 1). A test that dbt skipped is ``not_applicable``. Nothing
        of a test's message is taken over: it may quote data.
    """
    document = json.loads(run_results) if isinstance(run_results, str) else run_results
    checks: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for result in document.get("results", []):
        parts = str(result.get("unique_id", "")).split(".")
        if parts[0] != "test":
            continue
        # A test that dbt lets pass with a warning is of severity warn; every other one stops the build.
        status = _STATUS.get(str(result.get("status")), "not_applicable")
        severity = "warning" if status == "warn" else "critical"
        keys = {"check_result_id": len(results) + 1, "refresh_id": refresh_id, "checked_at": checked_at}
        checks.append(_check(parts[2], severity))
        results.append(_result(parts[2], severity, status, result.get("failures")) | keys)
    return pd.DataFrame(checks, columns=list(CHECK_COLUMNS)), pd.DataFrame(results, columns=list(RESULT_COLUMNS))


def _check(name: str, severity: str) -> dict[str, Any]:
    return {
        "check_id": f"dbt_{name}",
        "name": f"The test {_words(name)} holds.",
        "description": f"dbt's data test {name}; rows that break it are counted.",
        "tool": "dbt",
        "severity": severity,
        "direction": "exactly",
        **_THRESHOLD,
        "min_denominator": 0.0,
        "applies_to": "study",
    }


def _result(name: str, severity: str, status: str, failures: int | None) -> dict[str, Any]:
    counted = float(failures) if failures is not None else float("nan")
    return {
        "check_id": f"dbt_{name}",
        "site_id": "",
        "instrument_id": "",
        "rater": "",
        "subject": "",
        "status": status,
        "severity": severity,
        "numerator": counted,
        "denominator": 1.0,
        "measured": counted,
        **_THRESHOLD,
        "reason": _reason(status, failures),
        "failing_keys": "[]",
    }


def _words(name: str) -> str:
    return re.sub(r"_+", " ", name).strip()


def _reason(status: str, failures: int | None) -> str | None:
    if status == "pass":
        return None
    if status in ("warn", "fail"):
        return f"{failures} rows break the rule" if failures != 1 else "1 row breaks the rule"
    if status == "error":
        return "dbt could not run the test: a defect of the project, not of the data"
    return "dbt skipped the test because something before it failed"
