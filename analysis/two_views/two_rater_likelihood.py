"""Restricted likelihood of two raters' ratings with correlated effects of therapist, dyad and session (error).

Information about a level is a symmetric 2 x 2 matrix S and a vector T; an effect of covariance C above it turns S into
S (I + C S)^-1, which needs no inverse of S and so carries ratings that are missing on one side along. Going down again,
a unit's mean has a predicted value m and covariance K, and the derivative by a covariance is the sum over its units of
S - S K S - w w', w = T - S m.

Covariances may be given at several points at once: the last axis but one of every array here is that of points, so that
slopes beside a point, and with them second derivatives, cost little more than the slope at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.two_views.two_rater_sums import N_SUMS, Classes, Rows, Types, classes_and_rows, unit_types

PARTS = ("therapist", "dyad", "error")
IMPOSSIBLE = 1e12
"""Deviance of a covariance that rounding has made singular: finite, so that a search steps back from it."""
AT_ONCE = 100_000
"""Points times rows that are evaluated at once; more go in turns, so that memory is bounded."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """-2 restricted log likelihood (...,), the means (..., 2) of both raters, and by part the slope G (..., 2, 2) of
    the deviance: a change dC of the part's covariance changes it by tr(G dC)."""

    value: np.ndarray
    means: np.ndarray
    slopes: dict[str, np.ndarray]


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
        if self.unit_part is None:
            units, n_units = np.zeros(len(values), dtype=int), 1
        elif "error" in parts:
            units, n_units = of_dyad, len(of_therapist)
        else:
            units, n_units = of_therapist[of_dyad], n_therapists
        above = of_therapist if len(parts) == 3 else np.zeros(n_units, dtype=int)
        both = observed[:, 0] & observed[:, 1]
        patterns = [both, observed[:, 0] & ~both, observed[:, 1] & ~both]
        self.row_counts = np.array([pattern.sum() for pattern in patterns], dtype=float)
        self.row_products = np.stack([_products(values, pattern) for pattern in patterns], axis=-1)
        self.types, of_unit, sums = unit_types(values, patterns, units, n_units)
        self.classes, self.rows = classes_and_rows(of_unit, sums, above, len(self.types.units))
        self.n_matrices = max(len(self.types.units), len(self.rows.weight))

    def evaluate(self, covariances: Mapping[str, np.ndarray]) -> Evaluation:
        """The deviance and its slopes at the ``covariances`` (..., 2, 2) of the parts."""
        points = {part: np.asarray(covariances[part], dtype=float) for part in self.parts}
        lead = points[self.parts[0]].shape[:-2]
        flat = {part: np.moveaxis(given.reshape(-1, 2, 2), 0, -1) for part, given in points.items()}
        n = flat[self.parts[0]].shape[-1]
        step = max(1, AT_ONCE // self.n_matrices)
        pieces = [self._evaluate({p: c[..., at : at + step] for p, c in flat.items()}) for at in range(0, n, step)]
        value, means, *slopes = (np.concatenate(arrays, axis=-1) for arrays in zip(*pieces, strict=True))
        return Evaluation(
            value.reshape(lead),
            means.T.reshape(*lead, 2),
            {part: np.moveaxis(s, -1, 0).reshape(*lead, 2, 2) for part, s in zip(self.parts, slopes, strict=True)},
        )

    def moments(self) -> list[np.ndarray]:
        """Covariance (2, 2) of each part by analysis of variance of the rows rated by both, in order of the parts; NaN
        where these rows do not tell it, and not always a possible covariance."""
        types, members = self.types, self.classes.members
        in_unit, both = types.counts[0], types.counts[0] > 0
        n, squares = float(self.row_counts[0]), self.row_products[..., 0]
        of_units = (types.products[:2, :2, both] / in_unit[both]).sum(axis=-1)
        in_class = self.classes.units @ in_unit
        of_rows = np.maximum(in_class, 1)[self.rows.of_class]
        sums = np.stack([self.rows.sums[:, column::N_SUMS].sum(axis=1) for column in (0, 1)])
        of_above = (sums / of_rows) @ sums.T
        within = float(members @ ((self.classes.units @ in_unit**2) / np.maximum(in_class, 1)))
        total = sums @ self.rows.weight
        # By source of variance: sum of squares, degrees of freedom, and how often it holds the units' covariance.
        n_units, n_above = float(types.units[both].sum()), float(members[in_class > 0].sum())
        lowest = (squares - of_units) / (n - n_units) if n > n_units else np.full((2, 2), np.nan)
        middle = of_units - of_above - (n_units - n_above) * lowest
        unit = middle / (n - within) if n > within else np.full((2, 2), np.nan)
        top = of_above - np.outer(total, total) / n - (n_above - 1) * lowest
        top = top - (within - float(types.units @ in_unit**2) / n) * unit
        share = n - float(members @ in_class**2) / n
        return [top / share if share > 0 else np.full((2, 2), np.nan), unit, lowest][-len(self.parts) :]

    def _evaluate(self, given: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        """Deviance (P,), means (2, P) and the parts' slopes (2, 2, P) at covariances (2, 2, P)."""
        lowest = given[self.parts[-1]]
        n_points = lowest.shape[-1]
        impossible = ~(_determinant(lowest) > 0)
        if impossible.any():
            lowest = np.where(impossible, np.eye(2)[:, :, None], lowest)
        nothing = np.zeros((2, 2, n_points))
        units = _Units(self.types, lowest, given[self.unit_part] if self.unit_part is not None else nothing)
        above = _Above(self.classes, self.rows, units, given["therapist"] if len(self.parts) == 3 else nothing)
        value = self.row_counts @ units.log_dets + np.einsum("ijpn,ijp->n", units.row_information, self.row_products)
        value += np.log(units.determinants) @ self.types.units - units.square
        value += above.deviance + (self.n_ratings - 2) * np.log(2 * np.pi)
        of_units, of_rows = units.slopes(above, self.row_counts, self.row_products)
        slopes = [above.slope, of_units, of_rows][-len(self.parts) :]
        if impossible.any():
            value[impossible], above.grand_mean[:, impossible] = IMPOSSIBLE, np.nan
            slopes = [np.where(impossible, 0.0, slope) for slope in slopes]
        return value, above.grand_mean, *slopes


class _Units:
    """Matrices of the units' types at a covariance ``lowest`` of rows and ``effect`` of units (both (2, 2, P)).

    row_information: (2, 2, 3, P) J of a row by pattern; information: (2, 2, P, K) S of a unit after its effect;
    shrink: (2, 2, P, K) E = (I + C S)^-1; to_totals: (2, 4, P, K) from a unit's sums to its T after its effect.
    """

    def __init__(self, types: Types, lowest: np.ndarray, effect: np.ndarray) -> None:
        self.types, self.effect = types, effect[..., None]
        inverse = _inverse(lowest, _determinant(lowest))
        self.row_information = np.zeros((2, 2, 3, lowest.shape[-1]))
        self.row_information[:, :, 0] = inverse
        self.row_information[0, 0, 1], self.row_information[1, 1, 2] = 1 / lowest[0, 0], 1 / lowest[1, 1]
        self.log_dets = np.log([_determinant(lowest), lowest[0, 0], lowest[1, 1]])
        weigh = np.zeros((2, 4, lowest.shape[-1], 1))
        weigh[:, :2, :, 0] = inverse
        weigh[0, 2, :, 0], weigh[1, 3, :, 0] = 1 / lowest[0, 0], 1 / lowest[1, 1]
        before = np.swapaxes(self.row_information, 2, 3) @ types.counts
        inside = _times(self.effect, before)
        inside[0, 0] += 1
        inside[1, 1] += 1
        self.determinants = _determinant(inside)
        self.shrink = _inverse(inside, self.determinants)
        self.information = _symmetric(_times(before, self.shrink))
        self.posterior = _symmetric(_times(self.shrink, self.effect))
        self.to_totals = _times(_turned(self.shrink), weigh)
        raw = _between(weigh, types.products[:, :, None])
        self.square = (self.posterior * raw).sum(axis=(0, 1, 3))

    def slopes(self, above: _Above, row_counts: np.ndarray, row_products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes (2, 2, P) by the covariance of units and of rows."""
        means, with_sums, spreads = above.by_type()
        products, n_units = self.types.products[:, :, None], self.types.units
        s, b = self.information, self.to_totals
        mixed = _times(_times(b, _turned(with_sums)), s)
        scores = _between(b, products) - mixed - _turned(mixed) + _between(s, means)
        of_units = (s * n_units - _between(s, spreads) - scores).sum(axis=-1)

        # A unit's mean: the mean above shrunk, and its own sums weighed.
        e, f = self.shrink, _times(self.effect, b)
        crossed = _times(_times(e, with_sums), _turned(f))
        together = self.posterior * n_units + _between(e, spreads + means) + crossed + _turned(crossed)
        together = (together + _between(f, products)) @ self.types.counts.T
        sums_with_means = (_times(_turned(with_sums), _turned(e)) + _times(products, _turned(f))).sum(axis=-1)
        by_pattern = np.zeros_like(self.row_information)
        by_pattern[:, :, 0] = sums_with_means[:2]
        by_pattern[0, :, 1], by_pattern[1, :, 2] = sums_with_means[2], sums_with_means[3]
        j = self.row_information
        residual = row_products[..., None] - by_pattern - _turned(by_pattern) + np.swapaxes(together, 2, 3)
        of_rows = (j * row_counts[:, None] - _times(_times(j, residual), j)).sum(axis=2)
        return _symmetric(of_units), _symmetric(of_rows)


class _Above:
    """What lies above the units, with effect ``effect`` (2, 2, P; zero: one group without an effect), and a grand mean
    nothing is known of. Matrices are those of a class, vectors those of a row that stands for members of one."""

    def __init__(self, classes: Classes, rows: Rows, units: _Units, effect: np.ndarray) -> None:
        self.classes, self.rows = classes, rows
        information = _over(classes.units, units.information)
        # From sums by type (2, 4, P, K) to the totals (2, P, R) of rows.
        weighed = units.to_totals.transpose(3, 1, 0, 2)
        n_points = effect.shape[-1]
        totals = (rows.sums @ weighed.reshape(-1, 2 * n_points)).T.reshape(2, n_points, -1)
        totals = np.ascontiguousarray(totals)
        c = effect[..., None]
        inside = _times(c, information)
        inside[0, 0] += 1
        inside[1, 1] += 1
        determinants = _determinant(inside)
        shrink = _inverse(inside, determinants)
        after = _symmetric(_times(information, shrink))
        posterior = _symmetric(_times(shrink, c))
        left = _applied(_turned(shrink)[..., rows.of_class], totals)
        whole, total = after @ classes.members, left @ rows.weight
        unknown = _inverse(whole, _determinant(whole))
        self.grand_mean = _applied(unknown, total)
        square = (totals * _applied(posterior[..., rows.of_class], totals)).sum(axis=(0, 2))
        square += (total * self.grand_mean).sum(axis=0)
        self.deviance = np.log(determinants) @ classes.members + np.log(_determinant(whole)) - square
        scores = left - _applied(after, self.grand_mean[..., None])[..., rows.of_class] * rows.weight
        lost = _between(after, unknown[..., None]) @ classes.members
        self.slope = _symmetric(whole - lost - np.einsum("ipr,jpr->ijp", scores, scores))
        self.mean = self.grand_mean[..., None] * rows.weight + _applied(c, scores)
        self.spread = posterior + _between(shrink, unknown[..., None])

    def by_type(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums over the units of each type of m m' (2, 2, P, K), of m with their sums (2, 4, P, K), and of K."""
        rows, units = self.rows, self.classes.units.T
        squares = np.add.reduceat(self.mean[:, None] * self.mean, rows.starts, axis=-1)
        n_points = self.mean.shape[1]
        crossed = rows.sums.T @ self.mean.reshape(2 * n_points, -1).T
        with_sums = crossed.reshape(-1, N_SUMS, 2, n_points).transpose(2, 1, 3, 0)
        return _over(units, squares), with_sums, _over(units, self.spread * self.classes.members)


def _over(matrix: sparse.csr_array, values: np.ndarray) -> np.ndarray:
    """Sums (..., n) of ``values`` (..., k) that a sparse ``matrix`` (n, k) weighs."""
    made = matrix @ values.reshape(-1, values.shape[-1]).T
    return np.ascontiguousarray(made.T).reshape(*values.shape[:-1], -1)


def _products(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    used = values if rows.all() else values[rows]
    made: np.ndarray = used.T @ used
    return made


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of matrices whose elements are on the first two axes."""
    made: np.ndarray = (a[:, :, None] * b[None]).sum(axis=1)
    return made


def _applied(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    made: np.ndarray = (matrix * vector).sum(axis=1)
    return made


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A B A'."""
    return _times(_times(a, b), _turned(a))


def _turned(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, 0, 1)


def _symmetric(matrices: np.ndarray) -> np.ndarray:
    made: np.ndarray = (matrices + _turned(matrices)) / 2
    return made


def _determinant(matrices: np.ndarray) -> np.ndarray:
    made: np.ndarray = matrices[0, 0] * matrices[1, 1] - matrices[0, 1] * matrices[1, 0]
    return made


def _inverse(matrices: np.ndarray, determinants: np.ndarray) -> np.ndarray:
    """Inverses of matrices (2, 2, ...)."""
    found = np.empty_like(matrices)
    found[0, 0], found[1, 1] = matrices[1, 1], matrices[0, 0]
    found[0, 1], found[1, 0] = -matrices[0, 1], -matrices[1, 0]
    found /= determinants
    return found
