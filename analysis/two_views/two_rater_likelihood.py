"""Restricted likelihood of two raters' ratings with correlated effects of therapist, dyad and session (error).

Information about a level is a symmetric 2 x 2 matrix S and a vector T; an effect of covariance C above it turns S into
S (I + C S)^-1, which needs no inverse of S and so carries ratings that are missing on one side along. Going down again,
a unit's mean has a predicted value m and covariance K, and the derivative by a covariance is the sum over its units of
S - S K S - w w', w = T - S m.

Covariances may be given at several points at once: the last axis but one of every array here is that of points, as few
points cost little more than one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.two_views.two_by_two import (
    applied,
    between,
    determinant,
    elements,
    inverse,
    matrix,
    over,
    passed_up,
    sandwiched,
    symmetric,
    times,
    turned,
    with_squares,
)
from analysis.two_views.two_rater_information import information
from analysis.two_views.two_rater_sums import N_SUMS, Rows, Types, rows_above, unit_types

PARTS = ("therapist", "dyad", "error")
IMPOSSIBLE = 1e12
"""Deviance of a covariance that rounding has made singular: finite, so that a search steps back from it."""
AT_ONCE = 100_000
"""Points times rows that are evaluated at once; more go in turns, so that memory is bounded."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """-2 restricted log likelihood (...,), the means (..., 2) of both raters, and by part the slope G (..., 2, 2) of
    the deviance: a change dC of the part's covariance changes it by tr(G dC). ``levels`` are the matrices, each of as
    many points as were evaluated at once."""

    value: np.ndarray
    means: np.ndarray
    slopes: dict[str, np.ndarray]
    levels: list[tuple[Units, Above]]


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
        of_both, alone = (values * rows[:, None] for rows in (both, ~both))
        squares = np.diag((alone**2).sum(axis=0))
        self.row_products = np.stack([of_both.T @ of_both, squares * [1, 0], squares * [0, 1]], axis=-1)
        self.types, of_unit, sums = unit_types(values, patterns, units, n_units)
        self.rows = rows_above(of_unit, sums, above, len(self.types.units))
        self.n_matrices = max(len(self.types.units), len(self.rows.weight))
        self.at_once = max(1, AT_ONCE // self.n_matrices)

    def evaluate(self, covariances: Mapping[str, np.ndarray]) -> Evaluation:
        """The deviance and its slopes at the ``covariances`` (..., 2, 2) of the parts."""
        points = {part: np.asarray(covariances[part], dtype=float) for part in self.parts}
        lead = points[self.parts[0]].shape[:-2]
        flat = {part: given.reshape(-1, 2, 2).transpose(1, 2, 0) for part, given in points.items()}
        n = flat[self.parts[0]].shape[-1]
        step = self.at_once
        pieces = [self._evaluate({p: c[..., at : at + step] for p, c in flat.items()}) for at in range(0, n, step)]
        found = [piece[0] for piece in pieces]
        value, means, *slopes = found[0] if len(found) == 1 else map(_joined, zip(*found, strict=True))
        return Evaluation(
            value.reshape(lead),
            means.T.reshape(*lead, 2),
            {part: s.transpose(2, 0, 1).reshape(*lead, 2, 2) for part, s in zip(self.parts, slopes, strict=True)},
            [piece[1] for piece in pieces],
        )

    def information(self, found: Evaluation, at: int) -> np.ndarray:
        """Expected second derivatives (q, q) of the deviance at the point ``at`` of those that were ``found``, by
        variance, covariance and variance of each part."""
        piece, point = divmod(at, self.at_once)
        size = 3 * len(self.parts)
        return information(*found.levels[piece], self.row_counts, point)[-size:, -size:]

    def moments(self) -> list[np.ndarray]:
        """Covariance (2, 2) of each part by analysis of variance of the rows rated by both, in order of the parts; NaN
        where these rows do not tell it, and not always a possible covariance."""
        types, rows, members = self.types, self.rows, self.rows.members
        in_unit, both = types.counts[0], types.counts[0] > 0
        n, squares = float(self.row_counts[0]), self.row_products[..., 0]
        of_units = (types.products[:2, :2, both] / in_unit[both]).sum(axis=-1)
        in_above = rows.units @ in_unit
        of_rows = np.maximum(in_above, 1)
        sums = np.stack([rows.sums[:, rows.columns % N_SUMS == column].sum(axis=1) for column in (0, 1)])
        of_above = (sums / of_rows) @ sums.T
        within = float(members @ ((rows.units @ in_unit**2) / of_rows))
        total = sums @ rows.weight
        # By source of variance: sum of squares, degrees of freedom, and how often it holds the units' covariance.
        n_units, n_above = float(types.units[both].sum()), float(members[in_above > 0].sum())
        lowest = (squares - of_units) / (n - n_units) if n > n_units else np.full((2, 2), np.nan)
        middle = of_units - of_above - (n_units - n_above) * lowest
        unit = middle / (n - within) if n > within else np.full((2, 2), np.nan)
        top = of_above - np.outer(total, total) / n - (n_above - 1) * lowest
        top = top - (within - float(types.units @ in_unit**2) / n) * unit
        share = n - float(members @ in_above**2) / n
        return [top / share if share > 0 else np.full((2, 2), np.nan), unit, lowest][-len(self.parts) :]

    def _evaluate(self, given: dict[str, np.ndarray]) -> tuple[list[np.ndarray], tuple[Units, Above]]:
        """Deviance (P,), means (2, P) and the parts' slopes (2, 2, P) at covariances (2, 2, P)."""
        lowest = given[self.parts[-1]]
        n_points = lowest.shape[-1]
        impossible = ~(determinant(lowest) > 0)
        if impossible.any():
            lowest = np.where(impossible, np.eye(2)[:, :, None], lowest)
        nothing = np.zeros((2, 2, n_points))
        units = Units(self.types, lowest, given[self.unit_part] if self.unit_part is not None else nothing)
        above = Above(self.rows, units, given["therapist"] if len(self.parts) == 3 else nothing)
        value = self.row_counts @ units.log_dets + np.einsum("ijpn,ijp->n", units.row_information, self.row_products)
        value += np.log(units.determinants) @ self.types.units - units.square
        value += above.deviance + (self.n_ratings - 2) * np.log(2 * np.pi)
        of_units, of_rows = units.slopes(above, self.row_counts, self.row_products)
        slopes = [above.slope, of_units, of_rows][-len(self.parts) :]
        if impossible.any():
            value[impossible], above.grand_mean[:, impossible] = IMPOSSIBLE, np.nan
            slopes = [np.where(impossible, 0.0, slope) for slope in slopes]
        return [value, above.grand_mean, *slopes], (units, above)


class Units:
    """Matrices of the units' types at a covariance ``lowest`` of rows and ``effect`` of units (both (2, 2, P)).

    row_information: (2, 2, 3, P) J of a row by pattern; information: (2, 2, P, K) S of a unit after its effect;
    shrink: (2, 2, P, K) E = (I + C S)^-1; posterior: (2, 2, P, K) E C; weigh: (2, 4, P, 1) and to_totals: (2, 4, P, K)
    from a unit's sums to its T before and after its effect.
    """

    def __init__(self, types: Types, lowest: np.ndarray, effect: np.ndarray) -> None:
        self.types, self.effect = types, effect[..., None]
        of_both = inverse(lowest, determinant(lowest))
        self.row_information = np.zeros((2, 2, 3, lowest.shape[-1]))
        self.row_information[:, :, 0] = of_both
        self.row_information[0, 0, 1], self.row_information[1, 1, 2] = 1 / lowest[0, 0], 1 / lowest[1, 1]
        self.log_dets = np.log([determinant(lowest), lowest[0, 0], lowest[1, 1]])
        self.weigh = np.zeros((2, 4, lowest.shape[-1], 1))
        self.weigh[:, :2, :, 0] = of_both
        self.weigh[0, 2, :, 0], self.weigh[1, 3, :, 0] = self.row_information[0, 0, 1], self.row_information[1, 1, 2]
        before = self.row_information.swapaxes(2, 3) @ types.counts
        inside = times(self.effect, before)
        inside[0, 0] += 1
        inside[1, 1] += 1
        self.determinants = determinant(inside)
        self.shrink = inverse(inside, self.determinants)
        self.information = symmetric(times(before, self.shrink))
        self.posterior = symmetric(times(self.shrink, self.effect))
        self.to_totals = times(turned(self.shrink), self.weigh)
        # Products of a unit's totals before its effect with its sums (4, 2, P, K) and with each other (2, 2, P, K).
        self.with_sums = times(types.products[:, :, None], turned(self.weigh))
        self.products = times(self.weigh, self.with_sums)
        self.square = (self.posterior * self.products).sum(axis=(0, 1, 3))

    def slopes(self, above: Above, row_counts: np.ndarray, row_products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes (2, 2, P) by the covariance of units and of rows."""
        means, with_sums, spreads = above.over_units()
        s, e, posterior, n_units = self.information, self.shrink, self.posterior, self.types.units
        # Second moments of the mean above, and its products with a unit's totals before the effect and after it.
        above_it = means + spreads
        before = times(with_sums, turned(self.weigh))
        after = times(s, times(before, e))
        scores = between(turned(e), self.products) - after - turned(after) + between(s, above_it)
        of_units = (s * n_units - scores).sum(axis=-1)

        # A unit's mean is the mean above shrunk, and its own totals weighed.
        crossed = times(times(e, before), posterior)
        together = posterior * n_units + between(e, above_it) + crossed + turned(crossed)
        together = (together + between(posterior, self.products)) @ self.types.counts.T
        sums_with_means = (times(turned(with_sums), turned(e)) + times(self.with_sums, posterior)).sum(axis=-1)
        by_pattern = np.zeros_like(self.row_information)
        by_pattern[:, :, 0] = sums_with_means[:2]
        by_pattern[0, :, 1], by_pattern[1, :, 2] = sums_with_means[2], sums_with_means[3]
        j = self.row_information
        residual = row_products[..., None] - by_pattern - turned(by_pattern) + together.swapaxes(2, 3)
        of_rows = (j * row_counts[:, None] - times(times(j, residual), j)).sum(axis=2)
        return symmetric(of_units), symmetric(of_rows)


class Above:
    """What lies above the units, with effect ``effect`` (2, 2, P; zero: one group without an effect), and a grand mean
    nothing is known of.

    Only the rows that stand for members are many; sums over members are taken in all and over the units of each type.
    """

    def __init__(self, rows: Rows, units: Units, effect: np.ndarray) -> None:
        self.rows, self.effect, self.n_units = rows, effect[..., None], units.types.units
        to_totals = units.to_totals.transpose(0, 2, 3, 1)
        totals = over(to_totals.reshape(*to_totals.shape[:2], -1)[..., rows.columns], rows.sums.T)
        information = over(elements(units.information), rows.units.T)
        self.after, left, determinants = passed_up(information, totals, elements(self.effect))
        # Sums over members of A and of products of its elements, in all and over the units of each type.
        powers = with_squares(self.after)
        self.in_all, self.by_type = powers @ rows.members, over(powers, rows.all_units)
        whole, total = matrix(self.in_all[:3]), left @ rows.weight
        self.unknown = inverse(whole, determinant(whole))
        self.grand_mean = applied(self.unknown, total)
        square = np.einsum("ipr,ipr->p", totals, applied(self.effect, left)) + (total * self.grand_mean).sum(axis=0)
        self.deviance = np.log(determinants) @ rows.members + np.log(determinant(whole)) - square
        means = self.grand_mean[..., None] * rows.weight
        scores = left - self.after[:2] * means[0]
        scores -= self.after[1:] * means[1]
        self.mean = means + applied(self.effect, scores)
        lost = sandwiched(self.in_all[3:], self.unknown)
        self.slope = symmetric(whole - lost - np.einsum("ipr,jpr->ijp", scores, scores))

    def over_units(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums over the units of each type of m m' (2, 2, P, K), of m with their sums (2, 4, P, K), and of K."""
        n_points, n_types = self.mean.shape[1], len(self.n_units)
        products = np.empty((3, *self.mean.shape[1:]))
        np.multiply(self.mean, self.mean[0], out=products[:2])
        np.multiply(self.mean[1], self.mean[1], out=products[2])
        products = matrix(over(products, self.rows.units))
        with_sums = np.zeros((2, n_points, n_types * N_SUMS))
        with_sums[..., self.rows.columns] = over(self.mean, self.rows.sums)
        with_sums = with_sums.reshape(2, n_points, n_types, N_SUMS).transpose(0, 3, 1, 2)
        # The posterior of an effect is C - C A C for its A = S (I + C S)^-1, and a mean above is passed by I - C A.
        c, u = self.effect, self.unknown[..., None]
        after = matrix(self.by_type[:3])
        passed = times(times(c, after), u)
        inner = after - sandwiched(self.by_type[3:], u)
        spreads = (c + u) * self.n_units - between(c, inner) - passed - turned(passed)
        return products, with_sums, spreads


def _joined(arrays: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate(arrays, axis=-1)
