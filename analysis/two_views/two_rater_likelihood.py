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

from analysis.two_views.two_by_two import determinant
from analysis.two_views.two_rater_information import information
from analysis.two_views.two_rater_levels import Above, Units
from analysis.two_views.two_rater_sums import N_SUMS, rows_above, unit_types

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


def _joined(arrays: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate(arrays, axis=-1)
