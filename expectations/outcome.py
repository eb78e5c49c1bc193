"""What a check step hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

RESULT_COLUMNS = (
    "check_result_id",
    "refresh_id",
    "check_id",
    "site_id",
    "instrument_id",
    "rater",
    "subject",
    "status",
    "severity",
    "numerator",
    "denominator",
    "measured",
    "threshold",
    "threshold_reason",
    "reason",
    "failing_keys",
    "checked_at",
)
KEY_COLUMNS = ("check_id", "site_id", "instrument_id", "rater", "subject")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries by column name."""
    return cast(list[dict[str, Any]], frame.to_dict("records"))


@dataclass(frozen=True)
class CheckOutcome:
    """The judged measures of one refresh.

    Parameters
    ----------
    results
        One row per measure, columns :data:`RESULT_COLUMNS` as in ``quality.check_results``.
    """

    results: pd.DataFrame

    @property
    def critical_failures(self) -> pd.DataFrame:
        """The results that stop publishing: critical checks that failed or could not be judged."""
        return self.results[(self.results["severity"] == "critical") & self.results["status"].isin(["fail", "error"])]

    @property
    def warnings(self) -> pd.DataFrame:
        """The results to be loud about: warnings that did not hold or could not be judged."""
        return self.results[(self.results["severity"] == "warning") & self.results["status"].isin(["warn", "error"])]

    def counts(self) -> dict[str, int]:
        """Number of results by status, every status named."""
        found = self.results["status"].value_counts()
        return {status: int(found.get(status, 0)) for status in ("pass", "warn", "fail", "error", "not_applicable")}

    def with_results(self, more: pd.DataFrame) -> CheckOutcome:
        """The same with further results behind, such as those of dbt's tests; all numbered anew from 1."""
        parts = [part for part in (self.results, more) if len(part)]
        together = pd.concat(parts, ignore_index=True) if parts else self.results.copy()
        together["check_result_id"] = range(1, len(together) + 1)
        return CheckOutcome(together[list(RESULT_COLUMNS)])
