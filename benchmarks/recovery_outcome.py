"""The recovery study of outcome and the two views: bias, coverage and false positives where the truth is known.

    python -m benchmarks.recovery_outcome                     # writes docs/explanation/recovery-of-outcome.md
    python -m benchmarks.recovery_outcome --samples 50        # a first look, printed only

Samples are drawn and analysed as a study's are; what they are is in `benchmarks/recovery_outcome_samples.py`. Seeds are
fixed: the same numbers come out anywhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.recovery_outcome_samples import NAIVE, OUTCOME_SHARE, PREDICTOR_SHARE, Sample, studies

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "recovery-of-outcome.md"
SEED = 2013
SAMPLES, REPLICATES = 500, 400
FEWER = {"One therapist, many clients"}
"""Tables whose analyses take longer: half the samples."""
CLOSE = 3
"""Coverage this many points below 95 % is called out."""
COLUMNS = ("quantity", "method", "bias", "SD", "coverage", "false positives", "told")

HEAD = """# Are known effects found again, and do intervals hold?

Made by `python -m benchmarks.recovery_outcome`; change nothing here by hand. {samples} samples of each design ({half}
where a table says so), seeds fixed, analysed by the functions the warehouse uses. Clients of one therapist are alike:
{predictor:.0%} of the variance of every predictor and {outcome:.0%} of what it leaves of an outcome lie between
therapists.

- **bias**: mean estimate minus truth; **SD**: of the estimate over samples.
- **coverage**: share of 95 % intervals that hold the truth, in %; **false positives**: share of p below .05 where the
  truth is zero, in %. Chance alone moves these by about {chance:.1f} points (one standard error, at 5 and 95 %).
- **told**: share of samples, in %, in which the method gave an interval at all.
- *rows independent* is the naive method: the same estimate, its error as if no two clients shared a therapist.

{finding}
"""


def recover(sample: Sample, samples: int, seed: np.random.SeedSequence) -> pd.DataFrame:
    """One row per quantity and method over ``samples`` samples."""
    drawn = [found for child in seed.spawn(samples) for found in sample(np.random.default_rng(child))]
    frame = pd.DataFrame([vars(found) for found in drawn])
    rows = []
    for (quantity, method), each in frame.groupby(["quantity", "method"], sort=False):
        told = each[each["lower"].notna() & each["upper"].notna()]
        held = (told["lower"] <= told["truth"]) & (told["truth"] <= told["upper"])
        tested = each["p"].dropna() if (each["truth"] == 0).all() else each["p"].iloc[:0]
        rows.append(
            {
                "quantity": quantity,
                "method": method,
                "bias": (each["estimate"] - each["truth"]).mean(),
                "SD": each["estimate"].std(),
                "coverage": 100 * held.mean() if len(told) else np.nan,
                "false positives": 100 * (tested < 0.05).mean() if len(tested) else np.nan,
                "told": 100 * len(told) / samples,
            }
        )
    return pd.DataFrame(rows)


def run(samples: int, replicates: int) -> dict[str, dict[str, pd.DataFrame]]:
    """By title and design the table of what was found."""
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for number, (title, designs) in enumerate(studies(replicates).items()):
        used = samples // 2 if title in FEWER else samples
        found[title] = {
            name: recover(sample, used, np.random.SeedSequence([SEED, number, at]))
            for at, (name, sample) in enumerate(designs.items())
        }
        print(f"done: {title}", file=sys.stderr, flush=True)
    return found


def page(found: dict[str, dict[str, pd.DataFrame]], samples: int) -> str:
    """The page in Markdown."""
    lines = [
        HEAD.format(
            samples=samples,
            half=samples // 2,
            predictor=PREDICTOR_SHARE,
            outcome=OUTCOME_SHARE,
            chance=100 * np.sqrt(0.05 * 0.95 / samples),
            finding=_finding(found),
        )
    ]
    for title, designs in found.items():
        lines.append(f"## {title}\n")
        if title in FEWER:
            lines.append(f"{samples // 2} samples.\n")
        lines += ["| design | " + " | ".join(COLUMNS) + " |", "|---|---|---|---:|---:|---:|---:|---:|"]
        for name, table in designs.items():
            for row in table.to_dict("records"):
                cells = [_cell(column, row[column]) for column in COLUMNS]
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    lines += ["## What does not hold", "", *_what_does_not_hold(found)]
    return "\n".join(lines).rstrip() + "\n"


def _what_does_not_hold(found: dict[str, dict[str, pd.DataFrame]]) -> list[str]:
    """Every interval of ours whose coverage is further from 95 % than chance explains, named from the tables."""
    off = [
        f"- {name}, {row['quantity']}, {row['method']}: {row['coverage']:.0f} %."
        for designs in found.values()
        for name, table in designs.items()
        for row in table.to_dict("records")
        if row["method"] != NAIVE and row["coverage"] < 95 - CLOSE
    ]
    said = f"Intervals other than the naive ones that hold the truth more than {CLOSE} points too seldom:"
    return [
        said if off else f"No interval but naive ones holds the truth more than {CLOSE} points too seldom.",
        "",
        *off,
    ]


def _finding(found: dict[str, dict[str, pd.DataFrame]]) -> str:
    """The one sentence the page is for, from the numbers themselves."""
    every = pd.concat(
        [table.assign(design=name) for designs in found.values() for name, table in designs.items()], ignore_index=True
    )
    shared = every[~every["design"].str.contains("one client")]
    said = {}
    for method in ("robust to therapists", "rows independent"):
        rates = shared.loc[shared["method"] == method, "false positives"].dropna()
        said[method] = f"{rates.min():.0f} to {rates.max():.0f} % (median {rates.median():.0f} %)"
    return (
        "Where therapists have several clients, a test that takes rows for independent finds what is not there in\n"
        f"{said['rows independent']} of samples; the test that is robust to therapists in\n"
        f"{said['robust to therapists']}. This is why the robust interval is the published one, and the naive\n"
        "one stands beside it only to compare."
    )


def _cell(column: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if not np.isfinite(value):
        return ""
    return f"{value:.3f}" if column in ("bias", "SD") else f"{value:.1f}" if column != "told" else f"{value:.0f}"


def main() -> None:
    """Run, and write the page unless only a look was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    options = parser.parse_args()
    text = page(run(options.samples, REPLICATES), options.samples)
    if options.samples == SAMPLES:
        PAGE.write_text(text, encoding="utf-8")
        print(PAGE)
    else:
        print(text)


if __name__ == "__main__":
    main()
