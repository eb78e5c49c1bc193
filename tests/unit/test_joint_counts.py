"""Counts of all pairs of answers, held against counting each pair by itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from analysis.correlations import joint_counts
from analysis.correlations.joint_counts import FEW_ROWS, JointCounts

KINDS = [np.arange(size) for size in (2, 5, 1, 7, 3, 4, 5, 2, 6)]
EDGES = np.cumsum([0, *(len(kinds) for kinds in KINDS)])


def random_codes(n: int, seed: int) -> np.ndarray:
    """(p, n) codes, 0 where nothing was answered."""
    rng = np.random.default_rng(seed)
    return np.vstack([rng.integers(0, len(kinds) + 1, n) for kinds in KINDS])


def counted_one_by_one(codes: np.ndarray) -> np.ndarray:
    table = np.zeros((EDGES[-1], EDGES[-1]))
    for row in codes.T:
        given = [low + code - 1 for low, code in zip(EDGES, row, strict=False) if code > 0]
        table[np.ix_(given, given)] += 1
    return table


@pytest.mark.parametrize("combinations", [1, 60, 256])
@pytest.mark.parametrize(
    "parts",
    [[FEW_ROWS], [FEW_ROWS + 1], [5, 1, FEW_ROWS + 100, 40], [0, 3], []],
    ids=["few", "many", "both", "none and few", "nothing"],
)
def test_all_ways_of_counting_agree(parts: list[int], combinations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_counts, "MOST_COMBINATIONS", combinations)
    monkeypatch.setattr(joint_counts, "ROWS_AT_ONCE", 1500)
    codes = random_codes(sum(parts), 3)
    counts = JointCounts(KINDS)
    for low, high in pairwise(np.cumsum([0, *parts])):
        counts.add(codes[:, low:high])
    np.testing.assert_array_equal(counts.table(), counted_one_by_one(codes))


@pytest.mark.parametrize("n", [10, FEW_ROWS + 10])
def test_items_that_are_a_single_group_are_counted(n: int) -> None:
    codes = random_codes(n, 4)[:2]
    counts = JointCounts(KINDS[:2])
    counts.add(codes)
    np.testing.assert_array_equal(counts.table(), counted_one_by_one(codes)[:7, :7])


def test_what_is_handed_out_is_not_counted_on() -> None:
    counts = JointCounts(KINDS)
    counts.add(random_codes(5, 1))
    first = counts.table()
    counts.add(random_codes(5, 2))
    assert first.diagonal().max() <= 5 < counts.table().diagonal().max()
