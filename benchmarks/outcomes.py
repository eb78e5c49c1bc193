"""`make bench`, outcome and agreement: the demo study with its bootstrap, and 100,000 dyads against least squares.

Each part runs in a process of its own on one core and gives CPU seconds, so that other load on the machine changes
little. The last times what a refresh calls, of which models are a part. Prints a table and writes
benchmarks/out/outcomes.json. `python -m benchmarks.outcomes --dyads 10000 --therapists 500` is a first look;
`--study FOLDER` takes a study that is refreshed already.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import measure

OUT = Path(__file__).resolve().parent / "out"
QUESTION_ONE = ("components", "correspondence", "reliability", "site_congruence")
"""Kinds of analysis of question 1; all others are of outcome, the two views, or sites."""
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}


def main() -> None:
    """Run both parts and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dyads", type=int, default=100_000)
    parser.add_argument("--therapists", type=int, default=5000)
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--study", type=Path)
    options = parser.parse_args()
    os.environ.update(ONE_CORE)
    with tempfile.TemporaryDirectory(prefix="alliance-bench-") as folder:
        study = options.study or _demo_study(Path(folder) / "demo")
        demo = _last_line(measure(["benchmarks.study_analyses", str(study)]).output)
    sizes = ["--dyads", str(options.dyads), "--therapists", str(options.therapists), "--sites", str(options.sites)]
    large = _last_line(measure(["benchmarks.large_models", *sizes]).output)
    called = _last_line(measure(["benchmarks.large_functions", *sizes]).output)
    OUT.mkdir(exist_ok=True)
    found = {"demo study": demo, "large study": large, "what a refresh calls": called}
    (OUT / "outcomes.json").write_text(json.dumps(found, indent=1) + "\n")
    for line in report(demo, large) + called_report(called):
        print(line)


def _demo_study(folder: Path) -> Path:
    measure(["flows.cli", "init", "--demo", str(folder)])
    measure(["flows.cli", "refresh", str(folder)])
    return folder


def _last_line(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def report(demo: dict[str, Any], large: dict[str, Any]) -> list[str]:
    """The figures as lines of text."""
    lines = [f"demo study, {demo['bootstrap']} bootstrap samples, CPU seconds by kind of analysis"]
    lines += [f"  {kind:<44} {took:8.2f}" for kind, took in demo["by_kind"].items()]
    ours = sum(took for kind, took in demo["by_kind"].items() if kind not in QUESTION_ONE)
    lines += [f"  {'outcome, views and sites (at most 60)':<44} {ours:8.2f}"]
    lines += [
        f"{large['dyads']} dyads, {large['therapists']} therapists, {large['sites']} sites, no bootstrap",
        f"  {'':<44} {'CPU s':>8} {'least sq.':>10} {'ratio (at most 20)':>20}",
    ]
    for name, row in large["models"].items():
        lines.append(f"  {name:<44} {row['seconds']:8.3f} {row['least squares']:10.4f} {row['ratio']:20.1f}")
    rivals = large.get("mixed model, seconds", {})
    lines += ["the same mixed model by other means, CPU seconds and times ours"]
    for name, took in rivals.items():
        own = rivals["ours, therapists in sites" if name.endswith("sites") else "ours"]
        lines.append(f"  {name:<44} {took:8.3f} {took / own:10.1f}")
    lines.append(f"  {'peak memory, MB':<44} {large['peak memory, MB']:8.0f}")
    return lines


def called_report(called: dict[str, Any]) -> list[str]:
    """The figures of what a refresh calls, as lines of text."""
    lines = [
        "what a refresh calls for them: ratings chosen, models run, rows written",
        f"  {'':<44} {'CPU s':>8} {'models':>7} {'least sq.':>10} {'ratio':>8}",
    ]
    for name, row in called["functions"].items():
        lines.append(
            f"  {name:<44} {row['seconds']:8.2f} {row['models']:7d} {row['least squares']:10.4f} {row['ratio']:8.1f}"
        )
    return [*lines, f"  {'peak memory, MB':<44} {called['peak memory, MB']:8.0f}"]


if __name__ == "__main__":
    main()
