"""Populations with known components, for tests of recovery."""

import numpy as np


def loadings_of(components: int, per_component: int, *, strength: float = 0.7, cross: float = 0.0) -> np.ndarray:
    """(p, m) simple structure with falling strengths, and an optional cross-loading of each component's last item."""
    pattern = np.zeros((components * per_component, components))
    for column in range(components):
        rows = slice(column * per_component, (column + 1) * per_component)
        pattern[rows, column] = strength - 0.06 * np.arange(per_component) / per_component - 0.02 * column
        pattern[(column + 1) * per_component - 1, (column + 1) % components] += cross
    return pattern


def phi_of(components: int, correlation: float) -> np.ndarray:
    phi = np.full((components, components), correlation)
    np.fill_diagonal(phi, 1.0)
    return phi


def population(pattern: np.ndarray, phi: np.ndarray) -> np.ndarray:
    matrix = pattern @ phi @ pattern.T
    np.fill_diagonal(matrix, 1.0)
    return matrix


def sample(matrix: np.ndarray, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal(np.zeros(len(matrix)), matrix, size=n, method="cholesky")


def categories(rows: np.ndarray, cuts: tuple[float, ...]) -> np.ndarray:
    """Ordered answers 1, 2, ... from continuous rows."""
    return 1.0 + np.searchsorted(np.array(cuts), rows)


def matched(found: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of ``found`` that match those of ``truth`` best, and their signs."""
    from scipy.optimize import linear_sum_assignment

    products = truth.T @ found
    _, columns = linear_sum_assignment(-np.abs(products))
    return columns, np.sign(products[np.arange(len(columns)), columns])
