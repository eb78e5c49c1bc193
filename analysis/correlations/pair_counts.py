"""Contingency counts of every pair of items at once, mergeable by addition: what polychoric correlations need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.common.status import AnalysisError, Status
from analysis.correlations.cross_products import CrossProducts

ROWS_AT_ONCE = 16384
"""Rows indicator-coded at a time: bounds the memory, and keeps single-precision counts of a block exact."""


@dataclass(frozen=True, eq=False)
class PairCounts:
    """``table[r, c]`` counts the rows that gave answer r of one item and answer c of another, for all answers of all
    items: C = sum of the numbers of categories, (C, C). The diagonal blocks hold the margins of each item.

    ``categories``: per item its sorted answers. ``n_rows`` counts rows with at least one answer.

    >>> counts = PairCounts.from_rows(np.array([[1., 2.], [1., 2.], [2., np.nan]]), ("a", "b"))
    >>> counts.table.astype(int)
    array([[2, 0, 2],
           [0, 1, 0],
           [2, 0, 2]])
    """

    items: tuple[str, ...]
    categories: tuple[np.ndarray, ...]
    table: np.ndarray
    n_rows: int

    @classmethod
    def from_rows(
        cls, values: np.ndarray, items: Sequence[str], *, categories: Sequence[np.ndarray] | None = None
    ) -> PairCounts:
        """Counts of a chunk of rows (n, p), NaN where an answer is missing; ``categories`` are by default those seen.

        Raises :class:`AnalysisError` for an answer that is none of the categories.
        """
        fixed = categories is not None
        kinds = tuple(np.asarray(one, dtype=float) for one in categories or [np.zeros(0)] * values.shape[1])
        total = cls._empty(tuple(items), kinds)
        for start in range(0, len(values), ROWS_AT_ONCE):
            block = np.ascontiguousarray(values[start : start + ROWS_AT_ONCE].T, dtype=float)
            total = total._with_block(block, fixed)
        return total

    @classmethod
    def _empty(cls, items: tuple[str, ...], categories: tuple[np.ndarray, ...]) -> PairCounts:
        size = sum(len(kinds) for kinds in categories)
        return cls(items, categories, np.zeros((size, size)), 0)

    def _with_block(self, block: np.ndarray, fixed: bool) -> PairCounts:
        """These counts and those of a block (p, rows), items in rows; new categories are taken up unless ``fixed``."""
        answered = ~np.isnan(block)
        indicator = self._indicator(block)
        strangers = answered.sum(axis=1) != indicator.sum(axis=1) @ self.membership()
        base = self
        if np.any(strangers):
            guilty = np.flatnonzero(strangers)
            if fixed:
                names = ", ".join(self.items[j] for j in guilty)
                raise AnalysisError(f"These items hold answers that are none of their categories: {names}.")
            wider = list(self.categories)
            for j in guilty:
                wider[j] = np.union1d(wider[j], np.unique(block[j, answered[j]]))
            base = PairCounts(self.items, tuple(wider), self._spread(tuple(wider)), self.n_rows)
            indicator = base._indicator(block)
        n_rows = self.n_rows + int(np.sum(answered.any(axis=0)))
        return PairCounts(base.items, base.categories, base.table + indicator @ indicator.T, n_rows)

    def _indicator(self, block: np.ndarray) -> np.ndarray:
        """(C, rows) 1 where a row gave that answer. A missing answer equals nothing."""
        offsets = self.offsets
        indicator = np.empty((offsets[-1], block.shape[1]), dtype=np.float32)
        for j, kinds in enumerate(self.categories):
            np.equal(block[j], kinds[:, None], out=indicator[offsets[j] : offsets[j + 1]], casting="unsafe")
        return indicator

    def __add__(self, other: PairCounts) -> PairCounts:
        """The counts of both chunks over the union of their categories.

        Raises :class:`AnalysisError` if the items differ."""
        if self.items != other.items:
            raise AnalysisError("Counts of different items cannot be added.")
        union = tuple(np.union1d(a, b) for a, b in zip(self.categories, other.categories, strict=True))
        return PairCounts(self.items, union, self._spread(union) + other._spread(union), self.n_rows + other.n_rows)

    def _spread(self, categories: tuple[np.ndarray, ...]) -> np.ndarray:
        """The table laid out for more categories."""
        offsets = np.concatenate([[0], np.cumsum([len(kinds) for kinds in categories])])
        places = [
            offset + np.searchsorted(wide, narrow)
            for offset, wide, narrow in zip(offsets[:-1], categories, self.categories, strict=True)
        ]
        place = np.concatenate(places).astype(int)
        table = np.zeros((offsets[-1], offsets[-1]))
        table[np.ix_(place, place)] = self.table
        return table

    @property
    def offsets(self) -> np.ndarray:
        """(p + 1,) where each item's categories begin in the table."""
        return np.concatenate([[0], np.cumsum([len(kinds) for kinds in self.categories])]).astype(int)

    def select(self, items: Sequence[str]) -> PairCounts:
        """The counts of some of the items, in the order asked for. ``n_rows`` stays that of the whole."""
        unknown = [item for item in items if item not in self.items]
        if unknown:
            raise AnalysisError(f"Unknown items: {', '.join(unknown)}.", Status.UNKNOWN_NAME)
        chosen = [self.items.index(item) for item in items]
        offsets = self.offsets
        place = np.concatenate([np.arange(offsets[j], offsets[j + 1]) for j in chosen]).astype(int)
        return PairCounts(
            tuple(items), tuple(self.categories[j] for j in chosen), self.table[np.ix_(place, place)], self.n_rows
        )

    def margins(self) -> list[np.ndarray]:
        """Per item the count of each of its categories, over all rows that answered the item."""
        return np.split(np.diag(self.table), self.offsets[1:-1])

    def membership(self) -> np.ndarray:
        """(C, p) 0/1: which row of the table belongs to which item."""
        owner = np.repeat(np.arange(len(self.items)), [len(kinds) for kinds in self.categories])
        return (owner[:, None] == np.arange(len(self.items))).astype(float)

    def n_pairs(self) -> np.ndarray:
        """(p, p) rows that answered both items of a pair."""
        members = self.membership()
        return members.T @ self.table @ members

    def cross_products(self) -> CrossProducts:
        """The cross-products of the same rows, so that one pass serves Pearson correlations and screening too."""
        members = self.membership()
        margins = np.diag(self.table)
        values = np.concatenate(self.categories) if self.items else np.zeros(0)
        origin = np.round(margins * values @ members / np.maximum(margins @ members, 1))
        scored = members * (values - members @ origin)[:, None]
        return CrossProducts(
            self.items,
            origin,
            self.n_rows,
            members.T @ self.table @ members,
            scored.T @ self.table @ members,
            (scored**2).T @ self.table @ members,
            scored.T @ self.table @ scored,
        )
