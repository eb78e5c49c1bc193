"""Gradient projection over rotation matrices, for a stack of problems at once.

Jennrich (2001, 2002) and Bernaards & Jennrich (2005), with the step length of Barzilai & Borwein (1988) under a
non-monotone decrease condition (Zhang & Hager 2004): the plain method creeps on flat criteria such as geomin, and its
decrease test fails at rounding error before the gradient is small.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetri

from analysis.components.rotation_criteria import Criterion

MEMORY = 0.7
"""Weight of past criterion values in the decrease condition; 0 would demand a decrease at every step."""


@dataclass(frozen=True, eq=False)
class GradientProjection:
    """What a stack of B rotations came to: transform (B, m, m), loadings (B, p, m), criterion, gradient (Frobenius norm
    of the projected gradient), iterations and converged, each (B,)."""

    transform: np.ndarray
    loadings: np.ndarray
    criterion: np.ndarray
    gradient: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray


def _transposed(stack: np.ndarray) -> np.ndarray:
    return stack.swapaxes(-1, -2)


def _oblique_point(unrotated: np.ndarray, transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inverse = _inverses(transform)
    return np.matmul(unrotated, _transposed(inverse)), inverse


def _inverses(transform: np.ndarray) -> np.ndarray:
    """Inverses (B, k, k); not-a-number for axes that fall together, whose step or start is then not taken."""
    if len(transform) == 1:
        # Most of what numpy takes for one small matrix is spent around LAPACK.
        factors, pivots, singular = dgetrf(transform[0])
        return dgetri(factors, pivots)[0][None] if singular == 0 else np.full_like(transform, np.nan)
    try:
        return np.linalg.inv(transform)
    except np.linalg.LinAlgError:
        inverse = np.full_like(transform, np.nan)
        for place, each in enumerate(transform):
            with suppress(np.linalg.LinAlgError):
                inverse[place] = np.linalg.inv(each)
        return inverse


def _projected_gradient(
    unrotated: np.ndarray, transform: np.ndarray, inverse: np.ndarray | None, loadings: np.ndarray, slope: np.ndarray
) -> np.ndarray:
    if inverse is not None:
        gradient = -_transposed(np.matmul(np.matmul(_transposed(loadings), slope), inverse))
        return gradient - transform * np.einsum("bij,bij->bj", transform, gradient)[:, None, :]
    gradient = np.matmul(_transposed(unrotated), slope)
    inner = np.matmul(_transposed(transform), gradient)
    return gradient - np.matmul(transform, (inner + _transposed(inner)) / 2)


def _retract(point: np.ndarray, oblique: bool) -> np.ndarray:
    """Back onto the manifold: unit columns when oblique, the nearest orthogonal matrix otherwise."""
    if oblique:
        return point / np.sqrt(np.einsum("bij,bij->bj", point, point))[:, None, :]
    left, _, right = np.linalg.svd(point)
    return np.matmul(left, right)


def _inner(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(B,) sums of the products of all cells; one pass without a copy, which is half the cost of a small rotation."""
    return np.einsum("bij,bij->b", left, right)


def _norm(stack: np.ndarray) -> np.ndarray:
    return np.sqrt(_inner(stack, stack))


def gradient_projection(
    unrotated: np.ndarray,
    start: np.ndarray,
    criterion: Criterion,
    *,
    oblique: bool,
    tolerance: float = 1e-7,
    max_iterations: int = 2000,
) -> GradientProjection:
    """Minimise ``criterion`` over rotations of ``unrotated`` (B, p, m) from ``start`` (B, m, m).

    Oblique: loadings are A inv(T)' and component correlations T'T, columns of T of unit length. Orthogonal: loadings
    are A T. A replicate is done when the norm of its projected gradient is below ``tolerance``, and given up when
    its criterion falls without bound (oblimin with a positive gamma) or no step helps.
    """
    transform = start.copy()
    loadings, inverse = _oblique_point(unrotated, transform) if oblique else (np.matmul(unrotated, transform), None)
    f, slope = criterion(loadings)
    projected = _projected_gradient(unrotated, transform, inverse, loadings, slope)
    norm = _norm(projected)
    count = len(f)
    reference, weight = f.copy(), np.ones(count)
    length = np.ones(count)
    iterations = np.zeros(count, dtype=int)
    floor = f - 1e6 * np.maximum(1.0, np.abs(f))
    active = np.flatnonzero(norm > tolerance)
    for _ in range(max_iterations):
        if active.size == 0:
            break
        whole = active.size == count
        at = slice(None) if whole else active
        here, base, step = transform[at], unrotated[at], length[at]
        trial = _retract(here - step[:, None, None] * projected[at], oblique)
        found, trial_inverse = _oblique_point(base, trial) if oblique else (np.matmul(base, trial), None)
        trial_f, slope = criterion(found)
        slack = 1e-13 * np.maximum(1.0, np.abs(f[at]))
        good = trial_f <= reference[at] - 1e-4 * step * norm[at] ** 2 + slack
        iterations[at] += 1
        taken: slice | np.ndarray = at
        if not np.all(good):
            length[active[~good]] *= 0.3
            if not np.any(good):
                active = active[length[active] > 1e-12]
                continue
            trial, base, found, slope, trial_f = trial[good], base[good], found[good], slope[good], trial_f[good]
            trial_inverse = None if trial_inverse is None else trial_inverse[good]
            taken = active[good]
        updated = _projected_gradient(base, trial, trial_inverse, found, slope)
        moved, turned = trial - transform[taken], updated - projected[taken]
        length[taken] = _barzilai_borwein(moved, turned, length[taken], iterations[taken])
        transform[taken], loadings[taken], f[taken], projected[taken] = trial, found, trial_f, updated
        norm[taken] = _norm(updated)
        weight_next = MEMORY * weight[taken] + 1
        reference[taken] = (MEMORY * weight[taken] * reference[taken] + trial_f) / weight_next
        weight[taken] = weight_next
        active = active[(norm[active] > tolerance) & (length[active] > 1e-12) & (f[active] > floor[active])]
    return GradientProjection(transform, loadings, f, norm, iterations, norm <= tolerance)


def path_of_r(
    unrotated: np.ndarray,
    criterion: Criterion,
    *,
    oblique: bool,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> tuple[np.ndarray, int]:
    """Where GPArotation's ``GPFoblq`` or ``GPForth`` comes to from the identity: transform (m, m) and iterations.

    The same steps as there (twice the last length, halved at most ten times until the criterion falls by half of what
    the gradient promises), since of several minima another path from the same start may end in another one.
    ``unrotated`` is (p, m), ``tolerance`` and ``max_iterations`` are those of R.
    """
    base = unrotated[None]
    transform, length = np.eye(base.shape[-1])[None], 1.0

    def at(point: np.ndarray) -> tuple[float, tuple[np.ndarray | None, np.ndarray, np.ndarray]]:
        loadings, inverse = _oblique_point(base, point) if oblique else (np.matmul(base, point), None)
        value, slope = criterion(loadings)
        return float(value[0]), (inverse, loadings, slope)

    value, parts = at(transform)
    projected = _projected_gradient(base, transform, *parts)
    for iteration in range(max_iterations):
        square = float(_inner(projected, projected)[0])
        if np.sqrt(square) < tolerance:
            return transform[0], iteration
        length *= 2
        for _ in range(11):
            trial = _retract(transform - length * projected, oblique)
            found, parts = at(trial)
            if value - found > 0.5 * square * length:
                break
            length /= 2
        # Half of the trials are too long; of those the gradient is not needed.
        turned = _projected_gradient(base, trial, *parts)
        if not np.all(np.isfinite(turned)):
            return transform[0], iteration
        transform, value, projected = trial, found, turned
    return transform[0], max_iterations


def _barzilai_borwein(moved: np.ndarray, turned: np.ndarray, length: np.ndarray, iterations: np.ndarray) -> np.ndarray:
    """The two Barzilai-Borwein step lengths in turn; where the curvature is negative the last one is doubled."""
    curvature = _inner(moved, turned)
    tiny = 1e-300
    long = _inner(moved, moved) / np.maximum(curvature, tiny)
    short = curvature / np.maximum(_inner(turned, turned), tiny)
    chosen = np.where(iterations % 2 == 0, long, short)
    return np.minimum(np.maximum(np.where(curvature > 0, chosen, 2 * length), 1e-10), 1e6)
