"""Correlation, bootstrap by cluster and adjusted p values: invariants, a known truth, and bad input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from analysis.common.multiplicity import adjust, adjust_families
from analysis.common.resampling import replicate_blocks
from analysis.common.status import AnalysisError, Status
from analysis.outcome.association import correlate, correlate_all

SAMPLES = st.integers(0, 10_000)


def sample(seed: int, n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {"x": x, "y": 0.5 * x + rng.normal(size=n), "z": rng.normal(size=n), "c": rng.integers(0, 12, n)}
    )


@given(SAMPLES, st.sampled_from(["pearson", "spearman"]))
@settings(max_examples=20, deadline=None)
def test_order_of_rows_and_of_variables_and_units_do_not_matter(seed: int, method: str) -> None:
    data = sample(seed)
    shuffled = data.sample(frac=1, random_state=seed)
    options = {"method": method, "n_bootstrap": 60, "seed": seed}
    first = correlate(data.x, data.y, cluster=data.c, **options)
    again = correlate(3 - 2 * shuffled.y, 100 * shuffled.x, cluster=[f"t{label:02}" for label in shuffled.c], **options)
    assert first.r == pytest.approx(-again.r, abs=1e-12)
    for kind in ("ci", "cluster_ci", "boot_ci"):
        low, high = getattr(again, f"{kind}_lower"), getattr(again, f"{kind}_upper")
        assert [getattr(first, f"{kind}_lower"), getattr(first, f"{kind}_upper")] == pytest.approx(
            [-high, -low], abs=1e-9
        )
    assert first.p == pytest.approx(again.p, rel=1e-6)


def test_same_seed_same_numbers_other_seed_other_numbers() -> None:
    data = sample(1)
    one, two, three = (correlate(data.x, data.y, cluster=data.c, n_bootstrap=120, seed=s) for s in (5, 5, 6))
    assert one == two
    assert one.boot_se != three.boot_se


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_bootstrap_equals_resampling_rows_by_hand(method: str) -> None:
    data = sample(3)
    found = correlate(data.x, data.y, method=method, cluster=data.c, n_bootstrap=80, seed=9)
    codes = pd.factorize(data.c, sort=True)[0]
    replicates = []
    for block in replicate_blocks(80, 9):
        for counts in block.weights(codes.max() + 1):
            rows = np.repeat(np.arange(len(data)), counts[codes].astype(int))
            replicates.append(data.iloc[rows][["x", "y"]].corr(method=method).iloc[0, 1])
    assert found.boot_se == pytest.approx(np.std(replicates, ddof=1), rel=1e-9)
    assert found.boot_ci_lower == pytest.approx(np.quantile(replicates, 0.025), rel=1e-9)


def test_partial_correlation_bootstrap_equals_resampling_rows_by_hand() -> None:
    data = sample(4)
    found = correlate(data.x, data.y, covariates=data[["z"]], cluster=data.c, n_bootstrap=60, seed=2)
    codes = pd.factorize(data.c, sort=True)[0]
    replicates = []
    for block in replicate_blocks(60, 2):
        for counts in block.weights(codes.max() + 1):
            rows = data.iloc[np.repeat(np.arange(len(data)), counts[codes].astype(int))]
            inverse = np.linalg.inv(rows[["x", "y", "z"]].corr())
            replicates.append(-inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1]))
    assert found.boot_se == pytest.approx(np.std(replicates, ddof=1), rel=1e-9)


def test_clusters_widen_the_interval_to_its_nominal_coverage() -> None:
    rng = np.random.default_rng(11)
    therapist = np.repeat(np.arange(40), 4)
    naive, robust = 0, 0
    trials = 400
    for _ in range(trials):
        shared = rng.normal(size=(40, 2))[therapist]
        x, y = (0.7 * shared + rng.normal(size=(160, 2))).T
        found = correlate(x, y, cluster=therapist)
        naive += found.p < 0.05
        robust += found.cluster_p < 0.05
    assert naive / trials > 0.07
    assert 0.025 < robust / trials < 0.08


def test_a_missing_value_is_left_out_and_counted() -> None:
    data = sample(2)
    holed = data.x.mask(data.index < 5)
    found = correlate(holed, data.y)
    assert (found.n, found.n_dropped) == (35, 5)
    assert found.r == pytest.approx(data.iloc[5:][["x", "y"]].corr().iloc[0, 1])


@pytest.mark.parametrize(
    ("x", "y", "status"),
    [
        ([1, 1, 1, 1], [1, 2, 3, 4], Status.CONSTANT),
        ([1, 2], [2, 1], Status.TOO_FEW_ROWS),
        ([np.nan] * 4, [1, 2, 3, 4], Status.NO_DATA),
        ([], [], Status.NO_DATA),
    ],
)
def test_data_without_a_correlation_have_a_status_and_a_sentence(x: list, y: list, status: Status) -> None:
    found = correlate(x, y, n_bootstrap=10)
    assert found.status is status
    assert found.warnings and np.isnan(found.r)
    assert found.to_frame()["status"].tolist() == [status.value]


def test_one_therapist_gives_r_without_a_clustered_interval() -> None:
    found = correlate([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], cluster=["a"] * 5, n_bootstrap=50)
    assert found.status is Status.TOO_FEW_CLUSTERS
    assert found.r == pytest.approx(0.8) and np.isnan(found.cluster_p) and found.n_bootstrap == 0


def test_what_is_held_constant_may_not_reproduce_a_variable() -> None:
    data = sample(5)
    assert correlate(data.x, data.y, covariates={"twice": 2 * data.x}).status is Status.COLLINEAR


@pytest.mark.parametrize(
    "call",
    [
        lambda: correlate([1, 2, np.inf], [1, 2, 3]),
        lambda: correlate([1, 2], [1, 2, 3]),
        lambda: correlate(["a", "b", "c"], [1, 2, 3]),
        lambda: correlate([1, 2, 3], [1, 2, 3], method="kendall"),
        lambda: correlate([1, 2, 3], [1, 2, 3], level=95),
        lambda: correlate([1, 2, 3], [1, 2, 3], cluster=[1, 2]),
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()


def test_all_pairs_keep_going_past_a_constant_column() -> None:
    data = sample(6).assign(flat=1.0)
    found = correlate_all(data[["x", "flat"]], data[["y", "z"]])
    assert found.to_frame()["status"].tolist() == ["ok", "ok", "constant", "constant"]
    assert found.matrix().loc["x", "y"] == pytest.approx(data[["x", "y"]].corr().iloc[0, 1])
    assert found.status is Status.CONSTANT


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=15))
def test_adjusted_p_are_never_below_the_raw_and_keep_missing_ones(p: list[float]) -> None:
    raw = np.array(p, dtype=float)
    holm, bh = adjust(raw), adjust(raw, "benjamini_hochberg")
    assert (np.isnan(holm) == np.isnan(raw)).all()
    made = ~np.isnan(raw)
    assert (holm[made] >= bh[made] - 1e-12).all() and (bh[made] >= raw[made] - 1e-12).all() and (holm[made] <= 1).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_adjusted_p_are_those_of_statsmodels(p: list[float]) -> None:
    """Ours are not its own because it runs Python's garbage collector before every adjustment."""
    for ours, theirs in (("holm", "holm"), ("benjamini_hochberg", "fdr_bh")):
        np.testing.assert_allclose(adjust(p, ours), multipletests(p, method=theirs)[1], rtol=1e-12, atol=1e-300)


def test_families_are_adjusted_apart_and_the_order_of_rows_is_kept() -> None:
    frame = pd.DataFrame(
        {"rater": ["c", "t", "c", "t", "c"], "p": [0.01, 0.04, 0.03, np.nan, 0.5]}, index=list("abcde")
    )
    found = adjust_families(frame, ["rater"])
    assert list(found.index) == list("abcde")
    assert found["p_holm"].tolist() == pytest.approx([0.03, 0.04, 0.06, np.nan, 0.5], nan_ok=True)
    assert found["family_size"].tolist() == [3, 1, 3, 1, 3]


def test_families_need_their_columns_and_p_values_their_range() -> None:
    with pytest.raises(AnalysisError):
        adjust_families(pd.DataFrame({"p": [0.1]}), ["rater"])
    with pytest.raises(AnalysisError):
        adjust([0.5, 1.5])
