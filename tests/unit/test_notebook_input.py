"""The library as a notebook calls it: columns of every kind, labels in another order, options that mean nothing.

Each ends in a sentence of ours or in the number that was meant, never in an error of a library, a warning of numpy, or
a number that means something else.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.common.observations import numeric
from analysis.common.status import AnalysisError, Status
from analysis.components.cfa import cfa
from analysis.components.components import find_components
from analysis.components.congruence import Sample, bootstrap_congruence
from analysis.components.extraction import extract
from analysis.components.omega import one_factor_omega
from analysis.components.reliability import alpha, bootstrap_reliability, item_statistics
from analysis.components.retention import minimum_average_partial, retention
from analysis.components.scores import component_scores, unit_weighted_scores
from analysis.components.stability import bootstrap_solution
from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate, smoothed
from analysis.correlations.missing import ml_moments
from tests.unit.test_components_bad_input import likert

pytestmark = pytest.mark.filterwarnings("error")

DATA = likert(200)
ITEMS = list(DATA.columns)
R = DATA.corr()
PLAIN = R.to_numpy()
SOLUTION = find_components(R, 200, n_components=2)
CLUSTERS = [f"t{row // 5:02d}" for row in range(200)]
STABILITY = bootstrap_solution(DATA, SOLUTION, seed=1, clusters=CLUSTERS, replicates=10)
SCALES = {item: "bond" if item < "i05" else "task" for item in ITEMS}
SCORES = component_scores(DATA, SOLUTION).scores
RANGES = dict.fromkeys(ITEMS, (1.0, 7.0))


def refused(call: Callable[[], Any], status: Status = Status.INVALID_INPUT, said: str | None = None) -> None:
    with pytest.raises(AnalysisError, match=said) as told:
        call()
    assert told.value.status is status
    assert str(told.value).endswith(".")


NO_NUMBERS: dict[str, Any] = {
    "words": DATA.assign(i02="often"),
    "words in an array": np.full((9, 8), "often"),
    "one word": "abc",
    "a mapping": DATA.to_dict("list"),
    "complex numbers": DATA.astype(complex),
    "complex array": PLAIN.astype(complex),
    "dates": DATA.assign(i02=pd.date_range("2020", periods=200)),
    "durations": DATA.assign(i02=pd.to_timedelta(np.arange(200), unit="D")),
    "categories of dates": DATA.assign(i02=pd.Categorical(pd.date_range("2020", periods=200))),
    "periods": DATA.assign(i02=pd.period_range("2020", periods=200)),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_what_is_no_number_is_never_counted_as_one(kind: str) -> None:
    given = NO_NUMBERS[kind]
    calls: list[Callable[[], Any]] = [
        lambda: correlate(given),
        lambda: correlate(given, method="polychoric"),
        lambda: ml_moments(given),
        lambda: component_scores(given, SOLUTION),
        lambda: unit_weighted_scores(given, SOLUTION, ranges=RANGES),
        lambda: bootstrap_solution(given, SOLUTION, seed=1, replicates=2),
        lambda: item_statistics(given, ITEMS),
        lambda: bootstrap_reliability(given, ITEMS, seed=1, replicates=2),
        lambda: bootstrap_congruence(Sample(SOLUTION, given), Sample(SOLUTION, DATA), seed=1, replicates=2),
    ]
    for call in calls:
        refused(call)


@pytest.mark.parametrize("size", [1e300, -1e300, np.inf])
def test_what_is_too_large_to_square_is_refused_and_not_called_constant(size: float) -> None:
    given = DATA.assign(i03=lambda frame: frame["i03"].where(frame.index != 4, size))
    for call in (
        lambda: correlate(given),
        lambda: correlate(given, missing="em"),
        lambda: ml_moments(given.to_numpy()),
        lambda: component_scores(given, SOLUTION),
        lambda: bootstrap_solution(given, SOLUTION, seed=1, replicates=2),
        lambda: item_statistics(given, ITEMS),
        lambda: numeric(given["i03"], "i03"),
    ):
        refused(call, said="beyond|infinite")


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "whole": lambda frame: frame.astype(int),
    "Int64": lambda frame: frame.astype("Int64"),
    "float32": lambda frame: frame.astype("float32"),
    "object": lambda frame: frame.astype(object),
    "categorical": lambda frame: frame.astype(int).astype("category"),
    "numbers as words": lambda frame: frame.astype(int).astype(str),
    "string": lambda frame: frame.astype(int).astype("string"),
    "decimal": lambda frame: frame.map(lambda value: Decimal(int(value))),
    "another order in memory": lambda frame: pd.DataFrame(np.asfortranarray(frame), columns=frame.columns),
    "dates as index": lambda frame: frame.set_index(pd.date_range("2020", periods=200)),
    "one label for all rows": lambda frame: frame.set_index(np.zeros(200)),
    "two levels of labels": lambda frame: frame.set_index(pd.MultiIndex.from_product([range(20), range(10)])),
}


@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_any_kind_of_column_are_the_same_answers(kind: str) -> None:
    given = KINDS[kind](DATA)
    before = given.copy(deep=True)
    assert np.array_equal(correlate(given).matrix, correlate(DATA).matrix)
    # In another order in memory sums are rounded in another order.
    np.testing.assert_allclose(component_scores(given, SOLUTION).scores, SCORES, atol=1e-12)
    again = bootstrap_solution(given, SOLUTION, seed=1, clusters=CLUSTERS, replicates=10)
    np.testing.assert_allclose(again.patterns, STABILITY.patterns, atol=1e-12)
    pd.testing.assert_frame_equal(given, before)


def test_arrays_that_are_read_only_or_not_contiguous_are_read_and_left_alone() -> None:
    wide = np.repeat(DATA.to_numpy(), 2, axis=1)
    wide.setflags(write=False)
    strided = wide[:, ::2]
    assert np.array_equal(correlate(strided, ITEMS).matrix, correlate(DATA).matrix)
    np.testing.assert_allclose(component_scores(strided, SOLUTION).scores, SCORES, atol=1e-12)
    matrix = PLAIN.copy()
    matrix.setflags(write=False)
    assert np.array_equal(find_components(matrix, 200, ITEMS, n_components=2).pattern, SOLUTION.pattern)


def test_masked_answers_are_missing() -> None:
    hidden = np.random.default_rng(3).random(DATA.shape) < 0.1
    masked, missing = np.ma.masked_array(DATA.to_numpy(), hidden), DATA.mask(hidden)
    assert np.array_equal(correlate(masked, ITEMS).matrix, correlate(missing).matrix)
    np.testing.assert_allclose(
        component_scores(masked, SOLUTION).scores, component_scores(missing, SOLUTION).scores, atol=1e-12
    )
    assert np.array_equal(ml_moments(masked).covariance, ml_moments(missing.to_numpy()).covariance)
    assert numeric(masked[:, 0], "first").tolist() == pytest.approx(missing["i01"].tolist(), nan_ok=True)


def test_a_frame_of_numbered_columns_goes_all_the_way() -> None:
    numbered = pd.DataFrame(DATA.to_numpy())
    solution = find_components(correlate(numbered), n_components=2)
    assert solution.items == tuple("01234567")
    np.testing.assert_allclose(component_scores(numbered, solution).scores, SCORES, atol=1e-6)
    assert bootstrap_solution(numbered, solution, seed=1, replicates=2).n_replicates == 2
    assert item_statistics(numbered, [0, 1, 2])[0].items == ("0", "1", "2")
    two = numbered.set_axis(pd.MultiIndex.from_product([["a", "b"], range(4)]), axis=1)
    assert component_scores(two, find_components(correlate(two), n_components=2)).scores.shape == (200, 2)


def test_labels_in_another_order_say_which_item_is_which() -> None:
    backwards = ITEMS[::-1]
    turned = R.iloc[::-1]
    assert np.array_equal(find_components(turned, 200, n_components=2).pattern, SOLUTION.pattern)
    chosen = find_components(R, 200, backwards, n_components=2)
    np.testing.assert_allclose(chosen.pattern[::-1], SOLUTION.pattern, atol=1e-8)
    assert chosen.items == tuple(backwards)
    some = correlate(DATA, ["i07", "i02"])
    assert (some.items, some.matrix[0, 1]) == (("i07", "i02"), pytest.approx(R.loc["i07", "i02"]))
    few = find_components(correlate(DATA), items=["i01", "i02", "i03"], n_components=1)
    assert few.items == ("i01", "i02", "i03")
    covariance = DATA.cov()
    straight, other = cfa(covariance, 200, ITEMS, SCALES), cfa(covariance.iloc[::-1], 200, ITEMS, SCALES)
    assert np.array_equal(straight.standardised, other.standardised)
    shuffled = cfa(covariance, 200, backwards, SCALES)
    np.testing.assert_allclose(shuffled.standardised[::-1], straight.standardised, atol=1e-6)
    assert alpha(covariance, 200, ["i03", "i01"]).raw == pytest.approx(
        alpha(DATA[["i01", "i03"]].cov(), 200, ["i01", "i03"]).raw
    )
    assert suitability(turned, 200).kmo == pytest.approx(suitability(R, 200).kmo)
    moments = {"mean": DATA.mean(), "deviation": DATA.std()}
    backwards_moments = {name: series[::-1] for name, series in moments.items()}
    assert np.array_equal(
        component_scores(DATA, SOLUTION, **backwards_moments).scores, component_scores(DATA, SOLUTION, **moments).scores
    )
    target = pd.DataFrame(np.kron(np.eye(2), np.ones((4, 1))), index=ITEMS)
    one, two = (
        find_components(R, 200, n_components=2, rotation="target_oblique", target=each)
        for each in (target, target[::-1])
    )
    assert np.array_equal(one.pattern, two.pattern)


def test_labels_that_do_not_belong_together_are_refused() -> None:
    refused(lambda: find_components(R.rename(columns={"i01": "x"}), 200, n_components=2), said="named alike")
    refused(lambda: find_components(R, 200, ["i01", "zz"], n_components=1), Status.UNKNOWN_NAME, "no row for zz")
    refused(lambda: correlate(DATA, ["i01", "zz"]), Status.UNKNOWN_NAME, "no column for zz")
    refused(lambda: correlate(DATA, ["i01", "i01"]), said="one per item is needed")
    refused(lambda: correlate(DATA.to_numpy(), set(ITEMS)), said="in the order of the items")
    refused(lambda: find_components(PLAIN, 200, 8, n_components=2), said="not as int")
    refused(lambda: suitability(PLAIN, 200, ("a",)), said="item names")
    twice = pd.concat([DATA, DATA[["i01"]]], axis=1)
    refused(lambda: component_scores(twice, SOLUTION), said="more than one column for i01")
    refused(lambda: item_statistics(DATA, ["i01", "i01", "i02"]), said="one per item is needed")
    refused(lambda: component_scores(DATA, SOLUTION, mean=np.zeros(3)), said="one finite number for each of 8 items")
    refused(lambda: component_scores(DATA, SOLUTION, deviation=np.full(8, np.inf)), said="one finite number")
    wrong = pd.DataFrame(np.ones((8, 2)), index=list("abcdefgh"))
    refused(
        lambda: find_components(R, 200, n_components=2, rotation="target_oblique", target=wrong),
        Status.UNKNOWN_NAME,
        "other items",
    )


NO_CORRELATIONS: dict[str, Any] = {
    "covariances": DATA.cov().to_numpy(),
    "not symmetric": PLAIN + np.triu(np.full((8, 8), 0.1), 1),
    "a diagonal of 2": PLAIN + np.eye(8),
    "too large": PLAIN * 1e300,
    "too small": PLAIN * 1e-300,
    "missing": np.where(np.eye(8, k=3) + np.eye(8, k=-3) > 0, np.nan, PLAIN),
    "infinite": np.where(np.eye(8, k=3) + np.eye(8, k=-3) > 0, np.inf, PLAIN),
    "masked": np.ma.masked_array(PLAIN, np.eye(8, k=3) + np.eye(8, k=-3) > 0),
    "complex": PLAIN.astype(complex),
    "a word": "abc",
    "nothing": None,
    "one number": 3,
    "one row": np.ones(8),
    "not square": PLAIN[:4],
    "three dimensions of words": np.full((1, 2, 2), "a"),
}


@pytest.mark.parametrize("kind", NO_CORRELATIONS)
def test_every_analysis_of_correlations_refuses_what_are_none(kind: str) -> None:
    given = NO_CORRELATIONS[kind]
    for call in (
        lambda: find_components(given, 200, n_components=2),
        lambda: suitability(given, 200),
        lambda: retention(given, 200, replicates=2),
        lambda: extract(given, 1),
        lambda: one_factor_omega(given, tuple(ITEMS)),
        lambda: minimum_average_partial(given),
    ):
        refused(call)
    if kind not in ("covariances", "a diagonal of 2", "too small"):
        refused(lambda: smoothed(given))
        if kind not in ("missing", "masked"):
            refused(lambda: alpha(given, 200, ITEMS))
            refused(lambda: cfa(given, 200, ITEMS, SCALES), status=Status.INVALID_INPUT)


def test_matrices_of_no_and_of_one_item() -> None:
    for p in (0, 1):
        for call in (
            lambda size=p: find_components(np.eye(size), 200, n_components=1),
            lambda size=p: suitability(np.eye(size), 200),
            lambda size=p: retention(np.eye(size), 200, replicates=2),
            lambda size=p: one_factor_omega(np.eye(size), tuple("a" * size)),
            lambda size=p: alpha(np.eye(size), 200, list("a" * size)),
        ):
            refused(call, Status.TOO_FEW_ITEMS)
