"""Sums of powers and products of whole-number answers, in single precision: exact, and in half the time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.correlations.answer_codes import AnswerCodes

ROWS_AT_ONCE = 4096
"""Rows added up at a time."""

_EXACT = 2**24
"""Whole numbers up to here are exact in single precision, and so are sums of them whatever their order."""


@dataclass(frozen=True, eq=False)
class WholeSums:
    """Sums about ``origin`` (p,), whole numbers: ``n``, ``sums``, ``squares``, ``products`` (p, p) as in
    :class:`analysis.correlations.cross_products.CrossProducts`; ``cubes`` and ``fourths`` (p,) of third and fourth
    powers."""

    origin: np.ndarray
    n: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    products: np.ndarray
    cubes: np.ndarray
    fourths: np.ndarray


def sum_whole(coded: AnswerCodes) -> WholeSums | None:
    """Sums of answers coded by :func:`analysis.correlations.answer_codes.code_whole_answers`; None when they lie so far
    apart (17 kinds) that single precision would round."""
    middle = np.array([(len(kinds) + 1) // 2 for kinds in coded.kinds])
    farthest = max((len(kinds) // 2 for kinds in coded.kinds), default=0)
    if farthest**4 * ROWS_AT_ONCE > _EXACT:
        return None
    p, n = coded.codes.shape
    total = np.zeros((3 * p, 3 * p))
    held = np.empty((3 * p, min(n, ROWS_AT_ONCE)), dtype=np.float32)
    for start in range(0, n, ROWS_AT_ONCE):
        codes = coded.codes[:, start : start + ROWS_AT_ONCE]
        stacked = held[:, : codes.shape[1]]
        distance, present, square = stacked[:p], stacked[p : 2 * p], stacked[2 * p :]
        np.not_equal(codes, 0, out=present, casting="unsafe")
        np.subtract(codes, middle[:, None].astype(np.float32), out=distance)
        np.multiply(distance, present, out=distance)
        np.multiply(distance, distance, out=square)
        total += stacked @ stacked.T
    d, one, d2 = slice(0, p), slice(p, 2 * p), slice(2 * p, 3 * p)
    origin = np.array([kinds[at - 1] if len(kinds) else 0.0 for kinds, at in zip(coded.kinds, middle, strict=True)])
    return WholeSums(
        origin,
        total[one, one],
        total[d, one],
        total[d2, one],
        total[d, d],
        np.diag(total[d2, d]).copy(),
        np.diag(total[d2, d2]).copy(),
    )
