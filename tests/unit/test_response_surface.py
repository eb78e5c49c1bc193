"""Response surfaces: a known truth, clusters, invariants, and bad input."""

import numpy as np
import pytest

from analysis.common.status import AnalysisError, Status
from analysis.outcome.regression import regress
from analysis.two_views.response_surface import response_surface


def dyads(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    therapist = rng.integers(0, 40, n)
    x, y = 4 + rng.normal(size=(2, n))
    z = 0.4 * (x - 4) + 0.2 * (y - 4) - 0.3 * (x - y) ** 2 + 0.5 * rng.normal(size=40)[therapist] + rng.normal(size=n)
    return z, x, y, therapist


def test_the_known_surface_is_found_and_covered() -> None:
    truth = {
        "b1": 0.4,
        "b2": 0.2,
        "b3": -0.3,
        "b4": 0.6,
        "b5": -0.3,
        "a1": 0.6,
        "a2": 0.0,
        "a3": 0.2,
        "a4": -1.2,
        "a5": 0,
    }
    hits, trials = dict.fromkeys(truth, 0), 300
    for seed in range(trials):
        z, x, y, therapist = dyads(seed)
        found = response_surface(z, x, y, centre=4, cluster=therapist)
        for name, value in truth.items():
            hits[name] += found[name].ci_lower <= value <= found[name].ci_upper
    for name, count in hits.items():
        assert 0.905 < count / trials < 0.99, name


def test_coefficients_are_those_of_the_regression_with_its_clusters() -> None:
    z, x, y, therapist = dyads(1)
    found = response_surface(z, x, y, centre=4, cluster=therapist)
    x, y = x - 4, y - 4
    terms = {"b1": x, "b2": y, "b3": x**2, "b4": x * y, "b5": y**2}
    fit = regress(z, terms, cluster=therapist)
    for name in terms:
        ours = [found[name].estimate, found[name].se, found[name].df, found[name].p]
        assert ours == pytest.approx([fit[name].estimate, fit[name].se, fit[name].df, fit[name].p], rel=1e-7)
    # a2 is the coefficient of x^2 when the surface is written in x and y - x.
    turned = regress(z, {"b1": x, "b2": y, "a2": x**2, "c": x * (y - x), "d": (y - x) ** 2}, cluster=therapist)
    assert found["a2"].df == pytest.approx(turned["a2"].df, rel=1e-6)
    assert found["a2"].p == pytest.approx(turned["a2"].p, rel=1e-6)


def test_exchanging_the_raters_turns_the_line_of_disagreement() -> None:
    z, x, y, therapist = dyads(2)
    one, two = response_surface(z, x, y, cluster=therapist), response_surface(z, y, x, cluster=therapist)
    assert one["a1"].estimate == pytest.approx(two["a1"].estimate)
    assert one["a3"].estimate == pytest.approx(-two["a3"].estimate)
    assert one.share_client_higher == two.share_therapist_higher
    assert one.centre == pytest.approx((x.mean() + y.mean()) / 2)


def test_one_therapist_and_one_sided_ratings_are_named() -> None:
    z, x, _, _ = dyads(3)
    rng = np.random.default_rng(1)
    found = response_surface(z, x, x - 1 - rng.uniform(size=len(x)), cluster=["only"] * len(x))
    assert found.status is Status.TOO_FEW_CLUSTERS and len(found.warnings) == 2
    assert np.isfinite(found["a4"].se)


@pytest.mark.parametrize(
    ("x", "y", "status"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8], Status.COLLINEAR),
        ([1, 1, 1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8], Status.CONSTANT),
        ([1, 2, 3, 4, 5, 6, np.nan, np.nan], [1, 5, 2, 4, 3, 6, 7, 8], Status.TOO_FEW_ROWS),
        ([np.nan] * 8, [1, 2, 3, 4, 5, 6, 7, 8], Status.NO_DATA),
    ],
)
def test_ratings_without_a_surface_have_a_status_and_a_sentence(x: list, y: list, status: Status) -> None:
    found = response_surface([3, 1, 4, 1, 5, 9, 2, 6], x, y)
    assert found.status is status and found.warnings
    assert np.isnan(found["a1"].estimate) and set(found.to_frame()["status"]) == {status.value}
    assert found.models_to_frame().empty


@pytest.mark.parametrize(
    "call",
    [
        lambda: response_surface([1, 2, np.inf], [1, 2, 3], [1, 2, 3]),
        lambda: response_surface([1, 2, 3], [1, 2, 3], [1, 2, 3], covariance="robust"),
        lambda: response_surface([1, 2, 3], [1, 2, 3], [1, 2])["a1"],
        lambda: response_surface([1, 2, 3], [1, 2, 3], [1, 2, 3])["a9"],
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()
