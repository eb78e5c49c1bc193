"""Which items mark a component: salient loadings, gaps to the next loading, cross-loadings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.common.arguments import real_number
from analysis.components.solution import Solution


@dataclass(frozen=True, eq=False)
class Salience:
    """Where each item of a solution belongs; ``threshold`` is compared with |pattern|.

    strongest (p,) component of the largest |loading| (0-based); salient (p, k); gap (p,) difference between the two
    largest |loadings| (the whole loading with one component).
    """

    items: tuple[str, ...]
    pattern: np.ndarray
    threshold: float
    strongest: np.ndarray
    salient: np.ndarray
    gap: np.ndarray

    @property
    def belongs(self) -> np.ndarray:
        """(p,) component an item belongs to (0-based), -1 where no loading is salient."""
        return np.where(self.salient.any(axis=1), self.strongest, -1)

    def to_frame(self) -> pd.DataFrame:
        """One row per item: item, component (the one it belongs to, missing if none), strongest_component, loading,
        gap, n_salient, cross_loadings (other components with a salient loading, as text '2 5')."""
        belongs = pd.array(np.where(self.belongs < 0, 0, self.belongs + 1), dtype="Int64")
        belongs[self.belongs < 0] = pd.NA
        others = [
            " ".join(str(c + 1) for c in np.flatnonzero(row) if c != home)
            for row, home in zip(self.salient, self.strongest, strict=True)
        ]
        return pd.DataFrame(
            {
                "item": np.array(self.items, dtype=object),
                "component": belongs,
                "strongest_component": self.strongest + 1,
                "loading": self.pattern[np.arange(len(self.items)), self.strongest],
                "gap": self.gap,
                "n_salient": self.salient.sum(axis=1),
                "cross_loadings": others,
            }
        )


def check_salience(threshold: float) -> float:
    """The absolute size from which on a loading is salient; raises :class:`AnalysisError` outside (0, 1]."""
    return real_number(threshold, "A salience threshold", 0, 1, beyond=True)


def salience(solution: Solution, threshold: float = 0.40) -> Salience:
    """Judge every item of ``solution``; raises :class:`AnalysisError` for a threshold outside (0, 1].

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = find_components(matrix, 300, list("abcdef"), n_components=2)
    >>> judged = salience(found, 0.65)
    >>> judged.strongest.tolist(), judged.salient.sum(axis=1).tolist()
    ([0, 0, 0, 1, 1, 1], [1, 1, 0, 1, 1, 0])
    """
    threshold = check_salience(threshold)
    size = np.abs(solution.pattern)
    ordered = np.sort(size, axis=1)[:, ::-1]
    gap = ordered[:, 0] - (ordered[:, 1] if size.shape[1] > 1 else 0.0)
    return Salience(solution.items, solution.pattern, threshold, size.argmax(axis=1), size >= threshold, gap)


def unit_members(pattern: np.ndarray, threshold: float = 0.40) -> np.ndarray:
    """(p, k) True where an item is salient on its strongest component: each item counts once, or not at all.

    Raises :class:`AnalysisError` for a threshold outside (0, 1]."""
    threshold = check_salience(threshold)
    size = np.abs(pattern)
    return (size >= threshold) & (np.arange(size.shape[1]) == size.argmax(axis=1)[:, None])
