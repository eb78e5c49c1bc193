"""Eigenvalues of many matrices in step against LAPACK, on matrices that go wrong for iterations of this kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


def turned(spectrum: np.ndarray) -> np.ndarray:
    """(MANY, items, items) with the same eigenvalues, each in other directions."""
    vectors = np.linalg.qr(RNG.standard_normal((MANY, len(spectrum), len(spectrum))))[0]
    stack = (vectors * spectrum) @ vectors.swapaxes(1, 2)
    return (stack + stack.swapaxes(1, 2)) / 2


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
    "three eigenvalues": turned(np.repeat([-1.0, 1.0, 2.0], 5)),
    "one cluster": turned(1 + 1e-9 * RNG.standard_normal(14)),
    "one value but for rounding": turned(1 + 1e-14 * RNG.standard_normal(14)),
    "rank one": turned(np.eye(13)[0]),
    "forty orders of magnitude": turned(10.0 ** -np.linspace(0, 40, 17)),
    "diagonal": RNG.standard_normal((MANY, 1, 15)) * np.eye(15),
    "pairs that nearly agree": np.broadcast_to(
        np.diag(np.abs(np.arange(-10.0, 11))) + np.eye(21, k=1) + np.eye(21, k=-1), (MANY, 21, 21)
    ),
    "tiny": correlations(40, 16) * 2.0**-900,
    "huge": correlations(40, 16) * 2.0**900,
    "far apart in size": correlations(50, 7) * 10.0 ** RNG.integers(-30, 30, (MANY, 1, 1)),
}


@pytest.mark.parametrize("name", STACKS)
def test_all_eigenvalues_are_those_of_lapack(name):
    stack = STACKS[name]
    found = tridiagonal_eigenvalues(*tridiagonal_forms(stack))
    expected = np.linalg.eigvalsh(stack)[:, ::-1]
    largest = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1e-300)
    # Both err by some units of rounding of the largest eigenvalue.
    assert_allclose(found / largest, expected / largest, rtol=0, atol=5e-14)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1, 1) | st.sampled_from([0.0, 1.0, 1.0 - 1e-15, 1e-8, -0.5]), min_size=2, max_size=24),
    power=st.integers(-900, 900),
)
def test_any_spectrum(values, power):
    spectrum = np.array(values)
    stack = turned(spectrum) * 2.0**power
    found = tridiagonal_eigenvalues(*tridiagonal_forms(stack)) / 2.0**power
    expected = np.broadcast_to(np.sort(spectrum)[::-1], found.shape)
    assert_allclose(found, expected, rtol=0, atol=5e-13)


@pytest.mark.parametrize("name", ["correlations", "three eigenvalues", "whole numbers"])
def test_most_matrices_do_not_need_lapack(monkeypatch, name):
    """Else going in step is for nothing."""
    asked = []
    monkeypatch.setattr(tridiagonal, "dsterf", lambda d, e: (asked.append(1), (np.zeros_like(d), 0))[1])
    tridiagonal_eigenvalues(*tridiagonal_forms(STACKS[name]))
    assert len(asked) < MANY / 20


@pytest.mark.parametrize("kept", ["sum", "sum of squares"])
def test_what_does_not_add_up_goes_to_lapack(monkeypatch, kept):
    iterated = tridiagonal._iterated

    def wrong(rows, norm):
        found = iterated(rows, norm)
        found[1] -= 1e-8 if kept == "sum" else 1e-8 * found[0] / found[1]
        found[0] += 1e-8
        return found

    monkeypatch.setattr(tridiagonal, "_iterated", wrong)
    stack = STACKS["correlations"]
    found = tridiagonal_eigenvalues(*tridiagonal_forms(stack))
    assert_allclose(found, np.linalg.eigvalsh(stack)[:, ::-1], rtol=0, atol=5e-14)


def test_what_takes_too_long_goes_to_lapack(monkeypatch):
    monkeypatch.setattr(tridiagonal, "_MOST_SWEEPS", 3)
    asked = []
    lapack = tridiagonal.dsterf
    monkeypatch.setattr(tridiagonal, "dsterf", lambda d, e: (asked.append(1), lapack(d, e))[1])
    stack = STACKS["correlations"]
    found = tridiagonal_eigenvalues(*tridiagonal_forms(stack))
    assert 0 < len(asked) < MANY
    assert_allclose(found, np.linalg.eigvalsh(stack)[:, ::-1], rtol=0, atol=5e-14)


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
