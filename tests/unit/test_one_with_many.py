"""The one-with-many design: a known truth, awkward designs, invariants, and bad input."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError, Status
from analysis.outcome.mixed_models import random_intercept
from analysis.two_views import one_with_many as one_with_many_module
from analysis.two_views.one_with_many import one_with_many
from analysis.two_views.two_rater_likelihood import TwoRaterLikelihood
from analysis.two_views.two_rater_search import Maximum, maximise


def pair(rng: np.random.Generator, n: int, sd: tuple[float, float], r: float) -> np.ndarray:
    covariance = np.array([[sd[0] ** 2, r * sd[0] * sd[1]], [r * sd[0] * sd[1], sd[1] ** 2]])
    return rng.normal(size=(n, 2)) @ np.linalg.cholesky(covariance).T


def ratings(seed: int, therapists: int = 50, sessions: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    of_therapist = np.repeat(np.arange(therapists), rng.integers(1, 9, therapists))
    dyad = np.repeat(np.arange(len(of_therapist)), sessions)
    y = pair(rng, therapists, (0.5, 0.8), 0.4)[of_therapist][dyad]
    y = y + pair(rng, len(of_therapist), (1.0, 0.7), 0.3)[dyad]
    if sessions > 1:
        y = y + pair(rng, len(dyad), (0.6, 0.6), 0.2)
    return pd.DataFrame(y + [5, 4.5], columns=["client", "rating"]).assign(therapist=of_therapist[dyad], dyad=dyad)


def fit(data: pd.DataFrame, **options):
    return one_with_many(data.client, data.rating, therapist=data.therapist, **options)


def test_the_known_parts_are_found_and_their_correlations_covered() -> None:
    fits = [fit(ratings(seed)) for seed in range(100, 140)]
    truth = {("client", "therapist"): 0.25, ("therapist", "therapist"): 0.64}
    truth |= {("client", "dyad"): 1.0, ("therapist", "dyad"): 0.49}
    for key, value in truth.items():
        assert np.mean([found.variance(*key).variance for found in fits]) == pytest.approx(value, abs=0.07), key
    dyadic = [found.reciprocity("dyad") for found in fits]
    assert np.mean([item.ci_lower <= 0.3 <= item.ci_upper for item in dyadic]) > 0.87
    assert np.mean([item.correlation for item in dyadic]) == pytest.approx(0.3, abs=0.03)
    regular = [found.reciprocity("therapist").correlation for found in fits if found.status is Status.OK]
    assert len(regular) > 32 and np.mean(regular) == pytest.approx(0.4, abs=0.1)


def test_sessions_tell_the_dyad_from_error() -> None:
    fits = [fit(data, dyad=data.dyad) for data in (ratings(seed, 40, 3) for seed in range(6))]
    for part, expected in {"dyad": (1.0, 0.49, 0.3), "error": (0.36, 0.36, 0.2)}.items():
        means = [np.mean([found.variance(rater, part).variance for found in fits]) for rater in ("client", "therapist")]
        assert means == pytest.approx(expected[:2], abs=0.1)
        assert np.mean([found.reciprocity(part).correlation for found in fits]) == pytest.approx(expected[2], abs=0.09)


def test_intervals_of_variances_hold_the_truth_and_are_above_zero() -> None:
    fits = [fit(ratings(seed, 25)) for seed in range(200, 260)]
    held = []
    for found in fits:
        one = found.variance("client", "therapist")
        if np.isfinite(one.se):
            assert 0 <= one.ci_lower < one.variance < one.ci_upper
            # The upper side is the longer one, as is that of a variance.
            assert one.ci_upper - one.variance > one.variance - one.ci_lower
            held.append(one.ci_lower <= 0.25 <= one.ci_upper)
    assert len(held) > 45 and np.mean(held) > 0.9
    dyad = fits[0].variance("client", "dyad")
    roots = np.cbrt([dyad.ci_lower, dyad.variance, dyad.ci_upper])
    assert roots[1] - roots[0] == pytest.approx(roots[2] - roots[1])
    assert roots[2] - roots[1] == pytest.approx(1.959964 * dyad.se / (3 * roots[1] ** 2), rel=1e-6)


def test_reciprocity_of_two_therapists_has_no_test() -> None:
    data = ratings(8, 2).assign(therapist=np.arange(len(ratings(8, 2))) % 2)
    found = fit(data)
    assert np.isnan(found.reciprocity("therapist").p)
    assert np.isfinite(found.reciprocity("dyad").p)


def test_a_rater_alone_has_the_variances_of_the_random_intercept_when_the_other_is_unrelated() -> None:
    data = ratings(3)
    found = one_with_many(
        data.client, np.where(np.arange(len(data)) < 30, data.rating, np.nan), therapist=data.therapist
    )
    alone = random_intercept(data.client, cluster=data.therapist)
    # Thirty ratings of the other rater add little to what the client's say of their own variance.
    assert found.variance("client", "dyad").variance == pytest.approx(alone.variance_residual, rel=0.05)


def test_order_of_rows_labels_and_units_do_not_matter() -> None:
    data = ratings(4)
    moved = data.sample(frac=1, random_state=1)
    one = fit(data)
    two = one_with_many(10 * moved.client - 3, moved.rating, therapist=moved.therapist.map("therapist {}".format))
    assert two.variance("client", "dyad").variance == pytest.approx(
        100 * one.variance("client", "dyad").variance, rel=1e-4
    )
    for part in ("therapist", "dyad"):
        assert two.reciprocity(part).correlation == pytest.approx(one.reciprocity(part).correlation, abs=1e-4)
    assert two.client_mean == pytest.approx(10 * one.client_mean - 3, rel=1e-5)


def test_a_maximum_that_is_not_the_largest_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ratings(8)
    expected = fit(data)
    found = []

    def at_first_elsewhere(likelihood: TwoRaterLikelihood, start: np.ndarray | None = None) -> Maximum:
        largest = maximise(likelihood, start)
        found.append(largest)
        return largest if len(found) > 1 else replace(largest, deviance=largest.deviance + 1e4)

    monkeypatch.setattr(one_with_many_module, "maximise", at_first_elsewhere)
    assert fit(data).log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-6)
    assert len(found) == 2


def test_an_interval_of_reciprocity_holds_zero_where_the_test_does_not_reject_it() -> None:
    told = [one for seed in range(30) for one in fit(ratings(seed, 12)).reciprocities if np.isfinite(one.p)]
    assert {one.interval for one in told} == {"profile"}
    assert len({one.p < 0.05 for one in told}) == 2
    for one in told:
        assert (one.ci_lower > 0 or one.ci_upper < 0) == (one.p < 0.05), one
        assert -1 <= one.ci_lower <= one.correlation <= one.ci_upper <= 1


def test_few_therapists_alike_in_both_views_have_an_interval_that_says_more_than_nothing() -> None:
    """A correlation of one has no curvature to make an interval of, and one near it an interval from -1 to 1."""
    rng = np.random.default_rng(3)
    therapist = np.repeat(np.arange(15), 8)
    shared = rng.normal(size=15)[therapist]
    found = one_with_many(shared + 0.5 * rng.normal(size=120), shared + 0.5 * rng.normal(size=120), therapist=therapist)
    one = found.reciprocity("therapist")
    assert one.correlation > 0.95 and one.p < 0.001
    assert 0.7 < one.ci_lower < one.correlation and one.ci_upper > 0.98


def test_intervals_of_many_therapists_are_much_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    data = ratings(5, 600)
    by_curvature = fit(data)
    monkeypatch.setattr(one_with_many_module, "FEW_THERAPISTS", 1000)
    by_profile = fit(data)
    for part in ("therapist", "dyad"):
        one, other = by_curvature.reciprocity(part), by_profile.reciprocity(part)
        assert (one.interval, other.interval) == ("fisher_z", "profile")
        assert (other.ci_lower, other.ci_upper) == pytest.approx((one.ci_lower, one.ci_upper), abs=0.02)


def test_dyadic_reciprocity_is_not_claimed_where_there_is_none() -> None:
    rng = np.random.default_rng(7)
    therapist = np.repeat(np.arange(25), 4)
    p = []
    for _ in range(40):
        y = 0.6 * rng.normal(size=(25, 2))[therapist] + rng.normal(size=(100, 2))
        p.append(one_with_many(y[:, 0], y[:, 1], therapist=therapist).reciprocity("dyad").p)
    assert np.mean(np.array(p) < 0.05) < 0.15 and np.mean(p) == pytest.approx(0.5, abs=0.15)


def test_one_client_per_therapist_leaves_the_dyad_and_its_reciprocity() -> None:
    data = ratings(5).drop_duplicates("therapist")
    found = fit(data)
    assert found.status is Status.UNDERIDENTIFIED and "No therapist has two clients" in found.warnings[0]
    assert [item.part for item in found.reciprocities] == ["dyad"]
    assert found.reciprocity("dyad").correlation == pytest.approx(
        data[["client", "rating"]].corr().iloc[0, 1], abs=1e-4
    )
    assert found.variance("client", "dyad").variance == pytest.approx(data.client.var(), rel=1e-4)


def test_all_dyads_of_one_therapist() -> None:
    found = one_with_many([1, 2, 4, 3, 5], [2, 1, 3, 5, 4], therapist=["only"] * 5)
    assert found.status is Status.TOO_FEW_CLUSTERS and np.isfinite(found.reciprocity("dyad").correlation)


def test_no_therapist_variance_is_a_boundary() -> None:
    rng = np.random.default_rng(1)
    therapist = np.repeat(np.arange(20), 5)
    y = rng.normal(size=(100, 2))
    y -= pd.DataFrame(y).groupby(therapist).transform("mean").to_numpy()
    found = one_with_many(y[:, 0], y[:, 1], therapist=therapist)
    assert found.status is Status.BOUNDARY and np.isnan(found.reciprocity("therapist").correlation)
    assert found.variance("client", "therapist").share < 1e-3


@pytest.mark.parametrize(
    ("client", "rating", "status"),
    [
        ([], [], Status.NO_DATA),
        ([1, 2, 3, 4], [np.nan] * 4, Status.NO_DATA),
        ([1, 2, np.nan, np.nan, 3, 4], [np.nan, 2, 3, 4, np.nan, 1], Status.TOO_FEW_ROWS),
        ([3, 3, 3, 3, 3], [1, 2, 3, 4, 5], Status.CONSTANT),
        ([1, 2, 4, 3, 5], [2, 3, 5, 4, 6], Status.SINGULAR),
    ],
)
def test_difficult_ratings_have_a_status_and_a_sentence(client: list, rating: list, status: Status) -> None:
    found = one_with_many(client, rating, therapist=[f"t{i // 2}" for i in range(len(client))])
    assert found.status is status and found.warnings
    assert found.to_frame().empty


@pytest.mark.parametrize(
    "call",
    [
        lambda: one_with_many([1, np.inf], [1, 2], therapist=[1, 1]),
        lambda: one_with_many([1, 2, 3], [1, 2, 3], therapist=[1, 1]),
        lambda: one_with_many([1, 2, 3], [1, 2, 4], therapist=[1, 2, 2], dyad=["a", "a", "b"]),
        lambda: fit(ratings(1)).variance("client", "error"),
        lambda: fit(ratings(1)).reciprocity("error"),
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()


def test_standard_errors_of_many_therapists_come_out_alike_by_one_sided_differences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = ratings(6, 600)
    one_sided = fit(data)
    central = one_with_many_module._hessian
    monkeypatch.setattr(
        one_with_many_module, "_hessian", lambda slopes, at, steps, _: central(slopes, at, steps, False)
    )
    for one, other in zip(one_sided.variances, fit(data).variances, strict=True):
        assert one.se != other.se
        assert one.se == pytest.approx(other.se, rel=1e-5)
