"""Judges what dbt measured: Great Expectations suites made from checks that are data.

>>> from expectations import judge, load_checks          # doctest: +SKIP
>>> outcome = judge(measures, load_checks(), refresh_id="r1", checked_at=now)   # doctest: +SKIP
"""

from expectations.checks import CheckSettingsError, load_checks
from expectations.dbt_results import from_dbt_run_results
from expectations.outcome import RESULT_COLUMNS, CheckOutcome
from expectations.reference import checks_reference
from expectations.runner import judge

__all__ = [
    "RESULT_COLUMNS",
    "CheckOutcome",
    "CheckSettingsError",
    "checks_reference",
    "from_dbt_run_results",
    "judge",
    "load_checks",
]
