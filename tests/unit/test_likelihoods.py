"""The likelihoods of variance components against their textbook matrices, and their slopes against differences."""

import numpy as np
import pytest
from scipy.optimize import minimize

from analysis.common.robust_covariance import TALL, least_squares
from analysis.outcome.variance_components import at, deviance, gradient, nested_sums, predicted_effects
from analysis.two_views import two_rater_likelihood, two_rater_search, two_rater_sums
from analysis.two_views.two_rater_likelihood import TwoRaterLikelihood
from analysis.two_views.two_rater_search import by_cholesky, covariances


def nested(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Basis (n, 3), outcome (n,), cluster of each row, outer cluster of each of 12 clusters of unequal size."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(12), rng.integers(1, 6, 12))
    outer = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
    basis = np.linalg.qr(np.column_stack([np.ones(len(codes)), rng.normal(size=(len(codes), 2))]))[0]
    return basis, basis @ [1.0, 2.0, 3.0] + rng.normal(size=len(codes)) + rng.normal(size=12)[codes], codes, outer


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("ratios", [(0.7, 0.3), (0.0, 2.0), (50.0, 0.0)])
def test_restricted_likelihood_equals_its_textbook_matrices(reml: bool, ratios: tuple[float, float]) -> None:
    basis, y, codes, outer = nested(1)
    z = np.eye(12)[codes]
    zz = np.eye(4)[outer][codes]
    v = np.eye(len(y)) + ratios[0] * z @ z.T + ratios[1] * zz @ zz.T
    inverse = np.linalg.inv(v)
    inner = basis.T @ inverse @ basis
    b = np.linalg.solve(inner, basis.T @ inverse @ y)
    residual = y - basis @ b
    rss, df = residual @ inverse @ residual, len(y) - 3 * reml
    expected = np.linalg.slogdet(v)[1] + df * (1 + np.log(2 * np.pi * rss / df)) + reml * np.linalg.slogdet(inner)[1]
    sums = nested_sums(basis, y, codes, 12, outer)
    point = at(sums, np.array(ratios))
    assert deviance(sums, point, reml) == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(sums.start + point.moved, b, rtol=1e-9)
    predicted = predicted_effects(sums, np.array(ratios))
    np.testing.assert_allclose(predicted, ratios[0] * z.T @ inverse @ residual, atol=1e-10)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("with_outer", [True, False])
def test_slopes_by_variance_ratios_are_those_of_differences(reml: bool, with_outer: bool) -> None:
    basis, y, codes, outer = nested(2)
    sums = nested_sums(basis, y, codes, 12, outer if with_outer else None)
    ratios = np.array([0.6, 0.2])[: sums.n_ratios]

    def value(moved: np.ndarray) -> float:
        return deviance(sums, at(sums, moved), reml)

    steps = 1e-6 * np.eye(len(ratios))
    expected = [(value(ratios + step) - value(ratios - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient(sums, at(sums, ratios), reml), expected, rtol=1e-6)


def two_raters(
    parts: tuple[str, ...], therapists: int = 8, most: tuple[int, int] = (4, 3), missing: float = 0.25
) -> tuple[TwoRaterLikelihood, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A likelihood over therapists with at ``most`` so many dyads, and these so many sessions; with the ratings, which
    are observed, and the codes behind it."""
    rng = np.random.default_rng(len(parts))
    of_therapist = np.repeat(np.arange(therapists), rng.integers(1, most[0] + 1, therapists))
    sessions = rng.integers(1, most[1] + 1, len(of_therapist)) if "error" in parts else 1
    of_dyad = np.repeat(np.arange(len(of_therapist)), sessions)
    observed = rng.random((len(of_dyad), 2)) >= missing
    observed[~observed.any(axis=1)] = True
    values = np.where(observed, rng.normal(size=observed.shape), 0.0)
    made = TwoRaterLikelihood(values, observed, of_dyad, of_therapist, therapists, parts)
    return made, values, observed, of_dyad, of_therapist[of_dyad]


PARTS = [("dyad",), ("dyad", "error"), ("therapist", "dyad"), ("therapist", "dyad", "error")]
SIZES: list[dict] = [
    {},
    {"therapists": 60, "most": (2, 2), "missing": 0.0},  # many therapists of one class, few of another
    {"therapists": 60, "most": (2, 1), "missing": 0.3},
]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("size", SIZES)
def test_likelihood_of_two_raters_equals_its_textbook_matrices(parts: tuple[str, ...], size: dict) -> None:
    made, values, observed, of_dyad, of_therapist = two_raters(parts, **size)
    given = covariances(np.random.default_rng(3).uniform(0.3, 0.9, 3 * len(parts)), parts)
    codes = {"therapist": of_therapist, "dyad": of_dyad, "error": np.arange(len(values))}
    v = sum(np.kron(np.equal.outer(codes[part], codes[part]), given[part]) for part in parts)
    seen = observed.ravel()
    v, y, x = v[np.ix_(seen, seen)], values.ravel()[seen], np.tile(np.eye(2), (len(values), 1))[seen]
    inverse = np.linalg.inv(v)
    inner = x.T @ inverse @ x
    means = np.linalg.solve(inner, x.T @ inverse @ y)
    residual = y - x @ means
    expected = np.linalg.slogdet(v)[1] + np.linalg.slogdet(inner)[1] + residual @ inverse @ residual
    found = made.evaluate(given)
    assert found.value == pytest.approx(expected + (len(y) - 2) * np.log(2 * np.pi), rel=1e-10)
    np.testing.assert_allclose(found.means, means, atol=1e-10)


def test_therapists_alike_in_numbers_are_replaced_by_few_rows_and_others_kept() -> None:
    rows = two_raters(PARTS[3], therapists=60, most=(2, 2), missing=0.0)[0].rows
    first = rows.members > 0
    members, in_class = rows.members[first], np.cumsum(first) - 1
    many = members > two_rater_sums.MANY * (4 * (np.asarray(rows.units)[first] > 0).sum(axis=1) + 1)
    assert many.any() and not many.all() and members.sum() == 60
    kept = np.bincount(in_class)
    assert (kept[many] < members[many]).all()
    np.testing.assert_array_equal(kept[~many], members[~many])
    np.testing.assert_allclose(np.bincount(in_class, weights=rows.weight**2), members)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("size", SIZES)
def test_expected_second_derivatives_are_those_of_textbook_matrices(parts: tuple[str, ...], size: dict) -> None:
    made, values, observed, of_dyad, of_therapist = two_raters(parts, **size)
    given = covariances(np.random.default_rng(3).uniform(0.3, 0.9, (2, 3 * len(parts))), parts)
    codes = {"therapist": of_therapist, "dyad": of_dyad, "error": np.arange(len(values))}
    seen = np.ix_(observed.ravel(), observed.ravel())
    together = [np.equal.outer(codes[part], codes[part]) for part in parts]
    inverse = np.linalg.inv(sum(np.kron(t, given[p][1]) for t, p in zip(together, parts, strict=True))[seen])
    by = [np.array(of) for of in ([[1, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 1]])]
    moved = [inverse @ np.kron(t, each)[seen] for t in together for each in by]
    expected = [[np.sum(a * b.T) for b in moved] for a in moved]
    np.testing.assert_allclose(made.information(made.evaluate(given), 1), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dense", [1, 10**9])
def test_matrices_kept_whole_or_sparse_give_one_likelihood(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = np.random.default_rng(7).uniform(0.3, 0.9, (3, 9))
    usual = two_raters(PARTS[3])[0].evaluate(covariances(parameters, PARTS[3]))
    monkeypatch.setattr(two_rater_sums, "DENSE", dense)
    other = two_raters(PARTS[3])[0]
    assert isinstance(other.rows.units, np.ndarray) is (dense > 1)
    found = other.evaluate(covariances(parameters, PARTS[3]))
    np.testing.assert_allclose(found.value, usual.value, rtol=1e-12)
    for part, slopes in usual.slopes.items():
        np.testing.assert_allclose(found.slopes[part], slopes, atol=1e-9)
    np.testing.assert_allclose(other.information(found, 2), two_raters(PARTS[3])[0].information(usual, 2), rtol=1e-9)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("size", SIZES)
def test_slopes_of_two_raters_are_those_of_differences(parts: tuple[str, ...], size: dict) -> None:
    made = two_raters(parts, **size)[0]
    parameters = np.random.default_rng(4).uniform(0.3, 0.9, 3 * len(parts))

    def value(moved: np.ndarray) -> float:
        return float(made.evaluate(covariances(moved, parts)).value)

    steps = 1e-6 * np.eye(len(parameters))
    expected = [(value(parameters + step) - value(parameters - step)) / 2e-6 for step in steps]
    slopes = made.evaluate(covariances(parameters, parts)).slopes
    np.testing.assert_allclose(by_cholesky(parameters, parts, slopes), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("parts", PARTS)
def test_points_are_evaluated_at_once_as_they_are_alone(
    parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = two_raters(parts)[0]
    parameters = np.random.default_rng(5).uniform(0.3, 0.9, (5, 3 * len(parts)))
    alone = [made.evaluate(covariances(point, parts)) for point in parameters]
    for at_once in (two_rater_likelihood.AT_ONCE, 2 * made.n_matrices):
        monkeypatch.setattr(two_rater_likelihood, "AT_ONCE", at_once)
        together = made.evaluate(covariances(parameters, parts))
        np.testing.assert_allclose(together.value, [found.value for found in alone], rtol=1e-12)
        np.testing.assert_allclose(together.means, [found.means for found in alone], atol=1e-12)
        for part in parts:
            np.testing.assert_allclose(together.slopes[part], [found.slopes[part] for found in alone], atol=1e-9)


@pytest.mark.parametrize("parts", PARTS)
def test_moments_are_the_covariances_the_ratings_were_made_with(parts: tuple[str, ...]) -> None:
    rng = np.random.default_rng(6)
    of_therapist = np.repeat(np.arange(3000), rng.integers(1, 6, 3000))
    of_dyad = np.repeat(np.arange(len(of_therapist)), rng.integers(1, 4, len(of_therapist)) if "error" in parts else 1)
    codes = {"therapist": of_therapist[of_dyad], "dyad": of_dyad, "error": np.arange(len(of_dyad))}
    truth = {
        "therapist": [[0.3, 0.1], [0.1, 0.5]],
        "dyad": [[1.0, -0.4], [-0.4, 0.6]],
        "error": [[0.4, 0.1], [0.1, 0.2]],
    }
    ratings = np.zeros((len(of_dyad), 2))
    for part in parts:
        effects = rng.normal(size=(codes[part].max() + 1, 2)) @ np.linalg.cholesky(truth[part]).T
        ratings += effects[codes[part]]
    observed = rng.random(ratings.shape) > 0.1
    values = np.where(observed, ratings, 0.0)
    made = TwoRaterLikelihood(values, observed, of_dyad, of_therapist, 3000, parts)
    for part, found in zip(parts, made.moments(), strict=True):
        np.testing.assert_allclose(found, truth[part], atol=0.06)


@pytest.mark.parametrize("parts", PARTS)
def test_second_derivatives_kept_or_found_anew_lead_to_one_maximum(
    parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = two_raters(parts, therapists=60, most=(5, 3))[0]
    ends = []
    for cheap in (0, 10**9):
        monkeypatch.setattr(two_rater_search, "CHEAP", cheap)
        largest = two_rater_search.maximise(made)
        ends.append([largest, *two_rater_search.holding(made, [(part, 0.0) for part in parts], largest)])
    for end, other in zip(*ends, strict=True):
        assert end.converged and other.converged
        assert end.deviance == pytest.approx(other.deviance, abs=1e-8)
    assert all(end.parameters[3 * at + 1] == 0 for at, end in enumerate(ends[0][1:]))
    gains = [end.deviance - ends[0][0].deviance for end in ends[0][1:]]
    assert min(gains) > -1e-8 and max(gains) > 1e-5


@pytest.mark.parametrize("correlation", [-1.0, -0.8, -0.2, 0.3, 0.95, 1.0])
@pytest.mark.parametrize("parts", PARTS)
def test_no_other_search_finds_a_larger_likelihood_with_a_correlation_held(
    parts: tuple[str, ...], correlation: float
) -> None:
    made = two_raters(parts, therapists=25, most=(4, 2))[0]
    largest = two_rater_search.maximise(made)
    # Errors that correlate perfectly have no likelihood.
    held = parts if abs(correlation) < 1 else parts[:-1]
    ends = two_rater_search.holding(made, [(part, correlation) for part in held], largest)
    for part, end in zip(held, ends, strict=True):

        def of_deviations(x: np.ndarray, held: str = part) -> float:
            given = {}
            for one, (a, b, free) in zip(parts, x.reshape(-1, 3), strict=True):
                r = correlation if one == held else np.tanh(free)
                given[one] = np.array([[a * a, r * a * b], [r * a * b, b * b]])
            given[parts[-1]] = given[parts[-1]] + two_rater_search.JITTER * np.eye(2)
            return float(made.evaluate(given).value)

        bounds = [(0.0, 3.0), (0.0, 3.0), (-4.0, 4.0)] * len(parts)
        starts = (np.tile([a, 0.7 - a, 0.2], len(parts)) for a in (0.1, 0.6))
        other = min(minimize(of_deviations, start, method="L-BFGS-B", bounds=bounds).fun for start in starts)
        assert end.deviance <= other + 2e-3
        covariance = two_rater_search.covariances(end.parameters, parts)[part]
        product = np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert covariance[0, 1] == pytest.approx(correlation * product, abs=1e-6)


@pytest.mark.parametrize("noise", [1.0, 1e-3, 1e-6, 0.0])
def test_tall_designs_have_the_fit_of_short_ones_near_collinearity_too(noise: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(TALL, 3))
    x[:, 2] = x[:, 0] - x[:, 1] + noise * x[:, 2]
    design = np.column_stack([np.ones(TALL), 1e4 + 1e3 * x])
    y = x[:, 0] + rng.normal(size=TALL)
    fit = least_squares(design, y)
    assert fit.rank == (3 if noise == 0 else 4)
    np.testing.assert_allclose(fit.basis.T @ fit.basis, np.eye(fit.rank), atol=1e-13)
    q = np.linalg.qr(design - np.r_[0, design[:, 1:].mean(axis=0)])[0][:, : fit.rank]
    np.testing.assert_allclose(fit.residuals, y - q @ (q.T @ y), atol=1e-9)
    assert fit.estimable[1:].all() == (noise > 0)
