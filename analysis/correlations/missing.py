"""Missing answers: maximum likelihood means and covariances under normality, by the EM algorithm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.common.arguments import real_number, whole_number
from analysis.common.matrices import LARGEST, as_floats
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

PATTERNS_AT_ONCE = 256
SINGULAR = 1e-7
"""Smallest eigenvalue of the covariance of standardised items below which the optimum counts as singular."""


@dataclass(frozen=True, eq=False)
class Moments:
    """ML estimates: mean (p,), covariance (p, p) with divisor n, correlation (p, p); iterations, converged, and the
    log-likelihood of the observed answers. ``singular`` says that the likelihood rises towards a covariance that is
    not positive definite, as it does with many missing answers and few rows; the estimate is then the last inside.
    Without missing answers it is that of the sample, singular or not (the log-likelihood is infinite if it is)."""

    mean: np.ndarray
    covariance: np.ndarray
    correlation: np.ndarray
    iterations: int
    converged: bool
    singular: bool
    log_likelihood: float

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of items, and of each with itself: item and other_item (1..p), mean (of ``item``),
        covariance, correlation."""
        first, second = np.triu_indices(len(self.mean))
        return pd.DataFrame(
            {
                "item": first + 1,
                "other_item": second + 1,
                "mean": self.mean[first],
                "covariance": self.covariance[first, second],
                "correlation": self.correlation[first, second],
            }
        )


@dataclass(frozen=True, eq=False)
class _Patterns:
    """Sufficient statistics of each pattern of answers: seen (k, p) 0/1, count (k,), mean (k, p) and scatter about that
    mean (k, p, p)."""

    seen: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray


def ml_moments(values: np.ndarray, *, tolerance: float = 1e-8, max_iterations: int = 1000) -> Moments:
    """Means and covariance of ``values`` (n, p) with NaN for missing, by EM (Dempster, Laird & Rubin 1977; Little &
    Rubin 2002, section 11.2). It is what lavaan reports as ``missing = "ml"`` for the saturated model.

    Patterns of answers are worked on in batches. SQUAREM steps (Varadhan & Roland 2008) speed up the slow end; a step
    that does not raise the likelihood or leaves the positive definite matrices is not taken. ``tolerance`` is on the
    largest change of a standardised mean or covariance in one EM step.

    Raises :class:`AnalysisError` when an item has no answers or no variance, when the first step is singular already
    (nothing but the start could be given), or when what is given is no table of numbers.

    >>> ml_moments(np.array([[1., 1.], [2., 3.], [3., 2.], [4., 4.]])).covariance
    array([[1.25, 1.  ],
           [1.  , 1.25]])
    """
    data = as_floats(values, "Answers must be numbers, or missing.")
    if data.ndim != 2 or (np.abs(data) > LARGEST).any():
        raise AnalysisError("Answers are a table of rows by items without infinite values.")
    tolerance = real_number(tolerance, "The tolerance", 0, beyond=True)
    max_iterations = whole_number(max_iterations, "The number of iterations", 1)
    data = data[~np.all(np.isnan(data), axis=1)]
    if data.shape[0] < 3:
        raise AnalysisError(f"{several(data.shape[0], 'row')} with answers; EM needs at least 3.", Status.TOO_FEW_ROWS)
    answered = ~np.isnan(data)
    if not np.all(answered.any(axis=0)):
        raise AnalysisError("An item without any answer cannot be part of an EM covariance.", Status.NO_DATA)
    centre = np.nanmean(data, axis=0)
    scale = np.nanstd(data, axis=0)
    if np.any(scale <= 0):
        raise AnalysisError("An item without variance cannot be part of an EM covariance.", Status.CONSTANT)
    patterns = _patterns((data - centre) / scale)
    size = data.shape[1]
    if answered.all():
        # Nothing is to be found out: the sample's moments have the largest likelihood, however few its rows are.
        state, converged, iteration = _pack(np.zeros(size), patterns.scatter[0] / patterns.count[0]), True, 0
        singular = _is_singular(state, size)
    else:
        state, converged, singular, iteration = _iterated(patterns, size, tolerance, max_iterations)
    mean, covariance = _unpack(state, size)
    likelihood = np.inf
    if not (singular and converged):
        likelihood = _em_step(state, patterns, size)[1] - float(np.sum(np.log(scale) * answered.sum(axis=0)))
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    return Moments(
        mean=mean * scale + centre,
        covariance=covariance * np.outer(scale, scale),
        correlation=correlation,
        iterations=iteration,
        converged=converged,
        singular=singular,
        log_likelihood=likelihood,
    )


def _iterated(
    patterns: _Patterns, size: int, tolerance: float, max_iterations: int
) -> tuple[np.ndarray, bool, bool, int]:
    """The state that EM ends in, whether it converged, whether the next one is singular, and the number of steps."""
    start = state = _pack(np.zeros(size), np.eye(size))
    converged, singular, iteration = False, False, 0
    while iteration < max_iterations and not converged:
        first, likelihood = _em_step(state, patterns, size)
        iteration += 1
        change = first - state
        # Two items that are the same have a singular covariance after the first step already.
        singular = _is_singular(first, size)
        if singular:
            break
        if np.max(np.abs(change)) < tolerance:
            state, converged = first, True
            break
        second, _ = _em_step(first, patterns, size)
        iteration += 1
        proposal = _accelerated(state, change, first, second, likelihood, patterns, size)
        singular = _is_singular(proposal, size)
        if singular:
            break
        state = proposal
    if singular and state is start:
        raise AnalysisError(
            "The ML covariance is singular, as with too few rows or items that follow from others; use pairwise or "
            "complete correlations.",
            Status.SINGULAR,
        )
    return state, converged, singular, iteration


def _is_singular(state: np.ndarray, size: int) -> bool:
    return bool(np.linalg.eigvalsh(_unpack(state, size)[1])[0] < SINGULAR)


def _patterns(data: np.ndarray) -> _Patterns:
    answered = ~np.isnan(data)
    seen, which = np.unique(answered, axis=0, return_inverse=True)
    filled = np.where(answered, data, 0.0)
    kinds, size = seen.shape
    count = np.bincount(which.ravel(), minlength=kinds).astype(float)
    mean, scatter = np.zeros((kinds, size)), np.zeros((kinds, size, size))
    for kind in range(kinds):
        rows = filled[which.ravel() == kind]
        mean[kind] = rows.mean(axis=0)
        centred = np.where(seen[kind], rows - mean[kind], 0.0)
        scatter[kind] = centred.T @ centred
    return _Patterns(seen.astype(float), count, mean, scatter)


def _pack(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.concatenate([mean, covariance[np.triu_indices(len(mean))]])


def _unpack(state: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    covariance = np.zeros((size, size))
    covariance[np.triu_indices(size)] = state[size:]
    return state[:size], covariance + np.triu(covariance, 1).T


def _em_step(state: np.ndarray, patterns: _Patterns, size: int) -> tuple[np.ndarray, float]:
    """One EM step, and the log-likelihood of the state it started from.

    With V the inverse of a pattern's covariance block (zero elsewhere), everything the step needs is the sum of V and
    of V S V over patterns; the full covariance is multiplied in once, at the end.
    """
    mean, covariance = _unpack(state, size)
    weight, pull = np.zeros((size, size)), np.zeros(size)
    spread = np.zeros((size, size))
    likelihood = 0.0
    for start in range(0, len(patterns.count), PATTERNS_AT_ONCE):
        part = slice(start, start + PATTERNS_AT_ONCE)
        seen, count = patterns.seen[part], patterns.count[part]
        both = seen[:, :, None] * seen[:, None, :]
        # Unseen items get a unit diagonal, so that one batched inverse serves every pattern.
        padded = covariance * both + np.eye(size) * (1 - seen)[:, :, None]
        inverse = np.linalg.inv(padded) * both
        distance = (patterns.mean[part] - mean) * seen
        pushed = np.matmul(inverse, distance[:, :, None])[:, :, 0]
        weight += np.tensordot(count, inverse, axes=1)
        pull += count @ pushed
        spread += (pushed * count[:, None]).T @ pushed
        several = np.flatnonzero(count > 1)
        scatter, block = patterns.scatter[part][several], inverse[several]
        spread += np.sum(np.matmul(np.matmul(block, scatter), block), axis=0)
        likelihood -= 0.5 * float(
            np.sum(count * (np.linalg.slogdet(padded)[1] + seen.sum(axis=1) * np.log(2 * np.pi)))
            + np.sum(count * np.sum(pushed * distance, axis=1))
            + np.sum(block * scatter)
        )
    rows = patterns.count.sum()
    moved = covariance @ pull / rows
    updated = covariance + covariance @ (spread - weight) @ covariance / rows - np.outer(moved, moved)
    return _pack(mean + moved, (updated + updated.T) / 2), likelihood


def _accelerated(
    state: np.ndarray,
    change: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    likelihood: float,
    patterns: _Patterns,
    size: int,
) -> np.ndarray:
    """The SQUAREM extrapolation of two EM steps where it is safe, the second EM step otherwise."""
    curve = (second - first) - change
    norm = np.linalg.norm(curve)
    if norm < 1e-14:
        return second
    length = -max(1.0, float(np.linalg.norm(change) / norm))
    if length == -1.0:
        return second
    proposal = state - 2 * length * change + length**2 * curve
    if np.linalg.eigvalsh(_unpack(proposal, size)[1])[0] <= SINGULAR:
        return second
    settled, reached = _em_step(proposal, patterns, size)
    return settled if reached >= likelihood else second
