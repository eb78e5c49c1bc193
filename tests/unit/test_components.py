"""Components: invariants, recovery of a known truth, bad input, and factor_analyzer as a witness where it is right."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError, Status
from analysis.components.components import find_components
from analysis.components.extraction import extract, squared_multiple_correlations
from analysis.components.rotation import RotationSettings, rotate, rotate_stack
from analysis.components.rotation_names import ROTATIONS
from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate
from tests.unit.component_truths import loadings_of, matched, phi_of, population, sample

TRUTH = loadings_of(3, 4, cross=0.15)
PHI = phi_of(3, 0.3)
POPULATION = population(TRUTH, PHI)
SAMPLE = np.corrcoef(sample(POPULATION, 400, 7).T)
ITERATED = [name for name, kind in ROTATIONS.items() if kind.family not in ("none", "target", "procrustes")]


@pytest.mark.parametrize("extraction", ["minres", "ml", "paf"])
def test_population_is_recovered_exactly(extraction):
    simple = loadings_of(3, 4)
    solution = find_components(
        population(simple, PHI), 500, n_components=3, extraction=extraction, max_iterations=20000, tolerance=1e-11
    )
    columns, signs = matched(solution.pattern, simple)
    np.testing.assert_allclose(solution.pattern[:, columns] * signs, simple, atol=1e-5)
    np.testing.assert_allclose(solution.phi[np.ix_(columns, columns)] * np.outer(signs, signs), PHI, atol=1e-5)
    assert solution.status == "ok"
    assert solution.fit.rmsr < 1e-5


@pytest.mark.parametrize("components", [2, 4, 6, 8])
@pytest.mark.parametrize("n", [300, 2000])
def test_sample_estimates_approach_the_truth(components, n):
    truth, phi = loadings_of(components, 5), phi_of(components, 0.3)
    errors = []
    for seed in range(5):
        matrix = np.corrcoef(sample(population(truth, phi), n, 100 + seed).T)
        solution = find_components(matrix, n, n_components=components)
        columns, signs = matched(solution.pattern, truth)
        errors.append(solution.pattern[:, columns] * signs - truth)
    # Standard errors of loadings are near 1 / sqrt(n); their mean over five samples must show no bias beyond that.
    assert np.sqrt(np.mean(np.square(errors))) < 1.6 / np.sqrt(n)
    assert np.abs(np.mean(errors)) < 0.4 / np.sqrt(n)


@given(order=st.permutations(range(12)))
@settings(max_examples=25, deadline=None)
def test_order_of_items_does_not_matter(order):
    order = np.array(order)
    straight = find_components(SAMPLE, 400, n_components=3)
    shuffled = find_components(SAMPLE[np.ix_(order, order)], 400, n_components=3)
    np.testing.assert_allclose(shuffled.pattern, straight.pattern[order], atol=1e-6)
    np.testing.assert_allclose(shuffled.phi, straight.phi, atol=1e-6)
    np.testing.assert_allclose(shuffled.fit.chi2, straight.fit.chi2, rtol=1e-9)


@given(
    signs=st.lists(st.sampled_from([-1.0, 1.0]), min_size=12, max_size=12), extraction=st.sampled_from(["minres", "ml"])
)
@settings(max_examples=25, deadline=None)
def test_reversed_items_change_signs_only(signs, extraction):
    flips = np.array(signs)
    straight = find_components(SAMPLE, 400, n_components=3, extraction=extraction)
    reversed_ = find_components(SAMPLE * np.outer(flips, flips), 400, n_components=3, extraction=extraction)
    np.testing.assert_allclose(np.abs(reversed_.pattern), np.abs(straight.pattern), atol=1e-6)
    np.testing.assert_allclose(np.abs(reversed_.phi), np.abs(straight.phi), atol=1e-6)
    assert np.all(reversed_.pattern.sum(axis=0) >= 0)


@pytest.mark.parametrize("rotation", ITERATED)
def test_every_rotation_reproduces_the_same_model(rotation):
    unrotated = find_components(SAMPLE, 400, n_components=3, rotation="none")
    rotated = find_components(SAMPLE, 400, n_components=3, rotation=rotation)
    np.testing.assert_allclose(rotated.communality, unrotated.communality, atol=1e-9)
    np.testing.assert_allclose(rotated.residuals, unrotated.residuals, atol=1e-9)
    np.testing.assert_allclose(np.diag(rotated.phi), 1.0, atol=1e-9)
    if not ROTATIONS[rotation].oblique:
        np.testing.assert_array_equal(rotated.phi, np.eye(3))
    assert np.all(np.diff(rotated.variance) <= 1e-9)


@pytest.mark.parametrize("rotation", [name for name in ITERATED if ROTATIONS[name].iterated])
def test_the_analytic_gradient_is_the_numerical_one(rotation):
    from analysis.components.rotation import _criterion

    criterion = _criterion(rotation, (12, 3), RotationSettings(gamma=0.3))
    loadings = np.random.default_rng(3).normal(size=(1, 12, 3))
    _, gradient = criterion(loadings)
    step = 1e-6
    for row, column in ((0, 0), (5, 1), (11, 2)):
        up, down = loadings.copy(), loadings.copy()
        up[0, row, column] += step
        down[0, row, column] -= step
        slope = (criterion(up)[0][0] - criterion(down)[0][0]) / (2 * step)
        assert gradient[0, row, column] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_a_stack_is_its_members():
    draws = [np.corrcoef(sample(POPULATION, 200, seed).T) for seed in range(6)]
    for extraction in ("minres", "ml", "paf", "components"):
        together = extract(np.stack(draws), 3, extraction)
        for index, one in enumerate(draws):
            alone = extract(one, 3, extraction)
            np.testing.assert_allclose(together.loadings[index], alone.loadings[0], atol=1e-7)
    loadings = extract(np.stack(draws), 3).loadings
    for rotation in ("varimax", "promax_kaiser", "oblimin_kaiser", "geomin"):
        together = rotate_stack(loadings, rotation)
        for index in range(len(draws)):
            alone = rotate(loadings[index], rotation, random_starts=0)
            np.testing.assert_allclose(together.loadings[index], alone.loadings, atol=1e-7)
            np.testing.assert_allclose(together.phi[index], alone.phi, atol=1e-7)


def test_same_seed_same_bytes():
    first = find_components(SAMPLE, 400, n_components=3, rotation="geomin", random_starts=15, seed=4)
    second = find_components(SAMPLE, 400, n_components=3, rotation="geomin", random_starts=15, seed=4)
    assert first.pattern.tobytes() == second.pattern.tobytes()
    assert first.diagnostics == second.diagnostics


def test_oblimin_gamma_changes_the_correlations_between_components():
    straight = find_components(SAMPLE, 400, n_components=3)
    less = find_components(SAMPLE, 400, n_components=3, gamma=-2.0)
    assert np.abs(less.phi - np.eye(3)).max() < np.abs(straight.phi - np.eye(3)).max()
    assert less.rotation == "oblimin(gamma=-2)"
    unrotated = find_components(SAMPLE, 400, n_components=3, rotation="none")
    assert np.abs(less.pattern - unrotated.pattern).max() > 0.1


def test_oblimin_without_a_minimum_is_reported():
    solution = find_components(SAMPLE, 400, n_components=3, gamma=1.5)
    assert solution.status == "not_converged"
    assert any("did not converge" in sentence for sentence in solution.warnings)


def test_factor_analyzer_agrees_where_it_is_right():
    from factor_analyzer import FactorAnalyzer, Rotator

    rows = sample(POPULATION, 400, 7)
    for method in ("minres", "ml"):
        witness = FactorAnalyzer(n_factors=3, method=method, rotation=None).fit(rows)
        ours = find_components(SAMPLE, 400, n_components=3, extraction=method, rotation="none")
        columns, signs = matched(witness.loadings_, ours.pattern)
        np.testing.assert_allclose(witness.loadings_[:, columns] * signs, ours.pattern, atol=2e-4)
    unrotated = find_components(SAMPLE, 400, n_components=3, rotation="none").pattern
    for theirs, our_name in (("varimax", "varimax"), ("quartimin", "quartimin")):
        rotated = Rotator(method=theirs, tol=1e-12, max_iter=2000).fit_transform(unrotated)
        ours = rotate(unrotated, our_name).loadings
        columns, signs = matched(rotated, ours)
        np.testing.assert_allclose(rotated[:, columns] * signs, ours, atol=1e-5)


def test_frames_are_tidy():
    solution = find_components(pd.DataFrame(SAMPLE, columns=[f"q{i}" for i in range(12)]), 400, n_components=3)
    frame = solution.to_frame()
    assert list(frame.columns) == [
        "item",
        "component",
        "loading",
        "structure",
        "communality",
        "uniqueness",
        "complexity",
    ]
    assert len(frame) == 36
    assert frame.query("item == 'q4' and component == 2")["loading"].item() == solution.pattern[4, 1]
    assert solution.correlations_frame()["correlation"].tolist() == solution.phi.ravel().tolist()


def test_arrays_of_a_solution_cannot_be_changed():
    solution = find_components(SAMPLE, 400, n_components=2)
    with pytest.raises(ValueError, match="read-only"):
        solution.pattern[0, 0] = 0.0


def test_heywood_case_is_named():
    # The correlations of three items that would need a communality above 1 for the first.
    matrix = np.array([[1, 0.8, 0.8, 0.1], [0.8, 1, 0.5, 0.1], [0.8, 0.5, 1, 0.1], [0.1, 0.1, 0.1, 1]])
    for extraction in ("minres", "ml"):
        solution = find_components(matrix, 200, ["a", "b", "c", "d"], n_components=1, extraction=extraction)
        assert solution.status == "heywood"
        assert "no uniqueness is left for a" in " ".join(solution.warnings)
        assert solution.uniqueness[0] == pytest.approx(0.005)


def test_two_identical_items_are_named_and_the_rest_is_computed():
    matrix = np.array(SAMPLE)
    matrix[1], matrix[:, 1] = matrix[0], matrix[:, 0]
    matrix[1, 1] = matrix[0, 1] = matrix[1, 0] = 1.0
    solution = find_components(matrix, 400, n_components=3)
    assert solution.status == "singular"
    assert "item_1 and item_2" in " ".join(solution.warnings)
    assert np.isnan(solution.fit.chi2)
    assert np.all(np.isfinite(solution.pattern))
    with pytest.raises(AnalysisError, match="item_1 and item_2") as error:
        find_components(matrix, 400, n_components=3, extraction="ml")
    assert error.value.status is Status.SINGULAR


@pytest.mark.parametrize("extraction", ["minres", "ml"])
def test_a_matrix_smoothed_before_is_as_good_as_one_smoothed_here(extraction):
    """Smoothing leaves eigenvalues of 1e-10, which is not singular: ML has a solution too, as in psych."""
    rng = np.random.default_rng(2)
    rows = np.clip(np.round(1.5 * (rng.normal(size=(60, 10)) + rng.normal(size=(60, 1)))) + 3, 1, 5)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    before, not_yet = (correlate(rows, method="polychoric", smooth=smooth) for smooth in (True, False))
    assert before.smoothed
    settings = {"n_components": 2, "extraction": extraction}
    inputs = (before, (before.matrix, before.n, before.items), not_yet)
    found = [find_components(*(one if isinstance(one, tuple) else (one,)), **settings) for one in inputs]
    for solution in found:
        assert solution.status == "indefinite"
        assert np.isfinite(solution.fit.chi2)
        assert not any("no chi-square" in sentence for sentence in solution.warnings)
        np.testing.assert_allclose(solution.pattern, found[0].pattern, atol=1e-6)
    assert "smoothed: chi-square and what follows" in " ".join(found[1].warnings)
    assert np.isnan(suitability(before.matrix, before.n).kmo)


def test_a_singular_matrix_has_no_chi_square():
    rows = np.random.default_rng(1).normal(size=(200, 5))
    solution = find_components(np.corrcoef(np.column_stack([rows, rows.sum(axis=1)]).T), 200, n_components=1)
    assert solution.status == "singular"
    assert np.isnan([solution.fit.chi2, solution.fit.null_chi2, solution.fit.objective]).all()


def test_indefinite_matrix_is_smoothed_and_flagged():
    matrix = np.array([[1, 0.9, -0.9, 0.1], [0.9, 1, 0.9, 0.1], [-0.9, 0.9, 1, 0.1], [0.1, 0.1, 0.1, 1]])
    solution = find_components(matrix, 100, n_components=1)
    assert solution.status in ("indefinite", "not_converged")
    assert "indefinite" in " ".join(solution.warnings)
    assert np.linalg.eigvalsh(solution.correlation)[0] > 0
    raw = find_components(matrix, 100, n_components=1, smooth=False)
    np.testing.assert_array_equal(raw.correlation, matrix)
    with pytest.raises(AnalysisError, match="indefinite"):
        find_components(matrix, 100, n_components=1, smooth=False, extraction="ml")


def test_fewer_rows_than_items_is_flagged_and_still_computed():
    rows = sample(POPULATION, 8, 1)
    solution = find_components(np.corrcoef(rows.T), 8, n_components=2)
    assert solution.status == "singular"
    assert any("8 rows for 12 items" in sentence for sentence in solution.warnings)
    assert np.all(np.isfinite(solution.pattern))
    enough = find_components(SAMPLE, 12, n_components=2)
    assert enough.status == "too_few_rows"


def test_underidentified_model_is_flagged():
    solution = find_components(SAMPLE[:4, :4], 400, n_components=2)
    assert solution.fit.df < 0
    assert solution.status in ("underidentified",)
    assert np.isnan(solution.fit.p)


def test_one_component_and_unknown_n():
    solution = find_components(SAMPLE, None, n_components=1)
    np.testing.assert_array_equal(solution.phi, [[1.0]])
    assert np.isnan(solution.fit.chi2)
    assert solution.fit.rmsr > 0
    assert solution.pattern.sum() > 0


@pytest.mark.parametrize(
    ("change", "options", "status", "words"),
    [
        (lambda m: m, {"n": 2}, Status.TOO_FEW_ROWS, "n is 2"),
        (lambda m: m, {"n": 1}, Status.TOO_FEW_ROWS, "n is 1"),
        (lambda m: m, {"n": 0}, Status.TOO_FEW_ROWS, "n is 0"),
        (lambda m: m, {"n": np.inf}, Status.TOO_FEW_ROWS, "n is inf"),
        (lambda m: m, {"n_components": 12}, Status.TOO_MANY_COMPONENTS, "12 components"),
        (lambda m: m, {"n_components": 13, "extraction": "components"}, Status.TOO_MANY_COMPONENTS, "13 components"),
        (lambda m: m, {"n_components": 0}, Status.INVALID_INPUT, "0 components"),
        (lambda m: m, {"extraction": "alpha"}, Status.UNKNOWN_NAME, "alpha"),
        (lambda m: m, {"rotation": "oblimax"}, Status.UNKNOWN_NAME, "oblimax"),
        (lambda m: m, {"rotation": "target_oblique"}, Status.INVALID_INPUT, "needs a target"),
        (lambda m: m, {"rotation": "procrustes", "target": np.ones((3, 3))}, Status.INVALID_INPUT, "shape"),
        (lambda m: np.where(np.isclose(m, m[0, 1]), np.nan, m), {}, Status.INVALID_INPUT, "item_1, item_2"),
        (lambda m: np.where(np.isclose(m, m[0, 1]), np.inf, m), {}, Status.INVALID_INPUT, "infinite"),
        (lambda m: m * 2, {}, Status.INVALID_INPUT, "diagonal"),
        (lambda m: m + np.triu(np.full((12, 12), 0.05), 1), {}, Status.INVALID_INPUT, "symmetric"),
        (lambda m: np.where(np.eye(12) == 1, 1, m + 3), {}, Status.INVALID_INPUT, "beyond 1"),
        (lambda m: m[:5], {}, Status.INVALID_INPUT, "square"),
        (lambda m: m[:1, :1], {}, Status.TOO_FEW_ITEMS, "1 item;"),
        (lambda m: m, {"items": ["a"] * 12}, Status.INVALID_INPUT, "different item names"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(change, options, status, words):
    options = {"n": 400, "n_components": 3} | options
    with pytest.raises(AnalysisError, match=words) as error:
        find_components(change(np.array(SAMPLE)), **options)
    assert error.value.status is status


def test_components_that_do_not_exist_are_refused():
    with pytest.raises(AnalysisError, match="fewer dimensions"):
        find_components(np.eye(5), 100, n_components=2, extraction="minres")


def test_local_minima_are_reported():
    # Noise has no simple structure: geomin finds a different one from nearly every start.
    noise = np.corrcoef(np.random.default_rng(2).normal(size=(60, 20)).T)
    solution = find_components(noise, 60, n_components=5, rotation="geomin", random_starts=40)
    assert solution.diagnostics["rotation_minima"] > 1
    assert "different minima" in " ".join(solution.warnings)


def test_a_saddle_point_is_not_taken_for_a_minimum():
    # Two equally strong clusters: the unrotated loadings are a stationary point of every criterion by symmetry.
    pattern = np.zeros((6, 2))
    pattern[:3, 0] = pattern[3:, 1] = [0.8, 0.7, 0.6]
    for rotation in ("oblimin", "varimax", "quartimax"):
        solution = find_components(population(pattern, np.eye(2)), 500, n_components=2, rotation=rotation)
        assert solution.status == "ok"
        np.testing.assert_allclose(np.sort(np.abs(solution.pattern).ravel())[:6], 0.0, atol=1e-5)


def test_correlations_bring_their_n_items_and_warnings():
    rows = pd.DataFrame(sample(POPULATION, 150, 3)).add_prefix("q")
    rows["constant"] = 1.0
    found = correlate(rows)
    solution = find_components(found, n_components=3)
    assert solution.items == tuple(f"q{i}" for i in range(12))
    assert solution.n == 150
    assert solution.warnings == ("Items left out: constant (constant).",)
    short = find_components(correlate(rows.iloc[:9]), n_components=2)
    assert sum("more rows than items" in sentence for sentence in short.warnings) == 1


def test_a_stack_that_ml_cannot_use_in_part():
    matrix = np.array(SAMPLE)
    matrix[1], matrix[:, 1] = matrix[0], matrix[:, 0]
    matrix[1, 1] = matrix[0, 1] = matrix[1, 0] = 1.0
    found = extract(np.stack([SAMPLE, matrix, SAMPLE]), 3, "ml")
    assert found.converged.tolist() == [True, False, True]
    assert np.isnan(found.loadings[1]).all()
    np.testing.assert_array_equal(found.loadings[0], found.loadings[2])


def test_multiple_correlations_of_definite_and_indefinite_matrices_side_by_side():
    definite = population(loadings_of(3, 4), phi_of(3, 0.3))
    indefinite = definite.copy()
    indefinite[0, 1] = indefinite[1, 0] = -0.99
    assert np.linalg.eigvalsh(indefinite)[0] < -0.1
    stack = np.array([definite, indefinite, np.ones_like(definite), definite])
    found = squared_multiple_correlations(stack)
    for matrix, one in zip(stack[:2], found, strict=False):
        diagonal = np.diag(np.linalg.inv(matrix))
        expected = np.where(diagonal > 0, np.clip(1 - 1 / diagonal, 0, 1), 1.0)
        np.testing.assert_allclose(one, expected, rtol=0, atol=1e-8)
    assert np.all(found[2] > 0.999)
    assert np.array_equal(found[0], found[3])
