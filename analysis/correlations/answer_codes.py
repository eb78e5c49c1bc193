"""Answers as small whole numbers: what counting them begins with, and what makes sums of them exact and cheap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROWS_AT_ONCE = 8192
"""Rows coded at a time, so that the working copies stay in the processor's cache."""

_MOST_KINDS = 255
_LARGEST = 2.0**31


@dataclass(frozen=True, eq=False)
class AnswerCodes:
    """``codes`` (p, n), items in rows: 0 where an answer is missing, otherwise its place, from 1, in ``kinds`` of the
    item: ascending values, some of which perhaps nobody gave.

    >>> coded = code_answers(np.array([[2., 5.], [4., np.nan], [2., np.nan]]))
    >>> coded.codes.tolist(), [kinds.tolist() for kinds in coded.kinds], coded.n_rows, coded.n_complete
    ([[1, 3, 1], [1, 0, 0]], [[2.0, 3.0, 4.0], [5.0]], 3, 1)
    """

    codes: np.ndarray
    kinds: tuple[np.ndarray, ...]

    @property
    def n_rows(self) -> int:
        """Rows with at least one answer."""
        return int(np.count_nonzero(np.maximum.reduce(self.codes, axis=0, initial=0)))

    @property
    def n_complete(self) -> int:
        """Rows with every answer."""
        return int(np.count_nonzero(np.minimum.reduce(self.codes, axis=0, initial=_MOST_KINDS)))


def code_answers(values: np.ndarray) -> AnswerCodes:
    """Codes of any answers (n, p), NaN where missing: of whole numbers by :func:`code_whole_answers`, of others by
    their rank among those that occur."""
    whole = code_whole_answers(values)
    if whole is not None:
        return whole
    codes = np.zeros(values.T.shape, dtype=np.intp)
    kinds = []
    for j, answers in enumerate(np.ascontiguousarray(values.T, dtype=float)):
        answered = ~np.isnan(answers)
        occurring, places = np.unique(answers[answered], return_inverse=True)
        codes[j, answered] = places + 1
        kinds.append(occurring)
    return AnswerCodes(codes, tuple(kinds))


def code_whole_answers(values: np.ndarray) -> AnswerCodes | None:
    """Codes of one byte of answers ``values`` (n, p), the kinds of an item being all whole numbers from its lowest
    to its highest answer; None when an answer is no whole number or an item's answers lie more than 254 apart."""
    # The first rows tell nearly always where an item begins; where they do not, all of them are asked.
    lowest = np.full(values.shape[1], np.nan)
    for several in (values[:ROWS_AT_ONCE], values):
        beginning = np.floor(np.fmin.reduce(several, axis=0, initial=np.inf))
        beginning[np.isposinf(beginning)] = 1.0
        if not np.all(np.abs(beginning) < _LARGEST) or np.array_equal(beginning, lowest):
            return None
        lowest = beginning
        codes = _codes_from(values, lowest)
        if codes is not None:
            widths = np.maximum.reduce(codes, axis=1, initial=0)
            return AnswerCodes(codes, tuple(one + np.arange(width) for one, width in zip(lowest, widths, strict=True)))
    return None


def _codes_from(values: np.ndarray, lowest: np.ndarray) -> np.ndarray | None:
    """(p, n) each answer's distance from one below the lowest; None if any of them would not give its answer back."""
    codes = np.empty(values.T.shape, dtype=np.uint8)
    before = (lowest - 1)[:, None]
    for start in range(0, len(values), ROWS_AT_ONCE):
        block = np.ascontiguousarray(values[start : start + ROWS_AT_ONCE].T, dtype=float)
        part = codes[:, start : start + ROWS_AT_ONCE]
        distance = block - before
        # Whatever does not fit a byte comes out as something else, and is found below.
        with np.errstate(invalid="ignore", over="ignore"):
            part[...] = np.fmax(distance, 0.0, out=distance)
        # NaN alone is not itself: quicker than asking for it.
        n_answered = np.count_nonzero(block == block)
        given_back = np.add(part, before, out=distance) == block
        if np.count_nonzero(part) != n_answered or np.count_nonzero(given_back) != n_answered:
            return None
    return codes
