"""Expected second derivatives of the deviance of two raters' ratings (Fisher's information, twice).

Of parts with derivatives V_i of the ratings' covariance V they are tr(V^-1 V_i V^-1 V_j). Between two rows or units the
block of V^-1 is what it is within their own level, less what they have in common above: S - S Q S' of two units, where
Q is the posterior covariance of the therapist's effect. So there is a sum over all pairs of units of a therapist, which
is a trace of sums over units, and a correction for the pairs of a unit with itself, which is one by type of unit.

That two means are estimated is left out: it takes one degree of freedom of each rater, and these derivatives only tell
a search where to go.
"""

from __future__ import annotations

import numpy as np

from analysis.two_views.two_by_two import between, elements, matrix, over, sandwiched, times, turned
from analysis.two_views.two_rater_levels import Above, Units

BASIS = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])[..., None]
"""Derivatives (2, 2, 3, 1) of a covariance by variance, covariance and variance."""


def information(units: Units, above: Above, row_counts: np.ndarray, point: int) -> np.ndarray:
    """The expected second derivatives (9, 9) at one of the points, by variance, covariance and variance of what lies
    above the units, of units and of rows; ``row_counts`` (3,) are the rows by pattern."""
    s, e, posterior = (m[:, :, point, None] for m in (units.information, units.shrink, units.posterior))
    j = units.row_information[:, :, None, :, point]
    counts, n_units = units.types.counts, units.types.units
    c = above.effect[:, :, point, None]
    after = matrix(above.by_type[:3, point, None])
    # Units as each part's derivative moves them: S E S' of unit and rows, (2, 2, 6, K).
    crossed = between(j, BASIS)
    in_unit = crossed @ counts
    moved = np.concatenate([between(s, BASIS), times(times(turned(e), in_unit), e)], axis=2)
    # Of a therapist with a unit, and of a unit with itself.
    passed = times(times(c, after), BASIS)
    twice = between(c, sandwiched(above.by_type[3:, point, None], BASIS))
    with_units = BASIS * n_units - passed - turned(passed) + twice
    common = c * n_units - between(c, after)
    own = times(times(BASIS, s), common)
    own = BASIS * n_units - own - turned(own)
    made = np.zeros((9, 9))
    made[:3, :3] = _traces(sandwiched(above.in_all[3:, point, None, None], BASIS), BASIS)
    made[:3, 3:] = _traces(with_units, moved)
    made[3:, :3] = made[:3, 3:].T
    made[3:6, 3:] = _traces(own, moved)
    made[6:, 3:6] = made[3:6, 6:].T
    # Rows of a unit with each other.
    passed = between(e, common)
    means = between(j, (posterior * n_units + passed) @ counts.T)
    made[6:, 6:] = _traces(crossed * row_counts, BASIS) - 2 * _traces(times(BASIS, means), times(BASIS, j))
    made[6:, 6:] += _traces(times(in_unit, posterior), times(in_unit, posterior * n_units + 2 * passed))
    made[3:, 3:] += _of_pairs(above, moved, point)
    return made


def _of_pairs(above: Above, moved: np.ndarray, point: int) -> np.ndarray:
    """Sums over members of tr(Q H_i Q H_j), of all pairs of their units: H is what ``moved`` (2, 2, 6, K) sums to."""
    c = above.effect[:, :, point, None]
    # Elements of the posterior C - C A C, linear in those of A; by its root each member counts.
    q = elements(c)[:, 0] - elements(between(c, BASIS))[..., 0] @ above.after[:, point]
    q *= np.sqrt(above.rows.members)
    a, b, d = over(elements(moved), above.rows.units.T)
    first, last = q[0] * a + q[1] * b, q[1] * b + q[2] * d
    off = (q[0] * b + q[1] * d) @ (q[1] * a + q[2] * b).T
    return np.asarray(first @ first.T + last @ last.T + off + off.T)


def _traces(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums (I, J) of the traces of A_i B_j; A is (2, 2, I, k), B (2, 2, J, k)."""
    return np.einsum("abik,bajk->ij", a, b)
