"""Answers as codes, and the counts and sums made of them, against counting and adding up one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError
from analysis.correlations.answer_codes import ROWS_AT_ONCE, code_answers, code_whole_answers
from analysis.correlations.cross_products import CrossProducts
from analysis.correlations.item_sums import ItemSums
from analysis.correlations.pair_counts import PairCounts
from tests.unit.known_truth import item_names

KINDS = st.sampled_from(
    [
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        [0.0, 1.0],
        [-3.0, -1.0, 2.0],
        [4.0],
        [],
        [0.5, 1.0, 2.25],
        [float(one) for one in range(0, 101, 7)],
        [0.0, 255.0, 256.0],
        [1e12, 1e12 + 1],
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> np.ndarray:
    """(n, p) answers to items of unlike kinds, a fifth missing."""
    kinds = draw(st.lists(KINDS, min_size=1, max_size=7))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n = draw(st.integers(1, 120))
    columns = [rng.choice(one, n) if one else np.full(n, np.nan) for one in kinds]
    table = np.column_stack(columns)
    table[rng.random(table.shape) < 0.2] = np.nan
    return table


def counted_one_by_one(table: np.ndarray, first: int, a: float, second: int, b: float) -> int:
    return sum(1 for row in table if row[first] == a and row[second] == b)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_counting_pair_by_pair(table: np.ndarray) -> None:
    counts = PairCounts.from_rows(table, item_names(table.shape[1]))
    answers = [(item, answer) for item, kinds in enumerate(counts.categories) for answer in kinds]
    expected = [[counted_one_by_one(table, *one, *other) for other in answers] for one in answers]
    np.testing.assert_array_equal(counts.table, np.array(expected).reshape(len(answers), len(answers)))
    assert [list(kinds) for kinds in counts.categories] == [sorted(set(item[~np.isnan(item)])) for item in table.T]
    assert counts.n_rows == sum(not all(np.isnan(row)) for row in table)


@given(tables(), st.sampled_from([0.0, 4.0, 3.5]))
@settings(max_examples=60, deadline=None)
def test_sums_are_those_of_adding_up_answer_by_answer(table: np.ndarray, about: float) -> None:
    origin = np.full(table.shape[1], about)
    names = item_names(table.shape[1])
    expected = CrossProducts.from_rows(table, names, origin=origin)
    distance = table - origin
    for counted in (False, True):
        found = ItemSums.from_rows(table, names, origin=origin, counted=counted)
        assert (found.products.n_rows, found.n_complete) == (expected.n_rows, int((~np.isnan(table)).all(axis=1).sum()))
        for name in ("n", "sums", "squares", "products"):
            np.testing.assert_allclose(getattr(found.products, name), getattr(expected, name), rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(found.cubes, np.nansum(distance**3, axis=0), rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(found.fourths, np.nansum(distance**4, axis=0), rtol=1e-12)


@pytest.mark.parametrize("most", [17.0, 18.0, 40.0])
def test_sums_of_many_answers_stay_exact_to_the_last_unit(most: float) -> None:
    # Seventeen kinds are the most that single precision adds up; all at one end is what comes nearest to rounding.
    table = np.full((20_000, 2), most)
    table[:7] = 1.0
    found = ItemSums.from_rows(table, ("a", "b"), origin=np.zeros(2))
    assert found.cubes.tolist() == [7 + 19_993 * most**3] * 2
    assert found.fourths.tolist() == [7 + 19_993 * most**4] * 2
    assert found.products.products.tolist() == [[7 + 19_993 * most**2] * 2] * 2


@pytest.mark.parametrize("lower", [2.0, -2.0])
def test_an_answer_below_all_of_the_first_rows_is_coded_too(lower: float) -> None:
    table = np.full((ROWS_AT_ONCE + 5, 1), 3.0)
    table[-1] = lower
    coded = code_whole_answers(table)
    assert coded is not None
    assert coded.kinds[0].tolist() == list(np.arange(lower, 4))
    assert coded.codes[0, [0, -1]].tolist() == [4 - lower, 1]


@pytest.mark.parametrize("stranger", [2.5, 3.0 + 2**-51, 1e300, np.inf, -np.inf, 3.0 + 255])
def test_what_is_not_whole_or_too_far_is_coded_by_its_rank(stranger: float) -> None:
    table = np.array([[3.0], [stranger], [np.nan], [3.0]])
    assert code_whole_answers(table) is None
    coded = code_answers(table)
    assert coded.kinds[0].tolist() == sorted([3.0, stranger])
    assert coded.codes[0, 0] == coded.codes[0, 3] != coded.codes[0, 1] > 0
    assert coded.codes[0, 2] == 0


def test_many_items_that_nobody_answered_are_counted_as_such() -> None:
    counts = PairCounts.from_rows(np.full((4, 100), np.nan), item_names(100))
    assert counts.table.shape == (0, 0)
    assert counts.n_rows == 0


def test_categories_that_are_given_stay_and_strangers_to_them_are_refused() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 2.0]])
    counts = PairCounts.from_rows(rows, ("a", "b"), categories=[np.array([1.0, 2.0, 3.0]), np.array([2.0, 9.0])])
    assert counts.margins()[0].tolist() == [1, 0, 1]
    assert counts.margins()[1].tolist() == [2, 0]
    with pytest.raises(AnalysisError, match="none of their categories: b"):
        PairCounts.from_rows(rows, ("a", "b"), categories=[np.array([1.0, 3.0]), np.array([1.0])])
