"""Where the likelihood of two raters' ratings is largest: Newton's method over Cholesky elements of the covariances.

Slopes are exact. Of few matrices, second derivatives are differences of slopes, found anew at every point in the same
evaluation. Of many they are those expected (scoring), which take less than an evaluation does, and are kept and updated
while they serve. A direction in which the likelihood is curved the wrong way is walked down all the same (saddle-free
Newton, Dauphin et al. 2014), and a step that does not lower the deviance is shortened.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.two_views.two_rater_likelihood import Evaluation, TwoRaterLikelihood

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
MOST_CORRELATED = 0.95
"""Largest correlation to begin with, for the same reason."""
FURTHER = ((0.25, 0.5, 0.5), (0.6, 0.3, 0.2))
"""Shares of the variance of the parts at which further searches begin."""


@dataclass(frozen=True, eq=False)
class Point:
    """Parameters (q,), the deviance per rating, its slope (q,) along what is ``loose`` (k,), and second derivatives
    (k, k) by what is free if they are known. It is the point ``at`` of those ``found`` together."""

    parameters: np.ndarray
    value: float
    slope: np.ndarray
    loose: np.ndarray
    curvature: np.ndarray | None
    found: Evaluation
    at: int


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where the likelihood is largest: the deviance there, the point, and whether the search converged."""

    deviance: float
    point: Point
    converged: bool

    @property
    def parameters(self) -> np.ndarray:
        """Cholesky elements (q,), three per part."""
        return self.point.parameters

    @property
    def means(self) -> np.ndarray:
        """Means (2,) of both raters."""
        return np.asarray(self.point.found.means[self.point.at])


Answer = tuple[Evaluation, int]
"""What was found at the points of all searches, and where those of one begin."""
Held = tuple[str, float]
"""A part and the correlation, from -1 to 1, at which its two effects are held."""


def maximise(likelihood: TwoRaterLikelihood, start: np.ndarray | None = None) -> Maximum:
    """The largest likelihood; the search begins at ``start`` (q,), else at estimates by moments."""
    start = _by_moments(likelihood) if start is None else start
    return _together(likelihood, [_Search(likelihood, None).maximum(start)])[0]


def holding(likelihood: TwoRaterLikelihood, held: Sequence[Held], start: Maximum) -> list[Maximum]:
    """The largest likelihoods if one part's correlation is held, for each part and correlation that ``held`` names."""
    information = likelihood.information(start.point.found, start.point.at)
    starts = [_start_holding(one, start.parameters, information, likelihood.parts) for one in held]
    return _together(likelihood, [_Search(likelihood, one).maximum(at) for one, at in zip(held, starts, strict=True)])


def _together(
    likelihood: TwoRaterLikelihood, searches: Sequence[Generator[np.ndarray, Answer, Maximum]]
) -> list[Maximum]:
    """What the searches find. The points they ask for next are evaluated at once, as few take little more than one."""
    ends: dict[int, Maximum] = {}
    asked = {number: next(search) for number, search in enumerate(searches)}
    while asked:
        found = likelihood.evaluate(covariances(np.vstack(list(asked.values())), likelihood.parts))
        at = 0
        for number, points in list(asked.items()):
            try:
                asked[number] = searches[number].send((found, at))
            except StopIteration as ended:
                ends[number] = ended.value
                del asked[number]
            at += len(points)
    return [ends[number] for number in range(len(searches))]


class _Search:
    """A search over the Cholesky elements (q), of which k combinations are free where a correlation is held.

    Its generators yield the points (P, q) they want evaluated.
    """

    def __init__(self, likelihood: TwoRaterLikelihood, held: Held | None) -> None:
        self.likelihood, self.parts, self.held = likelihood, likelihood.parts, held
        # (q, k), orthonormal: a correlation is held by letting the second rater's two elements grow together only.
        self.free = _free(self.parts, held)
        # Below zero a standard deviation would stand for the correlation of the other sign.
        self.positive = np.zeros(self.free.shape[1], dtype=bool)
        if held is not None and held[1] != 0:
            self.positive[3 * self.parts.index(held[0]) + np.arange(2)] = True
        # Where further points are cheap, second derivatives come with each.
        self.cheap = likelihood.n_matrices * len(self.free) < CHEAP
        self.beside = BESIDE * self.free.T

    def maximum(self, start: np.ndarray) -> Generator[np.ndarray, Answer, Maximum]:
        """The best of a search from ``start`` (q,), as near it as what is held allows, and of further ones.

        These are made when one ends without convergence, or at a variance of zero that the likelihood would rather have
        larger (Cholesky elements cannot leave zero).
        """
        best: Maximum | None = None
        for parameters in (start, *(_start(shares[-len(self.parts) :]) for shares in FURTHER)):
            end = yield from self.newton(self.allowed(parameters))
            converged = bool(np.abs(end.slope).max() < CONVERGED)
            deviance = end.value * self.likelihood.n_ratings
            if best is None or deviance < best.deviance:
                best = Maximum(deviance, end, converged)
            if converged and self.is_optimum(end):
                break
        assert best is not None
        return best

    def allowed(self, parameters: np.ndarray) -> np.ndarray:
        """The parameters (q,) nearest to these that what is held allows."""
        along = self.free.T @ parameters
        return self.free @ np.where(self.positive, np.maximum(along, 0.0), along)

    def newton(self, start: np.ndarray) -> Generator[np.ndarray, Answer, Point]:
        """Where the deviance is least, from ``start`` (q,) along the free parameters."""
        here = yield from self.at(start)
        for _ in range(MOST_STEPS):
            steepest = np.abs(here.slope).max()
            if steepest < ENOUGH:
                break
            new = self.cheap or here.curvature is None
            known = self.expected(here) if here.curvature is None else here.curvature
            step = np.zeros(len(here.loose))
            step[here.loose] = _step(known[np.ix_(here.loose, here.loose)], (self.free.T @ here.slope)[here.loose])
            step = self.free @ step
            if -(here.slope @ step) < ROUNDING * abs(here.value) and steepest < CONVERGED:
                break
            there = yield from self.lower(here, step, SHARES if new else SHARES[:1])
            if there is None and new:
                break
            if there is None:
                here = replace(here, curvature=None)
            elif self.cheap or np.abs(there.slope).max() > SERVES * steepest:
                here = there
            else:
                moved, change = there.parameters - here.parameters, there.slope - here.slope
                here = replace(there, curvature=_updated(known, self.free.T @ moved, self.free.T @ change))
        return here

    def at(self, parameters: np.ndarray) -> Generator[np.ndarray, Answer, Point]:
        """The point with these parameters (q,), with second derivatives where they are cheap."""
        points = np.vstack([parameters, parameters + self.beside]) if self.cheap else parameters[None]
        found, first = yield points
        own, n = slice(first, first + len(points)), self.likelihood.n_ratings
        slopes = by_cholesky(points, self.parts, {part: slope[own] for part, slope in found.slopes.items()}) / n
        along = slopes @ self.free
        curvature = None
        if self.cheap:
            differences = (along[1:] - along[0]) / BESIDE
            curvature = (differences + differences.T) / 2
        loose = ~(self.positive & (self.free.T @ parameters <= 0) & (along[0] > 0))
        slope = self.free @ np.where(loose, along[0], 0.0)
        return Point(parameters, float(found.value[first]) / n, slope, loose, curvature, found, first)

    def lower(self, here: Point, step: np.ndarray, shares: np.ndarray) -> Generator[np.ndarray, Answer, Point | None]:
        """The first point along the step, by ``shares`` of it, that is lower by part of what the slope promises; or
        none.

        Below rounding of the deviance nothing tells a better point from a worse one, so that much is let pass.
        """
        for share in shares:
            there = yield from self.at(self.allowed(here.parameters + share * step))
            promised = float(here.slope @ (there.parameters - here.parameters))
            if there.value <= here.value + 1e-4 * promised + ROUNDING * abs(here.value):
                return there
        return None

    def expected(self, here: Point) -> np.ndarray:
        """Second derivatives (k, k) by what is free of the Cholesky elements, those by the covariances as expected."""
        moved = np.zeros((len(self.free),) * 2)
        bent = np.zeros_like(moved)
        for at, part in enumerate(self.parts):
            a, c, b = here.parameters[3 * at : 3 * at + 3]
            g = here.found.slopes[part][here.at]
            own = slice(3 * at, 3 * at + 3)
            # Of variance, covariance and variance (rows) by the elements, and how these bend on the way.
            moved[own, own] = [[2 * a, 0, 0], [c, a, 0], [0, 2 * c, 2 * b]]
            bent[own, own] = [[2 * g[0, 0], 2 * g[0, 1], 0], [2 * g[0, 1], 2 * g[1, 1], 0], [0, 0, 2 * g[1, 1]]]
        every = moved.T @ self.likelihood.information(here.found, here.at) @ moved + bent
        return np.asarray(self.free.T @ every @ self.free) / self.likelihood.n_ratings

    def is_optimum(self, end: Point) -> bool:
        """No covariance matrix in reach of this stationary point is better: the slope by none has a negative direction.

        Slopes by Cholesky elements L are twice the slopes by the covariance times L: small where these are, but for an
        L that is near its bound.
        """
        enough = 1e-6
        diagonal = np.abs(end.parameters.reshape(-1, 3)[:, [0, 2]]).min()
        if np.abs(end.slope).max() < enough * diagonal:
            return True
        for part, slopes in end.found.slopes.items():
            # Of the matrices with one correlation only, the covariance has its part of what the variances have.
            off = self.held[1] if self.held is not None and part == self.held[0] else 1.0
            lowest = np.linalg.eigvalsh(slopes[end.at] * np.array([[1.0, off], [off, 1.0]])).min()
            if not lowest > -enough * self.likelihood.n_ratings:
                return False
        return True


def _updated(curvature: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Second derivatives that agree with the change of the slope along a step (symmetric rank one)."""
    missing = change - curvature @ step
    along = float(missing @ step)
    if abs(along) < 1e-8 * np.linalg.norm(missing) * np.linalg.norm(step):
        return curvature
    return np.asarray(curvature + np.outer(missing, missing) / along)


def covariances(parameters: np.ndarray, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """Covariance (..., 2, 2) of each part from its Cholesky elements (..., 3 x parts)."""
    found: dict[str, np.ndarray] = {}
    for at, part in enumerate(parts):
        a, c, b = (parameters[..., 3 * at + element] for element in range(3))
        found[part] = _matrix(a * a, a * c, c * c + b * b)
    # The lowest level is inverted; a trace of variance keeps it so when the search touches the bound.
    found[parts[-1]] += JITTER * np.eye(2)
    return found


def by_cholesky(parameters: np.ndarray, parts: Sequence[str], slopes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Slopes (..., 3 x parts) of the deviance by the Cholesky elements."""
    made = np.empty_like(parameters)
    for at, part in enumerate(parts):
        a, c, b = (parameters[..., 3 * at + element] for element in range(3))
        first, off, second = (slopes[part][..., i, j] for i, j in ((0, 0), (0, 1), (1, 1)))
        made[..., 3 * at] = 2 * (first * a + off * c)
        made[..., 3 * at + 1] = 2 * (off * a + second * c)
        made[..., 3 * at + 2] = 2 * second * b
    return made


def by_moments(moments: np.ndarray, parts: Sequence[str], likelihood: TwoRaterLikelihood) -> np.ndarray:
    """Slopes (..., 3 x parts) of the deviance by variance, covariance and variance of each part."""
    given = {part: _matrix(*(moments[..., 3 * at + k] for k in range(3))) for at, part in enumerate(parts)}
    found = likelihood.evaluate(given).slopes
    slopes = [s for part in parts for s in (found[part][..., 0, 0], 2 * found[part][..., 0, 1], found[part][..., 1, 1])]
    return np.stack(slopes, axis=-1)


def _matrix(first: np.ndarray, between: np.ndarray, second: np.ndarray) -> np.ndarray:
    made = np.empty((*first.shape, 2, 2))
    made[..., 0, 0], made[..., 1, 1] = first, second
    made[..., 0, 1] = made[..., 1, 0] = between
    return made


def _step(hessian: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Newton's step with the curvatures taken as positive, no longer than :data:`LONGEST`."""
    if not np.isfinite(hessian).all():
        hessian = np.eye(len(slope))
    curvatures, directions = np.linalg.eigh(hessian)
    steepness = np.maximum(np.abs(curvatures), 1e-8 * np.abs(curvatures).max())
    step = -directions @ ((directions.T @ slope) / steepness)
    return np.asarray(step * min(1.0, LONGEST / np.linalg.norm(step)))


def _free(parts: Sequence[str], held: Held | None) -> np.ndarray:
    """What the Cholesky elements (q) can be varied along, as orthonormal columns (q, k)."""
    every = np.eye(3 * len(parts))
    if held is None:
        return every
    at = 3 * parts.index(held[0])
    every[:, at + 2] = held[1] * every[:, at + 1] + np.sqrt(1 - held[1] ** 2) * every[:, at + 2]
    return np.delete(every, at + 1, axis=1)


def _start_holding(held: Held, parameters: np.ndarray, information: np.ndarray, parts: Sequence[str]) -> np.ndarray:
    """Cholesky elements (q,) to begin with if one part's correlation is held: variances stay, and the other parts'
    covariances make up for it as the second derivatives (q, q) by the covariances say."""
    a, c, b = parameters.reshape(-1, 3).T
    first, off, second = a * a, a * c, c * c + b * b
    part = parts.index(held[0])
    at = 3 * np.arange(len(off)) + 1
    others = np.delete(np.arange(len(off)), part)
    by_others = information[np.ix_(at[others], at[others])]
    lost = off[part] - held[1] * np.sqrt(first[part] * second[part])
    off[others] += lost * np.linalg.lstsq(by_others, information[at[others], at[part]], rcond=None)[0]
    off[part] -= lost
    most = np.where(np.arange(len(off)) == part, 1.0, MOST_CORRELATED) * np.sqrt(first * second)
    off = np.clip(off, -most, most) / np.where(first > 0, np.sqrt(first), 1.0)
    return np.column_stack([np.sqrt(first), off, np.sqrt(np.maximum(second - off**2, 0.0))]).ravel()


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
