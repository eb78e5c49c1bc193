"""The check step: read what dbt measured, let Great Expectations judge it, write the results beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from flows.common.database import attach, connect
from flows.common.errors import ConfigurationError, ConfigurationProblem
from flows.publishing.publish import Resources
from flows.settings.study_models import ThresholdOverride

if TYPE_CHECKING:
    from expectations import CheckOutcome


@dataclass(frozen=True)
class Verdict:
    """What the checks said of a build.

    Parameters
    ----------
    critical
        One sentence for each critical result that failed or could not be judged; these stop publishing.
    not_passed
        Rows for the artifact: severity, check, where, measured, threshold.
    """

    n_results: int
    n_critical: int
    n_warnings: int
    critical: tuple[str, ...]
    not_passed: tuple[dict[str, str], ...]


def judge(
    database: Path,
    *,
    run_results: Path,
    thresholds: Mapping[str, ThresholdOverride],
    refresh_id: str,
    checked_at: dt.datetime,
    resources: Resources,
) -> Verdict:
    """Judge ``quality.check_measures`` of `database` and fill ``quality.checks`` and ``quality.check_results``.

    Parameters
    ----------
    run_results
        dbt's ``run_results.json`` of this build; its own tests stand beside the other checks.

    Raises
    ------
    ConfigurationError
        study.yml sets a threshold for a check that does not exist.
    """
    import expectations

    checks = checks_of(thresholds)
    with connect(memory_limit=resources.memory_limit, threads=resources.threads) as con:
        attach(con, database, "alliance")
        measures = con.execute("from alliance.quality.check_measures").df()
        moment = checked_at.replace(tzinfo=None)
        outcome = expectations.judge(measures, checks, refresh_id=refresh_id, checked_at=moment)
        dbt_checks, dbt_results = expectations.from_dbt_run_results(
            run_results.read_text(), refresh_id=refresh_id, checked_at=moment
        )
        outcome = outcome.with_results(dbt_results)
        checks = pd.concat([checks, dbt_checks], ignore_index=True)
        for table, frame in (("checks", checks), ("check_results", outcome.results)):
            con.execute(f"delete from alliance.quality.{table}")
            con.register("incoming", frame)
            con.execute(f"insert into alliance.quality.{table} by name from incoming")
            con.unregister("incoming")
    return _verdict(outcome, checks)


def checks_of(thresholds: Mapping[str, ThresholdOverride]) -> pd.DataFrame:
    """The checks with the study's own thresholds.

    Raises
    ------
    ConfigurationError
        study.yml sets a threshold for a check that does not exist, or one that it cannot have.
    """
    from expectations import CheckSettingsError, load_checks

    try:
        return load_checks({check_id: setting.model_dump() for check_id, setting in thresholds.items()})
    except CheckSettingsError as error:
        said = (problem.removeprefix("study.yml, ").partition(": ") for problem in error.problems)
        raise ConfigurationError(
            ConfigurationProblem("study.yml", None, place, problem, "see docs/reference/checks.md")
            for place, _, problem in said
        ) from None


def _verdict(outcome: CheckOutcome, checks: pd.DataFrame) -> Verdict:
    results, critical = outcome.results, outcome.critical_failures
    names = checks.set_index("check_id")["name"].to_dict()
    not_passed = results[results["status"].isin(["fail", "warn", "error"])]
    return Verdict(
        n_results=len(results),
        n_critical=len(critical),
        n_warnings=len(outcome.warnings),
        critical=tuple(
            f"{names.get(row.check_id, row.check_id)}{_where(row)}: {row.reason}" for row in _rows(critical)
        ),
        not_passed=tuple(
            {
                "severity": row.severity,
                "check": names.get(row.check_id, row.check_id),
                "where": _where(row).strip(" ()"),
                "reason": row.reason or "",
            }
            for row in _rows(not_passed)
        ),
    )


def _rows(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples(index=False))


def _where(row: object) -> str:
    parts = [str(getattr(row, key)) for key in ("site_id", "instrument_id", "rater", "subject")]
    said = " ".join(part for part in parts if part and part != "nan")
    return f" ({said})" if said else ""
