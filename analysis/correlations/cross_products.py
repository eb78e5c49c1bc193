"""Sums of cross-products over rows with missing answers, mergeable by addition: what Pearson correlations need."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

ROWS_AT_ONCE = 16384
"""Rows worked on at a time, so that the working copies stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class CrossProducts:
    """Pairwise sums over rows, each answer taken as its distance from ``origin`` (p,), which keeps the sums exact.

    ``n[i, j]`` rows with both answers; ``sums[i, j]`` sum of item i over those rows; ``squares[i, j]`` sum of its
    squares; ``products[i, j]`` sum of the products. All (p, p). ``n_rows`` counts rows with at least one answer.

    >>> left = CrossProducts.from_rows(np.array([[1., 2.], [2., 4.]]), ("a", "b"))
    >>> right = CrossProducts.from_rows(np.array([[3., 3.], [4., np.nan]]), ("a", "b"))
    >>> (left + right).pearson().round(6)[0, 1], (left + right).n[0, 1]
    (np.float64(0.5), np.float64(3.0))
    """

    items: tuple[str, ...]
    origin: np.ndarray
    n_rows: int
    n: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    products: np.ndarray

    @classmethod
    def from_rows(cls, values: np.ndarray, items: Sequence[str], *, origin: np.ndarray | None = None) -> CrossProducts:
        """Sums of one chunk of rows (n, p), NaN where an answer is missing. ``origin`` is by default the rounded mean
        of each item, so that sums of whole-number answers stay exact.

        Raises :class:`AnalysisError` for what is no table of these items."""
        values = table_of_rows(values, len(items))
        origin = rounded_means(values) if origin is None else origin
        size = values.shape[1]
        n, sums, squares, products = (np.zeros((size, size)) for _ in range(4))
        n_rows = 0
        for start in range(0, len(values), ROWS_AT_ONCE):
            centred = np.subtract(values[start : start + ROWS_AT_ONCE].T, origin[:, None], order="C")
            missing = np.isnan(centred)
            present = (~missing).astype(float)
            np.copyto(centred, 0.0, where=missing)
            n_rows += int(np.sum(~missing.all(axis=0)))
            n += present @ present.T
            sums += centred @ present.T
            squares += (centred**2) @ present.T
            products += centred @ centred.T
        return cls(tuple(items), np.asarray(origin, dtype=float), n_rows, n, sums, squares, products)

    def __add__(self, other: CrossProducts) -> CrossProducts:
        """The sums of both chunks; ``other`` is moved to this origin first.

        Raises :class:`AnalysisError` when the items differ."""
        if self.items != other.items:
            raise AnalysisError("Cross-products of different items cannot be added.")
        moved = other.moved(self.origin)
        return CrossProducts(
            self.items,
            self.origin,
            self.n_rows + moved.n_rows,
            self.n + moved.n,
            self.sums + moved.sums,
            self.squares + moved.squares,
            self.products + moved.products,
        )

    def moved(self, origin: np.ndarray) -> CrossProducts:
        """The same sums about another origin (p,)."""
        d = (self.origin - origin)[:, None]
        return CrossProducts(
            self.items,
            np.asarray(origin, dtype=float),
            self.n_rows,
            self.n,
            self.sums + self.n * d,
            self.squares + 2 * d * self.sums + self.n * d**2,
            self.products + d.T * self.sums + d * self.sums.T + self.n * d * d.T,
        )

    def select(self, items: Sequence[str]) -> CrossProducts:
        """The same sums of some of the items, in the order asked for. ``n_rows`` stays that of the whole."""
        unknown = [item for item in items if item not in self.items]
        if unknown:
            raise AnalysisError(f"Unknown items: {', '.join(unknown)}.", Status.UNKNOWN_NAME)
        index = np.array([self.items.index(item) for item in items], dtype=int)
        block = np.ix_(index, index)
        return CrossProducts(
            tuple(items),
            self.origin[index],
            self.n_rows,
            self.n[block],
            self.sums[block],
            self.squares[block],
            self.products[block],
        )

    def signed(self, keys: Sequence[float]) -> CrossProducts:
        """The same sums with each item multiplied by its key, 1 or -1."""
        key = np.asarray(keys, dtype=float)
        return CrossProducts(
            self.items,
            self.origin * key,
            self.n_rows,
            self.n,
            self.sums * key[:, None],
            self.squares,
            self.products * np.outer(key, key),
        )

    def covariance(self) -> np.ndarray:
        """(p, p) covariances over the rows that answered both items, divisor n - 1 (R: ``use = "pairwise"``)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = (self.products - self.sums * self.sums.T / self.n) / (self.n - 1)
        return np.where(self.n > 1, covariance, np.nan)

    def means(self) -> np.ndarray:
        """(p,) means of all answers; NaN where there are none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.origin + np.diag(self.sums) / np.diag(self.n)

    def variances(self) -> np.ndarray:
        """(p,) variances of all answers with divisor n - 1; NaN for fewer than two."""
        n, sums = np.diag(self.n), np.diag(self.sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(n > 1, np.maximum(np.diag(self.squares) - sums**2 / n, 0.0) / (n - 1), np.nan)

    def pearson(self) -> np.ndarray:
        """(p, p) Pearson correlations over the rows that answered both items (R: ``use = "pairwise"``), with a unit
        diagonal; NaN where fewer than two rows or no variance is common to a pair."""
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = self.products - self.sums * self.sums.T / self.n
            spread = self.squares - self.sums**2 / self.n
            spread = np.where(spread > 1e-12 * np.maximum(self.squares, 1e-300), spread, np.nan)
            result = covariance / np.sqrt(spread * spread.T)
        result = np.where(self.n > 1, np.clip(result, -1.0, 1.0), np.nan)
        defined = np.isfinite(np.diag(result))
        result[defined, defined] = 1.0
        return result


def table_of_rows(values: np.ndarray, n_items: int) -> np.ndarray:
    """``values`` when they are rows of ``n_items`` items (n, p); raises :class:`AnalysisError` otherwise."""
    if np.ndim(values) != 2 or np.shape(values)[1] != n_items:
        raise AnalysisError(f"Data of shape {np.shape(values)} do not fit {several(n_items, 'item')}.")
    return values


def rounded_means(values: np.ndarray) -> np.ndarray:
    """(p,) means of each item's first answers (n, p), rounded; 0 where there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.round(np.nan_to_num(np.nanmean(values[:ROWS_AT_ONCE], axis=0)))
