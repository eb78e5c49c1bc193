"""Between which correlations of a part the likelihood of two raters' ratings stays near its largest (profile).

Few therapists, or a correlation near 1, make the likelihood lopsided: an interval from its curvature at the top then
runs from -1 to 1 where a test tells the correlation from zero. A profile interval holds what the test does not reject
(Venzon & Moolgavkar 1988; R's ``confint(method = "profile")`` of lme4 does the same).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.two_views.two_rater_likelihood import TwoRaterLikelihood
from analysis.two_views.two_rater_search import Held, Maximum, holding

NEAR = 1e-4
"""Relative to the root of the deviance that is let pass: how near to it a limit is found."""
MOST_STEPS = 40


@dataclass(eq=False)
class _Side:
    """One limit on its way: correlations that are too near and too far from the estimate, and by how much, in roots of
    deviances; Illinois' variant of false position between them."""

    part: str
    far: float
    near: float
    above: float
    below: float
    limit: float | None = None

    def next(self) -> float:
        return (self.near * self.above - self.far * self.below) / (self.above - self.below)

    def learn(self, correlation: float, excess: float, enough: float) -> None:
        if abs(excess) < NEAR * enough or abs(self.far - self.near) < 1e-9:
            self.limit = correlation
        elif excess > 0:
            # The same end twice: the other one's weight is halved, or it would never move.
            self.below /= 2
            self.far, self.above = correlation, excess
        else:
            self.above /= 2
            self.near, self.below = correlation, excess


def correlation_limits(
    likelihood: TwoRaterLikelihood, maximum: Maximum, estimates: Mapping[str, float], enough: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Limits of the correlation of each part in ``estimates``: where holding it costs ``enough`` deviance.

    A limit is -1 or 1 where even that costs less. All limits are searched for together, as most of what an evaluation
    takes is overhead.
    """
    roots = {part: float(np.sqrt(enough[part])) for part in estimates}
    ends: list[Held] = [(part, end) for part in estimates for end in (-1.0, 1.0)]
    sides = []
    for (part, end), excess in zip(ends, _excess(likelihood, maximum, ends, roots), strict=True):
        side = _Side(part, end, estimates[part], excess, -roots[part])
        side.limit = end if excess <= 0 else None
        sides.append(side)
    for _ in range(MOST_STEPS):
        open_sides = [side for side in sides if side.limit is None]
        if not open_sides:
            break
        asked = [(side.part, side.next()) for side in open_sides]
        costs = _excess(likelihood, maximum, asked, roots)
        for side, (part, correlation), excess in zip(open_sides, asked, costs, strict=True):
            side.learn(correlation, excess, roots[part])
    limits = [np.nan if side.limit is None else side.limit for side in sides]
    return {part: (lower, upper) for part, lower, upper in zip(estimates, limits[::2], limits[1::2], strict=True)}


def _excess(
    likelihood: TwoRaterLikelihood, maximum: Maximum, held: Sequence[Held], roots: Mapping[str, float]
) -> list[float]:
    """By how much the root of the deviance that holding costs is beyond what is enough; that of errors which correlate
    perfectly has no bound, and would hold the search at the near end.
    """
    costs = [max(other.deviance - maximum.deviance, 0.0) for other in holding(likelihood, held, maximum)]
    pairs = [(float(np.sqrt(cost)), roots[part]) for cost, (part, _) in zip(costs, held, strict=True)]
    return [min(root - enough, 3 * enough) for root, enough in pairs]
