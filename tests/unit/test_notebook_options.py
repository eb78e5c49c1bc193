"""Options as a notebook gives them: counts, levels, thresholds, words, seeds and numbers of rows that are none.

Each is refused in a sentence of ours; none becomes an error of a library, a warning of numpy, or a number that means
something else.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.common.bias_correction import bias_corrected_correlation, bias_corrected_interval
from analysis.common.intervals import fisher_interval, percentile_interval
from analysis.common.observations import labels, numeric
from analysis.common.pooling import pool
from analysis.common.status import Status
from analysis.components.cfa import cfa
from analysis.components.components import find_components
from analysis.components.congruence import Sample, bootstrap_congruence
from analysis.components.correspondence import correspondence, correspondence_intervals, wording_check
from analysis.components.extraction import extract
from analysis.components.omega import one_factor_omega
from analysis.components.parallel_analysis import parallel_analysis
from analysis.components.reliability import alpha, bootstrap_reliability, item_statistics
from analysis.components.retention import empirical_kaiser_reference, retention
from analysis.components.rotation import RotationSettings, rotate
from analysis.components.rotation_target import scale_target
from analysis.components.salience import salience
from analysis.components.scale_reliability import component_sets, scale_reliability
from analysis.components.scores import component_scores, score_weights, unit_weighted_scores
from analysis.components.stability import bootstrap_solution
from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate
from analysis.correlations.missing import ml_moments
from tests.unit.test_components_bad_input import likert
from tests.unit.test_notebook_input import DATA, ITEMS, PLAIN, RANGES, SCALES, SOLUTION, STABILITY, R, refused

pytestmark = pytest.mark.filterwarnings("error")


SETS = {scale: {item: 1 for item, of in SCALES.items() if of == scale} for scale in sorted(set(SCALES.values()))}
NO_COUNT: dict[str, Any] = {
    "None": None,
    "-1": -1,
    "2.5": 2.5,
    "True": True,
    "a word": "six",
    "a digit as word": "2",
    "NaN": float("nan"),
    "infinite": float("inf"),
    "a list": [2],
    "an array": np.array([2]),
    "half a decimal": Decimal("2.5"),
}
COUNTS: dict[str, Callable[[Any], Any]] = {
    "components": lambda value: find_components(R, 200, n_components=value),
    "extracted": lambda value: extract(PLAIN, value),
    "random starts": lambda value: find_components(R, 200, n_components=2, random_starts=value),
    "iterations": lambda value: find_components(R, 200, n_components=2, max_iterations=value),
    "rotation iterations": lambda value: RotationSettings(max_iterations=value),
    "random data sets": lambda value: retention(R, 200, replicates=value),
    "rows of random data": lambda value: parallel_analysis(value, 8, replicates=2),
    "items of random data": lambda value: parallel_analysis(200, value, replicates=2),
    "replicates": lambda value: bootstrap_solution(DATA, SOLUTION, seed=1, replicates=value),
    "replicates of alpha": lambda value: bootstrap_reliability(DATA, ITEMS, seed=1, replicates=value),
    "replicates of scales": lambda value: scale_reliability(DATA, SETS, replicates=value),
    "least answers": lambda value: component_scores(DATA, SOLUTION, min_answered=value),
    "answers": lambda value: correlate(DATA, least_answers=value),
    "reversed items": lambda value: wording_check(SOLUTION, ["i01"], min_reversed=value),
    "seed": lambda value: bootstrap_solution(DATA, SOLUTION, seed=value, replicates=2),
    "seed of starts": lambda value: rotate(SOLUTION.pattern, random_starts=2, seed=value),
    "seed of random data": lambda value: retention(R, 200, replicates=2, seed=value),
    "seed of scales": lambda value: scale_reliability(DATA, SETS, seed=value),
}
MAY_BE_NONE = {"random starts", "iterations"}


@pytest.mark.parametrize("what", COUNTS)
@pytest.mark.parametrize("kind", NO_COUNT)
def test_a_count_is_a_whole_number(what: str, kind: str) -> None:
    if kind == "None" and what in MAY_BE_NONE:
        return
    refused(
        lambda: COUNTS[what](NO_COUNT[kind]),
        Status.TOO_FEW_ROWS if what == "rows of random data" else Status.INVALID_INPUT,
    )


@pytest.mark.parametrize("what", COUNTS)
def test_a_whole_number_of_another_type_is_one(what: str) -> None:
    seven = {"components": 2, "extracted": 2}.get(what, 7)
    for value in (np.int64(seven), float(seven), np.float32(seven), Decimal(seven)):
        COUNTS[what](value)


LEVELS: dict[str, Callable[[Any], Any]] = {
    "bootstrap": lambda level: bootstrap_solution(DATA, SOLUTION, seed=1, replicates=2, level=level),
    "congruence": lambda level: bootstrap_congruence(
        Sample(SOLUTION, DATA), Sample(SOLUTION, DATA), seed=1, replicates=2, level=level
    ),
    "parallel analysis": lambda level: retention(R, 200, replicates=2, level=level),
    "alpha": lambda level: alpha(R, 200, ITEMS, level=level),
    "scales": lambda level: scale_reliability(DATA, SETS, level=level),
    "loadings of a CFA": lambda level: cfa(R, 200, ITEMS, SCALES).to_frame(level),
    "factors of a CFA": lambda level: cfa(R, 200, ITEMS, SCALES).factors_frame(level),
    "percentiles": lambda level: percentile_interval(np.arange(9.0), level),
    "Fisher": lambda level: fisher_interval(0.5, 30, level=level),
}


@pytest.mark.parametrize("what", LEVELS)
@pytest.mark.parametrize("level", [None, 0, 1, -0.95, 95, float("nan"), True, "0.95", [0.95]], ids=repr)
def test_a_level_lies_between_0_and_1(what: str, level: Any) -> None:
    refused(lambda: LEVELS[what](level), said="confidence level is a number between 0 and 1")


THRESHOLDS: dict[str, Callable[[Any], Any]] = {
    "salience": lambda value: salience(SOLUTION, value),
    "items of components": lambda value: component_sets(SOLUTION, value),
    "unit weights": lambda value: unit_weighted_scores(DATA, SOLUTION, salience=value, ranges=RANGES),
    "share salient": lambda value: STABILITY.to_frame(value),
    "correspondence": lambda value: correspondence(SOLUTION, SCALES, threshold=value),
    "its intervals": lambda value: correspondence_intervals(STABILITY, SCALES, threshold=value),
    "wording": lambda value: wording_check(SOLUTION, ["i01"], threshold=value),
}


@pytest.mark.parametrize("what", THRESHOLDS)
@pytest.mark.parametrize("value", [None, 0, -1, 1.5, float("nan"), float("inf"), True, "0.4"], ids=repr)
def test_a_salience_threshold_is_one(what: str, value: Any) -> None:
    refused(lambda: THRESHOLDS[what](value), said="salience threshold is a number from 0 to 1")


WORDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "extraction": (lambda word: find_components(R, 200, n_components=2, extraction=word), "minres, ml, paf"),
    "rotation": (lambda word: find_components(R, 200, n_components=2, rotation=word), "none, varimax"),
    "correlation": (lambda word: correlate(DATA, method=word), "pearson, polychoric"),
    "missing": (lambda word: correlate(DATA, missing=word), "pairwise, complete, em"),
    "missing of a bootstrap": (
        lambda word: bootstrap_solution(DATA, SOLUTION, seed=1, replicates=2, missing=word),
        "pairwise, complete",
    ),
    "missing of a congruence": (
        lambda word: bootstrap_congruence(
            Sample(SOLUTION, DATA), Sample(SOLUTION, DATA), seed=1, replicates=2, missing=word
        ),
        "pairwise, complete",
    ),
    "missing of alpha": (lambda word: item_statistics(DATA, ITEMS, missing=word), "pairwise, complete"),
    "missing of its interval": (
        lambda word: bootstrap_reliability(DATA, ITEMS, seed=1, replicates=2, missing=word),
        "pairwise, complete",
    ),
    "missing of scales": (
        lambda word: scale_reliability(DATA, SETS, missing=word),
        "pairwise, complete",
    ),
    "alignment": (
        lambda word: bootstrap_solution(DATA, SOLUTION, seed=1, replicates=2, alignment=word),
        "columns, procrustes",
    ),
    "scores": (lambda word: score_weights(SOLUTION, word), "regression, bartlett"),
    "kind": (lambda word: retention(R, 200, replicates=2, kinds=[word]), "components, smc, minres"),
    "rule": (lambda word: retention(R, 200, replicates=2).choose(word), "kaiser"),
}


@pytest.mark.parametrize("what", WORDS)
@pytest.mark.parametrize("word", ["oblimim", "", None, 3, b"oblimin", ["oblimin"]], ids=repr)
def test_an_unknown_word_is_met_with_those_that_are_known(what: str, word: Any) -> None:
    call, known = WORDS[what]
    refused(lambda: call(word), Status.UNKNOWN_NAME, known)


@pytest.mark.parametrize("n", [0, 1, 2, -5, 2.5, "six", True, np.array([9]), [9], Decimal("2.5"), 10**30], ids=repr)
def test_a_number_of_rows_that_is_none_is_refused(n: Any) -> None:
    number = isinstance(n, int | float | Decimal) and not isinstance(n, bool) and n < 10**30
    status = Status.TOO_FEW_ROWS if number else Status.INVALID_INPUT
    for call in (
        lambda: find_components(R, n, n_components=2),
        lambda: suitability(R, n),
        lambda: retention(R, n, replicates=2),
        lambda: cfa(R, n, ITEMS, SCALES),
        lambda: empirical_kaiser_reference(np.ones(3), n),
    ):
        refused(call, status)
    if n not in (2, 2.5, Decimal("2.5")) or isinstance(n, np.ndarray):
        refused(lambda: alpha(R, n, ITEMS), status)


def test_an_unknown_number_of_rows_leaves_out_what_needs_it() -> None:
    for n in (None, float("nan"), np.float32("nan"), pd.NA):
        assert find_components(R, n, n_components=2).status == "ok"
        assert np.isnan(suitability(R, n).bartlett_chi2)
        assert np.isnan(alpha(R, n, ITEMS).lower)
        refused(lambda n=n: cfa(R, n, ITEMS, SCALES), said="needs the number of rows")


@pytest.mark.parametrize(
    "options",
    [
        {"gamma": float("nan")},
        {"gamma": "0"},
        {"rotation": "promax", "power": float("nan")},
        {"rotation": "promax", "power": 0.5},
        {"rotation": "promax", "power": -(10**9)},
        {"rotation": "geomin", "delta": 0},
        {"rotation": "geomin", "delta": -1},
        {"rotation": "geomin", "delta": float("inf")},
        {"lower_bound": -1},
        {"lower_bound": 1},
        {"lower_bound": float("nan")},
        {"extraction": "ml", "lower_bound": 0},
        {"tolerance": 0},
        {"tolerance": float("nan")},
        {"tolerance": None},
        {"rotation": "target_oblique", "target": "a"},
        {"rotation": "target_oblique", "target": np.full((8, 2), "a")},
    ],
    ids=str,
)
def test_constants_with_which_nothing_is_defined_are_refused(options: dict[str, Any]) -> None:
    refused(lambda: find_components(R, 200, n_components=2, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"valid_range": (7, 1)},
        {"valid_range": (float("nan"), 7)},
        {"valid_range": (1,)},
        {"valid_range": "ab"},
        {"valid_range": 5},
        {"least_share": 2},
        {"least_share": float("nan")},
        {"method": "polychoric", "empty_cell": float("nan")},
        {"method": "polychoric", "empty_cell": -1},
        {"method": "polychoric", "empty_cell": None},
    ],
    ids=str,
)
def test_options_of_correlations_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    refused(lambda: correlate(DATA, **options))


def test_measurements_are_no_categories() -> None:
    measured = pd.DataFrame(np.random.default_rng(0).standard_normal((300, 3)), columns=list("abc"))
    refused(lambda: correlate(measured, method="polychoric"), said="different kinds.*a, b, c.*pearson")
    rounded = (measured * 20).round()
    rounded["c"] = np.arange(300) % 200
    refused(lambda: correlate(rounded, method="polychoric"), said="at most 128 kinds.*c. Correlate these by pearson")
    assert correlate(measured.round(0), method="polychoric").matrix.shape == (3, 3)


def test_clusters_that_are_not_one_label_per_row_are_refused() -> None:
    for clusters in ("t" * 200, 3, ["t"], ["t"] * 199):
        refused(lambda c=clusters: bootstrap_solution(DATA, SOLUTION, seed=1, clusters=c, replicates=2))
        refused(lambda c=clusters: bootstrap_reliability(DATA, ITEMS, seed=1, clusters=c, replicates=2))
        refused(lambda c=clusters: scale_reliability(DATA, SETS, clusters=c))
    refused(lambda: labels(3), said="one label per row")
    for call in (
        lambda: bootstrap_solution(DATA, SOLUTION, seed=1, clusters=["t"] * 200, replicates=2),
        lambda: bootstrap_reliability(DATA, ITEMS, seed=1, clusters=["t"] * 200, replicates=2),
    ):
        refused(call, Status.TOO_FEW_CLUSTERS)


@pytest.mark.parametrize("nothing", [None, float("nan"), "", pd.NA], ids=repr)
def test_an_item_without_a_scale_has_none(nothing: Any) -> None:
    scales = SCALES | {"i04": nothing, "i08": nothing}
    known = {item: scale for item, scale in SCALES.items() if item not in ("i04", "i08")}
    assert correspondence(SOLUTION, scales).scales == ("bond", "task")
    assert cfa(R, 200, ITEMS, scales).factors == ("bond", "task")
    assert np.array_equal(scale_target(ITEMS, scales, free=True), scale_target(ITEMS, known, free=True), equal_nan=True)


def test_scales_keys_and_reversed_items_that_are_none_are_refused() -> None:
    turned = DATA.assign(i01=8 - DATA["i01"])
    solution = find_components(turned.corr(), 200, n_components=2)
    for call in (
        lambda: correspondence(SOLUTION, ["bond"] * 8),
        lambda: cfa(R, 200, ITEMS, None),
        lambda: correspondence(SOLUTION, SCALES, keys=dict.fromkeys(ITEMS, 5)),
        lambda: correspondence(SOLUTION, SCALES, keys=dict.fromkeys(ITEMS, float("nan"))),
        lambda: wording_check(SOLUTION, "i01"),
        lambda: unit_weighted_scores(DATA, SOLUTION, min_share=float("nan")),
        lambda: unit_weighted_scores(turned, solution, ranges={"i01": 7}),
    ):
        refused(call)
    for key in (5, float("nan"), "x", True):
        found = scale_reliability(DATA, {"bond": {"i01": key, "i02": 1}})
        assert found.status == "invalid_input"
        assert "each 1 or -1" in found.measures["reason"].iloc[0]


@pytest.mark.parametrize("loadings", [np.zeros((0, 2)), np.zeros((5, 0)), np.full((5, 2), 1e300), "a", None], ids=str)
@pytest.mark.parametrize("rotation", ["none", "geomin", "varimax", "promax", "quartimax"])
def test_what_are_no_loadings_is_refused(loadings: Any, rotation: str) -> None:
    refused(lambda: rotate(loadings, rotation))


def test_rows_to_permute_belong_to_the_matrix() -> None:
    refused(lambda: retention(R, 200, rows=DATA.iloc[:, :3].to_numpy(), replicates=2), said="rows by 8 items")
    refused(lambda: retention(R, 200, rows=np.full((9, 8), "a"), replicates=2), said="not numbers")
    unanswered = DATA.assign(i01=np.nan).to_numpy()
    refused(lambda: retention(R, 200, rows=unanswered, replicates=2), Status.NO_DATA, "without answers")


def test_a_bootstrap_refuses_matrices_of_another_size() -> None:
    refused(
        lambda: bootstrap_solution(DATA, SOLUTION, seed=1, replicates=2, correlate=lambda _: np.eye(3)),
        said=r"\(3, 3\)",
    )


@pytest.mark.parametrize("given", ["abc", None, {"a": 1}, ["a", "b"], np.array([1 + 1j])], ids=repr)
def test_intervals_of_what_are_no_numbers_are_refused(given: Any) -> None:
    refused(lambda: percentile_interval(given))
    refused(lambda: bias_corrected_interval(0.5, given))
    refused(lambda: bias_corrected_correlation(np.array(0.5), given))
    if given is not None:
        refused(lambda: fisher_interval(given, 30))
        refused(lambda: fisher_interval(0.5, given))
        refused(lambda: numeric(given, "x"))


def test_effects_beyond_numbers_are_not_pooled() -> None:
    for effects, variances in (([1e200, 0.1], [1, 1]), ([0.1, 0.2], [1e-300, 1e-300]), ([0.1, 0.2], [1e300, 1e300])):
        refused(lambda e=effects, v=variances: pool(e, v))
    refused(lambda: numeric(pd.Series(pd.date_range("2020", periods=3)), "x"), said="not numbers")


def test_em_of_complete_rows_is_the_sample_even_where_it_is_singular() -> None:
    few = likert(8)
    found = correlate(few, missing="em")
    assert found.status == "singular"
    np.testing.assert_allclose(found.matrix, correlate(few).matrix, atol=1e-12)


def test_em_that_is_singular_from_the_start_gives_no_number() -> None:
    rows = DATA.to_numpy().copy()
    rows[:, 1] = rows[:, 0]
    rows[:30, 4] = np.nan
    refused(lambda: ml_moments(rows), Status.SINGULAR, "pairwise or complete")


def test_sums_that_do_not_vary_have_no_reliability_instead_of_an_infinite_one() -> None:
    signs = np.array([1.0, -1.0, 1.0, -1.0])
    matrix = np.outer(signs, signs)
    found = one_factor_omega(matrix, tuple("abcd"))
    assert np.isnan(found.observed)
    assert np.isnan(found.model) or found.model < 1
    scaled = np.diag([3.0, 1.0, 1.0, 1.0]) @ matrix @ np.diag([3.0, 1.0, 1.0, 1.0])
    assert np.isnan(alpha(scaled, 100, list("abcd")).standardised)


def test_a_marker_without_a_loading_lends_no_scale() -> None:
    found = cfa(np.eye(8), 200, ITEMS, SCALES)
    assert found.status == "underidentified"
    assert not np.isinf(found.to_frame().select_dtypes("number").to_numpy()).any()
    assert not np.isinf(found.factors_frame().select_dtypes("number").to_numpy()).any()
