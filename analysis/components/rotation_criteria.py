"""Rotation criteria: value and gradient for a stack of loading matrices (B, p, m).

Each class is called with the stack and gives (value (B,), gradient (B, p, m)). Formulae after Bernaards & Jennrich
(2005, "Gradient projection algorithms and software for arbitrary rotation criteria"), signs and constants as in
GPArotation 2022.10, so that criterion values compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Criterion = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Varimax:
    """Kaiser (1958): minus a quarter of the summed squared deviations of squared loadings from their column mean."""

    def __call__(self, loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (B,) and gradient (B, p, m)."""
        squares = loadings**2
        deviation = squares - squares.mean(axis=-2, keepdims=True)
        return -np.sum(deviation**2, axis=(-2, -1)) / 4, -loadings * deviation


@dataclass(frozen=True)
class Quartimax:
    """Neuhaus & Wrigley (1954): minus a quarter of the sum of fourth powers."""

    def __call__(self, loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (B,) and gradient (B, p, m)."""
        cubes = loadings**3
        return -np.sum(cubes * loadings, axis=(-2, -1)) / 4, -cubes


@dataclass(frozen=True)
class Oblimin:
    """Direct oblimin (Jennrich & Sampson 1966); ``gamma`` 0 is quartimin, 0.5 bi-quartimin, 1 covarimin.

    A positive gamma makes components more oblique, and the criterion need not have a minimum then.
    """

    gamma: float = 0.0

    def __call__(self, loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (B,) and gradient (B, p, m)."""
        squares, components = loadings * loadings, loadings.shape[-1]
        # A product with a matrix adds few columns in a third of the time of a sum.
        cross = np.matmul(squares, 1 - np.eye(components))
        if self.gamma:
            cross = cross - self.gamma * cross.mean(axis=-2, keepdims=True)
        return np.einsum("bij,bij->b", squares, cross) / 4, loadings * cross


@dataclass(frozen=True)
class CrawfordFerguson:
    """Crawford & Ferguson (1970): (1 - kappa) row complexity + kappa column complexity; equamax is kappa = m / (2p)."""

    kappa: float

    def __call__(self, loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (B,) and gradient (B, p, m)."""
        squares = loadings**2
        rows = squares.sum(axis=-1, keepdims=True) - squares
        columns = squares.sum(axis=-2, keepdims=True) - squares
        mixed = (1 - self.kappa) * rows + self.kappa * columns
        return np.sum(squares * mixed, axis=(-2, -1)) / 4, loadings * mixed


@dataclass(frozen=True)
class Geomin:
    """Yates (1987), Browne (2001): sum over items of the geometric mean of squared loadings plus ``delta``."""

    delta: float = 0.01

    def __call__(self, loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (B,) and gradient (B, p, m)."""
        squares = loadings**2 + self.delta
        components = loadings.shape[-1]
        means = np.exp(np.log(squares).mean(axis=-1, keepdims=True))
        return means.sum(axis=(-2, -1)), (2 / components) * (loadings / squares) * means


@dataclass(frozen=True, eq=False)
class Target:
    """Browne (1972): summed squared distance to the specified cells of a target (p, m); NaN cells are free."""

    target: np.ndarray

    def __call__(self, loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value (B,) and gradient (B, p, m)."""
        difference = np.where(np.isnan(self.target), 0.0, loadings - self.target)
        return np.sum(difference**2, axis=(-2, -1)), 2 * difference
