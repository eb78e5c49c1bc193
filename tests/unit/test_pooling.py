"""Pooling over sites: a known truth, invariants, awkward sets of sites, and bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.pooling import leave_one_out, pool, pool_correlations
from analysis.common.status import AnalysisError, Status


@given(st.integers(0, 10_000), st.integers(2, 12), st.sampled_from(["REML", "DL", "FE"]))
@settings(max_examples=40, deadline=None)
def test_order_sign_and_unit_of_effects_do_not_matter(seed: int, k: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    y, v = rng.normal(size=k), rng.uniform(0.05, 1, k)
    one, two = pool(y, v, method=method), pool(-10 * y[::-1], 100 * v[::-1], method=method)
    assert one.estimate == pytest.approx(-two.estimate / 10, abs=1e-9)
    assert one.tau2 == pytest.approx(two.tau2 / 100, abs=1e-7)
    assert one.p == pytest.approx(two.p, abs=1e-6)
    assert y.min() <= one.estimate <= y.max() and one.i2 >= 0


def test_known_heterogeneity_is_found_and_covered() -> None:
    rng = np.random.default_rng(3)
    trials, hits, predicted, tau2, tau_hits = 800, 0, 0, [], 0
    for _ in range(trials):
        v = rng.uniform(0.01, 0.06, 10)
        found = pool(0.3 + 0.2 * rng.normal(size=10) + np.sqrt(v) * rng.normal(size=10), v)
        hits += found.ci_lower <= 0.3 <= found.ci_upper
        predicted += found.prediction_lower <= 0.3 + 0.2 * rng.normal() <= found.prediction_upper
        tau2.append(found.tau2)
        tau_hits += found.tau2_ci_lower <= 0.04 <= found.tau2_ci_upper
    assert np.mean(tau2) == pytest.approx(0.04, abs=0.006)
    assert 0.925 < hits / trials < 0.975 and 0.925 < tau_hits / trials < 0.975
    # Too narrow for few sites, as the docstring of pool says.
    assert 0.84 < predicted / trials < 0.91


def test_one_site_gives_its_own_effect_and_nobody_gives_none() -> None:
    one = pool([0.4], [0.04])
    assert (one.status, one.estimate, one.se) == (Status.TOO_FEW_CLUSTERS, 0.4, pytest.approx(0.2))
    assert np.isnan(one.prediction_lower) and one.warnings
    none = pool([np.nan], [0.1])
    assert (none.status, none.n_dropped) == (Status.NO_DATA, 1)


def test_two_sites_that_agree_exactly_have_no_test_but_an_estimate() -> None:
    found = pool([0.3, 0.3], [0.1, 0.2])
    assert found.estimate == pytest.approx(0.3) and found.tau2 == 0 and np.isnan(found.p)


def test_leaving_out_goes_over_the_sites_that_have_an_effect() -> None:
    found = leave_one_out([0.1, np.nan, 0.3, 0.8], [0.1, 0.1, 0.1, 0.1], sites=["a", "b", "c", "d"])
    assert found.sites == ("a", "c", "d")
    assert found.pooled[2].estimate == pytest.approx(0.2)
    assert found.to_frame()["left_out"].tolist() == ["a", "c", "d"]
    assert leave_one_out([0.1], [0.1]).to_frame().empty


def test_small_sites_are_left_out_of_pooled_correlations() -> None:
    found = pool_correlations([0.2, 0.4, 0.9, 1.0], [40, 60, 3, 50])
    assert (found.k, found.n_dropped) == (2, 2)
    assert 0.2 < found.estimate < 0.4


@pytest.mark.parametrize(
    "call",
    [
        lambda: pool([1, 2], [0.1, 0.0]),
        lambda: pool([1, 2], [0.1]),
        lambda: pool([1, np.inf], [0.1, 0.1]),
        lambda: pool([1, 2], [0.1, 0.1], method="PM"),
        lambda: pool_correlations([1.2, 0.1], [10, 10]),
        lambda: pool_correlations([0.2, 0.1], [10]),
        lambda: leave_one_out([1, 2], [0.1, 0.1], sites=["a"]),
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()
