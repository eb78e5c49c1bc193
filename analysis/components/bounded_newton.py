"""The search of bounded uniquenesses for minres and ML: Newton on a stack of matrices at once, then one by one."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from analysis.components.extraction_criteria import Criterion


class BoundedNewton:
    """One search of B replicates side by side, begun at ``start`` (B, p) uniquenesses; the arrays hold where it stands.

    x (B, p) parameters between ``low`` and ``high``; values (B, p) and vectors (B, p, p) of the criterion's
    eigenproblem there; objective (B,); gradient (B, p); norms (B,): largest absolute projected gradient; iterations
    (B,).
    """

    def __init__(self, stack: np.ndarray, m: int, criterion: Criterion, start: np.ndarray, lower: float) -> None:
        self.stack, self.m, self.criterion = stack, m, criterion
        self.low, self.high = (float(criterion.parameter(np.array(bound))) for bound in (lower, 1.0))
        self.x = criterion.parameter(start)
        self.values, self.vectors = criterion.eigen(self.x, stack)
        self.objective = criterion.value(self.values, m)
        self.gradient = criterion.gradient(self.values, self.vectors, m)
        self.norms = self._norms(slice(None))
        self.iterations = np.zeros(len(stack), dtype=int)

    def run(self, tolerance: float, max_iterations: int) -> None:
        """Newton steps, halved where they do not lead down; those that do not arrive are finished by L-BFGS-B."""
        step, length = np.zeros_like(self.x), np.zeros(len(self.x))
        fresh = np.ones(len(self.x), dtype=bool)
        active = np.flatnonzero(self.norms > tolerance)
        for _ in range(max_iterations):
            if active.size == 0:
                break
            todo = active[fresh[active]]
            if todo.size:
                step[todo], length[todo] = self._directions(todo), 1.0
            good = self._try(active, length[active, None] * step[active])
            fresh[active], length[active] = good, np.where(good, length[active], length[active] / 2)
            self.iterations[active] += 1
            active = active[(self.norms[active] > tolerance) & (length[active] > 1e-8)]
        for index in np.flatnonzero(self.norms > max(tolerance, 1e-6)):
            self._finish(int(index))

    def _directions(self, which: np.ndarray) -> np.ndarray:
        gradient = self.gradient[which]
        exact, definite = self.criterion.hessian(self.values[which], self.vectors[which], self.m)
        projected = _projected(gradient, self.x[which], self.low, self.high)
        return _direction(gradient, projected, exact, definite, projected != gradient)

    def _try(self, which: np.ndarray, move: np.ndarray) -> np.ndarray:
        """Take the moves of replicates ``which`` that lead down far enough (Armijo); says which did."""
        trial = np.clip(self.x[which] + move, self.low, self.high)
        values, vectors = self.criterion.eigen(trial, self.stack[which])
        objective, before = self.criterion.value(values, self.m), self.objective[which]
        slope = np.sum(self.gradient[which] * (trial - self.x[which]), axis=1)
        # Where the minimum is reached to rounding the objective cannot fall any more.
        rounding = 1e-14 * np.maximum(1.0, np.abs(before))
        good = objective <= before + 1e-4 * np.minimum(slope, 0.0) + rounding
        taken = which[good]
        self.x[taken], self.objective[taken] = trial[good], objective[good]
        self.values[taken], self.vectors[taken] = values[good], vectors[good]
        self.gradient[taken] = self.criterion.gradient(self.values[taken], self.vectors[taken], self.m)
        self.norms[taken] = self._norms(taken)
        return np.asarray(good)

    def _finish(self, index: int) -> None:
        """Minimise replicate ``index`` by L-BFGS-B from where Newton left it, and keep the better result."""
        one = self.stack[index : index + 1]

        def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
            values, vectors = self.criterion.eigen(point[None], one)
            slope = self.criterion.gradient(values, vectors, self.m)[0]
            return float(self.criterion.value(values, self.m)[0]), slope

        result = optimize.minimize(
            objective,
            self.x[index],
            jac=True,
            method="L-BFGS-B",
            bounds=[(self.low, self.high)] * self.x.shape[1],
            options={"maxiter": 2000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20},
        )
        if result.fun <= self.objective[index]:
            self.x[index] = np.clip(result.x, self.low, self.high)
            values, vectors = self.criterion.eigen(self.x[index : index + 1], one)
            self.values[index], self.vectors[index] = values[0], vectors[0]
            self.objective[index] = self.criterion.value(values, self.m)[0]
            self.gradient[index] = self.criterion.gradient(values, vectors, self.m)[0]
            self.norms[index] = self._norms([index])[0]
        self.iterations[index] += int(result.nit)

    def _norms(self, which: np.ndarray | slice | list[int]) -> np.ndarray:
        projected = _projected(self.gradient[which], self.x[which], self.low, self.high)
        return np.asarray(np.max(np.abs(projected), axis=1))


def _projected(gradient: np.ndarray, x: np.ndarray, low: float, high: float) -> np.ndarray:
    """The gradient without the parts that push a parameter out of its bounds."""
    outward = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
    return np.where(outward, 0.0, gradient)


def _direction(
    gradient: np.ndarray, projected: np.ndarray, exact: np.ndarray, definite: np.ndarray, fixed: np.ndarray
) -> np.ndarray:
    """Newton directions (B, p) on the free parameters; where the exact Hessian does not point downhill, the
    positive semidefinite part of it is used (Gauss-Newton)."""
    items = gradient.shape[1]
    eye = np.eye(items)
    free = ~fixed
    both = free[:, :, None] & free[:, None, :]

    def solve(hessian: np.ndarray, ridge: float) -> np.ndarray:
        matrix = np.where(both, hessian, 0.0) + eye * np.where(fixed, 1.0, ridge)[:, :, None]
        return -np.linalg.solve(matrix, np.where(free, gradient, 0.0)[..., None])[..., 0]

    step = solve(exact, 1e-12)
    uphill = np.sum(step * projected, axis=1) > -1e-12 * np.sum(projected**2, axis=1)
    uphill |= ~np.all(np.isfinite(step), axis=1)
    if np.any(uphill):
        step[uphill] = solve(definite, 1e-6)[uphill]
    return step
