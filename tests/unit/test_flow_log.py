"""What Prefect's log says of a refresh that a user can mend: its cause in one line, no traceback."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from flows.common import environment
from flows.common.errors import CheckFailed


def test_an_error_of_ours_is_logged_as_one_line(tmp_path: Path) -> None:
    environment.prepare_prefect(tmp_path)
    from flows.refreshing.flow import _say_cause_only

    def logged(error: Exception) -> logging.LogRecord:
        try:
            raise error
        except type(error):
            record = logging.LogRecord(
                "prefect.flow_runs", logging.ERROR, "x.py", 1, "Encountered %s", ("it",), sys.exc_info()
            )
        assert _say_cause_only(record)
        return record

    ours = logging.Formatter().format(logged(CheckFailed("checks failed", cause="one of two", next_step="look")))
    assert ours == "checks failed: one of two Next: look"
    assert "Traceback" in logging.Formatter().format(logged(KeyError("a fault of the program")))


def test_the_filter_is_in_place(tmp_path: Path) -> None:
    environment.prepare_prefect(tmp_path)
    from flows.refreshing.flow import _say_cause_only

    for name in ("prefect.task_runs", "prefect.flow_runs"):
        assert _say_cause_only in logging.getLogger(name).filters
