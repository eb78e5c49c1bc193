"""The two levels above the rows of two raters' ratings, and what a covariance's slope takes from each.

Up goes what rows say of a unit and units say of what is above them; down come predicted values and their covariances.
How is said in :mod:`analysis.two_views.two_rater_likelihood`.
"""

from __future__ import annotations

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
from analysis.two_views.two_rater_sums import N_SUMS, Rows, Types


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
