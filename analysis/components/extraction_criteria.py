"""The two discrepancies that are minimised over uniquenesses, minres and maximum likelihood, for stacks of matrices.

Each is a function of the eigenvalues and eigenvectors of one matrix: R - Psi for minres, Psi^-1/2 R Psi^-1/2 for ML.
First and second derivatives after Jöreskog (1977) and Clarke (1970), written with the eigenvectors that the components
do not use (the rest) and those they use (the model).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Eigen = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Criterion:
    """A discrepancy as a function of a parameter per item: the uniqueness (minres) or its logarithm (ml)."""

    parameter: Callable[[np.ndarray], np.ndarray]
    uniqueness: Callable[[np.ndarray], np.ndarray]
    eigen: Callable[[np.ndarray, np.ndarray], Eigen]
    value: Callable[[np.ndarray, int], np.ndarray]
    gradient: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    hessian: Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
    loadings: Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


def _cross_term(vectors: np.ndarray, coefficients: np.ndarray, m: int) -> np.ndarray:
    """(B, p, p) sum over model vectors l and the rest k of c_lk w_ik w_jk w_il w_jl, c (B, m, p - m)."""
    count, items, _ = vectors.shape
    products = vectors[..., -m:, None] * vectors[..., None, :-m]
    flat = products.reshape(count, items, -1)
    return np.matmul(flat * coefficients.reshape(count, 1, -1), np.swapaxes(flat, -1, -2))


def _minres_eigen(psi: np.ndarray, stack: np.ndarray) -> Eigen:
    reduced = stack - psi[..., None] * np.eye(stack.shape[-1])
    return np.linalg.eigh(reduced)


def _minres_value(values: np.ndarray, m: int) -> np.ndarray:
    # A negative model eigenvalue cannot be reproduced by real loadings, so it stays in the residual.
    return 0.5 * (np.sum(values[:, :-m] ** 2, axis=1) + np.sum(np.minimum(values[:, -m:], 0) ** 2, axis=1))


def _minres_gradient(values: np.ndarray, vectors: np.ndarray, m: int) -> np.ndarray:
    left = np.concatenate([values[:, :-m], np.minimum(values[:, -m:], 0)], axis=1)
    return -np.einsum("bik,bk->bi", vectors**2, left)


def _minres_hessian(values: np.ndarray, vectors: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    rest = vectors[..., :-m]
    definite = np.matmul(rest, np.swapaxes(rest, -1, -2)) ** 2
    gap = values[:, None, :-m] - values[:, -m:, None]
    coefficients = values[:, None, :-m] / np.where(np.abs(gap) < 1e-10, -1e-10, gap)
    return definite + 2 * _cross_term(vectors, coefficients, m), definite


def eigen_loadings(values: np.ndarray, vectors: np.ndarray, m: int) -> np.ndarray:
    """(B, p, m) the m leading eigenvectors scaled by the roots of their eigenvalues, largest first."""
    return (vectors[..., -m:] * np.sqrt(np.maximum(values[:, None, -m:], 0)))[..., ::-1]


def _minres_loadings(psi: np.ndarray, values: np.ndarray, vectors: np.ndarray, m: int) -> np.ndarray:
    return eigen_loadings(values, vectors, m)


def _ml_eigen(log_psi: np.ndarray, stack: np.ndarray) -> Eigen:
    scale = np.exp(-0.5 * log_psi)
    return np.linalg.eigh(stack * scale[:, :, None] * scale[:, None, :])


def _ml_value(values: np.ndarray, m: int) -> np.ndarray:
    rest = np.concatenate([values[:, :-m], np.minimum(values[:, -m:], 1)], axis=1)
    rest = np.maximum(rest, 1e-300)
    return np.sum(rest - np.log(rest) - 1, axis=1)


def _ml_gradient(values: np.ndarray, vectors: np.ndarray, m: int) -> np.ndarray:
    left = np.concatenate([1 - values[:, :-m], 1 - np.minimum(values[:, -m:], 1)], axis=1)
    return np.einsum("bik,bk->bi", vectors**2, left)


def _ml_hessian(values: np.ndarray, vectors: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    rest, small = vectors[..., :-m], values[:, :-m]
    plain = np.matmul(rest, np.swapaxes(rest, -1, -2))
    weighted = np.matmul(rest * small[:, None, :], np.swapaxes(rest, -1, -2))
    theta, large = small[:, None, :], values[:, -m:, None]
    gap = theta - large
    coefficients = -(1 - theta) * (theta + large) / np.where(np.abs(gap) < 1e-10, -1e-10, gap)
    return weighted * plain + _cross_term(vectors, coefficients, m), plain**2


def _ml_loadings(log_psi: np.ndarray, values: np.ndarray, vectors: np.ndarray, m: int) -> np.ndarray:
    model = vectors[..., -m:] * np.sqrt(np.maximum(values[:, None, -m:] - 1, 0))
    return (model * np.exp(0.5 * log_psi)[..., None])[..., ::-1]


def _same(array: np.ndarray) -> np.ndarray:
    return array


MINRES = Criterion(_same, _same, _minres_eigen, _minres_value, _minres_gradient, _minres_hessian, _minres_loadings)
ML = Criterion(np.log, np.exp, _ml_eigen, _ml_value, _ml_gradient, _ml_hessian, _ml_loadings)
