"""Component scores: weights, how well they determine the components, and the scores of rows with missing answers.

Scores are computed from items standardised with the n - 1 standard deviation, as R's ``scale()`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from analysis.common.answers import item_values
from analysis.common.arguments import one_of, real_number, value_range, whole_number
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.components.alignment import orthogonal_basis
from analysis.components.salience import unit_members
from analysis.components.solution import Solution
from analysis.components.standardising import standard

ScoreMethod = Literal["regression", "bartlett", "ten_berge", "anderson_rubin"]
SCORE_METHODS: tuple[str, ...] = ("regression", "bartlett", "ten_berge", "anderson_rubin")
_SINGULAR = 1e-10


@dataclass(frozen=True, eq=False)
class ScoreWeights:
    """Weights (p, k) that turn standardised items into component scores, and their quality.

    determinacy (k,): squared multiple correlation of each component with the items, diag(S' R^-1 S): the best any score
    can do, whatever the method. validity (k,): correlation of each score with its own component. univocality (k, k):
    correlation of score i (row) with component j (column); off the diagonal it should equal phi. score_correlations
    (k, k): correlations among the scores (never the component correlations of the rotation). minimum_correlation (k,):
    2 determinacy - 1, the lowest correlation two equally valid sets of component values can have (Guttman 1955).
    """

    items: tuple[str, ...]
    method: str
    weights: np.ndarray
    determinacy: np.ndarray
    validity: np.ndarray
    univocality: np.ndarray
    score_correlations: np.ndarray
    status: str
    warnings: tuple[str, ...]

    @property
    def minimum_correlation(self) -> np.ndarray:
        """(k,) Guttman's minimum correlation between alternative component values."""
        return 2 * self.determinacy - 1

    def to_frame(self) -> pd.DataFrame:
        """One row per item and component: item, component, method, weight."""
        p, k = self.weights.shape
        return pd.DataFrame(
            {
                "item": np.repeat(np.array(self.items, dtype=object), k),
                "component": np.tile(np.arange(1, k + 1), p),
                "method": self.method,
                "weight": self.weights.ravel(),
            }
        )

    def components_frame(self) -> pd.DataFrame:
        """One row per component: component, method, determinacy, validity, minimum_correlation."""
        return pd.DataFrame(
            {
                "component": np.arange(1, self.weights.shape[1] + 1),
                "method": self.method,
                "determinacy": self.determinacy,
                "validity": self.validity,
                "minimum_correlation": self.minimum_correlation,
            }
        )


@dataclass(eq=False)
class ScoreCache:
    """Weights (answered items, k) and determinacy (k,) for patterns of answers, kept between calls for one solution and
    method; ``most`` patterns at a time."""

    most: int = 20_000
    patterns: dict[bytes, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores (n, k) of the rows of a data set; NaN in every component where a row answered too few items.

    n_answered (n,) items answered (of the solution's p, or per component (n, k) for unit-weighted means); determinacy
    (n, k) that of the items the row did answer (NaN for unit-weighted means). index (n,) labels of the rows. mean and
    deviation (p,) are those that the answers were standardised by (none for unit-weighted means).
    """

    scores: np.ndarray
    n_answered: np.ndarray
    determinacy: np.ndarray
    index: np.ndarray
    method: str
    status: str
    warnings: tuple[str, ...]
    mean: np.ndarray | None = None
    deviation: np.ndarray | None = None

    @property
    def answered(self) -> np.ndarray:
        """(n, k) ``n_answered`` of every score, where it may be the same for all components."""
        by_score = self.n_answered if self.n_answered.ndim == 2 else self.n_answered[:, None]
        return np.broadcast_to(by_score, self.scores.shape)

    def to_frame(self) -> pd.DataFrame:
        """One row per row and component: row, component, method, score, n_answered, determinacy. Row labels that are
        not all numbers, all words or all dates are given as words."""
        n, k = self.scores.shape
        return pd.DataFrame(
            {
                "row": np.repeat(_row_labels(self.index), k),
                "component": np.tile(np.arange(1, k + 1), n),
                "method": self.method,
                "score": self.scores.ravel(),
                "n_answered": self.answered.ravel(),
                "determinacy": self.determinacy.ravel(),
            }
        )


def _row_labels(index: np.ndarray) -> np.ndarray:
    if index.dtype.kind != "O" or all(isinstance(label, str) for label in index):
        return index
    return np.array([None if label is None else str(label) for label in index], dtype=object)


def score_weights(solution: Solution, method: ScoreMethod = "regression") -> ScoreWeights:
    """Weights of ``solution`` by one of four methods, as psych's ``factor.scores`` 2.2.9 has them.

    - ``regression`` (Thurstone 1935): R^-1 S with S = L Phi, the structure; the most valid scores.
    - ``bartlett`` (1937): Psi^-1 L (L' Psi^-1 L)^-1; unbiased given the model, univocal.
    - ``ten_berge`` (ten Berge et al. 1999): the scores that keep the component correlations Phi exactly.
    - ``anderson_rubin`` (1956): Psi^-1 L (L' Psi^-1 R Psi^-1 L)^-1/2; uncorrelated scores, also of correlated
      components (SPSS's third method; psych's ``Anderson``).

    For principal components (extraction ``components``) they coincide with the component itself, R^-1 S.

    A singular correlation matrix is inverted on its own dimensions only (pseudo-inverse), with status ``singular``.
    Raises :class:`AnalysisError` for an unknown method, or Bartlett's or Anderson and Rubin's with a uniqueness of zero
    or less.

    >>> from analysis.components.components import find_components
    >>> matrix = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    >>> found = score_weights(find_components(matrix, 100, list("abcd"), n_components=1))
    >>> found.weights.round(4).ravel().tolist(), found.determinacy.round(4).tolist()
    ([0.2828, 0.2828, 0.2828, 0.2828], [0.8])
    """
    one_of(method, SCORE_METHODS, "score method")
    inverse, singular = _inverse(solution.correlation)
    structure = solution.structure
    if solution.extraction == "components" or method == "regression":
        weights = inverse @ structure
    elif method == "bartlett":
        weights = _bartlett(solution)
    elif method == "anderson_rubin":
        weights = _anderson_rubin(solution)
    else:
        weights = _ten_berge(solution)
    status, warnings = Status.OK, list[str]()
    if singular:
        status = Status.SINGULAR
        warnings.append("The correlation matrix is singular: weights use its pseudo-inverse.")
    cross = weights.T @ structure
    covariance = weights.T @ solution.correlation @ weights
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        univocality = cross / deviation[:, None]
        correlations = covariance / np.outer(deviation, deviation)
    determinacy = np.einsum("ik,ij,jk->k", structure, inverse, structure)
    if np.any(determinacy > 1 + 1e-8):
        warnings.append("A determinacy above 1: the solution is improper (a Heywood case or an indefinite matrix).")
        status = Status.HEYWOOD if status == Status.OK else status
    return ScoreWeights(
        solution.items,
        method,
        weights,
        determinacy,
        np.diag(univocality).copy(),
        univocality,
        correlations,
        status.value,
        tuple(warnings),
    )


def component_scores(
    data: pd.DataFrame | np.ndarray,
    solution: Solution,
    method: ScoreMethod = "regression",
    *,
    mean: np.ndarray | None = None,
    deviation: np.ndarray | None = None,
    min_answered: int = 1,
    cache: ScoreCache | None = None,
) -> Scores:
    """Scores of each row of ``data`` (n, p), NaN where missing; a frame is read by item name.

    A row with missing items gets the expectation of its score given what it answered: the missing standardised items
    are replaced by R_mo R_oo^-1 z_o, which for regression scores equals scoring from the answered items alone. The
    result is therefore nearer to 0 the less was answered; ``n_answered`` and ``determinacy`` say how much it rests on.
    Rows are worked off by missingness pattern, not one by one.

    Parameters
    ----------
    mean, deviation: (p,) for the standardisation; by default those of ``data`` (answered values, n - 1). A series that
        names the items is read by them.
    min_answered: rows with fewer answered items get NaN; a row without any always does.
    cache: keeps what was worked out per pattern of missing answers for further parts of the same rows.

    Raises :class:`AnalysisError` for items missing from the data, an item without variance to standardise by, or a
    mean and deviation that are not one finite number per item.

    >>> from analysis.components.components import find_components
    >>> matrix = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    >>> found = find_components(matrix, 100, list("abc"), n_components=1)
    >>> data = np.array([[1.0, 1.0, 1.0], [-1.0, np.nan, -1.0]])
    >>> scored = component_scores(data, found, mean=np.zeros(3), deviation=np.ones(3))
    >>> scored.scores.round(4).ravel().tolist(), scored.n_answered.tolist()
    ([1.0607, -0.9428], [3, 2])
    """
    values = item_values(data, solution.items)
    weights = score_weights(solution, method)
    min_answered = max(whole_number(min_answered, "The least number of answers", 0), 1)
    mean, deviation = standard(values, solution.items, mean, deviation)
    standardised = (values - mean) / deviation
    answered = ~np.isnan(standardised)
    n, k = len(values), solution.n_components
    scores, determinacy = np.full((n, k), np.nan), np.full((n, k), np.nan)
    cache = ScoreCache() if cache is None else cache
    patterns, which = _patterns(answered)
    order = np.argsort(which, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(which, minlength=len(patterns)))[:-1]) if n else []
    for observed, rows in zip(patterns, groups, strict=True):
        if observed.sum() < min_answered:
            continue
        effective, determinacy[rows] = _of_pattern(observed, solution, weights.weights, cache)
        scores[rows] = standardised[np.ix_(rows, observed)] @ effective
    index = data.index.to_numpy() if isinstance(data, pd.DataFrame) else np.arange(n)
    count = answered.sum(axis=1)
    warnings = weights.warnings
    unscored = int((count < min_answered).sum())
    if unscored:
        warnings = (
            *warnings,
            f"{unscored} of {several(n, 'row')} answered fewer than {several(min_answered, 'item')}: no score.",
        )
    return Scores(scores, count, determinacy, index, method, weights.status, warnings, mean, deviation)


def _patterns(answered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows (m, p) of ``answered`` (n, p), and which of them each row is (n,).

    Sixty-four items are one number, and numbers are sorted many times sooner than rows are.
    """
    packed = np.packbits(answered, axis=1)
    numbers = np.zeros((len(answered), 8 * -(-packed.shape[1] // 8)), dtype=np.uint8)
    numbers[:, : packed.shape[1]] = packed
    keys = numbers.view(np.uint64)
    one = keys.shape[1] == 1
    _, first, which = np.unique(
        keys[:, 0] if one else keys, axis=None if one else 0, return_index=True, return_inverse=True
    )
    return answered[first], which


def _of_pattern(
    observed: np.ndarray, solution: Solution, weights: np.ndarray, cache: ScoreCache
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the ``observed`` items, w_o + R_oo^-1 R_om w_m, and how well they determine the components."""
    key = observed.tobytes()
    if key not in cache.patterns:
        inverse, _ = _inverse(solution.correlation[np.ix_(observed, observed)])
        passed_on = inverse @ solution.correlation[np.ix_(observed, ~observed)] @ weights[~observed]
        structure = solution.structure[observed]
        made = weights[observed] + passed_on, np.einsum("ik,ij,jk->k", structure, inverse, structure)
        if len(cache.patterns) >= cache.most:
            return made
        cache.patterns[key] = made
    return cache.patterns[key]


def unit_weighted_scores(
    data: pd.DataFrame | np.ndarray,
    solution: Solution,
    *,
    salience: float = 0.40,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    min_share: float = 0.5,
) -> Scores:
    """Means of the salient items of each component, each item on its strongest component only, in the items' own units.

    An item with a negative loading is reflected within its range first (min + max - answer), so ``ranges`` must name
    it. A component without salient items, and a row that answered less than ``min_share`` of a component's items, gets
    NaN. ``n_answered`` (n, k) counts the answered items of each component.

    Raises :class:`AnalysisError` when a negatively loading item has no range, an answer lies outside its range, or a
    threshold or share lies outside 0 to 1.

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = find_components(matrix, 300, list("abcdef"), n_components=2)
    >>> data = np.array([[1.0, 2.0, 3.0, 5.0, 5.0, np.nan]])
    >>> unit_weighted_scores(data, found).scores.tolist()
    [[2.0, 5.0]]
    """
    values = item_values(data, solution.items)
    min_share = real_number(min_share, "The least share of answers", 0, 1)
    members = unit_members(solution.pattern, salience)
    n, k = len(values), solution.n_components
    scores, counts = np.full((n, k), np.nan), np.zeros((n, k), dtype=int)
    warnings = []
    for component in range(k):
        chosen = [int(i) for i in np.flatnonzero(members[:, component])]
        if not chosen:
            warnings.append(f"Component {component + 1} has no salient item: it has no unit-weighted score.")
            continue
        columns = [_oriented(values[:, i], solution, i, component, ranges or {}) for i in chosen]
        table = np.column_stack(columns)
        counts[:, component] = (~np.isnan(table)).sum(axis=1)
        enough = counts[:, component] >= max(min_share * len(chosen), 1)
        scores[enough, component] = np.nanmean(table[enough], axis=1)
    index = data.index.to_numpy() if isinstance(data, pd.DataFrame) else np.arange(n)
    status = Status.OK if members.any(axis=0).all() else Status.TOO_FEW_ITEMS
    return Scores(scores, counts, np.full((n, k), np.nan), index, "unit_weighted", status.value, tuple(warnings))


def _oriented(
    answers: np.ndarray, solution: Solution, item: int, component: int, ranges: Mapping[str, tuple[float, float]]
) -> np.ndarray:
    name = solution.items[item]
    if solution.pattern[item, component] >= 0:
        return answers
    if name not in ranges:
        raise AnalysisError(
            f"Item {name} loads negatively on component {component + 1}: give its range so that it can be reflected."
        )
    low, high = value_range(ranges[name], f"The range of item {name}")
    if np.any((answers < low) | (answers > high)):
        raise AnalysisError(f"Item {name} has answers outside its range {low:g} to {high:g}.")
    return low + high - answers


def _inverse(matrix: np.ndarray) -> tuple[np.ndarray, bool]:
    """Inverse of a correlation matrix, or its pseudo-inverse and True when it is singular or not positive definite."""
    values, vectors = np.linalg.eigh(matrix)
    large = values > _SINGULAR * max(float(values[-1]), 1.0)
    kept = np.where(large, values, 1.0)
    return (vectors * np.where(large, 1 / kept, 0.0)) @ vectors.T, not bool(large.all())


def _by_uniqueness(solution: Solution) -> np.ndarray:
    """(p, k) Psi^-1 L."""
    # psych takes 1 - communality here, not the bounded uniqueness of the extraction; they agree but for Heywood cases.
    uniqueness = 1 - solution.communality
    improper = [item for item, value in zip(solution.items, uniqueness, strict=True) if value <= 0]
    if improper:
        raise AnalysisError(
            f"These scores need positive uniquenesses; {', '.join(improper)} {'has' if len(improper) == 1 else 'have'} "
            "none (Heywood case): "
            "use regression scores.",
            Status.HEYWOOD,
        )
    return solution.pattern / uniqueness[:, None]


def _bartlett(solution: Solution) -> np.ndarray:
    scaled = _by_uniqueness(solution)
    return scaled @ np.linalg.inv(solution.pattern.T @ scaled)


def _anderson_rubin(solution: Solution) -> np.ndarray:
    scaled = _by_uniqueness(solution)
    values, vectors = np.linalg.eigh(scaled.T @ solution.correlation @ scaled)
    if values[0] <= _SINGULAR * values[-1]:
        raise AnalysisError(
            "Anderson-Rubin scores need components that differ; use regression scores.", Status.SINGULAR
        )
    return scaled @ (vectors / np.sqrt(values)) @ vectors.T


def _ten_berge(solution: Solution) -> np.ndarray:
    """R^-1/2 C Phi^1/2 with C the orthonormal columns nearest to R^-1/2 L Phi^1/2."""
    values, vectors = np.linalg.eigh(solution.correlation)
    large = values > _SINGULAR * max(float(values[-1]), 1.0)
    root = (vectors * np.where(large, 1 / np.sqrt(np.where(large, values, 1.0)), 0.0)) @ vectors.T
    left, _, right = np.linalg.svd(root @ orthogonal_basis(solution.pattern, solution.phi), full_matrices=False)
    return root @ left @ right @ orthogonal_basis(np.eye(solution.n_components), solution.phi)
