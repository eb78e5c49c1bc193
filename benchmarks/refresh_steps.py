"""Land, build, check and publish one study as the flow does, without Prefect's server; prints seconds per step as JSON.

The analyses and the report are other steps with claims of their own, so the first are left out here.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from flows.common import environment

environment.quiet()

from flows.refreshing import steps


def main() -> None:
    """Refresh the study given and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    without = steps.Steps(steps.land, steps.build, steps.check, lambda refresh: refresh, steps.publish)
    print(json.dumps(asdict(steps.carry_out(options.study, full=options.full, by=without))))


if __name__ == "__main__":
    main()
