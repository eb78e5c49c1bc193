"""Scores: invariants, known truth, missing answers, bad input."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError
from analysis.components.scores import SCORE_METHODS, _patterns, component_scores, score_weights, unit_weighted_scores
from analysis.components.solution import Solution
from tests.unit.known_truth import draw, implied, simple_population, solve


def _truth(k: int = 3) -> Solution:
    pattern, phi = simple_population(k)
    sigma = implied(pattern, phi)
    items = tuple(f"i{number:02d}" for number in range(1, len(pattern) + 1))
    uniqueness = 1 - np.diag(pattern @ phi @ pattern.T)
    return Solution(items, sigma, 500, "minres", "oblimin", pattern, phi, uniqueness, "ok", ())


@pytest.mark.parametrize("method", SCORE_METHODS)
def test_properties_that_define_each_method(method: str) -> None:
    solution = _truth()
    found = score_weights(solution, method)
    covariance = found.weights.T @ solution.correlation @ found.weights
    if method == "regression":
        np.testing.assert_allclose(found.validity**2, found.determinacy)
    if method == "bartlett":
        np.testing.assert_allclose(found.weights.T @ solution.pattern, np.eye(3), atol=1e-10)
    if method == "ten_berge":
        np.testing.assert_allclose(covariance, solution.phi, atol=1e-10)
    assert (found.validity <= np.sqrt(found.determinacy) + 1e-12).all()
    assert found.status == "ok"


@pytest.mark.parametrize("method", SCORE_METHODS)
def test_scores_correlate_with_the_truth_as_validity_says(method: str) -> None:
    solution = _truth()
    rng = np.random.default_rng(4)
    components = rng.standard_normal((40_000, 3)) @ np.linalg.cholesky(solution.phi).T
    answers = components @ solution.pattern.T + rng.standard_normal((40_000, 15)) * np.sqrt(solution.uniqueness)
    scores = component_scores(pd.DataFrame(answers, columns=list(solution.items)), solution, method).scores
    observed = [np.corrcoef(scores[:, j], components[:, j])[0, 1] for j in range(3)]
    np.testing.assert_allclose(observed, score_weights(solution, method).validity, atol=0.01)


@given(st.integers(0, 9999), st.sampled_from(SCORE_METHODS))
@settings(max_examples=25, deadline=None)
def test_order_of_rows_and_items_does_not_matter(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    pattern, phi = simple_population(2, each=4)
    data = draw(pattern, phi, 60, seed).mask(rng.random((60, 8)) < 0.2)
    solution = solve(draw(pattern, phi, 300, 1), 2)
    before = component_scores(data, solution, method).scores
    rows, items = rng.permutation(60), rng.permutation(8)
    moved = Solution(
        tuple(np.array(solution.items)[items]), solution.correlation[np.ix_(items, items)], 300, "minres", "oblimin",
        solution.pattern[items], solution.phi, solution.uniqueness[items], "ok", (),
    )  # fmt: skip
    after = component_scores(data.iloc[rows], moved, method)
    np.testing.assert_allclose(after.scores, before[rows], atol=1e-9)
    assert (after.index == rows).all()


def test_missing_answers_give_the_conditional_expectation() -> None:
    """Regression scores of a row that answered some items are those of a solution of these items alone."""
    solution = _truth()
    data = draw(solution.pattern, solution.phi, 50, 3)
    seen = np.array([0, 1, 5, 6, 7, 12])
    holes = data.copy()
    holes.iloc[:, np.setdiff1d(np.arange(15), seen)] = np.nan
    mean, deviation = np.zeros(15), np.ones(15)
    found = component_scores(holes, solution, mean=mean, deviation=deviation)
    weights = np.linalg.solve(solution.correlation[np.ix_(seen, seen)], solution.structure[seen])
    np.testing.assert_allclose(found.scores, data.iloc[:, seen].to_numpy() @ weights, atol=1e-10)
    assert (found.n_answered == 6).all()
    assert (found.determinacy < score_weights(solution).determinacy).all()


@pytest.mark.parametrize("method", SCORE_METHODS)
def test_missing_scores_are_the_mean_of_what_the_answers_could_have_been(method: str) -> None:
    solution = _truth(2)
    row = np.full(10, np.nan)
    row[[0, 1, 5]] = [1.0, -0.5, 2.0]
    hidden = np.isnan(row)
    sigma = solution.correlation
    gain = sigma[np.ix_(hidden, ~hidden)] @ np.linalg.inv(sigma[np.ix_(~hidden, ~hidden)])
    spread = sigma[np.ix_(hidden, hidden)] - gain @ sigma[np.ix_(~hidden, hidden)]
    drawn = np.tile(row, (20_000, 1))
    drawn[:, hidden] = np.random.default_rng(1).multivariate_normal(gain @ row[~hidden], spread, 20_000)
    standard = {"mean": np.zeros(10), "deviation": np.ones(10)}
    expected = component_scores(drawn, solution, method, **standard).scores.mean(axis=0)
    np.testing.assert_allclose(component_scores(row[None], solution, method, **standard).scores[0], expected, atol=0.03)


def test_rows_without_answers_get_no_score() -> None:
    solution = _truth(2)
    data = draw(solution.pattern, solution.phi, 20, 1)
    data.iloc[4] = np.nan
    data.iloc[5, 1:] = np.nan
    found = component_scores(data, solution)
    assert np.isnan(found.scores[4]).all()
    assert np.isfinite(found.scores[5]).all()
    assert np.isnan(component_scores(data, solution, min_answered=2).scores[5]).all()
    assert "1 of 20 rows" in found.warnings[0]
    frame = found.to_frame()
    assert list(frame) == ["row", "component", "method", "score", "n_answered", "determinacy"]
    assert len(frame) == 40


def test_a_singular_matrix_gives_a_status_not_a_crash() -> None:
    data = draw(*simple_population(2), 8, 1)
    solution = solve(data, 1, "components", "none")
    found = score_weights(solution)
    assert found.status == "singular"
    assert np.isfinite(found.weights).all()


def test_bartlett_refuses_a_heywood_case_by_name() -> None:
    solution = _truth(2)
    pattern = solution.pattern.copy()
    pattern[3, 0] = 1.0
    bad = replace(solution, pattern=pattern)
    with pytest.raises(AnalysisError, match="i04"):
        score_weights(bad, "bartlett")


def test_bad_input_is_refused_in_words() -> None:
    solution = _truth(2)
    data = draw(solution.pattern, solution.phi, 20, 1)
    with pytest.raises(AnalysisError, match="without variance cannot be standardised: i02"):
        component_scores(data.assign(i02=3.0), solution)
    with pytest.raises(AnalysisError, match="no column for i07"):
        component_scores(data.drop(columns="i07"), solution)
    with pytest.raises(AnalysisError, match="infinite"):
        component_scores(data.assign(i02=np.inf), solution)
    with pytest.raises(AnalysisError, match="must be numbers"):
        component_scores(data.assign(i02="often"), solution)
    with pytest.raises(AnalysisError, match="'anderson'; known are"):
        score_weights(solution, "anderson")


def test_unit_weights_reflect_negative_items_and_count_answers() -> None:
    pattern, phi = simple_population(2, each=3)
    pattern[1, 0] *= -1
    pattern[5, 1] = 0.2
    items = tuple(f"i{number:02d}" for number in range(1, 7))
    solution = Solution(items, implied(pattern, phi), 100, "minres", "oblimin", pattern, phi, np.full(6, 0.5), "ok", ())
    data = pd.DataFrame([[5, 2, 6, 1, 2, 7], [np.nan, np.nan, 6, 1, 2, 7]], columns=list(items), dtype=float)
    found = unit_weighted_scores(data, solution, ranges={"i02": (1, 7)})
    assert found.scores[0].tolist() == [(5 + 6 + 6) / 3, 1.5]
    assert np.isnan(found.scores[1, 0])
    assert found.n_answered.tolist() == [[3, 2], [1, 2]]
    with pytest.raises(AnalysisError, match="i02 loads negatively on component 1"):
        unit_weighted_scores(data, solution)
    with pytest.raises(AnalysisError, match="i02 has answers outside"):
        unit_weighted_scores(data.assign(i02=9.0), solution, ranges={"i02": (1, 7)})
    nothing = unit_weighted_scores(data, solution, salience=0.99)
    assert nothing.status == "too_few_items"
    assert np.isnan(nothing.scores).all()


@pytest.mark.parametrize(("n", "p"), [(200, 5), (200, 64), (200, 65), (50, 130), (0, 3)])
def test_patterns_of_answers_are_told_apart_whatever_their_number_of_items(n: int, p: int) -> None:
    answered = np.random.default_rng(p).random((n, p)) > 0.02
    patterns, which = _patterns(answered)
    np.testing.assert_array_equal(patterns[which], answered)
    assert len(patterns) == len({row.tobytes() for row in answered})
