"""A study of any size for the benchmark: plain CSV deliveries of 47 items, both raters, two sessions; and outcomes.

Written with the fewest means (numpy and text), so that making it costs little and tells nothing about the program.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

ITEMS = [("wai_s", 12, 7, "WAI"), ("haq_i", 11, 6, "HAQ"), ("calpas", 24, 7, "CAL")]
HEADER = ["client", "therapist", "rater", "session", "date"] + [
    f"{prefix}{i}" for _, n, _, prefix in ITEMS for i in range(1, n + 1)
]
CLIENTS_PER_THERAPIST = 10
RECORDS_PER_CLIENT = 4

STUDY = """\
study: large
title: Benchmark study
min_share_answered: 0.8
memory_limit: {memory_limit}
threads: 2
sessions:
  - {{session: s05, label: Session 5, numbers: [4, 6], target: 5}}
  - {{session: last, label: Last session}}
analyses: {{}}
"""

SITE = """\
site: {site}
name: Site {site}
files:
  - name: ratings
    pattern: "ratings*.csv"
    format: csv
    csv: {{encoding: utf-8, delimiter: ","}}
    client: client
    therapist: therapist
    session: session
    date: {{column: date, format: "%Y-%m-%d"}}
    missing: {{"99": not applicable}}
    forms:
      - {{instrument: wai_s, rater: {{column: rater, map: {{c: client, t: therapist}}}}, items: "WAI{{item}}"}}
      - {{instrument: haq_i, rater: {{column: rater, map: {{c: client, t: therapist}}}}, items: "HAQ{{item}}"}}
      - {{instrument: calpas, rater: {{column: rater, map: {{c: client, t: therapist}}}}, items: "CAL{{item}}"}}
"""


OUTCOME = """\
  - name: outcome
    pattern: "outcome*.csv"
    format: csv
    csv: {encoding: utf-8, delimiter: ","}
    client: client
    therapist: therapist
    date: {column: date, format: "%Y-%m-%d"}
    forms:
      - {instrument: target_complaints, rater: client, phase: pre, scores: {total: before}}
      - {instrument: target_complaints, rater: client, phase: post, scores: {total: client after}}
      - {instrument: target_complaints, rater: therapist, phase: post, scores: {total: therapist after}}
"""


def write_study(
    folder: Path, *, sites: int, records: int, memory_limit: str, seed: int = 1, outcomes: bool = False
) -> None:
    """A study of `sites` sites with one delivery of `records` records each, and one of `outcomes` if asked for."""
    (folder / "sites").mkdir(parents=True)
    (folder / "study.yml").write_text(STUDY.format(memory_limit=memory_limit))
    for number in range(1, sites + 1):
        site = f"s{number:02d}"
        (folder / "sites" / f"{site}.yml").write_text(SITE.format(site=site) + (OUTCOME if outcomes else ""))
        write_delivery(folder, site, records=records, seed=seed + number)
        if outcomes:
            write_outcomes(folder, site, records=records, seed=seed + number)


def write_delivery(folder: Path, site: str, *, records: int, seed: int, first_client: int = 0) -> Path:
    """One CSV delivery; answers share a dyad factor, 1 % are blank and 0.5 % a declared missing code."""
    rng = np.random.default_rng(seed)
    answers = _answers(rng, records).astype("U2")
    drawn = rng.random(answers.shape)
    answers[drawn < 0.01] = ""
    answers[(drawn >= 0.01) & (drawn < 0.015)] = "99"
    target = folder / "deliveries" / site
    target.mkdir(parents=True, exist_ok=True)
    file = target / f"ratings_{first_client:07d}.csv"
    with file.open("w", encoding="utf-8", newline="\n") as out:
        out.write(",".join(HEADER) + "\n")
        for row in range(records):
            client = first_client + row // RECORDS_PER_CLIENT
            rater = "ct"[row % 2]
            session, day = ("5", 10) if row % RECORDS_PER_CLIENT < 2 else ("last", 20)
            keys = f"K{client:06d},T{client // CLIENTS_PER_THERAPIST:05d},{rater},{session},2024-01-{day + row % 8:02d}"
            out.write(keys + "," + ",".join(answers[row]) + "\n")
    return file


def write_outcomes(folder: Path, site: str, *, records: int, seed: int) -> None:
    """Severity of each dyad before and after therapy; what the answers share bears on the latter, therapists differ."""
    rng = np.random.default_rng(seed)
    dyad = _dyad(rng, records)
    therapist = np.arange(len(dyad)) // CLIENTS_PER_THERAPIST
    level = 0.5 * rng.normal(size=(therapist.max() + 1, 2))[therapist]
    before = 8 + 2 * rng.normal(size=len(dyad))
    after = 6 + 0.4 * (before - 8)[:, None] + level - 0.6 * dyad[:, None] + 1.5 * rng.normal(size=(len(dyad), 2))
    table = np.clip(np.column_stack([before, after]), 1, 13).round(2)
    lines = ["client,therapist,date,before,client after,therapist after"] + [
        f"K{client:06d},T{therapist[client]:05d},2024-03-01,{row[0]},{row[1]},{row[2]}"
        for client, row in enumerate(table)
    ]
    (folder / "deliveries" / site / "outcome.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _dyad(rng: np.random.Generator, records: int) -> np.ndarray:
    """What the answers of a dyad share: the first that is drawn for a delivery."""
    return rng.normal(size=(records + 3) // 4)


def _answers(rng: np.random.Generator, records: int) -> np.ndarray:
    dyad = np.repeat(_dyad(rng, records), RECORDS_PER_CLIENT)[:records, None]
    columns = []
    for _, n_items, top, _ in ITEMS:
        latent = 0.6 * dyad + 0.8 * rng.normal(size=(records, n_items))
        columns.append(np.clip(np.rint((top + 1) / 2 + latent * top / 5), 1, top))
    return np.hstack(columns).astype(int)


def main() -> None:
    """Write a study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--memory-limit", default="2GB")
    parser.add_argument("--outcomes", action="store_true")
    options = parser.parse_args()
    write_study(
        options.folder,
        sites=options.sites,
        records=options.records,
        memory_limit=options.memory_limit,
        outcomes=options.outcomes,
    )


if __name__ == "__main__":
    main()
