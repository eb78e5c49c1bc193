"""Great Expectations suites made from the table of checks.

Every check becomes one expectation about the column ``measured`` of the measures, in the suite of its severity; which
rows it is about is a row condition on ``check_id``. Nothing is written to disk and nothing is sent anywhere.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pandas as pd

from expectations.outcome import records

if TYPE_CHECKING:
    import great_expectations as gx

# Half a unit in the last place that is shown: 2 of 20 must not be above .1 because a division rounds.
TOLERANCE = 1e-9


def quiet_great_expectations() -> Any:
    """Import Great Expectations (it takes seconds) with analytics off and nothing said below errors."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations
    import great_expectations.data_context.types.base

    # This one module sets its own level while it is imported.
    logging.getLogger(great_expectations.data_context.types.base.__name__).setLevel(logging.ERROR)
    return great_expectations


def make_context() -> gx.data_context.EphemeralDataContext:
    """A context in memory, without progress bars."""
    gx = quiet_great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


def make_suites(context: gx.data_context.EphemeralDataContext, checks: pd.DataFrame) -> dict[str, gx.ExpectationSuite]:
    """One suite per severity, with one expectation per check; ``meta`` of each holds its check_id.

    Parameters
    ----------
    checks
        As :func:`expectations.load_checks` gives them.
    """
    gx = quiet_great_expectations()
    suites = {}
    for severity, rows in checks.groupby("severity", sort=True):
        suite = context.suites.add(gx.ExpectationSuite(name=f"alliance_{severity}"))
        for check in records(rows):
            suite.add_expectation(_expectation(check))
        suites[str(severity)] = suite
    return suites


def _expectation(check: dict[str, Any]) -> gx.expectations.Expectation:
    gx = quiet_great_expectations()
    from great_expectations.expectations.row_conditions import Column

    lowest = None if check["direction"] == "at_most" else check["threshold"] - TOLERANCE
    highest = None if check["direction"] == "at_least" else check["threshold"] + TOLERANCE
    return gx.expectations.ExpectColumnValuesToBeBetween(
        column="measured",
        min_value=lowest,
        max_value=highest,
        row_condition=Column("check_id") == check["check_id"],
        severity=check["severity"],
        description=check["name"],
        meta={"check_id": check["check_id"]},
    )
