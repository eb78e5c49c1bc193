"""One component solution: what was found, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.components.fit import Fit, fit_statistics
from analysis.components.rotation import RotationSettings


@dataclass(frozen=True, eq=False)
class Solution:
    """An extracted and rotated component solution, made once by :func:`analysis.components.components.find_components`.

    Fields
    ------
    items: the p item names in the order of the rows.
    correlation: (p, p), as analysed, after smoothing if there was any.
    n: rows used for the fit statistics (NaN when unknown: a correlation matrix came without its n).
    extraction: a name of :data:`analysis.components.extraction.EXTRACTIONS`.
    rotation: name with its variant, for example ``promax_kaiser``.
    pattern: (p, m) loadings; phi: (m, m) component correlations of the rotation, identity when orthogonal.
    uniqueness: (p,) as estimated (bounded for ``minres`` and ``ml``).
    status, warnings: the word and the sentences that go with the solution.
    constants: of the rotation (gamma, power, delta, target), with which a resample is rotated again.
    diagnostics: figures of the optimisers (iterations, gradient norms, random starts and how many reached the best).
    """

    items: tuple[str, ...]
    correlation: np.ndarray
    n: float
    extraction: str
    rotation: str
    pattern: np.ndarray
    phi: np.ndarray
    uniqueness: np.ndarray
    status: str
    warnings: tuple[str, ...]
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    constants: RotationSettings = field(default_factory=RotationSettings)

    def __post_init__(self) -> None:
        """Freeze the arrays and check that their shapes belong together; raises :class:`AnalysisError`."""
        for name in ("correlation", "pattern", "phi", "uniqueness"):
            array = np.array(getattr(self, name), dtype=float)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        items = len(self.items)
        components = self.pattern.shape[1] if self.pattern.ndim == 2 else -1
        expected = {
            "correlation": (items, items),
            "pattern": (items, components),
            "phi": (components, components),
            "uniqueness": (items,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise AnalysisError(f"{name} has shape {getattr(self, name).shape}, expected {shape}.")
        object.__setattr__(self, "status", Status(self.status).value)

    @property
    def n_components(self) -> int:
        """Number of components, m."""
        return int(self.pattern.shape[1])

    @cached_property
    def structure(self) -> np.ndarray:
        """(p, m) correlations of items with components: pattern times phi."""
        return self.pattern @ self.phi

    @cached_property
    def communality(self) -> np.ndarray:
        """(p,) share of each item's variance that the components carry: diagonal of L Phi L'."""
        return np.sum(self.structure * self.pattern, axis=1)

    @cached_property
    def complexity(self) -> np.ndarray:
        """(p,) Hofmann's (1977) index (sum l^2)^2 / sum l^4: 1 for a pure item, m for one spread evenly."""
        squares = self.pattern**2
        fourth = np.sum(squares**2, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sum(squares, axis=1) ** 2 / fourth

    @cached_property
    def variance(self) -> np.ndarray:
        """(m,) sums of squared loadings; for oblique components the diagonal of Phi L'L, which adds up to the sum of
        the communalities (psych's ``SS loadings``; the sum of L^2 alone would not)."""
        return np.diag(self.phi @ self.pattern.T @ self.pattern).copy()

    @cached_property
    def variance_share(self) -> np.ndarray:
        """(m,) variance of each component as a share of the items' total variance, p."""
        return self.variance / len(self.items)

    @cached_property
    def residuals(self) -> np.ndarray:
        """(p, p) correlation minus the model's; the diagonal holds what the components leave of each item."""
        return self.correlation - self.pattern @ self.phi @ self.pattern.T

    @cached_property
    def fit(self) -> Fit:
        """Fit statistics, see :func:`analysis.components.fit.fit_statistics`."""
        return fit_statistics(self.correlation, self.pattern, self.phi, self.n)

    def ordered_and_signed(self) -> Solution:
        """The same solution with columns by variance explained, largest first, each signed so that its loadings sum
        to a positive number; ``phi`` follows the same order and the same signs."""
        order, signs = column_order_and_signs(self.pattern, self.phi)
        pattern = self.pattern[:, order] * signs
        phi = self.phi[np.ix_(order, order)] * np.outer(signs, signs)
        return replace(self, pattern=pattern, phi=phi)

    def to_frame(self) -> pd.DataFrame:
        """One row per item and component: item, component (1..m), loading, structure, communality, uniqueness,
        complexity."""
        items, components = self.pattern.shape
        return pd.DataFrame(
            {
                "item": np.repeat(np.array(self.items, dtype=object), components),
                "component": np.tile(np.arange(1, components + 1), items),
                "loading": self.pattern.ravel(),
                "structure": self.structure.ravel(),
                "communality": np.repeat(self.communality, components),
                "uniqueness": np.repeat(self.uniqueness, components),
                "complexity": np.repeat(self.complexity, components),
            }
        )

    def components_frame(self) -> pd.DataFrame:
        """One row per component: component, variance, variance_share, cumulative_share, common_share."""
        return pd.DataFrame(
            {
                "component": np.arange(1, self.n_components + 1),
                "variance": self.variance,
                "variance_share": self.variance_share,
                "cumulative_share": np.cumsum(self.variance_share),
                "common_share": self.variance / np.sum(self.variance),
            }
        )

    def correlations_frame(self) -> pd.DataFrame:
        """One row per ordered pair of components: component, other_component, correlation (of the rotation)."""
        numbers = np.arange(1, self.n_components + 1)
        return pd.DataFrame(
            {
                "component": np.repeat(numbers, self.n_components),
                "other_component": np.tile(numbers, self.n_components),
                "correlation": self.phi.ravel(),
            }
        )


_SAME_VARIANCE = 10
"""Decimals to which variances explained are compared where they order components."""


def column_order_and_signs(pattern: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order (m,) of the columns by variance explained, descending, and the signs (m,) *of the ordered columns* that
    make each column sum positive (a sum of exactly zero keeps its sign).

    Columns of the same variance but for rounding stand in the order of the items that load most on them.

    >>> pattern = np.array([[0.0, 0.6], [0.1, 0.8], [0.8, 0.1], [0.6, 0.0]])
    >>> [column_order_and_signs(pattern * [1, share], np.eye(2))[0].tolist() for share in (1 - 1e-15, 1 + 1e-15, 0.9)]
    [[1, 0], [1, 0], [0, 1]]
    """
    variance = np.diag(phi @ pattern.T @ pattern)
    order = np.lexsort((np.abs(pattern).argmax(axis=0), -variance.round(_SAME_VARIANCE)))
    signs = np.where(pattern[:, order].sum(axis=0) < 0, -1.0, 1.0)
    return order, signs
