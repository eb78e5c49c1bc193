"""Restricted likelihood of nested random intercepts, from sums over clusters only.

The model is y = X b + u_cluster + v_outer + e, clusters nested in outer clusters (therapists in sites). With variance
ratios t1 and t2 to the residual variance, everything the likelihood needs is the cross-products of [X, y] and their
sums per cluster (Woodbury). Clusters of one size enter alike, so one evaluation costs (number of distinct sizes, by
outer cluster) x (columns)^2, whatever the number of rows and clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from analysis.common.observations import cluster_sums

LARGEST_RATIO = 1e8
NEAR_ZERO = 1e-4
CONVERGED = 1e-6

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True, eq=False)
class NestedSums:
    """What the likelihood needs, q = r + 1 columns being those of [basis, residual of y on the basis].

    products: (q, q) over all rows; start: (r,) coordinates of y in the basis; total: sum of squares of y; sums: (G, q)
    per cluster; sizes: (G,) rows of each; outer: (G,) its outer cluster, of which there are ``n_outer`` (0: none).

    Clusters of one size weigh alike in the likelihood, so it is computed from their cells: ``by_size`` holds the
    distinct sizes (K,), the clusters of each (K,) and the cross-products (K, q, q) of their sums, ``cells`` the same
    clusters by outer cluster and size.
    """

    n: int
    products: np.ndarray
    start: np.ndarray
    total: float
    sums: np.ndarray
    sizes: np.ndarray
    outer: np.ndarray
    n_outer: int
    by_size: tuple[np.ndarray, np.ndarray, np.ndarray]
    cells: Cells

    @property
    def rank(self) -> int:
        """Columns of the basis."""
        return int(self.products.shape[0] - 1)

    @property
    def n_ratios(self) -> int:
        """Variance ratios of the model, 1 or 2."""
        return 2 if self.n_outer else 1


@dataclass(frozen=True, eq=False)
class Cells:
    """Clusters of one size in one outer cluster: (C,) the number of their size, how many there are, and (C, q) their
    sums; sorted by outer cluster, whose first cells ``starts`` (n_outer,) tells."""

    size_at: np.ndarray
    count: np.ndarray
    sums: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True, eq=False)
class Point:
    """The likelihood at given variance ratios.

    inner: (r, r) X'V^-1 X; moved: (r,) b in the basis, counted from the least-squares coordinates; rss: residual sum of
    squares in the metric of V; log_det: of V; traces: (k,) tr(V^-1 K_k); squares: for each level k the (q, q)
    cross-products of its scores Z_k'V^-1 [X, y - X b].
    """

    inner: np.ndarray
    moved: np.ndarray
    rss: float
    log_det: float
    traces: np.ndarray
    squares: tuple[np.ndarray, ...]


def nested_sums(
    basis: np.ndarray, outcome: np.ndarray, codes: np.ndarray, n_clusters: int, outer: np.ndarray | None = None
) -> NestedSums:
    """Sums for ``basis`` (n, r) and ``outcome`` (n,); ``outer`` (n_clusters,) numbers the outer cluster of each."""
    start = basis.T @ outcome
    joined = np.column_stack([basis, outcome - basis @ start])
    sums = cluster_sums(joined, codes, n_clusters)
    sizes = np.bincount(codes, minlength=n_clusters).astype(float)
    within = np.zeros(n_clusters, dtype=int) if outer is None else outer
    n_outer = 0 if outer is None else int(within.max()) + 1
    return _grouped(joined.T @ joined, start, float(outcome @ outcome), len(outcome), sums, sizes, within, n_outer)


def _grouped(
    products: np.ndarray,
    start: np.ndarray,
    total: float,
    n: int,
    sums: np.ndarray,
    sizes: np.ndarray,
    outer: np.ndarray,
    n_outer: int,
) -> NestedSums:
    """The sums with their cells."""
    distinct, size_at, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    order = np.argsort(size_at, kind="stable")
    groups = np.split(sums[order], np.cumsum(counts)[:-1])
    squares = np.stack([group.T @ group for group in groups])
    found, cell, count = np.unique(outer * len(distinct) + size_at, return_inverse=True, return_counts=True)
    starts = np.flatnonzero(np.r_[True, np.diff(found // len(distinct)) > 0])
    cells = Cells(found % len(distinct), count.astype(float), cluster_sums(sums, cell, len(found)), starts)
    by_size = (distinct, counts.astype(float), squares)
    return NestedSums(n, products, start, total, sums, sizes, outer, n_outer, by_size, cells)


def collapse(sums: NestedSums) -> NestedSums:
    """The same rows with the outer clusters as the only ones."""
    into = cluster_sums(sums.sums, sums.outer, sums.n_outer)
    sizes = np.bincount(sums.outer, weights=sums.sizes, minlength=sums.n_outer)
    alone = np.zeros(sums.n_outer, dtype=int)
    return _grouped(sums.products, sums.start, sums.total, sums.n, into, sizes, alone, 0)


def rss_within(sums: NestedSums) -> float:
    """Residual sum of squares when every cluster has an intercept of its own; 0 when rounding is all that is left."""
    sizes, _, squares = sums.by_size
    within = sums.products - np.tensordot(1.0 / sizes, squares, axes=1)
    inverse = np.linalg.pinv(within[:-1, :-1], rcond=1e-10, hermitian=True)
    rest = float(within[-1, -1] - within[-1, :-1] @ inverse @ within[:-1, -1])
    return rest if rest > 1e-12 * sums.total else 0.0


def at(sums: NestedSums, ratios: np.ndarray) -> Point:
    """The likelihood's parts at ``ratios`` (q,) of the variances of clusters (and outer ones) to the residual one."""
    sizes, counts, of_size = sums.by_size
    shrink = 1.0 / (1.0 + sizes * ratios[0])
    products = sums.products - np.tensordot(ratios[0] * shrink, of_size, axes=1)
    log_det = float(counts @ np.log1p(sizes * ratios[0]))
    effective = sizes * shrink
    squares, traces = [np.tensordot(shrink**2, of_size, axes=1)], [float(counts @ effective)]
    if sums.n_outer:
        cells = sums.cells
        own, of_cell = shrink[cells.size_at], effective[cells.size_at]
        shrunk = cells.sums * own[:, None]
        outer_sums = np.add.reduceat(shrunk, cells.starts)
        outer_sizes = np.add.reduceat(cells.count * of_cell, cells.starts)
        outer_shrink = 1.0 / (1.0 + ratios[1] * outer_sizes)
        weight = ratios[1] * outer_shrink
        weighted = outer_sums * weight[:, None]
        products = products - outer_sums.T @ weighted
        log_det += float(np.log1p(ratios[1] * outer_sizes).sum())
        # The scores of clusters are shrunk sums less their size's share of what the outer cluster explains.
        crossed = np.add.reduceat(shrunk * of_cell[:, None], cells.starts).T @ weighted
        second = np.add.reduceat(cells.count * of_cell**2, cells.starts)
        squares[0] = squares[0] - crossed - crossed.T + weighted.T @ (weighted * second[:, None])
        outer_scores = outer_sums * outer_shrink[:, None]
        squares.append(outer_scores.T @ outer_scores)
        traces[0] -= float(weight @ second)
        traces.append(float(outer_sizes @ outer_shrink))
    r = sums.rank
    inner = products[:r, :r]
    moved = np.linalg.solve(inner, products[:r, r])
    rss = float(products[r, r] - products[:r, r] @ moved)
    turn = np.eye(r + 1)
    turn[:r, r] = -moved
    about = tuple(turn.T @ level @ turn for level in squares)
    return Point(inner, moved, max(rss, 0.0), log_det, np.array(traces), about)


def predicted_effects(sums: NestedSums, ratios: np.ndarray) -> np.ndarray:
    """(G,) best linear unbiased predictions of the clusters' effects at the variance ratios."""
    point = at(sums, ratios)
    residual = sums.sums[:, -1] - sums.sums[:, :-1] @ point.moved
    effective = sums.sizes / (1.0 + sums.sizes * ratios[0])
    scores = residual / (1.0 + sums.sizes * ratios[0])
    if sums.n_outer:
        outer = np.bincount(sums.outer, weights=scores, minlength=sums.n_outer)
        weight = ratios[1] / (1.0 + ratios[1] * np.bincount(sums.outer, weights=effective, minlength=sums.n_outer))
        scores = scores - effective * (outer * weight)[sums.outer]
    return ratios[0] * scores


def deviance(sums: NestedSums, point: Point, reml: bool) -> float:
    """-2 log likelihood, profiled over b and the residual variance, up to the constant of the basis."""
    df = sums.n - sums.rank if reml else sums.n
    value = point.log_det + df * (1.0 + np.log(2.0 * np.pi * point.rss / df))
    return float(value + np.linalg.slogdet(point.inner)[1]) if reml else float(value)


def gradient(sums: NestedSums, point: Point, reml: bool) -> np.ndarray:
    """(q,) derivatives of the profiled deviance by the variance ratios."""
    df = sums.n - sums.rank if reml else sums.n
    return _traces(point, reml) - df * _squares(point) / point.rss


def maximise(sums: NestedSums, reml: bool) -> tuple[np.ndarray, bool]:
    """The ratios (levels,) of the largest likelihood, and whether the search converged; 0 is a possible answer.

    A likelihood without a maximum (a few rows that a large ratio fits exactly) ends at 0, not converged.
    """
    try:
        if sums.n_ratios == 1:
            return _maximise_one(sums, reml), True
        return _maximise_two(sums, reml)
    except np.linalg.LinAlgError:
        return np.zeros(sums.n_ratios), False


def _maximise_one(sums: NestedSums, reml: bool) -> np.ndarray:
    grid = np.r_[0.0, np.logspace(-6, np.log10(LARGEST_RATIO), 57)]
    values = [deviance(sums, at(sums, np.array([ratio])), reml) for ratio in grid]
    best = int(np.argmin(values))

    def slope(ratio: float) -> float:
        return float(gradient(sums, at(sums, np.array([ratio])), reml)[0])

    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if slope(low) >= 0:
        return np.array([low])
    if slope(high) <= 0:
        return np.array([high])
    return np.array([optimize.brentq(slope, low, high, xtol=1e-14, rtol=1e-13)])


def _maximise_two(sums: NestedSums, reml: bool) -> tuple[np.ndarray, bool]:
    """Quasi-Newton from several starts, 0 where the likelihood falls from there, then Newton steps on those inside."""
    ratios = _largest_of_several(sums, reml)
    # At a root of 0 the slope by the root vanishes, so a start there would never leave: the slope by the ratio decides.
    # The search in roots stops short of 0 where the likelihood falls from 0 on: there 0 itself is the better answer.
    for k in np.flatnonzero(ratios < NEAR_ZERO):
        without = np.where(np.arange(len(ratios)) == k, 0.0, ratios)
        if deviance(sums, at(sums, without), reml) <= deviance(sums, at(sums, ratios), reml) + 1e-9:
            ratios = without
    inside = ratios > 0.0
    if inside.any():
        ratios = _sharpened(sums, ratios, inside, reml)
    slope = gradient(sums, at(sums, ratios), reml)
    scale = 1.0 + ratios
    return ratios, bool((np.abs(slope * scale)[inside] < CONVERGED * sums.n).all() and (slope[~inside] > -1e-6).all())


def _largest_of_several(sums: NestedSums, reml: bool) -> np.ndarray:
    """The ratios (2,) where quasi-Newton ends best: in their square roots from several starts, then in themselves."""

    def by_roots(root: np.ndarray) -> tuple[float, np.ndarray]:
        point = at(sums, root**2)
        return deviance(sums, point, reml), gradient(sums, point, reml) * 2.0 * root

    def by_ratios(ratios: np.ndarray) -> tuple[float, np.ndarray]:
        point = at(sums, ratios)
        return deviance(sums, point, reml), gradient(sums, point, reml)

    def best(objective: Objective, starts: Sequence[ArrayLike], most: float) -> np.ndarray:
        options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}
        found = [
            optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0.0, most)] * 2, options=options)
            for start in starts
        ]
        return np.asarray(min(found, key=lambda result: float(result.fun)).x)

    ratios = best(by_roots, [(0.3, 0.3), (1.0, 0.1), (0.1, 1.0), (1.0, 1.0)], np.sqrt(LARGEST_RATIO)) ** 2
    # A long first step may land in the corner (0, 0), which no slope by the roots leads out of; by the ratios one does.
    return best(by_ratios, [ratios, np.array([0.1, 0.1])], LARGEST_RATIO)


def _sharpened(sums: NestedSums, ratios: np.ndarray, inside: np.ndarray, reml: bool) -> np.ndarray:
    """The ratios after Newton steps on those ``inside`` the bounds, as long as the likelihood does not fall."""
    for _ in range(6):
        step = _newton_step(sums, ratios, inside, reml)
        moved = ratios.copy()
        moved[inside] += step
        if not np.isfinite(step).all() or (moved[inside] <= 0).any():
            break
        if deviance(sums, at(sums, moved), reml) > deviance(sums, at(sums, ratios), reml) + 1e-9:
            break
        ratios = moved
    return ratios


def _newton_step(sums: NestedSums, ratios: np.ndarray, inside: np.ndarray, reml: bool) -> np.ndarray:
    which = np.flatnonzero(inside)
    hessian = np.empty((len(which), len(which)))
    for column, k in enumerate(which):
        step = 1e-5 * ratios[k]
        up, down = ratios.copy(), ratios.copy()
        up[k] += step
        down[k] -= step
        difference = gradient(sums, at(sums, up), reml) - gradient(sums, at(sums, down), reml)
        hessian[:, column] = difference[which] / (2 * step)
    hessian = (hessian + hessian.T) / 2
    if np.linalg.eigvalsh(hessian).min() <= 0:
        return np.full(len(which), np.nan)
    return -np.linalg.solve(hessian, gradient(sums, at(sums, ratios), reml)[which])


def variance_hessian(sums: NestedSums, variances: np.ndarray, reml: bool) -> np.ndarray:
    """(q + 1, q + 1) second derivatives of the deviance by the variances (clusters, outer, residual)."""
    size = len(variances)
    hessian = np.empty((size, size))
    for k in range(size):
        step = 1e-4 * variances[k] if variances[k] > 0 else 1e-6 * variances[-1]
        up, down = variances.copy(), variances.copy()
        up[k] += step
        down[k] = max(down[k] - step, 0.0)
        difference = _variance_gradient(sums, up, reml) - _variance_gradient(sums, down, reml)
        hessian[:, k] = difference / (up[k] - down[k])
    return (hessian + hessian.T) / 2


def covariance_slopes(sums: NestedSums, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The covariance (r, r) of b in the basis and its derivatives (q + 1, r, r) by the variances."""
    residual = variances[-1]
    point = at(sums, variances[:-1] / residual)
    inverse = np.linalg.inv(point.inner)
    covariance = inverse * residual
    slopes = [inverse @ level[:-1, :-1] @ inverse for level in point.squares]
    # The covariance is proportional to the variances together, which gives the slope by the residual one.
    rest = (covariance - sum(v * slope for v, slope in zip(variances, slopes, strict=False))) / residual
    return covariance, np.array([*slopes, rest])


def _variance_gradient(sums: NestedSums, variances: np.ndarray, reml: bool) -> np.ndarray:
    residual = variances[-1]
    point = at(sums, variances[:-1] / residual)
    traces, squares = _traces(point, reml) / residual, _squares(point) / residual**2
    df = sums.n - sums.rank if reml else sums.n
    own_trace = (df - float(variances[:-1] @ traces)) / residual
    own_square = (point.rss / residual - float(variances[:-1] @ squares)) / residual
    return np.r_[traces - squares, own_trace - own_square]


def _traces(point: Point, reml: bool) -> np.ndarray:
    if not reml:
        return point.traces
    inverse = np.linalg.inv(point.inner)
    lost = [float((inverse * level[:-1, :-1]).sum()) for level in point.squares]
    return point.traces - np.array(lost)


def _squares(point: Point) -> np.ndarray:
    return np.array([float(level[-1, -1]) for level in point.squares])
