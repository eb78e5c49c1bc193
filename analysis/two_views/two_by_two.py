"""Many 2 x 2 matrices at once: their elements are on the first two axes, (2, 2, ...), those of vectors on the first.

Of few matrices what a call takes is what counts, of many what an element takes; so products are sums over the one inner
axis, and of many symmetric matrices the three different elements (3, ...) are kept alone.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A B, of any numbers of rows and columns."""
    made: np.ndarray = a[:, 0, None] * b[0]
    for at in range(1, len(b)):
        made = made + a[:, at, None] * b[at]
    return made


def applied(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A v."""
    made: np.ndarray = matrix[:, 0] * vector[0] + matrix[:, 1] * vector[1]
    return made


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A B A'."""
    return times(times(a, b), turned(a))


def turned(matrices: np.ndarray) -> np.ndarray:
    """A'."""
    return np.swapaxes(matrices, 0, 1)


def symmetric(matrices: np.ndarray) -> np.ndarray:
    """(A + A') / 2."""
    made: np.ndarray = (matrices + turned(matrices)) / 2
    return made


def determinant(matrices: np.ndarray) -> np.ndarray:
    """The determinants."""
    made: np.ndarray = matrices[0, 0] * matrices[1, 1] - matrices[0, 1] * matrices[1, 0]
    return made


def inverse(matrices: np.ndarray, determinants: np.ndarray) -> np.ndarray:
    """The inverses, from matrices and their determinants."""
    found = np.empty_like(matrices)
    found[0, 0], found[1, 1] = matrices[1, 1], matrices[0, 0]
    found[0, 1], found[1, 0] = -matrices[0, 1], -matrices[1, 0]
    found /= determinants
    return found


def elements(matrices: np.ndarray) -> np.ndarray:
    """The three elements of symmetric matrices: first, off-diagonal, last."""
    return np.stack([matrices[0, 0], matrices[0, 1], matrices[1, 1]])


def matrix(three: np.ndarray) -> np.ndarray:
    """The symmetric matrices with these elements."""
    first, off, last = three
    return np.stack([first, off, off, last]).reshape(2, 2, *first.shape)


def with_squares(three: np.ndarray) -> np.ndarray:
    """The elements and the six different products of two of them (9, ...); products are for :func:`sandwiched`."""
    made = np.empty((9, *three.shape[1:]))
    made[:3] = three
    np.multiply(three, three[0], out=made[3:6])
    np.multiply(three[1:], three[1], out=made[6:8])
    np.multiply(three[2], three[2], out=made[8])
    return made


def sandwiched(six: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """A B A of symmetric A and B (2, 2, ...), or its sum over many A, from (summed) products of A's elements."""
    u, v, w = inner[0, 0], inner[0, 1], inner[1, 1]
    first = six[0] * u + 2 * six[1] * v + six[3] * w
    off = six[1] * u + (six[2] + six[3]) * v + six[4] * w
    return matrix(np.stack([first, off, six[3] * u + 2 * six[4] * v + six[5] * w]))


def passed_up(
    information: np.ndarray, totals: np.ndarray, effect: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Information and totals after an effect: elements (3, ...) of S (I + C S)^-1, (I + S C)^-1 T, and det(I + C S).

    From elements (3, ...) of S and of C, and T (2, ...). No inverse of S or C is needed: with the adjugate of a 2 x 2
    matrix, S (I + C S)^-1 = (S + det(S) adj(C)) / det(I + C S) and (I + S C)^-1 = (I + adj(C) adj(S)) / det(I + C S).
    """
    (a, b, d), (t, u), (f, g, h) = information, totals, effect
    of_s = a * d - b * b
    determinants = 1 + a * f + b * (2 * g) + d * h + of_s * (f * h - g * g)
    per = 1 / determinants
    after = of_s * np.stack([h, -g, f])
    after += information
    after *= per
    left = np.stack([h, -g]) * (d * t - b * u)
    left += np.stack([-g, f]) * (a * u - b * t)
    left += totals
    left *= per
    return after, left, determinants


def over(values: np.ndarray, weights: np.ndarray | sparse.csr_array) -> np.ndarray:
    """Sums (..., n) of ``values`` (..., k) that a dense or sparse matrix ``weights`` (k, n) weighs."""
    rows = int(np.prod(values.shape[:-1]))
    made = values.reshape(rows, values.shape[-1]) @ weights
    return np.ascontiguousarray(made).reshape(*values.shape[:-1], weights.shape[1])
