"""How many components? Every usual rule, side by side; the study chooses one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.arguments import number_of_rows, seed_number, whole_number
from analysis.common.matrices import correlation_matrix
from analysis.common.observations import check_level
from analysis.common.resampling import MapFunction
from analysis.common.status import AnalysisError, Status, most_serious
from analysis.common.wording import several
from analysis.components.parallel_analysis import KINDS, ParallelReference, parallel_analysis, reduced_eigenvalues

DEFAULT_RULE = "parallel_components_normal_percentile"


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule: what was observed for component 1, 2, ..., what it is held against, and the number it retains.

    For the parallel analyses, Kaiser and the empirical Kaiser criterion a component is retained while all up to it are
    above the reference. For MAP ``observed`` is the mean of the partial correlations' powers after 0, 1, 2, ...
    components, ``reference`` is NaN and the minimum is chosen.
    """

    name: str
    observed: np.ndarray
    reference: np.ndarray
    first: int
    n_components: int


@dataclass(frozen=True, eq=False)
class Retention:
    """All rules for one correlation matrix, with the seed and the references they were made from."""

    n: float
    n_items: int
    eigenvalues: np.ndarray
    rules: tuple[Rule, ...]
    references: tuple[ParallelReference, ...]
    seed: int
    status: str
    warnings: tuple[str, ...]

    def choose(self, rule: str = DEFAULT_RULE) -> int:
        """The number of components by ``rule``; raises :class:`AnalysisError` for one that is not there."""
        for one in self.rules:
            if one.name == rule:
                return one.n_components
        raise AnalysisError(
            f"Unknown retention rule {rule!r}; there are {', '.join(one.name for one in self.rules)}.",
            Status.UNKNOWN_NAME,
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per rule and component: rule, component (MAP begins at 0), observed, reference, retained."""
        parts = []
        for rule in self.rules:
            component = np.arange(rule.first, rule.first + len(rule.observed))
            parts.append(
                pd.DataFrame(
                    {
                        "rule": rule.name,
                        "component": component,
                        "observed": rule.observed,
                        "reference": rule.reference,
                        "retained": (component >= 1) & (component <= rule.n_components),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def counts_frame(self) -> pd.DataFrame:
        """One row per rule: rule, n_components."""
        return pd.DataFrame(
            {"rule": [r.name for r in self.rules], "n_components": [r.n_components for r in self.rules]}
        )


def retention(
    correlation: np.ndarray,
    n: float | None,
    *,
    rows: np.ndarray | None = None,
    kinds: Sequence[str] = KINDS,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    run: MapFunction = map,
) -> Retention:
    """All retention rules for ``correlation`` (p, p) from ``n`` rows; what needs n is left out when it is None.

    Rules: ``kaiser`` (eigenvalues above 1); ``parallel_<kind>_<source>_<mean|percentile>`` for each of ``kinds`` (see
    :data:`analysis.components.parallel_analysis.KINDS`) and source ``normal``, and ``permuted`` where ``rows`` (n, p)
    are given; ``map_1976`` and ``map_2000`` (see :func:`minimum_average_partial`); ``empirical_kaiser`` (Braeken & van
    Assen 2017). With ``replicates`` 0 there is no parallel analysis. ``run`` is a ``map`` that may use many workers.

    Raises :class:`AnalysisError` for what is no correlation matrix of 2 items or more, fewer than 3 rows, one replicate
    or a level outside 0 to 1, and as :func:`analysis.components.parallel_analysis.parallel_analysis` does.

    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = retention(matrix, 300, replicates=100)
    >>> {rule.name: rule.n_components for rule in found.rules}
    {'kaiser': 2, 'parallel_components_normal_mean': 2, 'parallel_components_normal_percentile': 2,
    'parallel_smc_normal_mean': 2, 'parallel_smc_normal_percentile': 2, 'parallel_minres_normal_mean': 2,
    'parallel_minres_normal_percentile': 2, 'empirical_kaiser': 2, 'map_1976': 2, 'map_2000': 1}
    """
    matrix, _ = correlation_matrix(correlation, use="rules of retention need")
    n = number_of_rows(n, "rules of retention need")
    replicates, seed = whole_number(replicates, "The number of random data sets", 0), seed_number(seed)
    check_level(level)
    size = len(matrix)
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    statuses, sentences = [], []
    if eigenvalues[-1] < -1e-10:
        statuses.append(Status.INDEFINITE)
        sentences.append(f"The correlation matrix is indefinite (smallest eigenvalue {eigenvalues[-1]:.2g}).")
    ones = np.ones(size)
    rules = [Rule("kaiser", eigenvalues, ones, 1, leading(eigenvalues, ones))]
    references: list[ParallelReference] = []
    if np.isfinite(n):
        if n <= size:
            statuses.append(Status.TOO_FEW_ROWS)
            sentences.append(f"{several(n, 'row')} for {several(size, 'item')}.")
        if replicates > 0:
            drawn: dict[str, Any] = {"replicates": replicates, "level": level, "seed": seed}
            references = parallel_analysis(int(round(n)), size, kinds=kinds, rows=rows, run=run, **drawn)
        rules += _parallel_rules(matrix, references)
        ekc = empirical_kaiser_reference(eigenvalues, n)
        rules.append(Rule("empirical_kaiser", eigenvalues, ekc, 1, leading(eigenvalues, ekc)))
    else:
        sentences.append("The number of rows is unknown: no parallel analysis and no empirical Kaiser criterion.")
    rules += _partial_rules(matrix)
    return Retention(
        n,
        size,
        eigenvalues,
        tuple(rules),
        tuple(references),
        seed,
        most_serious(statuses).value,
        tuple(sentences),
    )


def _partial_rules(matrix: np.ndarray) -> Iterator[Rule]:
    for name, power in (("map_1976", 2), ("map_2000", 4)):
        values = minimum_average_partial(matrix, power)
        chosen = 0 if np.all(np.isnan(values)) else int(np.nanargmin(values))
        yield Rule(name, values, np.full(len(matrix), np.nan), 0, chosen)


def leading(observed: np.ndarray, reference: np.ndarray) -> int:
    """How many values from the first on are above their reference, up to the first that is not.

    >>> leading(np.array([3., 2., .5, 2.]), np.ones(4))
    2
    """
    below = np.flatnonzero(~(observed > reference))
    return int(below[0]) if below.size else len(observed)


def minimum_average_partial(correlation: np.ndarray, power: int = 2) -> np.ndarray:
    """(p,) Velicer's MAP: mean ``power`` of the partial correlations after 0, 1, ..., p - 1 principal components.

    ``power`` 2 is Velicer (1976), 4 the revision of Velicer, Eaton & Fava (2000). NaN where a component leaves an item
    without variance. psych's ``VSS(...)$map`` begins at 1 component; ours at 0.

    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> minimum_average_partial(matrix).round(4)[:3].tolist()
    [0.1094, 0.122, 0.101]

    Raises :class:`AnalysisError` for what is no correlation matrix of 2 items or more.
    """
    correlation, _ = correlation_matrix(correlation, use="minimum average partial needs")
    size = len(correlation)
    values, vectors = np.linalg.eigh(correlation)
    loadings = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1]
    residual = np.array(correlation, dtype=float)
    result = np.full(size, np.nan)
    off = ~np.eye(size, dtype=bool)
    for removed in range(size):
        if removed:
            residual = residual - np.outer(loadings[:, removed - 1], loadings[:, removed - 1])
        variance = np.diag(residual)
        if np.any(variance <= 1e-12):
            break
        partial = residual / np.sqrt(np.outer(variance, variance))
        result[removed] = np.mean(np.abs(partial[off]) ** power)
    return result


def empirical_kaiser_reference(eigenvalues: np.ndarray, n: float) -> np.ndarray:
    """(p,) reference eigenvalues of Braeken & van Assen (2017): the largest eigenvalue of random data of this size,
    (1 + sqrt(p / n))^2, scaled by the variance that the earlier components leave per item, and at least 1.

    Raises :class:`AnalysisError` for fewer than 3 rows."""
    n = number_of_rows(n, "the empirical Kaiser criterion needs")
    size = len(eigenvalues)
    before = np.concatenate([[0.0], np.cumsum(eigenvalues)[:-1]])
    left = (size - before) / (size - np.arange(size))
    return np.maximum(left * (1 + np.sqrt(size / n)) ** 2, 1.0)


def _parallel_rules(matrix: np.ndarray, references: Sequence[ParallelReference]) -> list[Rule]:
    observed: dict[str, np.ndarray] = {}
    rules = []
    for reference in references:
        if reference.kind not in observed:
            observed[reference.kind] = reduced_eigenvalues(matrix[None], reference.kind)[0]
        seen = observed[reference.kind]
        for statistic, values in (("mean", reference.mean), ("percentile", reference.percentile)):
            name = f"parallel_{reference.kind}_{reference.source}_{statistic}"
            rules.append(Rule(name, seen, values, 1, leading(seen, values)))
    return rules
