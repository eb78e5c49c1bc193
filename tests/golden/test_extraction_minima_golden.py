"""Extractions with several minima, and with a uniqueness at its bound, against psych's fa and factanal."""

import golden
import numpy as np
import pytest

from analysis.components.components import find_components
from analysis.components.extraction import extract
from analysis.components.extraction_starts import extract_lowest
from analysis.components.refit import refit_stack

GOLDEN = golden.load("27_extraction_minima")


def named(case):
    return f"{case['matrix']}-{case['n_factors']}-{case['fm']}"


def of(case):
    return golden.matrix(GOLDEN["matrices"][case["matrix"]]).to_numpy(), case["n_factors"], case["fm"]


def off_diagonal(matrix, loadings):
    return np.sum(np.tril(matrix - loadings @ loadings.T, -1) ** 2)


def ended_at(case):
    """The criterion where R ended: extraction from there goes no further."""
    matrix, k, fm = of(case)
    loadings = golden.matrix(case["loadings"]).to_numpy()
    uniqueness = np.clip(1 - np.sum(loadings**2, axis=1), 0.005, 1)
    return float(extract(matrix, k, fm, start=uniqueness).objective[0])


@pytest.mark.parametrize("case", GOLDEN["r_has_the_lowest"], ids=named)
def test_where_one_start_of_ours_ends_higher_than_r_the_others_do_not(case):
    matrix, k, fm = of(case)
    found = extract_lowest(matrix, k, fm)
    communality = np.sum(found.extraction.loadings[0] ** 2, axis=1)
    # R's optimiser stops at 1e-4 of the optimum, psych's minres at a bound a little further off.
    np.testing.assert_allclose(communality, golden.vector(case["communality"]), atol=2e-4 if fm == "ml" else 1e-3)
    if fm == "ml":
        assert found.extraction.objective[0] == pytest.approx(case["factanal_criterion"], abs=1e-6)
    assert not found.first_is_lowest
    assert found.first_objective > found.extraction.objective[0] + 1e-3


@pytest.mark.parametrize("case", GOLDEN["r_ends_higher"], ids=named)
def test_where_r_ends_higher_ours_is_lower_and_says_so(case):
    matrix, k, fm = of(case)
    found = find_components(matrix, 200, n_components=k, extraction=fm, rotation="none")
    assert found.diagnostics["extraction_objective"] < ended_at(case) - 1e-5
    assert found.status in ("local_minima", "heywood")
    assert any("has several minima" in sentence for sentence in found.warnings)
    single = find_components(matrix, 200, n_components=k, extraction=fm, rotation="none", extraction_starts=0)
    np.testing.assert_allclose(single.communality, golden.vector(case["communality"]), atol=1e-3)


@pytest.mark.parametrize("case", GOLDEN["r_has_the_lowest"], ids=named)
def test_a_bootstrap_stays_with_the_minimum_of_its_solution(case):
    matrix, k, fm = of(case)
    solution = find_components(matrix, 200, n_components=k, extraction=fm, rotation="none")
    again = refit_stack(matrix[None], solution)
    np.testing.assert_allclose(again.uniqueness[0], solution.uniqueness, atol=1e-5)


def test_at_the_bound_ours_is_uls_and_psychs_minres_lies_between():
    cases = GOLDEN["at_the_bound"]
    matrix, k, _ = of(cases["minres"])
    loadings = extract_lowest(matrix, k).extraction.loadings[0]
    np.testing.assert_allclose(np.sum(loadings**2, axis=1), golden.vector(cases["uls"]["communality"]), atol=1e-4)
    difference = np.abs(np.sum(loadings**2, axis=1) - golden.vector(cases["minres"]["communality"]))
    assert 1e-3 < difference.max() < 5e-3
    assert off_diagonal(matrix, loadings) == pytest.approx(cases["uls"]["off_diagonal"], abs=1e-7)
    assert cases["ols"]["off_diagonal"] < cases["minres"]["off_diagonal"] < cases["uls"]["off_diagonal"]
