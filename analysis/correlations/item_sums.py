"""All that a component analysis needs of its rows, as sums over them: mergeable, so that rows are read once and let go.

Ten million rows need no more memory than ten thousand: cross-products (Pearson) or counts of every pair of answers
(polychoric), and for each item the sums that describe how it was answered.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.correlations.answer_codes import code_answers, code_whole_answers
from analysis.correlations.cross_products import CrossProducts, rounded_means, table_of_rows
from analysis.correlations.pair_counts import PairCounter, PairCounts
from analysis.correlations.whole_sums import sum_whole

_ROWS_IN_CACHE = 2048


@dataclass(frozen=True, eq=False)
class ItemSums:
    """Sums over rows of p items. ``products`` are the cross-products; cubes and fourths (p,) sums of the third and
    fourth powers of each answer's distance from their origin; ``n_complete`` rows with every answer; ``counts`` of
    every pair of answers, where asked for.

    >>> chunk = np.array([[1., 2.], [2., np.nan], [3., 4.]])
    >>> both = sum_rows([chunk, chunk + 1], ("a", "b"))
    >>> both.n_complete, both.describe()["mean"].tolist()
    (4, [2.5, 3.5])
    """

    products: CrossProducts
    cubes: np.ndarray
    fourths: np.ndarray
    n_complete: int
    counts: PairCounts | None = None

    @classmethod
    def from_rows(
        cls, values: np.ndarray, items: Sequence[str], *, origin: np.ndarray | None = None, counted: bool = False
    ) -> ItemSums:
        """Sums of one chunk (n, p), NaN where an answer is missing; ``counted`` asks for the counts too."""
        values = table_of_rows(values, len(items))
        about = rounded_means(values) if origin is None else np.asarray(origin, dtype=float)
        if counted:
            return cls.from_counts(*count_rows([values], items), about)
        coded = code_whole_answers(values)
        whole = None if coded is None else sum_whole(coded)
        if coded is None or whole is None:
            return cls._of_numbers(values, items, about)
        n, first, second = (np.diag(one) for one in (whole.n, whole.sums, whole.squares))
        step = whole.origin - about
        squares = whole.squares, whole.products
        products = CrossProducts(tuple(items), whole.origin, coded.n_rows, whole.n, whole.sums, *squares)
        cubes = whole.cubes + 3 * step * second + 3 * step**2 * first + n * step**3
        fourths = whole.fourths + 4 * step * whole.cubes + 6 * step**2 * second + 4 * step**3 * first + n * step**4
        return cls(products.moved(about), cubes, fourths, coded.n_complete)

    @classmethod
    def from_counts(cls, counts: PairCounts, n_complete: int, origin: np.ndarray) -> ItemSums:
        """All sums about ``origin`` (p,) from the counts of pairs, which hold everything but ``n_complete``."""
        cubes, fourths = counts.sums_of_powers(3, origin), counts.sums_of_powers(4, origin)
        return cls(counts.cross_products(origin), cubes, fourths, n_complete, counts)

    @classmethod
    def _of_numbers(cls, values: np.ndarray, items: Sequence[str], origin: np.ndarray) -> ItemSums:
        products = CrossProducts.from_rows(values, items, origin=origin)
        cubes, fourths, n_complete = np.zeros(values.shape[1]), np.zeros(values.shape[1]), 0
        for start in range(0, len(values), _ROWS_IN_CACHE):
            # Items in rows, so that each sum runs over what lies side by side.
            distance = np.subtract(values[start : start + _ROWS_IN_CACHE].T, origin[:, None], order="C")
            missing = np.isnan(distance)
            np.copyto(distance, 0.0, where=missing)
            # Products, since raising to a power takes twenty times as long.
            squares = distance * distance
            cubes += np.einsum("ij,ij->i", squares, distance)
            fourths += np.einsum("ij,ij->i", squares, squares)
            n_complete += int(np.sum(~missing.any(axis=0)))
        return cls(products, cubes, fourths, n_complete)

    def __add__(self, other: ItemSums) -> ItemSums:
        """The sums of both; raises :class:`AnalysisError` when items or origins differ."""
        if not np.array_equal(self.products.origin, other.products.origin):
            raise AnalysisError("Sums about different origins cannot be added; give every chunk the first one's.")
        counts = None if self.counts is None or other.counts is None else self.counts + other.counts
        return ItemSums(
            self.products + other.products,
            self.cubes + other.cubes,
            self.fourths + other.fourths,
            self.n_complete + other.n_complete,
            counts,
        )

    @property
    def items(self) -> tuple[str, ...]:
        """Names of the items."""
        return self.products.items

    @property
    def n_rows(self) -> int:
        """Rows with at least one answer."""
        return self.products.n_rows

    def digest(self) -> str:
        """SHA-256 (hex) of everything held: equal rows, in whatever order, give equal sums of whole-number answers."""
        made = hashlib.sha256("\x1f".join(self.items).encode())
        arrays = [self.products.origin, self.products.n, self.products.sums, self.products.squares]
        arrays += [self.products.products, self.cubes, self.fourths]
        arrays += [] if self.counts is None else [self.counts.table, *self.counts.categories]
        for array in arrays:
            made.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        made.update(f"{self.n_rows} {self.n_complete}".encode())
        return made.hexdigest()

    def describe(self) -> pd.DataFrame:
        """One row per item: item_id, n_answered, share_missing, mean, sd, skewness, kurtosis (adjusted as SPSS has
        them), as :func:`analysis.components.component_tables.describe` makes them from the rows."""
        n = np.diag(self.products.n)
        first, second = np.diag(self.products.sums), np.diag(self.products.squares)
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = first / n
            m2 = second / n - shift**2
            m3 = self.cubes / n - 3 * shift * second / n + 2 * shift**3
            m4 = self.fourths / n - 4 * shift * self.cubes / n + 6 * shift**2 * second / n - 3 * shift**4
            flat = m2 <= 1e-14
            skewness = np.where(flat, np.nan, np.sqrt(n * (n - 1)) / (n - 2) * m3 / m2**1.5)
            excess = m4 / m2**2 - 3
            kurtosis = np.where(flat, np.nan, (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6))
        return pd.DataFrame(
            {
                "item_id": list(self.items),
                "n_answered": n.astype(int),
                "share_missing": 1 - n / max(self.n_rows, 1),
                "mean": self.products.means(),
                "sd": np.sqrt(self.products.variances()),
                "skewness": np.where(n > 2, skewness, np.nan),
                "kurtosis": np.where(n > 3, kurtosis, np.nan),
            }
        )


def sum_rows(
    chunks: Iterable[np.ndarray], items: Sequence[str], *, origin: np.ndarray | None = None, counted: bool = False
) -> ItemSums:
    """The sums over all ``chunks`` (n, p) of rows, one held at a time, about ``origin`` (p,), by default the rounded
    means of the first chunk. With whole numbers as origin, sums of whole-number answers are exact in whatever order the
    rows come.

    Raises :class:`AnalysisError` (``no_data``) when there is no row.
    """
    remaining = iter(chunks)
    first = next(remaining, None)
    if first is None:
        raise AnalysisError("No form of this rater holds an answer to these items.", Status.NO_DATA)
    about = rounded_means(first) if origin is None else np.asarray(origin, dtype=float)
    every = itertools.chain([first], remaining)
    if counted:
        return ItemSums.from_counts(*count_rows(every, items), about)
    return functools.reduce(operator.add, (ItemSums.from_rows(chunk, items, origin=about) for chunk in every))


def count_rows(chunks: Iterable[np.ndarray], items: Sequence[str]) -> tuple[PairCounts, int]:
    """Counts of every pair of answers over all ``chunks`` (n, p), one held at a time, and how many rows are whole."""
    counter, n_complete = PairCounter(items), 0
    for chunk in chunks:
        coded = code_answers(chunk)
        counter.add(coded)
        n_complete += coded.n_complete
    return counter.counts(), n_complete
