"""Eigenvalues of many matrices in step against LAPACK, on matrices that go wrong for iterations of this kind."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analysis.components import tridiagonal
from analysis.components.tridiagonal import TOGETHER, tridiagonal_eigenvalues, tridiagonal_forms

MANY = TOGETHER + 50
RNG = np.random.default_rng(8)


def correlations(rows: int, items: int) -> np.ndarray:
    """(MANY, items, items), of rank ``rows`` - 1 where there are fewer rows than items."""
    data = RNG.standard_normal((MANY, items, rows))
    data -= data.mean(axis=2, keepdims=True)
    data /= np.linalg.norm(data, axis=2, keepdims=True)
    return data @ data.swapaxes(1, 2)


def blocks_of_ones(items: int) -> np.ndarray:
    """Eigenvalues 0 and 2, each many times; signs differ from matrix to matrix."""
    pairs = np.kron(np.eye(items // 2), np.ones((2, 2)))
    signs = RNG.choice([-1.0, 1.0], (MANY, items))
    return pairs * signs[:, :, None] * signs[:, None, :]


STACKS = {
    "correlations": correlations(60, 23),
    "rank deficient": correlations(9, 20),
    "two items": correlations(12, 2),
    "identity": np.broadcast_to(np.eye(11), (MANY, 11, 11)),
    "nothing": np.zeros((MANY, 6, 6)),
    "repeated eigenvalues": blocks_of_ones(12),
    "equal correlations": np.full((MANY, 9, 9), 0.5) + 0.5 * np.eye(9),
    "whole numbers": (lambda a: a + a.swapaxes(1, 2))(RNG.integers(-2, 3, (MANY, 8, 8)).astype(float)),
    "graded": correlations(50, 10) * np.outer(10.0 ** -np.arange(10), 10.0 ** -np.arange(10)),
    "graded the other way": correlations(50, 10) * np.outer(10.0 ** np.arange(-9, 1), 10.0 ** np.arange(-9, 1)),
    "far apart in size": correlations(50, 7) * 10.0 ** RNG.integers(-30, 30, (MANY, 1, 1)),
}


@pytest.mark.parametrize("name", STACKS)
def test_all_eigenvalues_are_those_of_lapack(name):
    stack = STACKS[name]
    found = tridiagonal_eigenvalues(*tridiagonal_forms(stack))
    expected = np.linalg.eigvalsh(stack)[:, ::-1]
    largest = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1e-300)
    # Both err by some units of rounding of the largest eigenvalue.
    assert_allclose(found / largest, expected / largest, rtol=0, atol=2e-14)


def test_most_matrices_do_not_need_lapack(monkeypatch):
    """Else going in step is for nothing."""
    asked = []
    monkeypatch.setattr(tridiagonal, "dsterf", lambda d, e: (asked.append(1), (np.zeros_like(d), 0))[1])
    tridiagonal_eigenvalues(*tridiagonal_forms(STACKS["correlations"]))
    assert len(asked) < MANY / 20


def test_few_matrices_and_a_stack_cut_in_two_give_the_same(monkeypatch):
    forms = tridiagonal_forms(STACKS["correlations"])
    together = tridiagonal_eigenvalues(*forms)
    few = tridiagonal_eigenvalues(forms[0][:3], forms[1][:3])
    assert_allclose(few, together[:3], rtol=0, atol=2e-14)
    monkeypatch.setattr(tridiagonal, "_AT_ONCE", TOGETHER)
    assert_allclose(tridiagonal_eigenvalues(*forms), together, rtol=0, atol=2e-14)


def test_large_matrices_go_by_blocks():
    stack = correlations(300, 200)[:2]
    found = tridiagonal_eigenvalues(*tridiagonal_forms(stack))
    assert_allclose(found, np.linalg.eigvalsh(stack)[:, ::-1], rtol=0, atol=1e-13)


def test_the_stack_is_left_as_it_was():
    stack = STACKS["correlations"].copy()
    tridiagonal_forms(stack)
    assert np.array_equal(stack, STACKS["correlations"])
