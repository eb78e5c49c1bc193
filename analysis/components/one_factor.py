"""One-factor minres communalities of many matrices at once, for parallel analysis as psych defines it.

With a single factor the loadings themselves are the parameters and no eigendecomposition is needed, which is many
times as fast as the general extraction: minimise the sum over i < j of the squared residuals (r_ij - l_i l_j)^2.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dposv, dsyevx

from analysis.components.extraction import LOWER_BOUND, extract, squared_multiple_correlations

TOLERANCE = 1e-7
MAX_ITERATIONS = 25
_START_TOLERANCE = 1e-10
"""Of the eigenvalue whose vector Newton starts from; bisection to the last digit takes longer than the vector."""


def one_factor_communalities(stack: np.ndarray) -> np.ndarray:
    """(B, p) communalities of one minres factor in each of ``stack`` (B, p, p).

    Damped Newton from the first reduced eigenvector; the few matrices it does not settle, and those at the bound of
    psych's uniquenesses (.005), go to :func:`analysis.components.extraction.extract`.
    """
    diagonal = np.arange(stack.shape[1])
    off = stack.copy()
    off[:, diagonal, diagonal] = squared_multiple_correlations(stack)
    found = _first_loadings(off)
    off[:, diagonal, diagonal] = 0.0
    active, loadings = np.arange(len(stack)), found.copy()
    cross = _crossed(off, loadings)
    for _ in range(MAX_ITERATIONS):
        gradient = _gradient(loadings, cross)
        going = np.max(np.abs(gradient), axis=1) > TOLERANCE
        if not np.all(going):
            found[active] = loadings
            active, gradient = active[going], gradient[going]
            loadings, cross, off = loadings[going], cross[going], off[going]
        if active.size == 0:
            break
        loadings, cross = _backtracked(loadings, off, cross, _direction(loadings, off, gradient))
    found[active] = loadings
    communalities = found**2
    difficult = np.max(communalities, axis=1) > 1 - LOWER_BOUND
    difficult[active] = True
    if np.any(difficult):
        communalities[difficult] = extract(stack[difficult], 1, tolerance=TOLERANCE).loadings[:, :, 0] ** 2
    return communalities


def _first_loadings(reduced: np.ndarray) -> np.ndarray:
    """(B, p) first eigenvector of each of ``reduced`` (B, p, p), as long as the root of its eigenvalue."""
    count, items = reduced.shape[:2]
    values, vectors = np.empty((count, 1)), np.empty((count, items))
    for number, matrix in enumerate(reduced):
        found, columns, _, _, failed = dsyevx(matrix.T, range="I", il=items, iu=items, abstol=_START_TOLERANCE, lower=1)
        if failed:
            found, columns = (part[..., -1:] for part in np.linalg.eigh(matrix))
        values[number], vectors[number] = found[0], columns[:, 0]
    return vectors * np.sqrt(np.maximum(values, 0))


def _crossed(off: np.ndarray, loadings: np.ndarray) -> np.ndarray:
    """(B, p) of each item the other items' loadings, weighted by its correlations ``off`` (B, p, p) with them."""
    return np.matmul(off, loadings[:, :, None])[:, :, 0]


def _objective(loadings: np.ndarray, cross: np.ndarray) -> np.ndarray:
    squares = loadings**2
    return -np.sum(cross * loadings, axis=1) / 2 + (squares.sum(axis=1) ** 2 - np.sum(squares**2, axis=1)) / 4


def _gradient(loadings: np.ndarray, cross: np.ndarray) -> np.ndarray:
    squares = loadings**2
    return loadings * (squares.sum(axis=1, keepdims=True) - squares) - cross


def _direction(loadings: np.ndarray, off: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    squares, diagonal = loadings**2, np.arange(loadings.shape[1])
    hessian = (2 * loadings)[:, :, None] * loadings[:, None, :]
    hessian -= off
    hessian[:, diagonal, diagonal] = squares.sum(axis=1, keepdims=True) - squares + 1e-3
    step, curved = np.empty_like(gradient), np.zeros(len(gradient), dtype=bool)
    for number, (matrix, right) in enumerate(zip(hessian, -gradient, strict=True)):
        _, step[number], failed = dposv(matrix.T, right, lower=1)
        curved[number] = failed > 0
    if np.any(curved):
        # Far from the minimum the Hessian need not be positive definite.
        step[curved] = np.linalg.solve(hessian[curved], -gradient[curved, :, None])[:, :, 0]
    uphill = np.sum(step * gradient, axis=1) >= 0
    step[uphill] = -gradient[uphill]
    return step


def _backtracked(
    loadings: np.ndarray, off: np.ndarray, cross: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The loadings that ``direction`` leads to, in each matrix as far as the objective falls, with their products."""
    objective, length = _objective(loadings, cross), np.ones((len(loadings), 1))
    for _ in range(12):
        trial = loadings + length * direction
        reached = _crossed(off, trial)
        worse = _objective(trial, reached) > objective + 1e-12
        if not np.any(worse):
            break
        length[worse] *= 0.4
    return trial, reached
