"""The reference page of the checks, made from the same table that judges."""

from __future__ import annotations

import pandas as pd

from expectations.checks import load_checks
from expectations.outcome import records

_WORDS = {"at_most": "at most", "at_least": "at least", "exactly": "exactly"}
_TITLES = {
    "critical": "Critical: stops publishing",
    "warning": "Warning: loud",
    "info": "Info: for the record",
}


def checks_reference(checks: pd.DataFrame | None = None) -> str:
    """Markdown with one entry per check, by severity: sentence, what is measured, threshold and why.

    Parameters
    ----------
    checks
        As :func:`expectations.load_checks` gives them; the built-in ones by default.
    """
    table = load_checks() if checks is None else checks
    lines = []
    for severity, title in _TITLES.items():
        lines += [f"## {title}", ""]
        for check in records(table[table["severity"] == severity]):
            lines += [
                f"### `{check['check_id']}`",
                "",
                f"**{check['name']}** {check['description']}",
                "",
                f"Holds when the measure is {_WORDS[check['direction']]} {check['threshold']:g}, judged from a "
                f"denominator of {check['min_denominator']:g} on, for each {check['applies_to']}. "
                f"{check['threshold_reason']}",
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"
