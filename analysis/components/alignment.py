"""Bringing one set of loadings into the columns, signs and axes of another.

Components have no natural order or sign: two solutions can only be compared after their columns are matched. All
functions work on one matrix (p, k) or on a stack (..., p, k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from analysis.common.status import AnalysisError


@dataclass(frozen=True)
class Match:
    """A one-to-one match of columns: ``left[i]`` goes with ``right[i]`` after multiplication by ``signs[i]``.

    ``congruence`` (signed, so never negative after the sign) is that of each pair. With unequal numbers of columns
    only ``min(k, m)`` pairs exist; the columns left over are in neither list.
    """

    left: np.ndarray
    right: np.ndarray
    signs: np.ndarray
    congruence: np.ndarray


def tucker_congruence(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Tucker's phi between every column of ``left`` (..., p, k) and of ``right`` (..., p, m): (..., k, m).

    phi_ij = sum(a_i b_j) / sqrt(sum(a_i^2) sum(b_j^2)) (Tucker 1951); no centring, so it is not a correlation. A column
    of zeros has no congruence: NaN. Raises :class:`AnalysisError` when the sides have different numbers of items.

    >>> tucker_congruence(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]])).round(6).tolist()
    [[1.0]]
    """
    if left.shape[-2] != right.shape[-2]:
        raise AnalysisError(
            f"Congruence needs the same items on both sides, not {left.shape[-2]} and {right.shape[-2]}."
        )
    products = np.swapaxes(left, -1, -2) @ right
    lengths = np.linalg.norm(left, axis=-2)[..., :, None] * np.linalg.norm(right, axis=-2)[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > 0, products / lengths, np.nan)


def match_columns(left: np.ndarray, right: np.ndarray) -> Match:
    """Match the columns of ``left`` (p, k) to those of ``right`` (p, m), one to one, so that the sum of |Tucker's phi|
    is largest (Hungarian method, :func:`scipy.optimize.linear_sum_assignment`).

    The best partner of every single column would do for clear cases but can give one column to two; this cannot.

    >>> left = np.array([[0.8, 0.0], [0.0, 0.7]])
    >>> found = match_columns(left, -left[:, ::-1])
    >>> found.right.tolist(), found.signs.tolist(), found.congruence.tolist()
    ([1, 0], [-1.0, -1.0], [1.0, 1.0])
    """
    congruence = tucker_congruence(left, right)
    rows, columns = linear_sum_assignment(-np.abs(np.nan_to_num(congruence)))
    matched = congruence[rows, columns]
    signs = np.where(matched < 0, -1.0, 1.0)
    return Match(rows, columns, signs, matched * signs)


def align_columns(
    pattern: np.ndarray, phi: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put the columns of each ``pattern`` (b, p, k) into the order and sign of ``target`` (p, k).

    Returns the patterns, the component correlations (b, k, k) in the same order and sign, and the congruence (b, k) of
    each column with its target column.

    >>> target = np.array([[0.8, 0.0], [0.0, 0.7]])
    >>> patterns, phis, congruences = align_columns(-target[None, :, ::-1], np.eye(2)[None], target)
    >>> (patterns[0] + 0.0).tolist(), congruences[0].tolist()
    ([[0.8, 0.0], [0.0, 0.7]], [1.0, 1.0])
    """
    congruence = tucker_congruence(pattern, target)
    order = np.empty(congruence.shape[:2], dtype=int)
    for replicate, table in enumerate(np.abs(np.nan_to_num(congruence))):
        rows, columns = linear_sum_assignment(-table)
        order[replicate, columns] = rows
    matched = np.take_along_axis(congruence, order[:, None, :], axis=1)[:, 0, :]
    signs = np.where(matched < 0, -1.0, 1.0)
    aligned = np.take_along_axis(pattern, order[:, None, :], axis=2) * signs[:, None, :]
    rows_first = np.take_along_axis(phi, order[:, :, None], axis=1)
    correlations = np.take_along_axis(rows_first, order[:, None, :], axis=2) * signs[:, :, None] * signs[:, None, :]
    return aligned, correlations, matched * signs


def orthogonal_procrustes(loadings: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation Q (..., k, m) with which ``loadings`` (..., p, k) @ Q come closest to ``target`` (..., p, m).

    Q = U V' from the singular values of loadings' target (Schönemann 1966). With k = m it is orthogonal (reflections
    allowed); with k > m its columns, with k < m its rows are orthonormal.

    >>> turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    >>> target = np.array([[0.8, 0.1], [0.2, 0.7], [0.0, 0.6]])
    >>> orthogonal_procrustes(target @ turn.T, target).round(6)
    array([[ 0.8,  0.6],
           [-0.6,  0.8]])
    """
    left, _, right = np.linalg.svd(np.swapaxes(loadings, -1, -2) @ target, full_matrices=False)
    return left @ right


def orthogonal_basis(pattern: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Loadings (..., p, k) on uncorrelated axes that span the same space: ``pattern`` (..., p, k) times the square root
    of ``phi`` (..., k, k).

    Their products with themselves are the model's: B B' = L Phi L'. Procrustes rotation starts from these, so that
    its result does not depend on the oblique rotation that came before.
    """
    values, vectors = np.linalg.eigh(phi)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :] @ np.swapaxes(vectors, -1, -2)
    return pattern @ root
