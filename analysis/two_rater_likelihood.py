"""Restricted likelihood of two raters' ratings with correlated effects of therapist, dyad and session (error).

Information about a level is a symmetric 2 x 2 matrix S and a vector T; an effect of covariance C above it turns S into
S (I + C S)^-1, which needs no inverse of S and so carries ratings that are missing on one side along. Going down again,
a unit's mean has a predicted value m and covariance K, and the derivative by a covariance is the sum over its units of
S - S K S - w w', w = T - S m.

A unit enters through how often each rater rated it and through sums of ratings. Units with the same counts (a type)
have the same matrices, so an evaluation costs what the types and the therapists do, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import optimize

PARTS = ("therapist", "dyad", "error")
JITTER = 1e-10
IMPOSSIBLE = 1e12
"""Deviance of a covariance that rounding has made singular: finite, so that a search steps back from it."""
SELECT = np.zeros((3, 2, 4))
SELECT[0, 0, 0] = SELECT[0, 1, 1] = SELECT[1, 0, 2] = SELECT[2, 1, 3] = 1.0
"""Which of a unit's four sums (both raters' of rows rated by both, the first's of rows rated by the first only, the
second's likewise) belong to which pattern and rater."""


FULL = np.array([[0, 1], [1, 2]])
"""Where the elements of a symmetric matrix stand among its three distinct ones."""


@dataclass(frozen=True, eq=False)
class Types:
    """Units with the same counts: counts (K, 3) of rows by pattern, units (K,) of each type, products (K, 4, 4) of
    their sums over the units."""

    counts: np.ndarray
    units: np.ndarray
    products: np.ndarray


@dataclass(frozen=True, eq=False)
class Cells:
    """Units of one type in one therapist, sorted by type: therapist (C,), type (C,), units (C,), sums (C, 4), and where
    each type starts (K,)."""

    therapist: np.ndarray
    type: np.ndarray
    units: np.ndarray
    sums: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """-2 restricted log likelihood, the means (2,) of both raters, and by part the slope G (2, 2) of the deviance: a
    change dC of the part's covariance changes it by tr(G dC)."""

    value: float
    means: np.ndarray
    slopes: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where the likelihood is largest: Cholesky elements (three per part), deviance, whether the search converged, and
    its inverse second derivatives, from which another search can go on."""

    parameters: np.ndarray
    deviance: float
    converged: bool
    curvature: np.ndarray


class TwoRaterLikelihood:
    """Standardised ``values`` (n, 2), zero where not ``observed`` (n, 2), in dyads (``of_dyad``, n) of therapists
    (``of_therapist``, number of dyads); ``parts`` are those of :data:`PARTS` that can be told apart."""

    def __init__(
        self,
        values: np.ndarray,
        observed: np.ndarray,
        of_dyad: np.ndarray,
        of_therapist: np.ndarray,
        n_therapists: int,
        parts: tuple[str, ...],
    ) -> None:
        self.parts = parts
        self.n_ratings = int(observed.sum())
        # The unit: what rows lie in. Its effect is the part above the lowest one; without any, all rows are one unit.
        self.unit_part = parts[-2] if len(parts) > 1 else None
        nested = len(parts) == 3
        if "error" in parts:
            units, above = of_dyad, of_therapist
        else:
            units, above = of_therapist[of_dyad], np.zeros(n_therapists, dtype=int)
        if self.unit_part is None:
            units, above = np.zeros(len(values), dtype=int), np.zeros(1, dtype=int)
        above = above if nested else np.zeros(len(above), dtype=int)
        self.n_above = n_therapists if nested else 1
        both = np.asarray(observed.all(axis=1))
        patterns = [both, observed[:, 0] & ~both, observed[:, 1] & ~both]
        self.row_counts = np.array([pattern.sum() for pattern in patterns], dtype=float)
        self.row_products = np.array([values[pattern].T @ values[pattern] for pattern in patterns])
        self.types, self.cells = _types(values, patterns, units, above)

    def evaluate(self, covariances: Mapping[str, np.ndarray]) -> Evaluation:
        """The deviance and its slopes at the ``covariances`` (2, 2) of the parts."""
        lowest = covariances[self.parts[-1]]
        if not np.linalg.det(lowest) > 0:
            nothing = np.full(2, np.nan)
            return Evaluation(IMPOSSIBLE, nothing, {part: np.zeros((2, 2)) for part in self.parts})
        effect = covariances[self.unit_part] if self.unit_part is not None else np.zeros((2, 2))
        units = _Units(self.types, self.cells, lowest, effect)
        information = _by_group(units.information[self.cells.type] * self.cells.units[:, None, None], self)
        totals = _by_group(units.cell_totals(), self)
        value = self.row_counts @ units.log_dets + float((units.row_information * self.row_products).sum())
        value += float(self.types.units @ np.log(units.determinants)) - units.square
        top = covariances["therapist"] if len(self.parts) == 3 else np.zeros((2, 2))
        above = _Above(information, totals, top)
        value += above.deviance + (self.n_ratings - 2) * np.log(2 * np.pi)
        slopes = units.slopes(above.mean, above.spread, self.row_counts, self.row_products)
        found = {self.parts[-1]: slopes[1]}
        if self.unit_part is not None:
            found[self.unit_part] = slopes[0]
        if len(self.parts) == 3:
            found["therapist"] = above.slope
        return Evaluation(float(value), above.grand_mean, found)

    def maximise(self, uncorrelated: str | None = None, start: Maximum | None = None) -> Maximum:
        """The largest likelihood; ``uncorrelated`` names a part whose correlation is held at zero.

        The search begins at ``start`` if given. A further one is made when one ends without convergence, or at a
        variance of zero that the likelihood would rather have larger (Cholesky elements cannot leave zero).
        """

        def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            found = self.evaluate(covariances(parameters, self.parts, uncorrelated))
            slope = by_cholesky(parameters, self.parts, found.slopes, uncorrelated)
            return found.value / self.n_ratings, slope / self.n_ratings

        starts = [_uncorrelated(start, self.parts, uncorrelated)] if start is not None else []
        starts += [(_start(shares[-len(self.parts) :]), {}) for shares in ((0.25, 0.5, 0.5), (0.6, 0.3, 0.2))]
        best: optimize.OptimizeResult | None = None
        for first, known in starts:
            options = {"gtol": 1e-8, "maxiter": 500, **known}
            found = optimize.minimize(objective, first, jac=True, method="BFGS", options=options)
            if best is None or found.fun < best.fun:
                best = found
            if found.success and self._is_optimum(found.x, uncorrelated):
                break
        assert best is not None
        # BFGS may stop for lack of precision at a good point; the size of the slope decides.
        converged = bool(np.abs(best.jac).max() < 1e-5)
        return Maximum(np.asarray(best.x), float(best.fun) * self.n_ratings, converged, _definite(best.hess_inv))

    def _is_optimum(self, parameters: np.ndarray, uncorrelated: str | None) -> bool:
        """No covariance matrix in reach of this stationary point is better: the slope by none has a negative direction
        (in the interior all slopes are zero)."""
        slopes = self.evaluate(covariances(parameters, self.parts, uncorrelated)).slopes
        lowest = [np.diag(g).min() if p == uncorrelated else np.linalg.eigvalsh(g).min() for p, g in slopes.items()]
        return bool(min(lowest) > -1e-6 * self.n_ratings)


class _Units:
    """Matrices of the units' types at a covariance ``lowest`` of rows and ``effect`` of units (both 2 x 2).

    row_information: (3, 2, 2) J of a row by pattern; information: (K, 2, 2) S of a unit after its effect;
    shrink: (K, 2, 2) E = (I + C S)^-1; to_totals: (K, 2, 4) from a unit's sums to its T after its effect.
    """

    def __init__(self, types: Types, cells: Cells, lowest: np.ndarray, effect: np.ndarray) -> None:
        self.types, self.cells, self.effect = types, cells, effect
        inverse = np.linalg.inv(lowest)
        inverse = (inverse + inverse.T) / 2
        alone = np.diag(1.0 / np.diag(lowest))
        self.row_information = np.stack([inverse, alone * [1.0, 0.0], alone * [0.0, 1.0]])
        self.log_dets = np.log([np.linalg.det(lowest), lowest[0, 0], lowest[1, 1]])
        weigh = np.einsum("pij,pjs->is", self.row_information, SELECT)
        before = np.tensordot(types.counts, self.row_information, axes=1)
        inside = np.eye(2) + effect @ before
        self.determinants = inside[:, 0, 0] * inside[:, 1, 1] - inside[:, 0, 1] * inside[:, 1, 0]
        self.shrink = _inverse(inside, self.determinants)
        self.information = _symmetric(before @ self.shrink)
        self.posterior = _symmetric(self.shrink @ effect)
        self.to_totals = np.swapaxes(self.shrink, 1, 2) @ weigh
        raw = weigh @ types.products @ weigh.T
        self.square = float((self.posterior * raw).sum())

    def cell_totals(self) -> np.ndarray:
        """(C, 2) sums of T over the units of each cell."""
        return np.einsum("cij,cj->ci", self.to_totals[self.cells.type], self.cells.sums)

    def slopes(
        self, mean: np.ndarray, spread: np.ndarray, row_counts: np.ndarray, row_products: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slopes by the covariance of units and of rows; ``mean`` (n_above, 2) and ``spread`` (n_above, 2, 2) are
        predicted for what the units lie in."""
        cells, products, n_units = self.cells, self.types.products, self.types.units
        of_cell = mean[cells.therapist]
        beside = np.hstack([of_cell * cells.units[:, None], cells.sums])
        flat = spread.reshape(-1, 4)[cells.therapist]
        if len(cells.units) == len(cells.starts):
            crossed = of_cell[:, :, None] * beside[:, None, :]
            spreads = (cells.units[:, None] * flat).reshape(-1, 2, 2)
        else:
            ranges = [slice(*ends) for ends in pairwise([*cells.starts, len(cells.units)])]
            crossed = np.stack([of_cell[own].T @ beside[own] for own in ranges])
            spreads = np.stack([cells.units[own] @ flat[own] for own in ranges]).reshape(-1, 2, 2)
        means, with_sums = crossed[:, :, :2], crossed[:, :, 2:]

        s, b = self.information, self.to_totals
        mixed = b @ np.swapaxes(with_sums, 1, 2) @ s
        scores = b @ products @ np.swapaxes(b, 1, 2) - mixed - np.swapaxes(mixed, 1, 2) + s @ means @ s
        of_units = (s * n_units[:, None, None] - s @ spreads @ s - scores).sum(axis=0)

        # A unit's mean: the mean above shrunk, and its own sums weighed.
        e, f = self.shrink, self.effect @ b
        unit_spread = self.posterior * n_units[:, None, None] + e @ spreads @ np.swapaxes(e, 1, 2)
        crossed = e @ with_sums @ np.swapaxes(f, 1, 2)
        unit_means = e @ means @ np.swapaxes(e, 1, 2) + crossed + np.swapaxes(crossed, 1, 2)
        unit_means = unit_means + f @ products @ np.swapaxes(f, 1, 2)
        sums_with_means = np.swapaxes(with_sums, 1, 2) @ np.swapaxes(e, 1, 2) + products @ np.swapaxes(f, 1, 2)
        together = np.tensordot(self.types.counts.T, unit_spread + unit_means, axes=1)
        by_pattern = SELECT @ sums_with_means.sum(axis=0)
        j = self.row_information
        residual = row_products - by_pattern - np.swapaxes(by_pattern, 1, 2) + together
        of_rows = (j * row_counts[:, None, None] - j @ residual @ j).sum(axis=0)
        return _symmetric(of_units), _symmetric(of_rows)


class _Above:
    """What lies above the units, with information (n, 2, 2) and totals (n, 2), effect ``c`` (zero: one group without an
    effect), and a grand mean nothing is known of. Element by element: there are as many as therapists."""

    def __init__(self, information: np.ndarray, totals: np.ndarray, c: np.ndarray) -> None:
        s11, s12, s22 = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
        t1, t2 = totals.T
        i11, i12 = 1 + c[0, 0] * s11 + c[0, 1] * s12, c[0, 0] * s12 + c[0, 1] * s22
        i21, i22 = c[0, 1] * s11 + c[1, 1] * s12, 1 + c[0, 1] * s12 + c[1, 1] * s22
        det = i11 * i22 - i12 * i21
        e11, e12, e21, e22 = i22 / det, -i12 / det, -i21 / det, i11 / det
        after = np.stack([s11 * e11 + s12 * e21, s11 * e12 + s12 * e22, s12 * e12 + s22 * e22])
        left = np.stack([e11 * t1 + e21 * t2, e12 * t1 + e22 * t2])
        p11, p12, p22 = e11 * c[0, 0] + e12 * c[0, 1], e11 * c[0, 1] + e12 * c[1, 1], e21 * c[0, 1] + e22 * c[1, 1]
        whole, total = after.sum(axis=1)[FULL], left.sum(axis=1)
        unknown = np.linalg.inv(whole)
        self.grand_mean = unknown @ total
        square = float(t1 @ (p11 * t1 + 2 * p12 * t2) + t2 @ (p22 * t2)) + float(total @ self.grand_mean)
        self.deviance = float(np.log(det).sum()) + float(np.log(np.linalg.det(whole))) - square
        m1, m2 = self.grand_mean
        scores = left - np.stack([after[0] * m1 + after[1] * m2, after[1] * m1 + after[2] * m2])
        pairs = (after @ after.T)[FULL[:, :, None, None], FULL]
        self.slope = _symmetric(whole - np.einsum("ijkl,jk->il", pairs, unknown) - scores @ scores.T)
        self.mean = self.grand_mean + (c @ scores).T
        f11, f12, f22 = unknown[0, 0], unknown[0, 1], unknown[1, 1]
        self.spread = np.empty((len(t1), 2, 2))
        self.spread[:, 0, 0] = p11 + e11 * (e11 * f11 + 2 * e12 * f12) + e12 * e12 * f22
        crossed = p12 + e11 * (e21 * f11 + e22 * f12) + e12 * (e21 * f12 + e22 * f22)
        self.spread[:, 0, 1] = self.spread[:, 1, 0] = crossed
        self.spread[:, 1, 1] = p22 + e21 * (e21 * f11 + 2 * e22 * f12) + e22 * e22 * f22


def covariances(parameters: np.ndarray, parts: Sequence[str], uncorrelated: str | None = None) -> dict[str, np.ndarray]:
    """Covariance (2, 2) of each part from its Cholesky elements; that of ``uncorrelated`` has no off-diagonal."""
    found: dict[str, np.ndarray] = {}
    for part, (a, c, b) in zip(parts, parameters.reshape(-1, 3), strict=True):
        c = 0.0 if part == uncorrelated else c
        found[part] = np.array([[a * a, a * c], [a * c, c * c + b * b]])
    # The lowest level is inverted; a trace of variance keeps it so when the search touches the bound.
    found[parts[-1]] = found[parts[-1]] + JITTER * np.eye(2)
    return found


def by_cholesky(
    parameters: np.ndarray, parts: Sequence[str], slopes: Mapping[str, np.ndarray], uncorrelated: str | None = None
) -> np.ndarray:
    """Slopes of the deviance by the Cholesky elements (three per part)."""
    found = []
    for part, (a, c, b) in zip(parts, parameters.reshape(-1, 3), strict=True):
        c = 0.0 if part == uncorrelated else c
        g = slopes[part]
        off = 0.0 if part == uncorrelated else 2 * (g[0, 1] * a + g[1, 1] * c)
        found += [2 * (g[0, 0] * a + g[0, 1] * c), off, 2 * g[1, 1] * b]
    return np.array(found)


def _types(
    values: np.ndarray, patterns: Sequence[np.ndarray], units: np.ndarray, above: np.ndarray
) -> tuple[Types, Cells]:
    """Types of units, and cells of type and what is above (``above``, number of units)."""
    n = len(above)
    counts = np.stack([np.bincount(units[pattern], minlength=n) for pattern in patterns], axis=1)
    columns = ((patterns[0], 0), (patterns[0], 1), (patterns[1], 0), (patterns[2], 1))
    sums = np.stack([np.bincount(units[rows], weights=values[rows, j], minlength=n) for rows, j in columns], axis=1)
    radix = counts.max(axis=0) + 1
    code = (counts[:, 0] * radix[1] + counts[:, 1]) * radix[2] + counts[:, 2]
    _, first, of_unit, units_of = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    n_above = int(above.max()) + 1
    found, cell, in_cell = np.unique(of_unit * n_above + above, return_inverse=True, return_counts=True)
    type_of = found // n_above
    cell_sums = np.stack([np.bincount(cell, weights=column, minlength=len(found)) for column in sums.T], axis=1)
    starts = np.flatnonzero(np.r_[True, np.diff(type_of) > 0])
    products = np.empty((len(first), 4, 4))
    for i in range(4):
        for j in range(i + 1):
            made = np.bincount(of_unit, weights=sums[:, i] * sums[:, j], minlength=len(first))
            products[:, i, j] = products[:, j, i] = made
    types = Types(counts[first].astype(float), units_of.astype(float), products)
    return types, Cells(found % n_above, type_of, in_cell.astype(float), cell_sums, starts)


def _by_group(values: np.ndarray, likelihood: TwoRaterLikelihood) -> np.ndarray:
    """Sums of the cells' values (C, ...) over what they lie in."""
    if likelihood.n_above == 1:
        return values.sum(axis=0, keepdims=True)
    flat = values.reshape(len(values), -1)
    at, n = likelihood.cells.therapist, likelihood.n_above
    summed = np.stack([np.bincount(at, weights=column, minlength=n) for column in flat.T], axis=1)
    return summed.reshape(n, *values.shape[1:])


def _uncorrelated(
    start: Maximum, parts: Sequence[str], uncorrelated: str | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Where a search from ``start`` begins: with the variances of the part whose correlation is to be zero kept."""
    parameters = start.parameters.copy()
    if uncorrelated is not None:
        at = 3 * list(parts).index(uncorrelated)
        parameters[at + 1 : at + 3] = 0.0, np.hypot(parameters[at + 1], parameters[at + 2])
    return parameters, {"hess_inv0": start.curvature}


def _start(shares: Sequence[float]) -> np.ndarray:
    return np.concatenate([[np.sqrt(share), 0.1, np.sqrt(share)] for share in shares])


def _inverse(matrices: np.ndarray, determinants: np.ndarray) -> np.ndarray:
    """Inverses of (n, 2, 2)."""
    found = np.empty_like(matrices)
    found[:, 0, 0], found[:, 1, 1] = matrices[:, 1, 1], matrices[:, 0, 0]
    found[:, 0, 1], found[:, 1, 0] = -matrices[:, 0, 1], -matrices[:, 1, 0]
    return found / determinants[:, None, None]


def _definite(curvature: np.ndarray) -> np.ndarray:
    """The matrix if it is symmetric and positive definite to rounding, else the unit matrix."""
    made = _symmetric(curvature)
    values = np.linalg.eigvalsh(made) if np.isfinite(made).all() else np.zeros(1)
    return made if values.min() > 1e-10 * values.max() > 0 else np.eye(len(made))


def _symmetric(matrices: np.ndarray) -> np.ndarray:
    return (matrices + np.swapaxes(matrices, -1, -2)) / 2
