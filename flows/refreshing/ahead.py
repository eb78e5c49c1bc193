"""Loading what the later steps need while dbt, a process of its own, builds: imports take seconds."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from threading import Thread

from flows.analysing import processes
from flows.settings.analysis_settings import AnalysisSettings

_LATER = ("flows.refreshing.analyses", "report.build")


def load_ahead(settings: AnalysisSettings) -> None:
    """Import Great Expectations, the analyses and the report in the background, and start the analyses' processes."""
    Thread(target=_load, name="load the later steps", daemon=True).start()
    if settings.scheduler is None:
        processes.start_ahead(settings.workers)


def _load() -> None:
    from expectations.suites import quiet_great_expectations

    with suppress(Exception):  # what is wrong with one of them is said by the step that needs it
        quiet_great_expectations()
        for module in _LATER:
            import_module(module)
