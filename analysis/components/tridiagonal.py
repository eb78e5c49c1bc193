"""Eigenvalues of many symmetric matrices of one size: brought to tridiagonal form one by one, then solved together.

LAPACK spends more than half of its time for small matrices on eigenvalues of the tridiagonal form, one division waiting
for the other. Going through a thousand matrices in step, each operation is one over a thousand numbers.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dsterf, dsytrd

TOGETHER = 250
"""From this many matrices on, going through them in step is faster than LAPACK one by one."""
_AT_ONCE = 2048
_BLOCKED_FROM = 192
_MOST_SWEEPS = 30
_EPSILON = float(np.finfo(float).eps)


def tridiagonal_forms(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diagonals (B, p) and off-diagonals (B, p - 1) of tridiagonal matrices similar to ``stack`` (B, p, p).

    LAPACK's dsytrd; of each matrix one triangle is read. Nothing is checked: values that are not finite give such.
    """
    count, size = stack.shape[:2]
    diagonal, beside = np.empty((count, size)), np.empty((count, size - 1))
    # More room than one column makes LAPACK go by blocks, which pays for large matrices only.
    room = size if size < _BLOCKED_FROM else 32 * size
    scratch = np.empty((size, size), order="F")
    for matrix, d, e in zip(stack, diagonal, beside, strict=True):
        scratch[:] = matrix.T
        _, d[:], e[:], _, _ = dsytrd(scratch, 1, room, 1)
    return diagonal, beside


def tridiagonal_eigenvalues(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """(B, p) eigenvalues, largest first, of tridiagonal matrices with ``diagonal`` (B, p), ``beside`` it (B, p - 1).

    QL iterations without square roots (Pal, Walker and Kahan, as in LAPACK's dsterf) in all matrices at once, with
    Wilkinson's shift of each; LAPACK itself where there are few matrices, and for any in which this divides 0 by 0.
    Errors are some units of rounding of the largest eigenvalue, as LAPACK's are.
    """
    found = np.empty(diagonal.shape)
    for start in range(0, len(diagonal), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = _in_step(diagonal[part], beside[part]) if len(diagonal[part]) >= TOGETHER else np.nan
    for number in np.flatnonzero(~np.isfinite(found).all(axis=1)):
        found[number] = dsterf(diagonal[number], beside[number])[0]
    return np.sort(found, axis=1)[:, ::-1]


def _in_step(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """(B, p) eigenvalues in any order; NaN in a matrix that did not get there."""
    count, size = diagonal.shape
    d = np.ascontiguousarray(diagonal.T)
    squares = np.empty((size, count))  # of what stands beside the diagonal; the last row never counts as small
    squares[:-1], squares[-1] = beside.T**2, np.inf
    norm = np.abs(d).max(axis=0) + 2 * np.sqrt(squares[:-1].max(axis=0))
    small = (_EPSILON * norm) ** 2
    # Of each matrix the place of the first row that is not found yet, as an index into the arrays read flat.
    first, last = np.arange(count), np.arange(count) + (size - 1) * count
    rows, squares_of_rows = list(d), list(squares)
    with np.errstate(all="ignore"):
        for _ in range(_MOST_SWEEPS * size):
            # What became NaN counts as small, so that it holds up nobody.
            while (apart := np.flatnonzero(~(squares.take(first) > small))).size:
                squares.put(first[apart], 0)
                first[apart] += count
            low = int(first.min()) // count
            if low == size - 1:
                return d.T
            _sweep(rows, squares_of_rows, low, _shifts(d, squares, first, last, norm))
    d[:, first < last] = np.nan
    return d.T


def _shifts(d: np.ndarray, squares: np.ndarray, first: np.ndarray, last: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Of the two eigenvalues of the 2 x 2 matrix at ``first`` the nearer to its first element; where all are found, a
    number that is no eigenvalue, since a sweep divides by the distance."""
    count = d.shape[1]
    at = np.minimum(first, last - count)
    here, square = d.take(at), squares.take(at)
    half = (d.take(at + count) - here) / 2
    shift = here - square / (half + np.copysign(np.sqrt(half * half + square), half))
    return np.where(first == last, 4 * norm, shift)


def _sweep(d: list[np.ndarray], squares: list[np.ndarray], low: int, shift: np.ndarray) -> None:
    """One QL iteration in place from the last row to ``low``; rows that are found already come out as they went in."""
    ratio, cosine, sine, gamma, other, p, spare = np.empty((7, len(shift)))
    sine.fill(0)
    np.subtract(d[-1], shift, gamma)
    np.multiply(gamma, gamma, p)
    for row in range(len(d) - 2, low - 1, -1):
        np.add(p, squares[row], ratio)
        if row < len(d) - 2:
            np.multiply(sine, ratio, squares[row + 1])
        np.divide(p, ratio, cosine)
        np.divide(squares[row], ratio, sine)
        np.subtract(d[row], shift, other)
        np.multiply(other, cosine, other)
        np.multiply(sine, gamma, spare)
        np.subtract(other, spare, other)
        np.subtract(d[row], other, spare)
        np.add(spare, gamma, d[row + 1])
        gamma, other = other, gamma
        np.multiply(gamma, gamma, spare)
        np.divide(spare, cosine, p)
    np.multiply(sine, p, squares[low])
    np.add(shift, gamma, d[low])
