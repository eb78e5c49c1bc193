"""Counts of all pairs of answers from one pass over pairs of groups of items."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

ROWS_AT_ONCE = 32768
"""Rows counted at a time: bounds the memory."""

FEW_ROWS = 2048
"""So few rows are counted by a product of matrices that say who gave which answer: the tables of groups, which have
many more cells than rows, would take longer to lay out than the rows to count."""

MOST_COMBINATIONS = 256
"""A group is as many items as have at most so many combinations of answers (one item, if it alone has more), since two
groups are counted at once: their table then lies in the processor's cache."""


class JointCounts:
    """Counts of codes of items with these ``kinds`` of answers, as :class:`analysis.correlations.answer_codes`
    has them.

    Two groups of items at a time: the combination of their answers is a number, and numbers are counted. Twelve items
    of seven answers are six groups, whose fifteen pairs are counted instead of 66 pairs of items; the counts of a pair
    of items are sums of those.
    """

    def __init__(self, kinds: Sequence[np.ndarray]) -> None:
        self.kinds = tuple(kinds)
        self._sizes = [len(one) + 1 for one in kinds]
        self._groups = _groups_of(self._sizes)
        self._widths = [math.prod(self._sizes[group]) for group in self._groups]
        self._between: dict[tuple[int, int], np.ndarray] = {}
        self._alone = np.zeros(self._widths[0] if len(self._groups) == 1 else 0)
        self._few = np.zeros((sum(self._sizes) - len(self._sizes),) * 2)

    def add(self, codes: np.ndarray) -> None:
        """Count rows by their codes (p, n)."""
        if codes.shape[1] <= FEW_ROWS:
            self._few += _product(codes, self._sizes)
            return
        if not self._between:
            pairs = itertools.combinations(range(len(self._groups)), 2)
            self._between = {(a, b): np.zeros((self._widths[a], self._widths[b])) for a, b in pairs}
        for start in range(0, codes.shape[1], ROWS_AT_ONCE):
            block = codes[:, start : start + ROWS_AT_ONCE]
            self._count([_combined(block[group], self._sizes[group]) for group in self._groups])

    def _count(self, combined: list[np.ndarray]) -> None:
        for first, codes in enumerate(combined[:-1]):
            step = max(self._widths[first + 1 :])
            shifted = codes * step
            for second in range(first + 1, len(combined)):
                counted = np.bincount(shifted + combined[second], minlength=self._widths[first] * step)
                self._between[first, second] += counted.reshape(-1, step)[:, : self._widths[second]]
        if len(combined) == 1:
            self._alone += np.bincount(combined[0], minlength=len(self._alone))

    def table(self) -> np.ndarray:
        """(K, K) for all kinds of all items: the rows that gave both answers."""
        if not self._between and len(self._groups) != 1:
            return self._few.copy()
        made = {sizes: _answers_of(sizes) for sizes in {tuple(self._sizes[group]) for group in self._groups}}
        answers = [made[tuple(self._sizes[group])] for group in self._groups]
        edges = np.cumsum([0, *(one.shape[1] for one in answers)])
        places = [slice(low, high) for low, high in itertools.pairwise(edges)]
        table = np.zeros((edges[-1], edges[-1]))
        for group, (one, place) in enumerate(zip(answers, places, strict=True)):
            table[place, place] = one.T @ (one * self._within(group)[:, None])
        for (first, second), counted in self._between.items():
            block = answers[first].T @ (counted @ answers[second])
            table[places[first], places[second]], table[places[second], places[first]] = block, block.T
        return table + self._few

    def _within(self, group: int) -> np.ndarray:
        """Counts of the combinations of one group."""
        if len(self._groups) == 1:
            return self._alone
        return self._between[0, group].sum(axis=0) if group else self._between[0, 1].sum(axis=1)


def _product(codes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """(K, K) counts of a few rows, codes (p, n): whole numbers far below what single precision holds exactly."""
    answers = [one == np.arange(1, size)[:, None] for one, size in zip(codes, sizes, strict=True)]
    given = np.vstack(answers).astype(np.float32) if answers else np.zeros((0, codes.shape[1]), dtype=np.float32)
    return (given @ given.T).astype(float)


def _groups_of(sizes: Sequence[int]) -> list[slice]:
    """Items side by side, as many together as have at most so many combinations of answers."""
    starts, combinations = [0] if sizes else [], 1
    for place, size in enumerate(sizes):
        if place > starts[-1] and combinations * size > MOST_COMBINATIONS:
            starts, combinations = [*starts, place], 1
        combinations *= size
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(sizes)], strict=False)]


def _combined(codes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """(n,) one number for the answers to all items of a group, codes (g, n)."""
    total = codes[0].astype(np.intp)
    for one, size in zip(codes[1:], sizes[1:], strict=True):
        total *= size
        total += one
    return total


def _answers_of(sizes: Sequence[int]) -> np.ndarray:
    """(combinations, answers) 1 where a combination of answers to the items of a group holds the answer; the code 0
    of each item is no answer."""
    combinations = np.arange(math.prod(sizes))
    codes = [combinations // math.prod(sizes[place + 1 :]) % size for place, size in enumerate(sizes)]
    return np.vstack([one == np.arange(1, size)[:, None] for one, size in zip(codes, sizes, strict=True)]).T * 1.0
