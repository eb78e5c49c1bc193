"""What bad input gets: a status or an exception of ours, never a raw linear-algebra error or a silent imputation."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError, Status
from analysis.components.component_study import ComponentSettings, study_components
from analysis.components.components import find_components
from analysis.components.item_facts import ItemFacts
from analysis.components.reliability import alpha, item_statistics
from analysis.components.retention import retention
from analysis.components.rotation import rotate
from analysis.components.rotation_gpa import _inverses
from analysis.components.scores import component_scores
from analysis.components.stability import bootstrap_solution
from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate
from analysis.correlations.missing import ml_moments
from tests.unit.known_truth import item_names, solve
from tests.unit.test_component_study import FACTS, ITEMS, answers, rows_of

EVERY_METHOD = [
    ComponentSettings(n_components=2, parallel_samples=10, min_rows=3, bootstrap=3, **changes)
    for changes in (
        {},
        {"missing": "complete"},
        {"missing": "em"},
        {"correlation": "polychoric"},
        {"extraction": "ml"},
        {"extraction": "paf", "rotation": "promax"},
        {"extraction": "components", "rotation": "varimax"},
        {"scores": "bartlett", "rotation": "geomin"},
        {"scores": "ten_berge"},
        {"scores": "anderson_rubin"},
        {"scores": "unit_weighted"},
    )
]
NAMES = ["plain", "complete", "em", "polychoric", "ml", "paf", "pca", "bartlett", "ten berge", "anderson", "unit"]


def likert(n: int, p: int = 8, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((n, 2)) @ np.kron(np.eye(2), np.ones((1, (p + 1) // 2)))[:, :p]
    return pd.DataFrame(np.clip(np.round(common + 0.7 * rng.standard_normal((n, p)) + 4), 1, 7), columns=item_names(p))


AWKWARD: dict[str, Callable[[], pd.DataFrame]] = {
    "one row": lambda: likert(1),
    "two rows": lambda: likert(2),
    "three rows": lambda: likert(3),
    "fewer rows than items": lambda: likert(6),
    "as many rows as items": lambda: likert(8),
    "all answers equal": lambda: likert(60) * 0 + 4,
    "one item constant": lambda: likert(60).assign(i02=1.0),
    "two identical items": lambda: likert(60).assign(i02=lambda frame: frame["i01"]),
    "an item and its mirror": lambda: likert(60).assign(i02=lambda frame: 8 - frame["i01"]),
    "an item that is the sum of two": lambda: likert(60).assign(i03=lambda frame: frame["i01"] + frame["i02"]),
    "an item one person answered": lambda: likert(60).assign(i02=[5.0] + [np.nan] * 59),
    "an item nobody answered": lambda: likert(60).assign(i02=np.nan),
    "a row nobody answered": lambda: likert(60).mask(np.tile(np.arange(60)[:, None] == 7, 8)),
    "halves that never meet": lambda: likert(60).mask((np.arange(60)[:, None] < 30) == (np.arange(8) < 4)[None, :]),
    "nine in ten missing": lambda: likert(60).mask(np.random.default_rng(2).random((60, 8)) < 0.9),
    "two rows complete": lambda: likert(60).mask(
        (np.arange(60)[:, None] > 1) & (np.arange(8)[None, :] == np.arange(60)[:, None] % 8)
    ),
    "one item": lambda: likert(60)[["i01"]],
    "two items": lambda: likert(60)[["i01", "i02"]],
    "two answers": lambda: (likert(60) > 4).astype(float),
    "far from zero": lambda: likert(60) + 1e9,
    "very small": lambda: likert(60) * 1e-9,
}


@pytest.mark.parametrize("options", EVERY_METHOD, ids=NAMES)
@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_answers_end_in_a_status_or_an_exception_of_ours(case: str, options: ComponentSettings) -> None:
    data = AWKWARD[case]()
    ranges = dict.fromkeys(data.columns, (1.0, 7.0))
    facts = (
        ItemFacts(ranges=ranges)
        if options.scores != "unit_weighted" or case not in ("far from zero", "very small")
        else FACTS
    )
    try:
        result, found = study_components(rows_of(data, 2), options, facts, seed=1)
    except AnalysisError as error:
        assert error.status is not Status.OK
        assert str(error).endswith(".")
        return
    assert result.status in set(Status)
    assert result.status == "ok" or result.reason
    assert "suitability" in result.frames
    if found is None:
        assert result.status != "ok"
        return
    for table in ("loadings", "component_correlations"):
        numbers = result.frames[table].select_dtypes("number")
        assert np.isfinite(numbers[[numbers.columns[1]]]).all().all(), table
    scores = result.frames["component_scores"]
    unanswered = data[list(found.solution.items)].isna().all(axis=1).to_numpy()
    assert scores["score"].isna().to_numpy().reshape(len(data), -1)[unanswered].all()


@pytest.mark.parametrize(
    ("case", "status", "said"),
    [
        ("one row", "too_few_rows", "1 row; the study asks for at least 3"),
        ("two rows", "too_few_rows", "2 rows; the study asks for at least 3"),
        ("fewer rows than items", "singular", "6 rows cannot make a regular one of 8 items"),
        ("as many rows as items", "singular", "8 rows cannot make a regular one of 8 items"),
        ("all answers equal", "constant", "0 of 8 items can be correlated"),
        ("one item", "too_few_items", "[01] of 1 item "),
    ],
)
def test_the_status_says_what_it_is(case: str, status: str, said: str) -> None:
    result, _ = study_components(rows_of(AWKWARD[case](), 2), EVERY_METHOD[0], FACTS, seed=1)
    assert result.status == status
    assert re.search(said, str(result.reason))


@pytest.mark.parametrize(
    ("case", "item", "reason"),
    [
        ("one item constant", "i02", "constant: all 60 answers are equal"),
        ("two identical items", "i02", "duplicate: same answers as i01"),
        ("an item and its mirror", "i02", "duplicate: same answers as i01"),
        ("an item one person answered", "i02", "nearly_empty: 1 of 60 rows answered it"),
        ("an item nobody answered", "i02", "nearly_empty: 0 of 60 rows answered it"),
    ],
)
def test_items_that_cannot_be_used_are_left_out_and_named(case: str, item: str, reason: str) -> None:
    result, found = study_components(rows_of(AWKWARD[case](), 2), EVERY_METHOD[0], FACTS, seed=1)
    assert result.facts["items_left_out"] == {item: reason}
    assert found is not None
    assert item not in found.solution.items


@pytest.mark.parametrize("asked", [8, 9, 50])
def test_more_components_than_can_be_are_refused(asked: int) -> None:
    options = ComponentSettings(n_components=asked, parallel_samples=10)
    result, found = study_components(rows_of(likert(80)), options, FACTS, seed=1)
    assert found is None
    assert result.status == "too_many_components"
    assert f"{asked} components cannot be extracted by minres from 8 items; 1 to 7 can." in str(result.reason)


def test_an_indefinite_matrix_of_the_user_is_smoothed_and_flagged_or_left() -> None:
    matrix = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1.0]])
    smoothed = find_components(matrix, 100, n_components=1)
    assert smoothed.status == "indefinite"
    assert "was smoothed" in smoothed.warnings[0]
    assert np.linalg.eigvalsh(smoothed.correlation)[0] > 0
    as_it_is = find_components(matrix, 100, n_components=1, smooth=False)
    assert as_it_is.status in ("indefinite", "heywood", "not_converged")
    with pytest.raises(AnalysisError) as told:
        find_components(matrix, 100, n_components=1, smooth=False, extraction="ml")
    assert told.value.status is Status.INDEFINITE
    assert suitability(matrix, 100).status == "indefinite"
    assert retention(matrix, 100, replicates=10).status == "indefinite"


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (np.ones((2, 3)), "square"),
        (np.full((3, 3), np.nan), "missing or infinite"),
        (np.full((3, 3), np.inf), "missing or infinite"),
        (np.eye(3) * 2, "diagonal is not 1"),
        (np.array([[1, 0.2], [0.5, 1]]), "not symmetric"),
        (np.array([[1, 1.5], [1.5, 1]]), "beyond 1"),
        (np.eye(1), "at least 2"),
        (np.array([["a", "b"], ["c", "d"]]), "not numbers"),
    ],
)
def test_what_is_no_correlation_matrix_is_refused(matrix: np.ndarray, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        find_components(matrix, 100, n_components=1)


@pytest.mark.parametrize("n", [0, 1, 2, -5, float("inf")])
def test_a_matrix_of_too_few_rows_is_refused(n: float) -> None:
    with pytest.raises(AnalysisError) as told:
        find_components(np.eye(4) * 0.5 + 0.5, n, n_components=1)
    assert told.value.status is Status.TOO_FEW_ROWS


@pytest.mark.parametrize("options", [{"method": "pearson"}, {"method": "polychoric"}, {"missing": "em"}])
def test_infinities_words_and_values_out_of_range_are_refused(options: dict[str, Any]) -> None:
    for value, said in ((np.inf, "infinite"), (-np.inf, "infinite")):
        with pytest.raises(AnalysisError, match=said):
            correlate(likert(30).assign(i03=lambda frame, v=value: frame["i03"].where(frame.index != 4, v)), **options)
    with pytest.raises(AnalysisError, match="outside 1 to 6"):
        correlate(likert(30), valid_range=(1, 6), **options)
    with pytest.raises(AnalysisError, match="not numbers"):
        correlate(likert(30).assign(i03="often"), **options)
    with pytest.raises(AnalysisError, match="item names"):
        correlate(likert(30).to_numpy(), ["a", "a", *"bcdefg"], **options)


def test_unknown_items_and_words_are_named() -> None:
    data = answers()
    solution = solve(data, 3)
    for call in (
        lambda: component_scores(data.drop(columns="i03"), solution),
        lambda: bootstrap_solution(data.drop(columns="i03"), solution, seed=1, replicates=2),
        lambda: item_statistics(data, ["i01", "i99"]),
        lambda: find_components(data.corr(), 200, n_components=2, rotation="oblimim"),
        lambda: find_components(data.corr(), 200, n_components=2, extraction="magic"),
        lambda: correlate(data, method="spearman"),
    ):
        with pytest.raises(AnalysisError):
            call()


@pytest.mark.parametrize(
    "loadings",
    [np.full((5, 2), np.nan), np.ones((5, 2)), np.zeros((5, 2)), np.ones(5)],
    ids=["nan", "rank 1", "0", "1d"],
)
@pytest.mark.parametrize("rotation", ["oblimin", "varimax", "promax", "geomin", "equamax"])
def test_loadings_that_cannot_be_rotated_are_refused(loadings: np.ndarray, rotation: str) -> None:
    with pytest.raises(AnalysisError):
        rotate(loadings, rotation)


def test_alpha_and_em_of_nothing_are_refused() -> None:
    with pytest.raises(AnalysisError):
        alpha(np.zeros((3, 3)), 50, ["a", "b", "c"])
    with pytest.raises(AnalysisError):
        alpha(np.array([[1.0, -1.0], [-1.0, 1.0]]), 50, ["a", "b"])
    for values in (np.zeros((0, 3)), np.full((5, 3), np.nan), np.ones((2, 3)), np.ones((9, 3))):
        with pytest.raises(AnalysisError):
            ml_moments(values)


@pytest.mark.parametrize("options", EVERY_METHOD[:6], ids=str)
def test_axes_of_a_bootstrap_sample_that_fall_together_are_no_error(options: ComponentSettings) -> None:
    values = np.random.default_rng(0).integers(1, 5, size=(5, 5)).astype(float)
    values[:, 1] = values[:, 0]
    data = pd.DataFrame(values, columns=item_names(5))
    changed = dataclasses.replace(options, n_components=3, parallel_samples=5, min_rows=3, bootstrap=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result, _ = study_components(rows_of(data, 2), changed, ItemFacts(), seed=0)
    assert result.status in {str(status) for status in Status}


def test_an_inverse_that_is_not_there_is_not_a_number_and_the_others_are_inverses() -> None:
    stack = np.stack([np.eye(2), np.ones((2, 2)), np.diag([2.0, 4.0])])
    found = _inverses(stack)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], [np.eye(2), np.diag([0.5, 0.25])])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 40),
    st.integers(1, 7),
    st.integers(1, 8),
    st.floats(0, 0.9),
    st.integers(0, 10_000),
    st.sampled_from(EVERY_METHOD[:6]),
)
def test_whatever_comes_no_error_of_a_library_goes_out(
    n: int, p: int, asked: int, share: float, seed: int, options: ComponentSettings
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, rng.integers(2, 8), size=(n, p)).astype(float)
    values[rng.random((n, p)) < share] = np.nan
    if p > 2 and seed % 3 == 0:
        values[:, 1] = values[:, 0]
    data = pd.DataFrame(values, columns=item_names(p))
    changed = ComponentSettings(
        n_components=asked, missing=options.missing, correlation=options.correlation, extraction=options.extraction,
        rotation=options.rotation, parallel_samples=5, min_rows=3, bootstrap=2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result, found = study_components(rows_of(data, 2), changed, ItemFacts(), seed=seed)
        except AnalysisError:
            return
    assert (found is not None) or result.status != "ok"


def test_no_answer_is_made_up() -> None:
    data = likert(80).mask(np.random.default_rng(4).random((80, 8)) < 0.1)
    found = correlate(data)
    expected = data.corr()
    assert found.matrix == pytest.approx(expected.to_numpy(), abs=1e-12)
    assert found.n_pairs == pytest.approx(data.notna().astype(int).T.dot(data.notna().astype(int)).to_numpy())
    assert set(ITEMS) >= set(found.items)
