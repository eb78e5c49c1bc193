"""Random intercepts: a known truth, invariants, awkward designs, and bad input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError, Status
from analysis.outcome.mixed_models import random_intercept, within_between


def study(
    seed: int, therapists: int = 30, within: float = 0.5, between: float = 0.5, site_sd: float = 0.0
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(therapists), rng.integers(1, 10, therapists))
    site = therapist % 6
    level = rng.normal(size=therapists)[therapist]
    deviation = rng.normal(size=len(therapist))
    post = within * deviation + between * level + 0.6 * rng.normal(size=therapists)[therapist]
    post = post + site_sd * rng.normal(size=6)[site] + rng.normal(size=len(therapist))
    return pd.DataFrame({"therapist": therapist, "site": site, "x": level + deviation, "post": post})


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_order_units_and_labels_do_not_matter(seed: int) -> None:
    data = study(seed)
    moved = data.sample(frac=1, random_state=seed)
    one = random_intercept(data.post, data[["x"]], cluster=data.therapist)
    two = random_intercept(
        50 - 10 * moved.post, {"x": moved.x * 4 + 9}, cluster=moved.therapist.map("therapist {}".format)
    )
    assert one.icc == pytest.approx(two.icc, abs=1e-7)
    assert one["x"].p == pytest.approx(two["x"].p, rel=1e-4)
    assert one["x"].estimate == pytest.approx(two["x"].estimate / -10 * 4, rel=1e-6)


def test_the_known_truth_is_found_and_covered() -> None:
    trials, estimates, hits, shares, icc_hits = 200, [], 0, [], 0
    for seed in range(trials):
        data = study(seed, therapists=40)
        fit = random_intercept(data.post, data[["x"]], cluster=data.therapist)
        estimates.append(fit["x"].estimate)
        hits += fit["x"].ci_lower <= 0.5 <= fit["x"].ci_upper
        shares.append(fit.icc)
        icc_hits += fit.icc_ci_lower <= 0.36 / 1.36 <= fit.icc_ci_upper
    assert np.mean(estimates) == pytest.approx(0.5, abs=0.02)
    assert np.mean(shares) == pytest.approx(0.36 / 1.36, abs=0.03)
    assert 0.91 < hits / trials < 0.99 and 0.91 < icc_hits / trials < 0.99


def test_levels_are_told_apart() -> None:
    found = [within_between(d.post, d[["x"]], cluster=d.therapist) for d in (study(s, 60, 0.2, 0.9) for s in range(60))]
    within, between = ([getattr(f.effects[0], part).estimate for f in found] for part in ("within", "between"))
    assert np.mean(within) == pytest.approx(0.2, abs=0.03)
    # The cluster mean of x holds chance deviations, whose effect is the within one: between is drawn towards it.
    assert 0.6 < np.mean(between) < 0.9
    assert np.mean([f.effects[0].contextual.p < 0.05 for f in found]) > 0.5


def test_the_null_of_no_therapist_variance_is_rejected_in_at_most_five_percent() -> None:
    rng = np.random.default_rng(1)
    therapist = np.repeat(np.arange(30), 5)
    rejected = [random_intercept(rng.normal(size=150), cluster=therapist).cluster_p < 0.05 for _ in range(300)]
    assert 0.01 < np.mean(rejected) < 0.085


def test_site_variance_is_found_beside_that_of_therapists() -> None:
    fits = [
        random_intercept(d.post, d[["x"]], cluster=d.therapist, outer=d.site)
        for d in (study(seed, therapists=60, site_sd=0.8) for seed in range(60))
    ]
    assert np.mean([fit.variance_outer for fit in fits]) == pytest.approx(0.64, abs=0.15)
    assert np.mean([fit.variance_cluster for fit in fits]) == pytest.approx(0.36, abs=0.08)


def test_one_client_per_therapist_gives_least_squares_and_still_the_sites() -> None:
    data = study(3, therapists=60, site_sd=1.0).drop_duplicates("therapist")
    alone = random_intercept(data.post, data[["x"]], cluster=data.therapist)
    assert alone.status is Status.UNDERIDENTIFIED and np.isnan(alone.icc)
    assert alone["x"].estimate == pytest.approx(np.polyfit(data.x, data.post, 1)[0])
    sites = random_intercept(data.post, data[["x"]], cluster=data.therapist, outer=data.site)
    assert sites.status is Status.UNDERIDENTIFIED
    assert sites.variance_outer == pytest.approx(
        random_intercept(data.post, data[["x"]], cluster=data.site).variance_cluster, rel=1e-6
    )


def test_one_site_is_the_model_without_sites() -> None:
    data = study(4)
    one = random_intercept(data.post, data[["x"]], cluster=data.therapist, outer=["here"] * len(data))
    assert (one.n_outer, one.icc) == (0, random_intercept(data.post, data[["x"]], cluster=data.therapist).icc)


def test_collinear_and_constant_predictors_leave_the_others() -> None:
    data = study(5)
    fit = random_intercept(
        data.post, {"x": data.x, "b": data.site, "again": -data.site, "flat": data.x * 0}, cluster=data.therapist
    )
    whole = random_intercept(data.post, {"x": data.x, "b": data.site}, cluster=data.therapist)
    assert fit["x"].estimate == pytest.approx(whole["x"].estimate)
    assert (fit["b"].status, fit["flat"].status) == (Status.COLLINEAR, Status.CONSTANT)
    assert np.isnan(fit["again"].estimate) and len(fit.warnings) == 2


@pytest.mark.parametrize(
    ("post", "cluster", "status"),
    [
        ([1, 1, 1, 1], [1, 1, 2, 2], Status.CONSTANT),
        ([1, 2], [1, 2], Status.TOO_FEW_ROWS),
        ([np.nan, np.nan], [1, 2], Status.NO_DATA),
        ([1, 2, 4, 3], [1, 1, 1, 1], Status.TOO_FEW_CLUSTERS),
        ([1, 2, 4, 3], [1, 2, 3, 4], Status.UNDERIDENTIFIED),
        ([1, 1, 2, 2, 4, 4], [1, 1, 2, 2, 3, 3], Status.SINGULAR),
    ],
)
def test_awkward_designs_have_a_status_and_a_sentence(post: list, cluster: list, status: Status) -> None:
    fit = random_intercept(post, cluster=cluster)
    assert fit.status is status and fit.warnings
    assert fit.to_frame()["status"].tolist() == [status.value]
    assert np.isnan(fit.icc)


@pytest.mark.parametrize(
    "call",
    [
        lambda: random_intercept([1, 2, np.inf], cluster=[1, 1, 2]),
        lambda: random_intercept([1, 2, 3], cluster=[1, 1]),
        lambda: random_intercept([1, 2, 3], cluster=[1, 1, 2], method="bayes"),
        lambda: random_intercept([1, 2, 3, 5], cluster=[1, 1, 2, 2], outer=["a", "b", "a", "a"]),
        lambda: random_intercept([1, 2, 3, 5], cluster=[1, 1, 2, 2], outer=["a", "a", None, "b"]),
        lambda: random_intercept([1, 2, 3, 5], cluster=[1, 1, 2, 2])["x"],
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()


@pytest.mark.parametrize("seed", range(12))
def test_two_levels_without_any_variance_converge_at_their_bound(seed: int) -> None:
    """Six sites, some thirty therapists, no effect of either: the search must end at zero, not stop near it."""
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(30), rng.integers(1, 6, 30))
    y = rng.standard_normal(len(therapist))
    found = random_intercept(y, {"x": rng.standard_normal(len(y))}, cluster=therapist, outer=therapist % 6)
    assert found.status in (Status.OK, Status.BOUNDARY)
