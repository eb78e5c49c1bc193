"""The lowest minimum of an extraction: minres and ML have several where more components are asked than are there.

A start from squared multiple correlations, the only one of psych, factanal and SPSS, then often ends in a minimum that
is not the lowest. The lower ones nearly always explain one item (almost) whole, so each further start lets one item
begin with hardly any uniqueness; random starts found none that these did not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from analysis.components.extraction import LOWER_BOUND, Extraction, extract, squared_multiple_correlations

MOST_STARTS = 10
"""Further starts: one per item up to this many, of more items those that the next component would have most of."""

LOWER_BY = 1e-7
"""A minimum counts as lower from this difference of the criterion on."""

_HARDLY_ANY = 0.02
_MANY_ITEMS = 20
_NEXT = 0.3
_LEAST_UNIQUENESS = 0.05
"""Of many items, where starts take time, minres that leaves the next component less than this share of the last one's
eigenvalue, and each item more than this uniqueness, is not searched further: of 3000 samples of random designs, with
too few, right and too many components, 170 had a lower minimum, none of them there. With ML some had."""


@dataclass(frozen=True, eq=False)
class LowestExtraction:
    """The ``extraction`` with the lowest criterion of ``starts``, whether the start from squared multiple correlations
    is among those that reached it, and where that one ended (``first_objective``)."""

    extraction: Extraction
    starts: int
    first_is_lowest: bool
    first_objective: float


def extract_lowest(
    correlation: np.ndarray,
    n_components: int,
    extraction: str = "minres",
    *,
    starts: int = MOST_STARTS,
    lower_bound: float = LOWER_BOUND,
    tolerance: float = 1e-9,
    max_iterations: int | None = None,
) -> LowestExtraction:
    """Extract ``n_components`` from one ``correlation`` matrix (p, p) from several starts and keep the lowest.

    ``starts`` further ones, at most one per item; 0 for the usual start alone, which is also enough for minres of many
    items whose components stand out from what is left. It is kept unless another ends lower by more than
    :data:`LOWER_BY`. Principal axes and components are not searched for: they are where their steps lead.
    Raises :class:`analysis.common.status.AnalysisError` as :func:`analysis.components.extraction.extract`.

    >>> loadings = np.array([[.8], [.7], [.6], [.5]])
    >>> matrix = loadings @ loadings.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = extract_lowest(matrix, 1)
    >>> found.starts, found.first_is_lowest, found.extraction.loadings[0].round(6).ravel().tolist()
    (5, True, [0.8, 0.7, 0.6, 0.5])
    """
    limits: dict[str, Any] = {
        "lower_bound": lower_bound,
        "tolerance": tolerance,
        "max_iterations": max_iterations,
    }
    first = extract(correlation, n_components, extraction, **limits)
    objective = float(first.objective[0])
    items = min(starts, len(correlation))
    if extraction not in ("minres", "ml") or items < 1:
        return LowestExtraction(first, 1, True, objective)
    matrix = np.asarray(correlation, dtype=float)
    values, vectors = np.linalg.eigh(matrix - np.diag(first.uniqueness[0]))
    stand_out = values[-n_components - 1] < _NEXT * values[-n_components]
    stand_out &= first.uniqueness[0].min() > _LEAST_UNIQUENESS
    if extraction == "minres" and stand_out and len(matrix) > _MANY_ITEMS:
        return LowestExtraction(first, 1, True, objective)
    stack = np.broadcast_to(matrix, (items, *matrix.shape))
    others = extract(
        stack,
        n_components,
        extraction,
        start=_starts(matrix, vectors[:, -n_components - 1], items),
        **limits,
    )
    ends = np.where(others.converged, others.objective, np.inf)
    lowest = int(np.argmin(ends))
    if not ends[lowest] < objective - LOWER_BY:
        return LowestExtraction(first, 1 + items, True, objective)
    chosen = Extraction(*(getattr(others, one.name)[lowest : lowest + 1] for one in fields(Extraction)))
    return LowestExtraction(chosen, 1 + items, False, objective)


def _starts(matrix: np.ndarray, following: np.ndarray, count: int) -> np.ndarray:
    """(count, p) uniquenesses left by squared multiple correlations but for one item each, which begins with hardly
    any: those of the largest weights (p,) in the component that follows those extracted."""
    chosen = np.argsort(-np.abs(following), kind="stable")[:count]
    starts = np.repeat(1 - squared_multiple_correlations(matrix[None]), count, axis=0)
    starts[np.arange(count), chosen] = _HARDLY_ANY
    return starts
