"""A small part of the recovery study (benchmarks/recovery.py) as a test, and its page against the script."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.recovery import PAGE, study
from benchmarks.recovery_page import page
from benchmarks.recovery_populations import POPULATIONS, Population

SMALL = (
    Population("simple", 3, 6, 400),
    Population("skewed with gaps", 3, 6, 400, categories=5, skewed=True, missing=0.1),
    Population("by therapist", 3, 6, 400, icc=0.3, per_therapist=5, by_therapist=True),
)


@pytest.mark.parametrize("population", SMALL, ids=lambda population: population.name)
def test_known_components_are_found_again(population: Population) -> None:
    found = study(population, samples=8, replicates=100, number=99)
    assert found["right_parallel"] >= 0.75 and found["right_map"] >= 0.75
    assert found["clean"] == 1.0
    assert found["congruence_least"] > 0.96
    # Five categories bunched at the top attenuate loadings of .55 to .8 by up to a tenth.
    assert abs(found["bias_salient"]) < (0.10 if population.skewed else 0.05)
    assert abs(found["bias_other"]) < 0.03
    for part in ("salient", "other", "phi"):
        assert found[f"coverage_{part}"] > 0.80, part


def test_ignoring_therapists_makes_intervals_shorter() -> None:
    clustered = Population("c", 3, 6, 400, icc=0.5, per_therapist=20, by_therapist=True)
    as_rows = Population("c", 3, 6, 400, icc=0.5, per_therapist=20)
    by_therapist, by_row = (study(one, samples=4, replicates=100, number=98) for one in (clustered, as_rows))
    assert by_row["congruence"] == by_therapist["congruence"]
    assert by_row["width_salient"] < by_therapist["width_salient"]


def test_the_page_names_what_does_not_hold() -> None:
    row = study(SMALL[0], samples=2, replicates=20, number=97)
    good, bad = ({**row, "population": name, "coverage_phi": share} for name, share in (("good", 0.95), ("bad", 0.7)))
    text = page(pd.DataFrame([good, bad]), 2, 20)
    assert "component correlations: bad (70 %)." in text


def test_the_page_in_the_docs_is_of_these_populations() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [one.name for one in POPULATIONS if f"| {one.name} |" not in text] == []
    assert text.count("\n| ") == 3 + 2 * len(POPULATIONS) + sum(one.correlation == "pearson" for one in POPULATIONS)
