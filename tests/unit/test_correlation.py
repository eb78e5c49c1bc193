"""Correlations: streaming against whole, what is left out, bad input, EM and polychoric recovery."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError, Status
from analysis.correlations.correlation import correlate, correlate_counts, correlate_products, smoothed
from analysis.correlations.cross_products import CrossProducts
from analysis.correlations.missing import ml_moments
from analysis.correlations.pair_counts import PairCounts
from analysis.correlations.polychoric import bivariate_normal_cdf, polychoric
from tests.unit.component_truths import categories, loadings_of, phi_of, population, sample

CUTS = (-1.2, -0.4, 0.3, 1.1)
TRUTH = population(loadings_of(2, 3), phi_of(2, 0.4))


def answers(n: int = 300, seed: int = 0, missing: float = 0.1) -> pd.DataFrame:
    rows = categories(sample(TRUTH, n, seed), CUTS)
    rows[np.random.default_rng(seed + 1).random(rows.shape) < missing] = np.nan
    return pd.DataFrame(rows, columns=list("abcdef"))


def test_pairwise_is_that_of_pandas():
    frame = answers()
    found = correlate(frame)
    np.testing.assert_allclose(found.matrix, frame.corr(), atol=1e-12)
    present = frame.notna().to_numpy(dtype=int)
    np.testing.assert_array_equal(found.n_pairs, present.T @ present)


def test_complete_rows_only():
    frame = answers()
    found = correlate(frame, missing="complete")
    np.testing.assert_allclose(found.matrix, frame.dropna().corr(), atol=1e-12)
    assert found.n == len(frame.dropna())


@given(cut=st.lists(st.integers(1, 299), min_size=1, max_size=5), seed=st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_chunks_add_up_to_the_whole(cut, seed):
    frame = answers(seed=seed)
    values, items = frame.to_numpy(), tuple(frame.columns)
    edges = sorted({0, *cut, 300})
    chunks = [values[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    whole = CrossProducts.from_rows(values, items)
    parts = [CrossProducts.from_rows(chunk, items) for chunk in chunks]
    total = sum(parts[1:], parts[0])
    np.testing.assert_allclose(total.moved(whole.origin).products, whole.products, atol=1e-8)
    np.testing.assert_allclose(correlate_products(total).matrix, correlate(frame).matrix, atol=1e-12)
    counted = [PairCounts.from_rows(chunk, items) for chunk in chunks]
    merged = sum(counted[1:], counted[0])
    np.testing.assert_array_equal(merged.table, PairCounts.from_rows(values, items).table)
    np.testing.assert_array_equal(correlate_counts(merged).matrix, correlate(frame, method="polychoric").matrix)


def test_counts_give_the_cross_products_too():
    frame = answers()
    counts = PairCounts.from_rows(frame.to_numpy(), tuple(frame.columns))
    np.testing.assert_allclose(counts.cross_products().pearson(), correlate(frame).matrix, atol=1e-12)


@given(order=st.permutations(range(6)), rows=st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_order_of_items_and_rows_does_not_matter(order, rows):
    frame = answers()
    shuffled = frame.iloc[np.random.default_rng(rows).permutation(len(frame)), list(order)]
    for method in ("pearson", "polychoric"):
        straight, other = correlate(frame, method=method), correlate(shuffled, method=method)
        np.testing.assert_allclose(other.matrix, straight.matrix[np.ix_(order, order)], atol=1e-9)


def test_relabelled_categories_do_not_matter_to_polychoric():
    frame = answers()
    relabelled = frame.replace({1.0: -30.0, 2.0: 0.5, 3.0: 4.0, 4.0: 90.0, 5.0: 91.0})
    np.testing.assert_allclose(
        correlate(relabelled, method="polychoric").matrix, correlate(frame, method="polychoric").matrix, atol=1e-12
    )


def test_polychoric_recovers_the_correlation_behind_the_answers():
    rows = categories(sample(TRUTH, 20000, 3), (-0.2, 0.8, 1.6))
    found = correlate(pd.DataFrame(rows), method="polychoric")
    np.testing.assert_allclose(found.matrix, TRUTH, atol=0.03)
    pearson = correlate(pd.DataFrame(rows)).matrix
    assert np.all(np.abs(pearson[TRUTH < 1]) < np.abs(found.matrix[TRUTH < 1]))
    frame = found.diagnostics
    error = (frame["correlation"] - TRUTH[np.triu_indices(6, 1)]) / frame["standard_error"]
    assert np.abs(error).max() < 4


def test_bivariate_normal_cdf_near_its_limits():
    h = np.array([[-1.0, 0.0, 0.7, 40.0]])
    low = bivariate_normal_cdf(h, h, np.array([0.9999]))[0]
    assert np.all(np.diff(low, axis=0) >= -1e-12)
    assert low[3, 3] == pytest.approx(1.0)
    # At zero thresholds the value is known: 1/4 + asin(rho) / (2 pi).
    for rho in (-0.99, -0.7, 0.0, 0.3, 0.86, 0.97, 0.9999):
        found = bivariate_normal_cdf(np.zeros((1, 1)), np.zeros((1, 1)), np.array([rho]))[0, 0, 0]
        assert found == pytest.approx(0.25 + np.arcsin(rho) / (2 * np.pi), abs=1e-12)


def test_a_pair_without_inner_maximum_is_at_the_boundary():
    rows = np.repeat([[1.0, 1.0], [2.0, 2.0]], 30, axis=0)
    found = polychoric(PairCounts.from_rows(rows, ("a", "b")))
    assert found.status == "boundary"
    assert found.matrix[0, 1] == pytest.approx(0.9999)
    assert found.to_frame()["empty_cells"].item() == 2


@pytest.mark.parametrize(
    ("method", "missing"), [("pearson", "pairwise"), ("polychoric", "pairwise"), ("pearson", "em")]
)
def test_rows_of_left_out_items_only_are_not_counted(method, missing):
    """Two groups that answered different items: the larger set of items is analysed, and so are its rows alone."""
    first = sample(TRUTH, 60, 3).round().clip(-2, 2)
    rows = np.full((100, 6), np.nan)
    rows[:60, :4] = first[:, :4]
    rows[60:, 4:] = first[:40, :2]
    found = correlate(rows, list("abcdef"), method=method, missing=missing)
    assert found.items == tuple("abcd")
    assert (found.n, int(found.n_pairs.max())) == (60, 60)


def test_a_flat_likelihood_is_at_the_boundary():
    """Nobody gave both rare answers: beyond some correlation the likelihood stays as it is."""
    rows = np.repeat([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0]], [123, 4, 3], axis=0)
    found = polychoric(PairCounts.from_rows(rows, ("a", "b")))
    assert found.status == "boundary"
    assert found.matrix[0, 1] == pytest.approx(-0.9999)
    assert np.isinf(found.standard_error[0])
    assert found.warnings[0].startswith("1 polychoric correlation at the limit of 0.9999")


def test_thresholds_come_from_where_they_are_asked_to():
    rows = np.column_stack([categories(sample(TRUTH, 90, 8)[:, 0], CUTS), sample(TRUTH, 90, 8)[:, 1] > 1.5])
    rows[:40, 1] = np.nan
    counts = PairCounts.from_rows(rows, ("a", "b"))
    by_item, by_pair, by_psych = (
        polychoric(counts, thresholds=kind, empty_cell=0.5).matrix[0, 1] for kind in ("item", "pair", "psych")
    )
    assert len({round(value, 6) for value in (by_item, by_pair, by_psych)}) == 3
    with pytest.raises(AnalysisError, match="item, pair, psych"):
        polychoric(counts, thresholds="global")


def test_different_numbers_of_categories_go_together():
    rows = sample(TRUTH, 3000, 5)
    mixed = np.column_stack([categories(rows[:, 0], (0.0,)), categories(rows[:, 1], CUTS), rows[:, 2] > 0.5])
    found = polychoric(PairCounts.from_rows(mixed, ("a", "b", "c")))
    np.testing.assert_allclose(found.matrix, TRUTH[:3, :3], atol=0.06)


def test_em_equals_the_sample_when_nothing_is_missing():
    rows = sample(TRUTH, 100, 2)
    found = ml_moments(rows)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(rows.T, ddof=0), atol=1e-12)
    assert found.converged


def test_em_corrects_what_missing_at_random_does_to_pairwise():
    rows = sample(TRUTH, 20000, 4)
    rows[rows[:, 0] > 0.3, 1] = np.nan
    found = correlate(pd.DataFrame(rows), missing="em")
    assert abs(found.matrix[0, 1] - TRUTH[0, 1]) < 0.03
    assert abs(correlate(pd.DataFrame(rows)).matrix[0, 1] - TRUTH[0, 1]) > 0.1


def test_em_without_enough_rows_says_singular():
    rows = sample(population(loadings_of(4, 6), phi_of(4, 0.3)), 40, 4)
    rows[np.random.default_rng(0).random(rows.shape) < 0.35] = np.nan
    found = correlate(pd.DataFrame(rows), missing="em")
    assert found.status == "singular"
    assert "too few rows" in " ".join(found.warnings)


def test_what_cannot_be_correlated_is_left_out_and_named():
    frame = answers()
    frame["constant"] = 4.0
    frame["copy"] = frame["b"]
    frame["mirror"] = 8 - frame["c"]
    frame["lonely"] = np.where(np.arange(len(frame)) == 7, 3.0, np.nan)
    for missing in ("pairwise", "complete", "em"):
        found = correlate(frame, missing=missing)
        assert found.items == tuple("abcdef")
        assert {one.item: one.reason for one in found.left_out} == {
            "constant": "constant",
            "copy": "duplicate",
            "mirror": "duplicate",
            "lonely": "nearly_empty",
        }
        assert "lonely" in found.warnings[0]
    assert list(found.left_out_frame().columns) == ["item", "reason", "detail"]


def test_items_without_common_rows():
    frame = answers()
    frame.loc[frame.index[:150], "f"] = np.nan
    frame.loc[frame.index[150:], "e"] = np.nan
    found = correlate(frame)
    assert [(one.item, one.reason) for one in found.left_out] == [("f", "no_common_rows")]


def test_an_indefinite_matrix_is_smoothed():
    generator = np.random.default_rng(1)
    rows = sample(population(loadings_of(2, 6, strength=0.95), phi_of(2, 0.8)), 25, 8)
    rows[generator.random(rows.shape) < 0.45] = np.nan
    found = correlate(pd.DataFrame(rows))
    assert found.smallest_eigenvalue < 0
    assert found.smoothed
    assert found.status == "indefinite"
    assert np.linalg.eigvalsh(found.matrix)[0] > 0
    np.testing.assert_allclose(np.diag(found.matrix), 1.0)
    raw = correlate(pd.DataFrame(rows), smooth=False)
    assert not raw.smoothed
    np.testing.assert_allclose(smoothed(raw.matrix), found.matrix)


def test_a_definite_matrix_is_left_alone_by_smoothing():
    np.testing.assert_allclose(smoothed(TRUTH), TRUTH, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "options", "status", "words"),
    [
        (lambda f: f.iloc[:0], {}, Status.NO_DATA, "0 rows"),
        (lambda f: f.iloc[:1], {}, Status.TOO_FEW_ROWS, "1 row "),
        (lambda f: f.iloc[:2], {}, Status.TOO_FEW_ROWS, "2 rows"),
        (lambda f: f * 0 + 3, {}, Status.CONSTANT, "constant"),
        (lambda f: f * np.nan, {}, Status.NO_DATA, "0 rows"),
        (lambda f: f.assign(b=np.inf), {}, Status.INVALID_INPUT, "b "),
        (lambda f: f.assign(b="x"), {}, Status.INVALID_INPUT, "not numbers: b"),
        (lambda f: f.assign(b=8.0), {"valid_range": (1, 7)}, Status.INVALID_INPUT, "outside 1 to 7: b"),
        (lambda f: f[["a"]], {}, Status.TOO_FEW_ITEMS, "1 of 1 item "),
        (lambda f: f, {"method": "kendall"}, Status.UNKNOWN_NAME, "kendall"),
        (lambda f: f, {"missing": "median"}, Status.UNKNOWN_NAME, "median"),
        (lambda f: f, {"method": "polychoric", "missing": "em"}, Status.INVALID_INPUT, "no EM"),
        (lambda f: f.set_axis(["a"] * 6, axis=1), {}, Status.INVALID_INPUT, "different item names"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(make, options, status, words):
    with pytest.raises(AnalysisError, match=words) as error:
        correlate(make(answers(missing=0.0)), **options)
    assert error.value.status is status
