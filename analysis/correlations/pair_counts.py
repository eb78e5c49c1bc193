"""Contingency counts of every pair of items at once, mergeable by addition: what polychoric correlations need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.common.status import AnalysisError, Status
from analysis.correlations.answer_codes import AnswerCodes, code_answers
from analysis.correlations.cross_products import CrossProducts, table_of_rows
from analysis.correlations.joint_counts import JointCounts

MOST_KINDS = 255
"""Kinds of answers of an item that are counted; pairs of more take memory by the square."""


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
        seen = cls.from_codes(code_answers(table_of_rows(values, len(items))), items)
        if categories is None:
            return seen
        fixed = tuple(np.asarray(one, dtype=float) for one in categories)
        guilty = [
            item
            for item, kinds, allowed in zip(seen.items, seen.categories, fixed, strict=True)
            if not np.all(np.isin(kinds, allowed))
        ]
        if guilty:
            names = ", ".join(guilty)
            raise AnalysisError(f"These items hold answers that are none of their categories: {names}.")
        return cls(seen.items, fixed, seen._spread(fixed), seen.n_rows)

    @classmethod
    def from_codes(cls, coded: AnswerCodes, items: Sequence[str]) -> PairCounts:
        """Counts of coded rows; categories are the kinds that occur."""
        counter = PairCounter(items)
        counter.add(coded)
        return counter.counts()

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

    def cross_products(self, origin: np.ndarray | None = None) -> CrossProducts:
        """The cross-products of the same rows about ``origin`` (p,), by default the rounded means, so that one pass
        serves Pearson correlations and screening too."""
        members = self.membership()
        margins = np.diag(self.table)
        values = np.concatenate(self.categories) if self.items else np.zeros(0)
        if origin is None:
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

    def sums_of_powers(self, power: int, origin: np.ndarray) -> np.ndarray:
        """(p,) sum of that power of every answer's distance from ``origin`` (p,)."""
        pairs = zip(self.margins(), self.categories, origin, strict=True)
        return np.array([margin @ (kinds - about) ** power for margin, kinds, about in pairs])


class PairCounter:
    """Counts rows chunk by chunk. Pairs of answers are told apart when :meth:`counts` asks for them, or when a chunk
    holds other kinds of answers than those before."""

    def __init__(self, items: Sequence[str]) -> None:
        self._items = tuple(items)
        self._before: PairCounts | None = None
        self._joint: JointCounts | None = None
        self._n_rows = 0

    def add(self, coded: AnswerCodes) -> None:
        """Count the rows of a chunk.

        Raises :class:`AnalysisError` for items of more than :data:`MOST_KINDS` different answers."""
        many = [item for item, kinds in zip(self._items, coded.kinds, strict=True) if len(kinds) > MOST_KINDS]
        if many:
            raise AnalysisError(
                f"Answers of more than {MOST_KINDS} different kinds cannot be counted in pairs: {', '.join(many)}. "
                "Correlate these by pearson."
            )
        if self._joint is None or not _same(self._joint.kinds, coded.kinds):
            self._before = self.counts()
            self._joint, self._n_rows = JointCounts(coded.kinds), 0
        self._joint.add(coded.codes)
        self._n_rows += coded.n_rows

    def counts(self) -> PairCounts:
        """The counts of all chunks; categories are the kinds that occur."""
        kinds = tuple(np.zeros(0) for _ in self._items) if self._joint is None else self._joint.kinds
        table = np.zeros((0, 0)) if self._joint is None else self._joint.table()
        occurs = np.diag(table) > 0
        parts = np.split(occurs, np.cumsum([len(one) for one in kinds])[:-1]) if kinds else []
        categories = tuple(one[part] for one, part in zip(kinds, parts, strict=True))
        counted = PairCounts(self._items, categories, table[np.ix_(occurs, occurs)], self._n_rows)
        return counted if self._before is None else self._before + counted


def _same(kinds: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(kinds, others, strict=True))
