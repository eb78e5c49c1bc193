"""The recovery study in small: what the page claims must come out of a few samples too."""

import re

import numpy as np
import pandas as pd

from benchmarks.recovery_outcome import COLUMNS, PAGE, SAMPLES, page, recover
from benchmarks.recovery_outcome_samples import (
    DESIGNS,
    NAIVE,
    OURS,
    both_outcomes,
    gaps,
    outcome,
    sites,
    studies,
    therapist_share,
    tracking,
    views,
)

TWELVE, THIRTY = DESIGNS["twelve"], DESIGNS["thirty"]


def found(sample, samples: int, seed: int = 1) -> pd.DataFrame:
    table = recover(sample, samples, np.random.SeedSequence(seed))
    return table.set_index(["quantity", "method"])


def test_the_naive_test_finds_what_is_not_there_and_the_robust_one_does_not() -> None:
    table = found(lambda rng: gaps(TWELVE, 2, rng), 120)
    naive, robust = (table.loc[("mean difference 0", method), "false positives"] for method in (NAIVE, OURS))
    assert naive > 15 > robust
    assert table.loc[("mean difference 0", OURS), "coverage"] > 88


def test_slopes_are_without_bias_and_covered_with_therapists() -> None:
    table = found(lambda rng: outcome(THIRTY, rng), 80)
    for quantity in ("slope 0.3", "slope 0"):
        row = table.loc[(quantity, OURS)]
        assert abs(row["bias"]) < 3 * row["SD"] / np.sqrt(80)
        assert row["coverage"] > 86
    assert table.loc[("slope 0", OURS), "false positives"] < 13


def test_other_quantities_are_near_their_truth() -> None:
    for sample, n in (
        (lambda rng: therapist_share(THIRTY, 0.2, rng), 40),
        (lambda rng: views(THIRTY, 0.4, 1, rng), 25),
        (lambda rng: both_outcomes(THIRTY, rng), 40),
        (lambda rng: tracking(THIRTY, rng), 25),
        (lambda rng: sites(0.15, rng), 60),
    ):
        table = found(sample, n)
        ours = table[table.index.get_level_values("method") != NAIVE]
        assert (ours["bias"].abs() < 4.5 * ours["SD"] / np.sqrt(n)).all(), ours
        assert (ours["coverage"] > 70).all(), ours


def test_the_same_seed_gives_the_same_table() -> None:
    one, other = (found(lambda rng: outcome(TWELVE, rng), 5, seed) for seed in (3, 3))
    pd.testing.assert_frame_equal(one, other)
    assert not one.equals(found(lambda rng: outcome(TWELVE, rng), 5, 4))


def test_a_method_that_says_nothing_is_not_counted_as_covering() -> None:
    alone = DESIGNS["alone"]
    table = found(lambda rng: therapist_share(alone, 0.2, rng), 3)
    assert table["told"].eq(0).all() and table["coverage"].isna().all()


def test_the_page_in_docs_is_of_the_designs_and_samples_of_the_script() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"{SAMPLES} samples of each design" in text
    for title, designs in studies(1).items():
        section = text.split(f"## {title}\n")[1].split("\n## ")[0]
        assert list(dict.fromkeys(re.findall(r"^\| ([^|]+?) \| (?!quantity)", section, re.M))) == list(designs)


def test_the_page_says_in_a_sentence_what_its_tables_hold() -> None:
    table = pd.DataFrame(
        [
            dict(zip(COLUMNS, ("slope 0", OURS, 0.001, 0.1, 95.0, 5.0, 100.0), strict=True)),
            dict(zip(COLUMNS, ("slope 0", NAIVE, 0.001, 0.1, 70.0, 30.0, 100.0), strict=True)),
        ]
    )
    text = page({"Outcome": {"12 therapists": table}}, 100)
    assert "No interval but naive ones" in text
    few = page({"Outcome": {"12 therapists": table.assign(coverage=90.0)}}, 100)
    assert "- 12 therapists, slope 0, robust to therapists: 90 %." in few and "rows independent: 90 %." not in few
    assert "30 to 30 % (median 30 %)" in text and "5 to 5 % (median 5 %)" in text
    assert "| 12 therapists | slope 0 | rows independent | 0.001 | 0.100 | 70.0 | 30.0 | 100 |" in text
