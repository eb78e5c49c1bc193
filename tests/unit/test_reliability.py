"""Alpha, omega and the general factor: known truth, invariants, bad input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError
from analysis.components.general_factor import explained_common_variances, schmid_leiman
from analysis.components.omega import omega, one_factor_omega
from analysis.components.reliability import alpha, bootstrap_reliability, item_statistics
from analysis.components.solution import Solution
from tests.unit.known_truth import draw, implied, item_names, simple_population


def _solution(pattern: np.ndarray, phi: np.ndarray) -> Solution:
    return Solution(
        tuple(item_names(len(pattern))), implied(pattern, phi), 500, "minres", "oblimin", pattern, phi,
        1 - np.diag(pattern @ phi @ pattern.T), "ok", (),
    )  # fmt: skip


def test_parallel_items_have_the_alpha_of_spearman_and_brown() -> None:
    r, p = 0.4, 6
    matrix = np.full((p, p), r) + (1 - r) * np.eye(p)
    found = alpha(matrix, 200, item_names(p))
    expected = p * r / (1 + (p - 1) * r)
    assert found.raw == pytest.approx(expected)
    assert found.standardised == pytest.approx(expected)
    np.testing.assert_allclose(found.raw_if_deleted, (p - 1) * r / (1 + (p - 2) * r))
    assert found.lower < found.raw < found.upper
    assert one_factor_omega(matrix, tuple(item_names(p))).model == pytest.approx(expected)


@given(st.integers(0, 9999), st.floats(0.1, 50))
@settings(max_examples=30, deadline=None)
def test_alpha_does_not_depend_on_order_or_units(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    data = draw(*simple_population(1, each=5), 80, seed)
    base, _ = item_statistics(data, list(data.columns))
    items = list(rng.permutation(data.columns))
    moved, frame = item_statistics((data * unit + 7).sample(frac=1, random_state=seed), items)
    assert moved.raw == pytest.approx(base.raw, abs=1e-9)
    assert frame["item"].tolist() == items
    by_item = dict(zip(base.items, base.item_rest, strict=True))
    np.testing.assert_allclose(moved.item_rest, [by_item[item] for item in items], atol=1e-9)


def test_a_reversed_item_is_named() -> None:
    data = draw(*simple_population(1, each=5), 200, 1)
    data["i03"] *= -1
    found, _ = item_statistics(data, list(data.columns))
    assert "i03" in found.warnings[0]
    assert found.items_frame().set_index("item").loc["i03", "alpha_change"] > 0
    assert "i03" in one_factor_omega(data.corr().to_numpy(), tuple(data.columns)).warnings[0]


def test_a_constant_item_is_left_out_and_named() -> None:
    data = draw(*simple_population(1, each=5), 100, 1).assign(i02=4.0)
    found, frame = item_statistics(data, list(data.columns))
    assert found.left_out == ("i02",)
    assert found.status == "constant"
    assert found.raw == pytest.approx(item_statistics(data, ["i01", "i03", "i04", "i05"])[0].raw)
    assert np.isnan(frame.set_index("item").loc["i02", "item_rest"])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((1, 1)), "at least two items"),
        (np.zeros((3, 3)), "at least two items"),
        (np.array([[1.0, -1.0], [-1.0, 1.0]]), "no variance"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "never answered together"),
    ],
)
def test_what_has_no_alpha_is_refused(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        alpha(matrix, 50, item_names(len(matrix)))


def test_all_missing_and_two_items() -> None:
    empty = pd.DataFrame(np.full((5, 3), np.nan), columns=item_names(3))
    with pytest.raises(AnalysisError, match="No row"):
        item_statistics(empty, item_names(3))
    with pytest.raises(AnalysisError, match="omega of one factor needs at least 3"):
        one_factor_omega(np.eye(2), ("a", "b"))
    two = alpha(np.array([[1.0, 0.5], [0.5, 1.0]]), None, ["a", "b"])
    assert np.isnan(two.raw_if_deleted).all()
    assert np.isnan(two.lower)


def test_intervals_cover_alpha_about_as_often_as_they_say() -> None:
    """200 samples of 40 therapists with 4 clients each."""
    pattern, phi = simple_population(1, each=5, loading=0.6)
    sigma = implied(pattern, phi)
    truth = alpha(sigma, 100, item_names(5)).raw
    clusters = np.repeat(np.arange(40), 4)
    hits = []
    for seed in range(200):
        data = draw(pattern, phi, 160, seed, clusters=clusters, cluster_share=0.3)
        found = bootstrap_reliability(data, item_names(5), seed=seed, clusters=clusters, replicates=150)
        row = found.to_frame().iloc[0]
        hits.append(row["lower"] <= truth <= row["upper"])
    assert 0.88 <= np.mean(hits) <= 0.99


def test_bootstrap_says_what_it_rests_on_and_repeats() -> None:
    data = draw(*simple_population(1, each=5), 60, 1)
    clusters = np.arange(60) // 3
    first = bootstrap_reliability(data, list(data.columns), seed=3, clusters=clusters, replicates=120)
    again = bootstrap_reliability(data, list(data.columns), seed=3, clusters=clusters, replicates=120)
    assert (first.replicates == again.replicates).all()
    assert first.n_clusters == 20
    assert first.to_frame()["measure"].tolist() == ["alpha_raw", "alpha_standardised", "omega_model", "omega_total"]
    with pytest.raises(AnalysisError, match="two clusters"):
        bootstrap_reliability(data, list(data.columns), seed=3, clusters=["t"] * 60)


def test_a_hierarchical_truth_is_taken_apart() -> None:
    """Population with general loadings g_j: phi = g g' off the diagonal, so Schmid-Leiman is exact."""
    second_order = np.array([0.9, 0.7, 0.5, 0.6])
    pattern, _ = simple_population(4)
    phi = np.outer(second_order, second_order)
    np.fill_diagonal(phi, 1)
    solution = _solution(pattern, phi)
    found = schmid_leiman(solution)
    np.testing.assert_allclose(found.second_order, second_order, atol=1e-6)
    np.testing.assert_allclose(
        np.column_stack([found.general, found.group]) @ np.column_stack([found.general, found.group]).T,
        pattern @ phi @ pattern.T,
        atol=1e-6,
    )
    whole = omega(solution)
    variance = solution.correlation.sum()
    assert whole.hierarchical == pytest.approx((pattern @ second_order).sum() ** 2 / variance, abs=1e-6)
    assert whole.total == pytest.approx((pattern @ phi @ pattern.T).sum() / variance, abs=1e-6)
    assert found.explained_common_variance == pytest.approx(
        explained_common_variances(pattern[None], phi[None])[0], abs=1e-6
    )
    assert found.uncontaminated_share == pytest.approx(1 - 4 * 10 / (20 * 19 / 2))


def test_omega_turns_negative_items_round() -> None:
    pattern, phi = simple_population(3)
    turned = pattern.copy()
    turned[[0, 7]] *= -1
    plain, other = omega(_solution(pattern, phi)), omega(_solution(turned, phi))
    assert other.hierarchical == pytest.approx(plain.hierarchical)
    assert np.flatnonzero(other.reflected).tolist() == [0, 7]


def test_one_two_and_orthogonal_components() -> None:
    pattern, phi = simple_population(1)
    one = omega(_solution(pattern, phi))
    assert "not meaningful" in one.warnings[0]
    assert one.total == pytest.approx(one_factor_omega(implied(pattern, phi), tuple(item_names(5))).observed, abs=1e-6)
    pattern, phi = simple_population(2, r=-0.25)
    two = schmid_leiman(_solution(pattern, phi))
    assert two.status == "underidentified"
    np.testing.assert_allclose(np.abs(two.second_order), 0.5)
    pattern, _ = simple_population(3)
    with pytest.raises(AnalysisError, match="no general factor"):
        schmid_leiman(_solution(pattern, np.eye(3)))
    assert np.isnan(explained_common_variances(pattern[None], np.eye(3)[None])).all()
