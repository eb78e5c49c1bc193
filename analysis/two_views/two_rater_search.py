"""Where the likelihood of two raters' ratings is largest: Newton's method over Cholesky elements of the covariances.

Slopes are exact; second derivatives are differences of slopes, all taken in one evaluation, and kept and updated while
they serve. A direction in which the likelihood is curved the wrong way is walked down all the same (saddle-free Newton,
Dauphin et al. 2014), and a step that does not lower the deviance is shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.two_views.two_rater_likelihood import TwoRaterLikelihood

JITTER = 1e-10
BESIDE = 1e-5
"""How far beside a point slopes are taken for second derivatives."""
ENOUGH, CONVERGED = 1e-8, 1e-5
"""Largest slope of the deviance per rating at which a search ends, and at which it has found a maximum (rounding may
keep it from going further)."""
ROUNDING = 1e-15
"""What a deviance is known to, relative to it."""
LONGEST = 0.5
"""Longest step; standard deviations of ratings are about one."""
SHARES = 4.0 ** -np.arange(16)
"""Parts of a step that are tried one after the other."""
SERVES = 0.25
"""Part of the slope that a step may leave for second derivatives to be kept."""
MOST_STEPS = 200
CHEAP = 5000
"""Matrices per evaluation times parameters up to which further points take little more time than one."""
LEAST_SHARE = 0.02
"""Least share of the variance that moments may give a part to begin with, as zero cannot be left again."""
Objective = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Point:
    """Parameters (q,), the deviance per rating there, its slope (q,), and second derivatives if still known."""

    parameters: np.ndarray
    value: float
    slope: np.ndarray
    curvature: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where the likelihood is largest: Cholesky elements (three per part), deviance, whether the search converged, and
    the second derivatives it ended with, if any, from which another search can go on."""

    parameters: np.ndarray
    deviance: float
    converged: bool
    curvature: np.ndarray | None = None


def maximise(likelihood: TwoRaterLikelihood, uncorrelated: str | None = None, start: Maximum | None = None) -> Maximum:
    """The largest likelihood; ``uncorrelated`` names a part whose correlation is held at zero.

    The search begins at ``start`` if given, else at estimates by moments. A further one is made when one ends without
    convergence, or at a variance of zero that the likelihood would rather have larger (Cholesky elements cannot leave
    zero).
    """
    parts = likelihood.parts

    def objective(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = likelihood.evaluate(covariances(parameters, parts, uncorrelated))
        slope = by_cholesky(parameters, parts, found.slopes, uncorrelated)
        return found.value / likelihood.n_ratings, slope / likelihood.n_ratings

    free = np.array([not (part == uncorrelated and element == 1) for part in parts for element in range(3)])
    first = _by_moments(likelihood) if start is None else start.parameters
    starts = [(_without(first, parts, uncorrelated), start.curvature if start is not None else None)]
    starts += [(_start(shares[-len(parts) :]), None) for shares in ((0.25, 0.5, 0.5), (0.6, 0.3, 0.2))]
    best: Maximum | None = None
    cheap = likelihood.n_matrices * len(free) < CHEAP
    for parameters, curvature in starts:
        known = None if curvature is None else curvature[np.ix_(free, free)]
        end = newton(objective, parameters, free, known, cheap)
        converged = bool(np.abs(end.slope).max() < CONVERGED)
        curvature = end.curvature if free.all() else None
        found = Maximum(end.parameters, end.value * likelihood.n_ratings, converged, curvature)
        if best is None or found.deviance < best.deviance:
            best = found
        if converged and _is_optimum(likelihood, end, uncorrelated):
            break
    assert best is not None
    return best


def newton(
    objective: Objective, start: np.ndarray, free: np.ndarray, curvature: np.ndarray | None = None, cheap: bool = False
) -> Point:
    """Where ``objective`` is least, from ``start`` (q,) along the ``free`` (q,) parameters, of which there are k.

    ``objective`` takes points (P, q) and gives values (P,) and slopes (P, q); ``curvature`` (k, k) are second
    derivatives to begin with. Where further points are ``cheap``, second derivatives are found anew at each.
    """
    beside = BESIDE * np.eye(len(free))[free]
    always = beside if cheap else beside[:0]
    here = _at(objective, start, always)
    here = here if cheap or curvature is None else replace(here, curvature=curvature)
    for _ in range(MOST_STEPS):
        steepest = np.abs(here.slope).max()
        if steepest < ENOUGH:
            break
        new = cheap or here.curvature is None
        here = _at(objective, here.parameters, beside) if here.curvature is None else here
        known = here.curvature
        assert known is not None
        step = np.zeros(len(free))
        step[free] = _step(known, here.slope[free])
        if -(here.slope @ step) < ROUNDING * abs(here.value) and steepest < CONVERGED:
            break
        there = _lower(objective, here, step, SHARES if new else SHARES[:1], always)
        if there is None and new:
            break
        if there is None:
            here = replace(here, curvature=None)
        elif cheap or np.abs(there.slope).max() > SERVES * steepest:
            here = there
        else:
            moved, change = there.parameters - here.parameters, there.slope - here.slope
            here = replace(there, curvature=_updated(known, moved[free], change[free]))
    return here


def _at(objective: Objective, parameters: np.ndarray, beside: np.ndarray) -> Point:
    """The point with these ``parameters``; with second derivatives if there are points ``beside`` it (k, q)."""
    values, slopes = objective(np.vstack([parameters, parameters + beside]))
    if not len(beside):
        return Point(parameters, float(values[0]), slopes[0])
    curvature = (slopes[1:] - slopes[0])[:, beside.any(axis=0)] / BESIDE
    return Point(parameters, float(values[0]), slopes[0], np.asarray((curvature + curvature.T) / 2))


def _lower(objective: Objective, here: Point, step: np.ndarray, shares: np.ndarray, beside: np.ndarray) -> Point | None:
    """The first point along the step, by ``shares`` of it, that is lower by part of what the slope promises; or none.

    Below rounding of the deviance nothing tells a better point from a worse one, so that much is let pass.
    """
    for share in shares:
        there = _at(objective, here.parameters + share * step, beside)
        if there.value <= here.value + 1e-4 * share * float(here.slope @ step) + ROUNDING * abs(here.value):
            return there
    return None


def _updated(curvature: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Second derivatives that agree with the change of the slope along a step (symmetric rank one)."""
    missing = change - curvature @ step
    along = float(missing @ step)
    if abs(along) < 1e-8 * np.linalg.norm(missing) * np.linalg.norm(step):
        return curvature
    return np.asarray(curvature + np.outer(missing, missing) / along)


def covariances(parameters: np.ndarray, parts: Sequence[str], uncorrelated: str | None = None) -> dict[str, np.ndarray]:
    """Covariance (..., 2, 2) of each part from its Cholesky elements (..., three per part); that of ``uncorrelated``
    has no off-diagonal."""
    found: dict[str, np.ndarray] = {}
    for at, part in enumerate(parts):
        a, c, b = np.moveaxis(parameters[..., 3 * at : 3 * at + 3], -1, 0)
        c = np.zeros_like(c) if part == uncorrelated else c
        found[part] = _matrix(a * a, a * c, c * c + b * b)
    # The lowest level is inverted; a trace of variance keeps it so when the search touches the bound.
    found[parts[-1]] = found[parts[-1]] + JITTER * np.eye(2)
    return found


def by_cholesky(
    parameters: np.ndarray, parts: Sequence[str], slopes: Mapping[str, np.ndarray], uncorrelated: str | None = None
) -> np.ndarray:
    """Slopes (..., three per part) of the deviance by the Cholesky elements."""
    found = []
    for at, part in enumerate(parts):
        a, c, b = np.moveaxis(parameters[..., 3 * at : 3 * at + 3], -1, 0)
        c = np.zeros_like(c) if part == uncorrelated else c
        g = slopes[part]
        of_c = 2 * (g[..., 0, 1] * a + g[..., 1, 1] * c)
        of_c = np.zeros_like(of_c) if part == uncorrelated else of_c
        found += [2 * (g[..., 0, 0] * a + g[..., 0, 1] * c), of_c, 2 * g[..., 1, 1] * b]
    return np.stack(found, axis=-1)


def by_moments(moments: np.ndarray, parts: Sequence[str], likelihood: TwoRaterLikelihood) -> np.ndarray:
    """Slopes (..., three per part) of the deviance by variance, covariance and variance of each part."""
    given = {part: _matrix(*np.moveaxis(moments[..., 3 * at : 3 * at + 3], -1, 0)) for at, part in enumerate(parts)}
    found = likelihood.evaluate(given).slopes
    slopes = [s for part in parts for s in (found[part][..., 0, 0], 2 * found[part][..., 0, 1], found[part][..., 1, 1])]
    return np.stack(slopes, axis=-1)


def _matrix(first: np.ndarray, between: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([np.stack([first, between], axis=-1), np.stack([between, second], axis=-1)], axis=-2)


def _step(hessian: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Newton's step with the curvatures taken as positive, no longer than :data:`LONGEST`."""
    if not np.isfinite(hessian).all():
        hessian = np.eye(len(slope))
    curvatures, directions = np.linalg.eigh(hessian)
    steepness = np.maximum(np.abs(curvatures), 1e-8 * np.abs(curvatures).max())
    step = -directions @ ((directions.T @ slope) / steepness)
    return np.asarray(step * min(1.0, LONGEST / np.linalg.norm(step)))


def _is_optimum(likelihood: TwoRaterLikelihood, end: Point, uncorrelated: str | None) -> bool:
    """No covariance matrix in reach of this stationary point is better: the slope by none has a negative direction.

    Slopes by Cholesky elements L are twice the slopes by the covariance times L: small where these are, but for an L
    that is near its bound.
    """
    enough = 1e-6
    diagonal = np.abs(end.parameters.reshape(-1, 3)[:, [0, 2]]).min()
    if np.abs(end.slope).max() < enough * diagonal:
        return True
    slopes = likelihood.evaluate(covariances(end.parameters, likelihood.parts, uncorrelated)).slopes
    lowest = [np.diag(g).min() if p == uncorrelated else np.linalg.eigvalsh(g).min() for p, g in slopes.items()]
    return bool(min(lowest) > -enough * likelihood.n_ratings)


def _without(parameters: np.ndarray, parts: Sequence[str], uncorrelated: str | None) -> np.ndarray:
    """The parameters without the correlation of the part ``uncorrelated``, with its variances kept."""
    made = parameters.copy()
    if uncorrelated is not None:
        at = 3 * list(parts).index(uncorrelated)
        made[at + 1 : at + 3] = 0.0, np.hypot(made[at + 1], made[at + 2])
    return made


def _by_moments(likelihood: TwoRaterLikelihood) -> np.ndarray:
    """Cholesky elements of the parts' covariances as analysis of variance gives them, drawn away from the bounds."""
    found = []
    for covariance in likelihood.moments():
        if not np.isfinite(covariance).all():
            return _start((0.25, 0.5, 0.5)[-len(likelihood.parts) :])
        values, vectors = np.linalg.eigh(covariance)
        lower = np.linalg.cholesky((vectors * np.maximum(values, LEAST_SHARE)) @ vectors.T)
        found += [lower[0, 0], lower[1, 0], lower[1, 1]]
    return np.array(found)


def _start(shares: Sequence[float]) -> np.ndarray:
    return np.concatenate([[np.sqrt(share), 0.1, np.sqrt(share)] for share in shares])
