"""The checks as data: checks.csv, with the thresholds that a study sets itself."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

CHECKS_FILE = Path(__file__).resolve().parent / "checks.csv"
CHECK_COLUMNS = (
    "check_id",
    "name",
    "description",
    "tool",
    "severity",
    "direction",
    "threshold",
    "threshold_reason",
    "min_denominator",
    "applies_to",
)
SEVERITIES = ("critical", "warning", "info")
DIRECTIONS = ("at_most", "at_least", "exactly")


class CheckSettingsError(ValueError):
    """A study's ``thresholds`` that cannot be used. ``problems`` holds one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(problems))


def load_checks(thresholds: Mapping[str, Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """The checks, one row each, with the study's thresholds in place of the built-in ones.

    Parameters
    ----------
    thresholds
        By check_id: ``threshold`` (a number) and ``reason`` (a sentence), as in ``study.yml``.

    Returns
    -------
    pandas.DataFrame
        Columns of :data:`CHECK_COLUMNS`; ``threshold`` and ``min_denominator`` as float.

    Raises
    ------
    CheckSettingsError
        An unknown check_id, one that no study may set (direction ``exactly``), a threshold that is not a finite number,
        or no reason.
    """
    checks = pd.read_csv(CHECKS_FILE, dtype=str, keep_default_na=False)
    for column in ("threshold", "min_denominator"):
        checks[column] = checks[column].astype(float)
    checks = checks.set_index("check_id", drop=False)
    problems = []
    for check_id, setting in (thresholds or {}).items():
        problem = _problem(check_id, setting, checks["direction"])
        if problem:
            problems.append(problem)
            continue
        checks.loc[check_id, "threshold"] = float(setting["threshold"])
        checks.loc[check_id, "threshold_reason"] = str(setting["reason"]).strip()
    if problems:
        raise CheckSettingsError(problems)
    return checks.reset_index(drop=True)[list(CHECK_COLUMNS)]


def _problem(check_id: str, setting: Mapping[str, Any], directions: pd.Series) -> str | None:
    place = f"study.yml, thresholds, {check_id}"
    if check_id not in directions:
        near = difflib.get_close_matches(check_id, list(directions.index), n=1)
        hint = f"did you mean {near[0]}?" if near else "the documentation of the checks lists them all"
        return f"{place}: there is no such check; {hint}"
    if directions[check_id] == "exactly":
        return f"{place}: this is a promise of the warehouse, not a judgement; it has no other threshold"
    try:
        threshold = float(setting["threshold"])
    except (KeyError, TypeError, ValueError):
        return f"{place}: give `threshold` as a number"
    if not math.isfinite(threshold):
        return f"{place}: `threshold` must be a finite number"
    if not str(setting.get("reason") or "").strip():
        return f"{place}: give a `reason` in a sentence, it is published with every result of the check"
    return None
