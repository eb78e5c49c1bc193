"""Runs the suites over the measures and gives every measure a status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from expectations.outcome import KEY_COLUMNS, RESULT_COLUMNS, CheckOutcome, records
from expectations.suites import make_context, make_suites

_WORDS = {"at_most": "at most", "at_least": "at least", "exactly": "exactly"}


@dataclass
class _Verdicts:
    """What Great Expectations said: numbers of rows that do not hold, and checks it could not judge with the cause."""

    unexpected: set[int] = field(default_factory=set)
    judged: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)


def judge(measures: pd.DataFrame, checks: pd.DataFrame, *, refresh_id: str, checked_at: dt.datetime) -> CheckOutcome:
    """Hold every measure against the threshold of its check.

    Parameters
    ----------
    measures
        ``quality.check_measures``: check_id, site_id, instrument_id, rater, subject, numerator, denominator,
        failing_keys, note.
    checks
        The checks, see :func:`expectations.load_checks`.
    checked_at
        Moment of the check in UTC, without time zone.

    Returns
    -------
    CheckOutcome
        One result per measure, in the order of its keys. ``not_applicable`` with a reason where there is nothing, or
        too little, to judge; ``error`` where Great Expectations could not judge, or nobody declared the check.

    Raises
    ------
    ValueError
        A column is missing from ``measures``, or two measures have the same key.
    """
    frame = _prepared(measures, checks)
    verdicts = _validated(frame[frame["not_applicable"].isna()], checks)
    rows = records(frame)
    for row in rows:
        row["status"] = _status(row, verdicts)
    frame["status"] = [row["status"] for row in rows]
    frame["reason"] = [_reason(row, verdicts) for row in rows]
    frame["refresh_id"] = refresh_id
    frame["checked_at"] = checked_at
    frame["check_result_id"] = range(1, len(frame) + 1)
    return CheckOutcome(frame[list(RESULT_COLUMNS)])


def _prepared(measures: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """The measures with their check's columns, `measured`, and why a row is not to be judged."""
    needed = [*KEY_COLUMNS, "numerator", "denominator", "failing_keys", "note"]
    missing = [column for column in needed if column not in measures]
    if missing:
        raise ValueError(f"the measures lack {', '.join(missing)}")
    frame = measures[needed].astype(dict.fromkeys((*KEY_COLUMNS, "failing_keys", "note"), object))
    repeated = frame[frame.duplicated(list(KEY_COLUMNS))]
    if len(repeated):
        key = " / ".join(str(part) for part in repeated.iloc[0][list(KEY_COLUMNS)])
        raise ValueError(f"{len(repeated)} measures have the key of another one, the first is {key}")
    frame = frame.merge(
        checks[["check_id", "name", "severity", "direction", "threshold", "threshold_reason", "min_denominator"]],
        on="check_id",
        how="left",
    ).sort_values(list(KEY_COLUMNS), ignore_index=True)
    frame["is_declared"] = frame["severity"].notna()
    # A measure that nobody declared must not slip through: it is as serious as can be, and an error.
    frame["severity"] = frame["severity"].fillna("critical")
    frame[["numerator", "denominator"]] = frame[["numerator", "denominator"]].astype(float)
    frame["measured"] = frame["numerator"] / frame["denominator"].where(frame["denominator"] > 0)
    frame["row_key"] = range(len(frame))
    frame["not_applicable"] = [_not_applicable(row) for row in records(frame)]
    return frame


def _not_applicable(row: dict[str, Any]) -> str | None:
    if not row["is_declared"]:
        return "not declared"
    if pd.isna(row["measured"]):
        return row["note"] if isinstance(row["note"], str) and row["note"] else "there is nothing to measure"
    if row["denominator"] < row["min_denominator"]:
        return f"rests on {_number(row['denominator'])} only; judged from {_number(row['min_denominator'])}"
    return None


def _validated(frame: pd.DataFrame, checks: pd.DataFrame) -> _Verdicts:
    """Let Great Expectations judge the rows; whatever it raises is an error of the checks concerned."""
    verdicts = _Verdicts()
    if frame.empty:
        return verdicts
    present = checks[checks["check_id"].isin(frame["check_id"])]
    context = make_context()
    batches = context.data_sources.add_pandas("measures").add_dataframe_asset("check_measures")
    definition = batches.add_batch_definition_whole_dataframe("this_refresh")
    data = frame[["row_key", "check_id", "measured"]].reset_index(drop=True)
    for severity, suite in make_suites(context, present).items():
        of_suite = present[present["severity"] == severity]["check_id"]
        try:
            batch = definition.get_batch({"dataframe": data})
            validation = batch.validate(
                suite,
                result_format={
                    "result_format": "COMPLETE",
                    "unexpected_index_column_names": ["row_key"],
                    "include_unexpected_rows": False,
                },
            )
        except Exception as error:
            # A fault of the tool must not look like a fault of the data.
            verdicts.errors.update(dict.fromkeys(of_suite, type(error).__name__))
            continue
        for result in validation.results:
            _take_up(result, verdicts)
    return verdicts


def _take_up(result: Any, verdicts: _Verdicts) -> None:
    check_id = result.expectation_config.meta["check_id"]
    cause = next(_exceptions(result.exception_info), None)
    indices = (result.result or {}).get("unexpected_index_list")
    if cause is None and not result.success and not indices:
        cause = "no row was named"
    if cause is not None:
        verdicts.errors[check_id] = cause
        return
    verdicts.judged.add(check_id)
    verdicts.unexpected.update(int(index["row_key"]) for index in indices or [])


def _exceptions(info: Any) -> Iterator[str]:
    """Names of the exceptions in an ``exception_info``: flat, or one for each metric that failed.

    Only the exception's name: its message may quote what was in the data.
    """
    if not isinstance(info, dict):
        return
    if "raised_exception" not in info:
        for nested in info.values():
            yield from _exceptions(nested)
    elif info["raised_exception"]:
        last = (info.get("exception_traceback") or "").strip().rsplit("\n", 1)[-1]
        name = last.split(":", 1)[0].rsplit(".", 1)[-1].strip()
        yield name if name.isidentifier() else "an exception"


def _status(row: dict[str, Any], verdicts: _Verdicts) -> str:
    if not row["is_declared"]:
        return "error"
    if isinstance(row["not_applicable"], str):
        return "not_applicable"
    if row["check_id"] in verdicts.errors or row["check_id"] not in verdicts.judged:
        return "error"
    if row["row_key"] not in verdicts.unexpected:
        return "pass"
    return "fail" if row["severity"] == "critical" else "warn"


def _reason(row: dict[str, Any], verdicts: _Verdicts) -> str | None:
    if row["status"] == "pass":
        return None
    if row["status"] == "not_applicable":
        return row["not_applicable"]
    if not row["is_declared"]:
        return "the build measures this, but no check of this id is declared: a defect of the project"
    if row["status"] == "error":
        cause = verdicts.errors.get(row["check_id"], "it gave no result")
        return f"Great Expectations could not judge this ({cause}): a defect of the project, not of the data"
    return (
        f"measured {_number(row['measured'])} ({_number(row['numerator'])} of {_number(row['denominator'])}), "
        f"expected {_WORDS[row['direction']]} {_number(row['threshold'])}"
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
