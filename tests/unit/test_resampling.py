"""Weighted moments equal the moments of the rows written out; seeds make blocks independent of workers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis.common.resampling as resampling
from analysis.common.resampling import ClusterSums, cluster_codes, joint_cluster_codes, replicate_blocks
from analysis.common.status import AnalysisError


def _data(seed: int, n: int, p: int, share_missing: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 8, size=(n, p)) + 100.0
    values[rng.random((n, p)) < share_missing] = np.nan
    return values


@given(st.integers(0, 9999), st.sampled_from([0.0, 0.1, 0.4]), st.sampled_from(["pairwise", "complete"]))
@settings(max_examples=40, deadline=None)
def test_moments_equal_those_of_the_rows_written_out(seed: int, share: float, missing: str) -> None:
    data = _data(seed, 60, 4, share)
    codes, n_clusters = cluster_codes(np.random.default_rng(seed).integers(0, 12, 60), 60)
    weights = replicate_blocks(3, seed)[0].weights(n_clusters)
    assert (weights.sum(axis=1) == n_clusters).all()
    try:
        found = ClusterSums(data, codes, n_clusters, missing).moments(weights)
    except AnalysisError:
        assert np.isnan(data).any(axis=1).all()
        return
    for replicate, counts in enumerate(weights):
        rows = pd.DataFrame(np.repeat(data, counts[codes], axis=0))
        rows = rows.dropna() if missing == "complete" else rows.dropna(how="all")
        if len(rows) < 3:
            continue
        assert found.n[replicate] == len(rows)
        np.testing.assert_allclose(found.mean[replicate], rows.mean(), atol=1e-9)
        expected = rows.corr().to_numpy()
        known = np.isfinite(expected) & np.isfinite(found.correlation[replicate])
        np.testing.assert_allclose(found.correlation[replicate][known], expected[known], atol=1e-9)
        np.testing.assert_allclose(found.covariance[replicate][known], rows.cov().to_numpy()[known], atol=1e-8)


def test_one_large_chunk_or_many_small_ones_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _data(5, 200, 5, 0.1)
    codes, n_clusters = cluster_codes(np.arange(200) // 4, 200)
    weights = replicate_blocks(4, 1)[0].weights(n_clusters)
    at_once = ClusterSums(data, codes, n_clusters).moments(weights).correlation
    monkeypatch.setattr(resampling, "_SUMS_BYTES", 0)
    monkeypatch.setattr(resampling, "_CHUNK_CELLS", 1000)
    np.testing.assert_allclose(ClusterSums(data, codes, n_clusters).moments(weights).correlation, at_once, atol=1e-12)


def test_sums_survive_the_way_to_a_worker_to_the_bit() -> None:
    data = _data(6, 80, 4, 0.1)
    codes, n_clusters = cluster_codes(None, 80)
    sums = ClusterSums(data, codes, n_clusters)
    weights = replicate_blocks(4, 1)[0].weights(n_clusters)
    here = sums.moments(weights).correlation
    there = pickle.loads(pickle.dumps(sums)).moments(weights).correlation
    assert (here == there).all()


def test_blocks_do_not_depend_on_how_many_follow() -> None:
    short, long = replicate_blocks(70, 11), replicate_blocks(500, 11)
    assert [block.size for block in short] == [50, 20]
    assert (short[0].weights(9) == long[0].weights(9)).all()
    assert not (long[0].weights(9) == long[1].weights(9)).all()
    assert not (long[0].weights(9) == long[0].second().weights(9)).all()


def test_clusters_are_numbered_by_name_and_unknown_ones_stand_alone() -> None:
    codes, n_clusters = cluster_codes(["b", None, "a", "b", None], 5)
    assert codes.tolist() == [1, 2, 0, 1, 3]
    assert n_clusters == 4


def test_joint_codes_give_one_name_one_number() -> None:
    left, right, n_clusters = joint_cluster_codes(["t1", "t2"], ["t2", "t3"])
    assert left[1] == right[0]
    assert n_clusters == 3


def test_a_constant_item_has_no_correlation() -> None:
    data = np.column_stack([np.arange(10.0), np.ones(10)])
    codes, n_clusters = cluster_codes(None, 10)
    found = ClusterSums(data, codes, n_clusters).moments(np.ones((1, 10)))
    assert np.isnan(found.correlation[0, 0, 1])
    assert found.correlation[0, 0, 0] == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full((3, 2), np.nan), "No row"),
        (np.array([[np.inf, 1.0]]), "infinite"),
        (np.ones(3), "table"),
    ],
)
def test_bad_data_are_refused(data: np.ndarray, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        ClusterSums(data, np.arange(len(data)), len(data))


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(AnalysisError, match="replicate"):
        replicate_blocks(0, 1)
    with pytest.raises(AnalysisError, match="cluster label"):
        cluster_codes(["a"], 2)
