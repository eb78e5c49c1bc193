"""What must be set before Prefect, dbt or Great Expectations are imported: no telemetry, nothing off this machine.

Imported first by every entry point. Values a user has set already are kept, telemetry switches excepted: clinical
data and a phone-home library do not share a process.
"""

from __future__ import annotations

import os
from pathlib import Path

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
}

# One BLAS thread: sums in another order differ in the last digits, and results must be the same bytes on any machine;
# for matrices of some fifty items it is also faster.
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# The embedded server needs 13 to 25 s on two cores; Prefect's own limit of 20 s makes a first run die.
PREFECT_DEFAULTS = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_EVENTS_WEBSOCKET_ENABLED": "false",
}


def quiet() -> None:
    """Switch every package's telemetry off and BLAS to one thread, for this process and its children."""
    os.environ.update(TELEMETRY_OFF | ONE_BLAS_THREAD)


def prepare_prefect(home: Path) -> None:
    """Point Prefect at a home of the study's own.

    A study's runs do not mix with another's, and nothing of Prefect is written outside the study.
    Call before the first import of ``prefect``; settings are read at import.
    """
    quiet()
    os.environ.setdefault("PREFECT_HOME", str(home))
    for name, value in PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)
