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
_NOTHING = 4 * _EPSILON
"""What dsytrd leaves beside the diagonal where there should be 0, as a share of the matrix's norm."""
_ASIDE = 64 * _EPSILON
"""How far off an eigenvalue a shift stays, so that nothing is divided by 0; it costs no sweeps."""
_UNEXPLAINED = 1e-13
"""An error of rounding that the sums of eigenvalues and of their squares may have."""


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
    Wilkinson's shift of each; LAPACK itself where there are few matrices, and for any in which this divides 0 by 0,
    takes long, or gives eigenvalues with another sum or sum of squares than the matrix has. Errors are some ten units
    of rounding of the largest eigenvalue, some hundred where eigenvalues repeat.
    """
    # A power of two for each matrix keeps squares from overflowing and vanishing; dsterf too errs where they do.
    norm = np.abs(diagonal).max(axis=1) + 2 * np.abs(beside).max(axis=1, initial=0)
    exponent = np.where(np.isfinite(norm), np.frexp(norm)[1], 0).clip(-1000, 1000)
    unit = np.ldexp(1.0, exponent)[:, None]
    diagonal, beside = diagonal / unit, beside / unit
    found = np.empty(diagonal.shape)
    for start in range(0, len(diagonal), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = _in_step(diagonal[part], beside[part]) if len(diagonal[part]) >= TOGETHER else np.nan
    for number in np.flatnonzero(~np.isfinite(found).all(axis=1)):
        found[number] = dsterf(diagonal[number], beside[number])[0]
    return np.sort(found, axis=1)[:, ::-1] * unit


def _in_step(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """(B, p) eigenvalues in any order; NaN in a matrix that did not get there or to other sums of powers."""
    count, size = diagonal.shape
    # From the end on: there dsytrd leaves what is small beside the diagonal, and what is small is found soon.
    d = np.array(diagonal.T[::-1], order="C")
    squares = np.empty((size, count))  # of what stands beside the diagonal; the last row never counts as small
    squares[:-1], squares[-1] = beside.T[::-1] ** 2, np.inf
    trace, frobenius = d.sum(axis=0), np.sum(d * d, axis=0) + 2 * squares[:-1].sum(axis=0)
    norm = np.abs(d).max(axis=0) + 2 * np.sqrt(squares[:-1].max(axis=0, initial=0))
    with np.errstate(all="ignore"):
        found = _iterated(_Rows(d, squares), norm)
        wrong = np.abs(found.sum(axis=0) - trace) > _UNEXPLAINED * size * norm
        wrong |= np.abs(np.sum(found * found, axis=0) - frobenius) > _UNEXPLAINED * size * norm**2
    found[:, wrong] = np.nan
    return found.T


class _Rows:
    """Tridiagonal matrices side by side: ``d`` (p, B) on and ``squares`` (p, B) of what is beside the diagonal, and
    room for a sweep. ``upwards`` are the rows that a sweep goes through, from the last but one to the first."""

    def __init__(self, d: np.ndarray, squares: np.ndarray) -> None:
        self.d, self.squares = d, squares
        self.gamma, self.gamma_squares, self.sums = np.empty((3, *d.shape))
        self.upwards = list(zip(squares, self.gamma, self.gamma_squares, self.sums, strict=True))[-2::-1]


def _iterated(rows: _Rows, norm: np.ndarray) -> np.ndarray:
    """(p, B) eigenvalues of ``rows``, which are spent; NaN in a matrix of which one takes too long."""
    d, squares = rows.d, rows.squares
    size, count = d.shape
    small = (_NOTHING * norm) ** 2
    found = np.empty_like(d)
    # Of each matrix the place of the first row that is not found yet, as an index into the arrays read flat.
    first, last = np.arange(count), np.arange(count) + (size - 1) * count
    low, sweeps = -1, 0
    while True:
        square = squares.take(first)
        # What became NaN counts as small, so that it holds up nobody.
        while (apart := np.flatnonzero(~(square > small))).size:
            at = first[apart]
            squares.put(at, 0)
            found.put(at, d.take(at))
            first[apart] += count
            square = squares.take(first)
        before, low = low, int(first.min()) // count
        if low == size - 1:
            found[-1] = d[-1]
            return found
        sweeps = sweeps + 1 if low == before else 0
        if sweeps > _MOST_SWEEPS:
            stuck = np.flatnonzero(first // count == low)
            d[:, stuck], squares[:-1, stuck], first[stuck] = np.nan, 0, last[stuck]
        shift = _shifts(d.take(first), d.take(first + count, mode="clip"), square) + _ASIDE * norm
        # Where all are found the shift is no eigenvalue, since a sweep divides by the distance.
        _sweep(rows, low, np.where(first == last, 4 * norm, shift))


def _shifts(here: np.ndarray, below: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The eigenvalue of each 2 x 2 matrix that is the nearer to its first element, ``here``."""
    half = (below - here) / 2
    return here - square / (half + np.copysign(np.sqrt(half * half + square), half))


def _sweep(rows: _Rows, low: int, shift: np.ndarray) -> None:
    """One QL iteration in place from the last row to ``low``; rows that are found already come out as they went in.

    In the terms of LAPACK's dsterf one row waits for the other only in gamma = cosine * (d - shift) - sine * gamma
    before, and in cosine = p / (p + square) with p = gamma^2 / cosine before. Written for as few operations as can be:
    sine is 1 - cosine, and cosine = gamma^2 / (gamma^2 + cosine before * square). All else follows for all rows at
    once.
    """
    d, squares, gamma, gamma_squares, sums = rows.d, rows.squares, rows.gamma, rows.gamma_squares, rows.sums
    add, multiply, subtract, divide = np.add, np.multiply, np.subtract, np.divide
    subtract(d[low:], shift, gamma[low:])
    cosine, before, squared = np.ones(len(shift)), gamma[-1], gamma_squares[-1]
    multiply(before, before, squared)
    for weighted, now, now_squared, summed in rows.upwards[: len(d) - 1 - low]:
        multiply(cosine, weighted, weighted)
        add(squared, weighted, summed)
        divide(squared, summed, cosine)
        add(now, before, now)
        multiply(now, cosine, now)
        subtract(now, before, now)
        multiply(now, now, now_squared)
        before, squared = now, now_squared
    changed, rest = squares[low:-1], sums[low:-1]
    divide(changed, gamma_squares[low + 1 :], changed)
    multiply(changed[1:], sums[low:-2], changed[1:])
    multiply(changed[0], gamma_squares[low], changed[0])
    subtract(d[low:-1], gamma[low:-1], rest)
    add(rest, gamma[low + 1 :], d[low + 1 :])
    add(gamma[low], shift, d[low])
