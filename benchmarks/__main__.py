"""`make bench`: the main job on a large study against a bare DuckDB script, in one run on one machine.

Prints a table of ratios and writes it to benchmarks/out/main_job.json. Options make it smaller for a first look:
`python -m benchmarks --sites 10 --records 1000`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.large_study import write_delivery, write_study
from benchmarks.measure import Measured, measure

OUT = Path(__file__).resolve().parent / "out"
STEPS = ("land", "build", "check", "publish")


def main() -> None:
    """Run the benchmark and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--memory-limit", default="2GB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alliance-bench-") as folder:
        found = run(Path(folder), options.sites, options.records, options.memory_limit)
    OUT.mkdir(exist_ok=True)
    (OUT / "main_job.json").write_text(json.dumps(found, indent=1) + "\n")
    for name, value in found.items():
        print(f"{name:<44} {value}")


def run(folder: Path, sites: int, records: int, memory_limit: str) -> dict[str, Any]:
    """All measurements, in the order in which they depend on each other."""
    study, small = folder / "study", folder / "small"
    write_study(study, sites=sites, records=records, memory_limit=memory_limit)
    write_study(small, sites=sites, records=max(records // 10, 40), memory_limit=memory_limit)
    # The first run of all pays for byte code and dbt's first look at the project; no claim is about that.
    warm = folder / "warm"
    write_study(warm, sites=2, records=40, memory_limit=memory_limit)
    measure(["benchmarks.refresh_steps", str(warm)])

    bare = [_bare(study, folder, memory_limit) for _ in range(2)]
    full = measure(["benchmarks.refresh_steps", str(study)])
    bare.append(_bare(study, folder, memory_limit))
    tenth = measure(["benchmarks.refresh_steps", str(small)])
    nothing = measure(["benchmarks.refresh_steps", str(study)])
    write_delivery(study, "s01", records=records, seed=999, first_client=records)
    one_new = measure(["benchmarks.refresh_steps", str(study)])
    start_up = measure(["benchmarks.start_up"])
    return _figures(sites * records * 47, bare, full, tenth, nothing, one_new, start_up)


def _bare(study: Path, folder: Path, memory_limit: str) -> Measured:
    database = folder / "bare.duckdb"
    database.unlink(missing_ok=True)
    return measure(["benchmarks.bare", str(study), str(database), "--memory-limit", memory_limit])


def _figures(
    n_cells: int,
    bare: list[Measured],
    full: Measured,
    tenth: Measured,
    nothing: Measured,
    one_new: Measured,
    start_up: Measured,
) -> dict[str, Any]:
    rival = sorted(one.seconds for one in bare)[len(bare) // 2]
    ended = json.loads(full.output.splitlines()[-1])
    took = {step: ended["seconds"][step] for step in STEPS}
    return {
        "answers": n_cells,
        "bare script, seconds (median of 3)": round(rival, 1),
        "full refresh, seconds": round(full.seconds, 1),
        "full / bare (at most 3)": round(full.seconds / rival, 2),
        "peak memory of full refresh, GB (at most 3)": round(full.peak_gb, 2),
        "peak memory of bare script, GB": round(max(one.peak_gb for one in bare), 2),
        **{f"share of {step}": f"{took[step]:.1f} s, {took[step] / sum(took.values()):.0%}" for step in STEPS},
        "a tenth of the size, seconds": round(tenth.seconds, 1),
        "full / tenth (at most 10)": round(full.seconds / tenth.seconds, 2),
        "nothing new, seconds": round(nothing.seconds, 1),
        "start-up of the tools alone, seconds": round(start_up.seconds, 1),
        "nothing new - start-up, share of full (at most .10)": round(
            (nothing.seconds - start_up.seconds) / full.seconds, 3
        ),
        "one new delivery, seconds": round(one_new.seconds, 1),
        "one new delivery / full (at most .25)": round(one_new.seconds / full.seconds, 3),
        "peak memory of one new delivery, GB": round(one_new.peak_gb, 2),
    }


if __name__ == "__main__":
    main()
