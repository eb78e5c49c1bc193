"""Correlations of items, with what was left out and why.

Pearson correlations come from :class:`CrossProducts`, polychoric ones from
:class:`analysis.correlations.polychoric.PairCounts`; both are sums over rows, so that a streaming pass adds up chunks
and ten million rows need no more memory than ten thousand. Nothing is imputed: a missing answer is missing from its
pairs (``pairwise``), takes its row with it (``complete``), or is integrated out under normality (``em``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.common.answers import answers_of
from analysis.common.arguments import one_of, real_number, whole_number
from analysis.common.matrices import square_matrix
from analysis.common.status import AnalysisError, Status, most_serious
from analysis.common.wording import several
from analysis.correlations.cross_products import CrossProducts
from analysis.correlations.missing import ml_moments
from analysis.correlations.polychoric import PairCounts, Polychoric, polychoric

METHODS = ("pearson", "polychoric")
MISSING_RULES = ("pairwise", "complete", "em")
LEAST_ROWS = 3
"""With two rows every correlation is 1 or -1; fewer than three rows are refused."""

DUPLICATE = 1 - 1e-10
"""Two items that correlate this far or further, either sign, are the same item to a factor analysis."""


@dataclass(frozen=True)
class LeftOut:
    """An item that was left out: ``reason`` is ``nearly_empty``, ``constant``, ``duplicate`` or ``no_common_rows``."""

    item: str
    reason: str
    detail: str


@dataclass(frozen=True, eq=False)
class Correlations:
    """A correlation matrix ready for :func:`analysis.components.components.find_components`.

    matrix (p, p) of ``items``; ``n`` rows for fit statistics (rows with at least one answer to these items, as psych
    counts; complete rows when the rule is ``complete``); n_pairs (p, p) rows behind each correlation; ``smoothed`` says
    that the matrix was indefinite and made positive definite, ``smallest_eigenvalue`` what it was before.
    ``diagnostics`` and ``thresholds`` belong to the polychoric ones.
    """

    items: tuple[str, ...]
    matrix: np.ndarray
    n: int
    n_pairs: np.ndarray
    method: str
    missing: str
    left_out: tuple[LeftOut, ...]
    smoothed: bool
    smallest_eigenvalue: float
    status: str
    warnings: tuple[str, ...]
    diagnostics: pd.DataFrame | None = None
    thresholds: dict[str, np.ndarray] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of items (first before second in item order): item, other_item, correlation, n."""
        first, second = np.triu_indices(len(self.items), k=1)
        names = np.array(self.items, dtype=object)
        return pd.DataFrame(
            {
                "item": names[first],
                "other_item": names[second],
                "correlation": self.matrix[first, second],
                "n": self.n_pairs[first, second].astype(int),
            }
        )

    def left_out_frame(self) -> pd.DataFrame:
        """One row per item left out: item, reason, detail."""
        rows = [(one.item, one.reason, one.detail) for one in self.left_out]
        return pd.DataFrame(rows, columns=["item", "reason", "detail"]).astype(str)


def correlate(
    rows: pd.DataFrame | np.ndarray,
    items: Sequence[str] | None = None,
    *,
    method: str = "pearson",
    missing: str = "pairwise",
    valid_range: tuple[float, float] | None = None,
    least_answers: int = LEAST_ROWS,
    least_share: float = 0.05,
    thresholds: str = "item",
    empty_cell: float = 0.0,
    smooth: bool = True,
) -> Correlations:
    """Correlate the items of ``rows`` (n, p), NaN or NA where an answer is missing.

    ``items`` names the columns of an array; of a frame, which has names of its own, it chooses columns by them. Items
    answered by fewer than ``least_answers`` rows
    or less than ``least_share`` of them, items without variance and duplicates are left out and named. ``valid_range``
    makes a value outside it an error. ``thresholds`` and ``empty_cell`` are those of
    :func:`analysis.correlations.polychoric.polychoric`. An indefinite matrix is smoothed and flagged, unless ``smooth``
    is False.

    Raises :class:`AnalysisError`: no rows or fewer than three, fewer than two items left, infinite values, values that
    are no numbers or out of range, more kinds of answers than polychoric correlations can be of, an unknown method or
    rule, options that are no such numbers.

    >>> frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 2, 4], "c": [2, 2, 2, 2]})
    >>> found = correlate(frame)
    >>> found.items, round(float(found.matrix[0, 1]), 3), found.left_out[0].reason
    (('a', 'b'), 0.8, 'constant')
    """
    values, names = answers_of(rows, items, valid_range=valid_range)
    _check_rules(method, missing)
    empty_cell = real_number(empty_cell, "What is added to an empty cell", 0, 1)
    values = values[~np.all(np.isnan(values), axis=1)]
    products = CrossProducts.from_rows(values, names)
    if missing != "complete":
        kept, left_out = screen(products, least_answers=least_answers, least_share=least_share)
    else:
        kept, left_out, values, products = _complete_rows(values, products, least_answers, least_share)
    index = [names.index(item) for item in kept]
    if left_out and missing != "complete":
        # Rows that answered nothing but what was left out are no rows of these items.
        values = values[~np.all(np.isnan(values[:, index]), axis=1)]
        products = CrossProducts.from_rows(values, names)
    if method == "polychoric":
        counts = PairCounts.from_rows(values[:, index], kept)
        return correlate_counts(
            counts, missing=missing, left_out=left_out, thresholds=thresholds, empty_cell=empty_cell, smooth=smooth
        )
    if missing != "em":
        return correlate_products(products.select(kept), missing=missing, left_out=left_out, smooth=smooth)
    moments = ml_moments(values[:, index])
    statuses: list[Status] = [Status.OK]
    sentences: tuple[str, ...] = ()
    if moments.singular:
        statuses = [Status.SINGULAR]
        sentences = (
            "The ML covariance is singular: too few rows for these items; that of the rows is given."
            if moments.converged
            else "The ML covariance is singular: too few rows for so many missing answers; the last estimate is given.",
        )
    elif not moments.converged:
        statuses = [Status.NOT_CONVERGED]
        sentences = ("The EM algorithm did not converge; its last estimate is given.",)
    chosen = products.select(kept)
    return _finished(
        kept, moments.correlation, chosen.n_rows, chosen.n, "pearson", "em", left_out, smooth, statuses, sentences
    )


def correlate_products(
    products: CrossProducts,
    *,
    missing: str = "pairwise",
    left_out: tuple[LeftOut, ...] | None = None,
    smooth: bool = True,
    least_answers: int = LEAST_ROWS,
    least_share: float = 0.05,
) -> Correlations:
    """Pearson correlations from merged cross-products of a streaming pass. Items are screened here unless ``left_out``
    says that it was done; rows that answered nothing but items left out cannot be told from the sums, and count. With
    ``missing="complete"`` only complete rows may have been added to ``products``.

    >>> answers = np.random.default_rng(1).integers(1, 6, size=(100, 2)).astype(float)
    >>> sums = [CrossProducts.from_rows(part, ("a", "b")) for part in (answers[:60], answers[60:])]
    >>> found = correlate_products(sums[0] + sums[1])
    >>> bool(abs(found.matrix - correlate(answers, ["a", "b"]).matrix).max() < 1e-12), found.n
    (True, 100)
    """
    if left_out is None:
        kept, left_out = screen(products, least_answers=least_answers, least_share=least_share)
        products = products.select(kept)
    return _finished(
        products.items, products.pearson(), products.n_rows, products.n, "pearson", missing, left_out, smooth, [], ()
    )


def correlate_counts(
    counts: PairCounts,
    *,
    missing: str = "pairwise",
    left_out: tuple[LeftOut, ...] | None = None,
    thresholds: str = "item",
    empty_cell: float = 0.0,
    smooth: bool = True,
    least_answers: int = LEAST_ROWS,
    least_share: float = 0.05,
) -> Correlations:
    """Polychoric correlations from merged contingency counts of a streaming pass; see :func:`correlate_products`.

    >>> answers = np.repeat([[1.0, 1.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0]], [40, 10, 10, 40], axis=0)
    >>> parts = [PairCounts.from_rows(part, ("a", "b")) for part in (answers[:50], answers[50:])]
    >>> round(float(correlate_counts(parts[0] + parts[1]).matrix[0, 1]), 4)
    0.809
    """
    if left_out is None:
        kept, left_out = screen(counts.cross_products(), least_answers=least_answers, least_share=least_share)
        counts = counts.select(kept)
    found: Polychoric = polychoric(counts, thresholds=thresholds, empty_cell=empty_cell)
    return _finished(
        counts.items,
        found.matrix,
        counts.n_rows,
        counts.n_pairs(),
        "polychoric",
        missing,
        left_out,
        smooth,
        [Status(found.status)],
        found.warnings,
        found.to_frame(),
        found.thresholds,
    )


def smoothed(matrix: np.ndarray) -> np.ndarray:
    """The nearest usable correlation matrix by psych's ``cor.smooth``: eigenvalues below 1e-12 become 1e-10, all are
    rescaled to sum to p, and the result is rescaled to a unit diagonal.

    Raises :class:`AnalysisError` for what is no symmetric matrix."""
    matrix, _ = square_matrix(matrix, None, "correlation matrix")
    if not len(matrix):
        return matrix
    values, vectors = np.linalg.eigh(matrix)
    values = np.where(values < 1e-12, 1e-10, values)
    values *= len(values) / values.sum()
    rebuilt = (vectors * values) @ vectors.T
    scale = 1 / np.sqrt(np.diag(rebuilt))
    result = rebuilt * np.outer(scale, scale)
    np.fill_diagonal(result, 1.0)
    return (result + result.T) / 2


def screen(
    products: CrossProducts, *, least_answers: int = LEAST_ROWS, least_share: float = 0.05
) -> tuple[tuple[str, ...], tuple[LeftOut, ...]]:
    """The items that can be correlated, in their order, and those left out with reason.

    Of two duplicates the later one goes. Raises :class:`AnalysisError` when fewer than three rows or two items remain.
    """
    least_answers = whole_number(least_answers, "The least number of answers", 0)
    least_share = real_number(least_share, "The least share of answers", 0, 1)
    if products.n_rows < LEAST_ROWS:
        raise AnalysisError(
            f"{several(products.n_rows, 'row')} with answers; correlations need at least {LEAST_ROWS}.",
            Status.NO_DATA if products.n_rows == 0 else Status.TOO_FEW_ROWS,
        )
    left: dict[str, LeftOut] = {}
    least = max(least_answers, least_share * products.n_rows)
    variance = products.variances()
    for position, item in enumerate(products.items):
        answers = int(products.n[position, position])
        if answers < least:
            left[item] = LeftOut(item, "nearly_empty", f"{answers} of {several(products.n_rows, 'row')} answered it")
        elif not variance[position] > 1e-12 * max(1.0, abs(products.origin[position])):
            left[item] = LeftOut(item, "constant", f"all {answers} answers are equal" if answers > 1 else "one answer")
    matrix = products.pearson()
    alike = np.triu((np.abs(np.nan_to_num(matrix)) >= DUPLICATE) & (products.n > 2), k=1)
    for second, first in np.argwhere(alike.T):
        item, earlier = products.items[second], products.items[first]
        if item not in left and earlier not in left:
            left[item] = LeftOut(item, "duplicate", f"same answers as {earlier}")
    _drop_uncorrelated(products, matrix, left)
    kept = tuple(item for item in products.items if item not in left)
    if len(kept) < 2:
        reasons = {one.reason for one in left.values()}
        named = "; ".join(f"{one.item} ({one.reason})" for one in list(left.values())[:10])
        raise AnalysisError(
            f"{len(kept)} of {several(len(products.items), 'item')} can be correlated"
            f"{f'; left out: {named}' if named else ''}.",
            Status.CONSTANT if reasons == {"constant"} else Status.TOO_FEW_ITEMS,
        )
    return kept, tuple(left.values())


def _drop_uncorrelated(products: CrossProducts, matrix: np.ndarray, left: dict[str, LeftOut]) -> None:
    """Leave out, one by one, the item with most pairs that have no correlation (too few rows or variance in common)."""
    usable = np.isfinite(matrix) & (products.n >= LEAST_ROWS)
    inside = np.array([item not in left for item in products.items])
    while np.any(inside):
        gaps = np.sum(~usable[np.ix_(inside, inside)], axis=1)
        if not np.any(gaps):
            return
        # Of equals the last goes, as with duplicates.
        worst = np.flatnonzero(inside)[len(gaps) - 1 - int(np.argmax(gaps[::-1]))]
        item = products.items[worst]
        left[item] = LeftOut(item, "no_common_rows", f"no correlation with {int(gaps.max())} of the other items")
        inside[worst] = False


def _complete_rows(
    values: np.ndarray, products: CrossProducts, least_answers: int, least_share: float
) -> tuple[tuple[str, ...], tuple[LeftOut, ...], np.ndarray, CrossProducts]:
    """Listwise deletion: nearly empty items go first, lest they take every row with them."""
    names = products.items
    least = max(least_answers, least_share * products.n_rows)
    answered = np.array([products.n[i, i] >= least for i in range(len(names))], dtype=bool)
    empty = tuple(
        LeftOut(names[i], "nearly_empty", f"{int(products.n[i, i])} of {several(products.n_rows, 'row')} answered it")
        for i in np.flatnonzero(~answered)
    )
    complete = values[~np.any(np.isnan(values[:, answered]), axis=1)]
    whole = CrossProducts.from_rows(complete[:, answered], tuple(np.array(names, dtype=object)[answered]))
    kept, left_out = screen(whole, least_answers=least_answers, least_share=least_share)
    return kept, empty + left_out, complete, whole


def _finished(
    items: tuple[str, ...],
    matrix: np.ndarray,
    n: int,
    n_pairs: np.ndarray,
    method: str,
    missing: str,
    left_out: tuple[LeftOut, ...],
    smooth: bool,
    statuses: list[Status],
    sentences: tuple[str, ...],
    diagnostics: pd.DataFrame | None = None,
    thresholds: dict[str, np.ndarray] | None = None,
) -> Correlations:
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    notes = list(sentences)
    if left_out:
        notes.append("Items left out: " + ", ".join(f"{one.item} ({one.reason})" for one in left_out) + ".")
    indefinite = smallest < -1e-10
    if indefinite:
        statuses = [*statuses, Status.INDEFINITE]
        notes.append(
            f"The correlation matrix is indefinite (smallest eigenvalue {smallest:.2g})"
            + (" and was smoothed." if smooth else ".")
        )
        matrix = smoothed(matrix) if smooth else matrix
    if n <= len(items):
        statuses = [*statuses, Status.TOO_FEW_ROWS]
        notes.append(f"{several(n, 'row')} for {several(len(items), 'item')}; more rows than items are needed.")
    return Correlations(
        items,
        matrix,
        int(n),
        n_pairs,
        method,
        missing,
        left_out,
        indefinite and smooth,
        smallest,
        most_serious(statuses).value,
        tuple(notes),
        diagnostics,
        thresholds or {},
    )


def _check_rules(method: str, missing: str) -> None:
    one_of(method, METHODS, "correlation")
    one_of(missing, MISSING_RULES, "missing-data rule")
    if method == "polychoric" and missing == "em":
        raise AnalysisError("Polychoric correlations have no EM variant here; use pairwise or complete.")
