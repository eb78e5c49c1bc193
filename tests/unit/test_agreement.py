"""Agreement of two raters: invariants, coverage of a known truth, and bad input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.resampling import replicate_blocks
from analysis.common.status import AnalysisError, Status
from analysis.two_views.agreement import (
    STATISTICS,
    agree,
    concordance,
    intraclass,
    kappa,
    limits_of_agreement,
    paired_difference,
)


def ratings(seed: int, n: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    a, b = shared + rng.normal(size=n), shared - 0.5 + rng.normal(size=n)
    return pd.DataFrame({"a": a, "b": b, "therapist": rng.integers(0, 15, n)})


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_exchanging_the_raters_turns_only_signs(seed: int) -> None:
    data = ratings(seed)
    there = agree(data.a, data.b, cluster=data.therapist, n_bootstrap=50, seed=1)
    back = agree(data.b, data.a, cluster=data.therapist, n_bootstrap=50, seed=1)
    for name in ("pearson", "icc_a_1", "icc_c_1", "concordance"):
        ours, theirs = (list(vars(found[name]).values())[1:] for found in (there, back))
        assert ours == pytest.approx(theirs, rel=1e-7, nan_ok=True)
    for name in ("mean_difference", "d_pooled", "d_difference"):
        assert there[name].ci_lower == pytest.approx(-back[name].ci_upper, rel=1e-6, abs=1e-9)
    assert there["limit_upper"].estimate == pytest.approx(-back["limit_lower"].estimate)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_concordance_lies_between_zero_and_r_and_absolute_agreement_below_consistency(seed: int) -> None:
    data = ratings(seed)
    found = agree(data.a, data.b)
    r, c = found["pearson"].estimate, found["concordance"].estimate
    assert abs(c) <= abs(r) + 1e-12 and np.sign(c) == np.sign(r)
    # The mean difference is larger than chance here, so absolute agreement suffers from it.
    if found["mean_difference"].p < 0.05:
        assert found["icc_a_1"].estimate < found["icc_c_1"].estimate


def test_bootstrap_equals_resampling_dyads_by_hand() -> None:
    data = ratings(4)
    found = agree(data.a, data.b, cluster=data.therapist, n_bootstrap=60, seed=3)
    codes = pd.factorize(data.therapist, sort=True)[0]
    draws = []
    for block in replicate_blocks(60, 3):
        for counts in block.weights(codes.max() + 1):
            rows = data.iloc[np.repeat(np.arange(len(data)), counts[codes].astype(int))]
            draws.append([agree(rows.a, rows.b)[name].estimate for name in STATISTICS])
    np.testing.assert_allclose([found[name].boot_se for name in STATISTICS], np.std(draws, axis=0, ddof=1), rtol=1e-8)


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth = {"mean_difference": 0.5, "d_pooled": 0.5 / np.sqrt(2), "d_difference": 0.5 / np.sqrt(2), "icc_c_1": 0.5}
    truth |= {"pearson": 0.5, "concordance": 2 / (4 + 0.25), "limit_upper": 0.5 + 1.96 * np.sqrt(2)}
    trials, hits = 400, dict.fromkeys(truth, 0)
    for _ in range(trials):
        shared = rng.normal(size=60)
        found = agree(shared + 0.5 + rng.normal(size=60), shared + rng.normal(size=60))
        for name, value in truth.items():
            hits[name] += found[name].ci_lower <= value <= found[name].ci_upper
    for name, count in hits.items():
        assert 0.915 < count / trials < 0.985, name


def test_clustered_mean_difference_has_a_wider_honest_interval() -> None:
    rng = np.random.default_rng(5)
    therapist = np.repeat(np.arange(15), 6)
    trials, naive, robust = 300, 0, 0
    for _ in range(trials):
        a = rng.normal(size=15)[therapist] + rng.normal(size=90)
        b = rng.normal(size=90)
        naive += paired_difference(a, b).p < 0.05
        robust += paired_difference(a, b, cluster=therapist).p < 0.05
    assert naive / trials > 0.15
    assert 0.02 < robust / trials < 0.09


@pytest.mark.parametrize(
    ("a", "b", "status"),
    [
        ([], [], Status.NO_DATA),
        ([np.nan, 1], [1, np.nan], Status.NO_DATA),
        ([1.0], [2.0], Status.TOO_FEW_ROWS),
        ([1, 2], [2, 1], Status.TOO_FEW_ROWS),
        ([1, 1, 1], [2, 2, 2], Status.CONSTANT),
        ([1, 1, 1, 1], [1, 2, 3, 4], Status.CONSTANT),
        ([1, 2, 3, 4], [2, 3, 4, 5], Status.CONSTANT),
    ],
)
def test_difficult_ratings_have_a_status_and_a_sentence(a: list, b: list, status: Status) -> None:
    found = agree(a, b, n_bootstrap=20)
    assert found.status is status
    assert found.warnings
    assert len(found.to_frame()) == len(STATISTICS)


def test_one_therapist_keeps_the_estimates_and_says_what_they_do_not_tell() -> None:
    data = ratings(6)
    found = agree(data.a, data.b, cluster=["only"] * 50, n_bootstrap=20)
    assert found.status is Status.TOO_FEW_CLUSTERS and found.n_bootstrap == 0
    assert np.isfinite(found["pearson"].ci_lower) and "one cluster" in found.warnings[0]


def test_perfect_agreement() -> None:
    assert concordance([1, 2, 3, 4], [1, 2, 3, 4]).concordance == pytest.approx(1)
    assert intraclass([[1, 1], [2, 2], [3, 3]])["ICC(A,1)"].icc == pytest.approx(1)
    assert kappa(["x", "y", "z"], ["x", "y", "z"], weights="quadratic").kappa == pytest.approx(1)
    assert limits_of_agreement([1, 2, 3], [1, 2, 3]).upper == 0


def test_kappa_of_one_category_or_of_nobody_is_not_a_number() -> None:
    assert kappa([1, 1], [1, 1]).status is Status.CONSTANT
    assert kappa([None], [1]).status is Status.NO_DATA
    assert kappa([1, 1, 1], [2, 2, 2]).kappa == pytest.approx(0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: agree([1, np.inf, 3], [1, 2, 3]),
        lambda: agree([1, 2, 3], [1, 2]),
        lambda: intraclass([[1], [2]]),
        lambda: intraclass([[1, 2], [2, 3], [4, 6]])["ICC(B,2)"],
        lambda: concordance([1, 2, 3], [1, 2, 3], interval="exact"),
        lambda: kappa([1, 2], [1, 2, 3]),
        lambda: kappa([1, 2], [1, 3], categories=[1, 2]),
        lambda: kappa([1, 2], [1, 2], weights="cubic"),
        lambda: agree([1, 2, 3], [1, 2, 4])["gamma"],
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()
