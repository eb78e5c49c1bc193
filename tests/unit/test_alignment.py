"""Columns, signs and axes of one solution are found again in another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError
from analysis.components.alignment import (
    align_columns,
    match_columns,
    orthogonal_basis,
    orthogonal_procrustes,
    tucker_congruence,
)
from tests.unit.known_truth import simple_population


@given(st.permutations(range(4)), st.lists(st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_any_order_and_sign_is_undone(order: list[int], signs: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern, phi = simple_population(4)
    pattern = pattern + 0.05 * rng.standard_normal(pattern.shape)
    phi = np.corrcoef(rng.standard_normal((30, 4)).T)
    moved = pattern[:, order] * signs
    moved_phi = phi[np.ix_(order, order)] * np.outer(signs, signs)
    aligned, correlations, congruence = align_columns(moved[None], moved_phi[None], pattern)
    np.testing.assert_allclose(aligned[0], pattern)
    np.testing.assert_allclose(correlations[0], phi)
    np.testing.assert_allclose(congruence[0], 1)


def test_match_is_one_to_one_where_the_best_partner_is_not() -> None:
    left = np.array([[1.0, 0.9], [1.0, 1.1], [0.0, 0.3]])
    right = np.array([[1.0, 0.0], [1.0, 0.0], [0.1, 1.0]])
    assert np.abs(tucker_congruence(left, right)).argmax(axis=1).tolist() == [0, 0]
    match = match_columns(left, right)
    assert sorted(match.right.tolist()) == [0, 1]
    assert match.right[1] == 1


def test_unequal_numbers_of_columns_leave_the_surplus_out() -> None:
    pattern, _ = simple_population(4)
    match = match_columns(pattern, -pattern[:, [2, 0]])
    assert dict(zip(match.left.tolist(), match.right.tolist(), strict=True)) == {2: 0, 0: 1}
    assert match.signs.tolist() == [-1, -1]


def test_a_column_of_zeros_has_no_congruence() -> None:
    assert np.isnan(tucker_congruence(np.zeros((3, 1)), np.ones((3, 1)))).all()


def test_different_items_are_refused() -> None:
    with pytest.raises(AnalysisError, match="same items"):
        tucker_congruence(np.ones((3, 1)), np.ones((4, 1)))


@given(st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_procrustes_undoes_a_rotation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern, _ = simple_population(3)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    found = orthogonal_procrustes(pattern @ turn, pattern)
    np.testing.assert_allclose(found, turn.T, atol=1e-12)


def test_orthogonal_basis_reproduces_the_model() -> None:
    pattern, phi = simple_population(3)
    basis = orthogonal_basis(pattern, phi)
    np.testing.assert_allclose(basis @ basis.T, pattern @ phi @ pattern.T)
