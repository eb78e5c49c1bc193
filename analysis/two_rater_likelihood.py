"""Restricted likelihood of two raters' ratings with correlated effects of therapist, dyad and session (error).

Information about a level is a symmetric 2 x 2 matrix S and a vector T; an effect of covariance C above it turns S into
S (I + C S)^-1, which needs no inverse of S and so carries ratings that are missing on one side along. Rows enter as
counts and sums per unit and per pattern of who rated, so an evaluation costs what the units do, not the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import optimize

PARTS = ("therapist", "dyad", "error")
JITTER = 1e-10
IMPOSSIBLE = 1e12
"""Deviance of a covariance that rounding has made singular: finite, so that a search steps back from it."""


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
        self.parts, self.of_therapist, self.n_therapists = parts, of_therapist, n_therapists
        self.n_ratings = int(observed.sum())
        by_dyad = "error" in parts
        units = of_dyad if by_dyad else of_therapist[of_dyad]
        n_units = len(of_therapist) if by_dyad else n_therapists
        both = observed.all(axis=1)
        patterns = [both, observed[:, 0] & ~both, observed[:, 1] & ~both]
        self.totals = [float(pattern.sum()) for pattern in patterns]
        self.counts = [np.bincount(units[pattern], minlength=n_units).astype(float) for pattern in patterns]
        self.sums = [
            [np.bincount(units[pattern], weights=values[pattern, j], minlength=n_units) for j in range(2)]
            for pattern in patterns
        ]
        self.products = [values[pattern].T @ values[pattern] for pattern in patterns]

    def evaluate(self, covariances: Mapping[str, np.ndarray]) -> tuple[Any, np.ndarray]:
        """-2 restricted log likelihood at the ``covariances`` (2, 2) of the parts, and both means.

        Analytic in the covariances: complex ones give complex values, which :meth:`gradient` is made of.
        """
        c = covariances[self.parts[-1]]
        det = c[0, 0] * c[1, 1] - c[0, 1] ** 2
        if np.real(det) <= 0:
            return IMPOSSIBLE, np.full(2, np.nan)
        p11, p12, p22 = c[1, 1] / det, -c[0, 1] / det, c[0, 0] / det
        a, b = 1 / c[0, 0], 1 / c[1, 1]
        log_det = self.totals[0] * np.log(det) - self.totals[1] * np.log(a) - self.totals[2] * np.log(b)
        both, first, second = self.products
        square = p11 * both[0, 0] + 2 * p12 * both[0, 1] + p22 * both[1, 1] + a * first[0, 0] + b * second[1, 1]
        n, y = self.counts, self.sums
        information = [n[0] * p11 + n[1] * a, n[0] * p12, n[0] * p22 + n[2] * b]
        totals = [p11 * y[0][0] + p12 * y[0][1] + a * y[1][0], p12 * y[0][0] + p22 * y[0][1] + b * y[2][1]]
        if "error" in self.parts:
            information, totals, log_det, square = _collapse(covariances["dyad"], information, totals, log_det, square)
            information = [self._by_therapist(s) for s in information]
            totals = [self._by_therapist(t) for t in totals]
        if "therapist" in self.parts:
            covariance = covariances["therapist"]
            information, totals, log_det, square = _collapse(covariance, information, totals, log_det, square)
        s11, s12, s22 = (s.sum() for s in information)
        whole, total = np.array([[s11, s12], [s12, s22]]), np.array([t.sum() for t in totals])
        means = np.linalg.solve(whole, total)
        value = log_det + np.log(s11 * s22 - s12**2) + square - total @ means
        return value + (self.n_ratings - 2) * np.log(2 * np.pi), means

    def gradient(self, parameters: np.ndarray, uncorrelated: str | None = None) -> np.ndarray:
        """Derivatives of the deviance by the Cholesky elements, by complex steps (exact to rounding)."""
        step = 1e-30
        moved = (parameters + 1j * step * e for e in np.eye(len(parameters)))
        return np.array([np.imag(self.evaluate(covariances(m, self.parts, uncorrelated))[0]) / step for m in moved])

    def _by_therapist(self, values: np.ndarray) -> np.ndarray:
        real = np.bincount(self.of_therapist, weights=values.real, minlength=self.n_therapists)
        if not np.iscomplexobj(values):
            return real
        return real + 1j * np.bincount(self.of_therapist, weights=values.imag, minlength=self.n_therapists)

    def maximise(
        self, uncorrelated: str | None = None, start: np.ndarray | None = None
    ) -> tuple[np.ndarray, float, bool]:
        """Cholesky elements (three per part), deviance, and whether the search converged.

        ``uncorrelated`` names a part whose correlation is held at zero. A second start is made when the first ends
        without convergence or on the boundary.
        """
        starts = [start] if start is not None else []
        starts += [_start(shares[-len(self.parts) :]) for shares in ((0.25, 0.5, 0.5), (0.6, 0.3, 0.2))]
        best: Any = None
        for first in starts:
            found = optimize.minimize(
                lambda x: float(self.evaluate(covariances(x, self.parts, uncorrelated))[0]) / self.n_ratings,
                first,
                jac=lambda x: self.gradient(x, uncorrelated) / self.n_ratings,
                method="BFGS",
                options={"gtol": 1e-8, "maxiter": 500},
            )
            if best is None or found.fun < best.fun:
                best = found
            if found.success and np.abs(np.delete(found.x, np.s_[1::3])).min() > 1e-2:
                break
        # BFGS may stop for lack of precision at a good point; the size of the slope decides.
        return np.asarray(best.x), float(best.fun) * self.n_ratings, bool(np.abs(best.jac).max() < 1e-5)


def covariances(parameters: np.ndarray, parts: Sequence[str], uncorrelated: str | None = None) -> dict[str, np.ndarray]:
    """Covariance (2, 2) of each part from its Cholesky elements; that of ``uncorrelated`` has no off-diagonal."""
    found: dict[str, np.ndarray] = {}
    for part, (a, c, b) in zip(parts, parameters.reshape(-1, 3), strict=True):
        c = 0.0 if part == uncorrelated else c
        found[part] = np.array([[a * a, a * c], [a * c, c * c + b * b]])
    # The lowest level is inverted; a trace of variance keeps it so when the search touches the bound.
    found[parts[-1]] = found[parts[-1]] + JITTER * np.eye(2)
    return found


def _start(shares: Sequence[float]) -> np.ndarray:
    return np.concatenate([[np.sqrt(share), 0.1, np.sqrt(share)] for share in shares])


def _collapse(
    c: np.ndarray, information: list[np.ndarray], totals: list[np.ndarray], log_det: Any, square: Any
) -> tuple[list[np.ndarray], list[np.ndarray], Any, Any]:
    """Integrate an effect of covariance ``c`` out of the information [s11, s12, s22] and totals [t1, t2] of units."""
    s11, s12, s22 = information
    t1, t2 = totals
    m11, m12 = 1 + c[0, 0] * s11 + c[0, 1] * s12, c[0, 0] * s12 + c[0, 1] * s22
    m21, m22 = c[0, 1] * s11 + c[1, 1] * s12, 1 + c[0, 1] * s12 + c[1, 1] * s22
    det = m11 * m22 - m12 * m21
    u1, u2 = (m22 * t1 - m21 * t2) / det, (m11 * t2 - m12 * t1) / det
    square = square - (u1 @ (c[0, 0] * t1 + c[0, 1] * t2) + u2 @ (c[0, 1] * t1 + c[1, 1] * t2))
    left = [(s11 * m22 - s12 * m21) / det, (s12 * m11 - s11 * m12) / det, (s22 * m11 - s12 * m12) / det]
    return left, [u1, u2], log_det + np.log(det).sum(), square
