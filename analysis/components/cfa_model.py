"""The simple-structure model behind :mod:`analysis.components.cfa`: its parameters, derivatives and Fisher scoring."""

from __future__ import annotations

import numpy as np
from scipy import optimize

_SCORING_STEPS = 60
_STEPS = 1000
_GRADIENT_TOLERANCE = 1e-10
_GRADIENT_ZERO = 1e-6
"""Each step aims at the first; where rounding ends it before that, the second is a gradient of zero."""

_SOLVABLE = 1e12


class SimpleStructure:
    """Sigma = Lambda Phi Lambda' + Theta with each of p items on one of k factors, factors of unit variance.

    The parameters stand in one vector: p loadings, the residual variances of items in scales of two or more items (a
    scale's only item has none), and the k (k - 1) / 2 factor correlations.
    """

    def __init__(self, factor_of: np.ndarray) -> None:
        self.factor_of = factor_of
        self.p, self.k = len(factor_of), int(factor_of.max()) + 1
        self.sizes = np.bincount(factor_of, minlength=self.k)
        self.free_residual = np.flatnonzero(self.sizes[factor_of] > 1)
        self.pairs = np.triu_indices(self.k, 1)
        self.markers = np.array([int(np.flatnonzero(factor_of == factor)[0]) for factor in range(self.k)])
        self.loadings_at = slice(0, self.p)
        self.residuals_at = slice(self.p, self.p + len(self.free_residual))
        self.correlations_at = slice(self.residuals_at.stop, self.residuals_at.stop + len(self.pairs[0]))
        self.n_parameters = self.correlations_at.stop

    @property
    def df(self) -> int:
        """Degrees of freedom: p (p + 1) / 2 covariances less the parameters."""
        return self.p * (self.p + 1) // 2 - self.n_parameters

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Loadings (p,), residual variances (p,) and factor correlations (k, k)."""
        residual = np.zeros(self.p)
        residual[self.free_residual] = theta[self.residuals_at]
        phi = np.zeros((self.k, self.k))
        phi[self.pairs] = theta[self.correlations_at]
        return theta[self.loadings_at], residual, phi + phi.T + np.eye(self.k)

    def implied(self, theta: np.ndarray) -> np.ndarray:
        """(p, p) covariance matrix of the model."""
        loading, residual, phi = self.split(theta)
        return np.outer(loading, loading) * phi[np.ix_(self.factor_of, self.factor_of)] + np.diag(residual)

    def derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The derivative of the implied matrix by each parameter i is l_i r_i' + r_i l_i': l and r, each (q, p)."""
        loading, _, phi = self.split(theta)
        left, right = np.zeros((2, self.n_parameters, self.p))
        left[np.arange(self.p), np.arange(self.p)] = 1.0
        right[self.loadings_at] = loading * phi[np.ix_(self.factor_of, self.factor_of)]
        residuals = np.arange(self.p, self.residuals_at.stop)
        left[residuals, self.free_residual] = 1.0
        right[residuals, self.free_residual] = 0.5
        by_factor = loading * (self.factor_of == np.arange(self.k)[:, None])
        left[self.correlations_at], right[self.correlations_at] = by_factor[self.pairs[0]], by_factor[self.pairs[1]]
        return left, right

    def start(self, sample: np.ndarray) -> np.ndarray:
        """Loadings from each scale's first principal axis, shrunk; factor correlations from those of the axes."""
        loading, axes = np.ones(self.p), np.zeros((self.k, self.p))
        for factor in range(self.k):
            members = np.flatnonzero(self.factor_of == factor)
            values, vectors = np.linalg.eigh(sample[np.ix_(members, members)])
            axes[factor, members] = vectors[:, -1]
            if len(members) > 1:
                loading[members] = 0.85 * np.clip(vectors[:, -1] * np.sqrt(values[-1]), -1, 1)
            else:
                loading[members] = vectors[0, -1]
        between = axes @ sample @ axes.T
        spread = np.sqrt(np.diag(between))
        correlations = np.clip((between / np.outer(spread, spread))[self.pairs], -0.9, 0.9)
        return np.concatenate([loading, (1 - loading**2)[self.free_residual], correlations])

    def marker_positive(self, theta: np.ndarray) -> np.ndarray:
        """The same model with every factor signed so that its first item loads positively."""
        signs = np.where(theta[self.markers] < 0, -1.0, 1.0)
        turned = theta.copy()
        turned[self.loadings_at] *= signs[self.factor_of]
        turned[self.correlations_at] *= signs[self.pairs[0]] * signs[self.pairs[1]]
        return turned


def discrepancy(sample: np.ndarray, implied: np.ndarray) -> float:
    """log|Sigma| + trace(S Sigma^-1) - log|S| - p; for ``sample`` S and ``implied`` Sigma (p, p); infinite
    where Sigma is not positive definite."""
    try:
        root = np.linalg.cholesky(implied)
    except np.linalg.LinAlgError:
        return float("inf")
    inner = np.linalg.solve(root, np.linalg.solve(root, sample).T)
    return float(2 * np.log(np.diag(root)).sum() + np.trace(inner) - np.linalg.slogdet(sample)[1] - len(sample))


def gradient_and_information(
    model: SimpleStructure, theta: np.ndarray, sample: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (q,) of the discrepancy and its expected Hessian (q, q), trace(Sigma^-1 D_i Sigma^-1 D_j).

    Both from the two vectors each D_i is made of: the (q, p, p) derivatives themselves would be ten times the work.
    """
    inverse = np.linalg.inv(model.implied(theta))
    left, right = model.derivatives(theta)
    gradient = 2 * np.einsum("qp,qp->q", left @ (inverse - inverse @ sample @ inverse), right)
    from_left, from_right = left @ inverse, right @ inverse
    crossed = from_left @ right.T
    return gradient, 2 * ((from_left @ left.T) * (from_right @ right.T) + crossed * crossed.T)


def lowest_discrepancy(model: SimpleStructure, sample: np.ndarray) -> tuple[np.ndarray, bool]:
    """Parameters at the lowest discrepancy from a correlation matrix ``sample``, and whether the gradient is zero.

    Fisher scoring; where the model fits so badly that the expected information is far from the curvature, its steps
    shrink by little each time, and BFGS, which begins with that information, finishes them.
    """
    theta, settled = fisher_scoring(model, sample)
    if settled:
        return theta, True
    _, information = gradient_and_information(model, theta, sample)
    if not np.all(np.isfinite(information)) or np.linalg.cond(information) > _SOLVABLE:
        return theta, False

    def slope(point: np.ndarray) -> np.ndarray:
        return gradient_and_information(model, point, sample)[0]

    start = np.linalg.inv(information)
    finished = optimize.minimize(
        lambda point: discrepancy(sample, model.implied(point)),
        theta,
        jac=slope,
        method="BFGS",
        options={"gtol": _GRADIENT_TOLERANCE, "maxiter": _STEPS, "hess_inv0": (start + start.T) / 2},
    )
    reached = finished.x if np.all(np.isfinite(finished.x)) else theta
    return reached, bool(np.abs(slope(reached)).max() < _GRADIENT_ZERO)


def fisher_scoring(model: SimpleStructure, sample: np.ndarray) -> tuple[np.ndarray, bool]:
    """Fisher scoring alone: parameters (q,), and whether the gradient is zero within the steps that are given to it."""
    theta = model.start(sample)
    value = discrepancy(sample, model.implied(theta))
    for _ in range(_SCORING_STEPS):
        gradient, information = gradient_and_information(model, theta, sample)
        if np.abs(gradient).max() < _GRADIENT_TOLERANCE:
            return theta, True
        ridge = 1e-10 * np.trace(information) / len(information)
        step = np.linalg.solve(information + ridge * np.eye(len(information)), -gradient)
        promised = float(gradient @ step)
        length = 1.0
        while length > 1e-8:
            reached = discrepancy(sample, model.implied(theta + length * step))
            # Below rounding a level step counts as a descent, so that the gradient can be driven to zero.
            if reached <= value + 1e-4 * length * promised + 1e-14 * (1 + abs(value)):
                break
            length /= 2
        else:
            return theta, bool(np.abs(gradient).max() < _GRADIENT_ZERO)
        theta, value = theta + length * step, reached
    return theta, False
