"""Extraction of components from a correlation matrix: minres (ULS), ML, principal axis, principal components.

Everything works on a stack of matrices (B, p, p) at once, because the bootstrap and the parallel analysis refit
hundreds of them: one Newton iteration is one batched eigendecomposition. Minres and ML minimise over the bounded
uniquenesses with the analytic gradient and Hessian of Jöreskog (1977, "Factor analysis by least-squares and
maximum-likelihood methods"); where Newton does not arrive, L-BFGS-B finishes the replicate.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import optimize

from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.components.extraction_criteria import MINRES, ML, Criterion, eigen_loadings

LOWER_BOUND = 0.005
"""Smallest uniqueness minres and ML may reach (psych, factanal); at the bound an item is a Heywood case."""

MATRICES_AT_ONCE = 128
"""Matrices worked on together, more of small ones: enough to spread the cost of a call, few enough to stay in a few
hundred megabytes."""

_CELLS_AT_ONCE = 2**17

EXTRACTIONS = ("minres", "ml", "paf", "paf_psych", "paf_spss", "components")


@dataclass(frozen=True)
class AxisStop:
    """When principal axis iteration ends: ``tolerance`` on the change of the sum of communalities, or where ``each``
    on that of every communality, and the most iterations."""

    tolerance: float
    max_iterations: int
    each: bool


PAF_STOPS = {"paf_psych": AxisStop(1e-3, 50, each=False), "paf_spss": AxisStop(1e-3, 25, each=True)}
"""psych's ``fa(fm = "pa")`` and SPSS's FACTOR stop long before the optimum; ``paf`` goes on to it."""


@dataclass(frozen=True, eq=False)
class Extraction:
    """Unrotated components of a stack of B matrices.

    loadings (B, p, m), columns by eigenvalue descending and with positive sums; uniqueness (B, p); objective (B,): half
    the sum of squared off-model eigenvalues for minres, half that of squared residual correlations for paf, the ML
    discrepancy for ml, the sum of squared eigenvalues left for components; gradient (B,): largest absolute projected
    gradient (for paf the last change of the sum of communalities); iterations (B,); converged (B,); heywood (B, p):
    items at the bound or with a communality of 1 or more.
    """

    loadings: np.ndarray
    uniqueness: np.ndarray
    objective: np.ndarray
    gradient: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray
    heywood: np.ndarray


def extract(
    correlations: np.ndarray,
    n_components: int,
    extraction: str = "minres",
    *,
    lower_bound: float = LOWER_BOUND,
    tolerance: float = 1e-9,
    max_iterations: int | None = None,
) -> Extraction:
    """Extract ``n_components`` from each matrix of ``correlations`` (B, p, p), or from one matrix (p, p), then B = 1.

    ``tolerance`` is on the projected gradient (minres, ml) or on the change of the sum of communalities (paf).
    ``max_iterations`` is 200 for minres and ml, 5000 for paf unless given. ``paf_psych`` and ``paf_spss`` are principal
    axes that stop where psych's ``pa`` and SPSS stop by default (:data:`PAF_STOPS`), whatever ``tolerance`` says.

    Raises :class:`AnalysisError` for an unknown extraction, more components than items, values that are not finite, or
    no positive definite matrix where ML needs one; a matrix of a stack that ML cannot use has NaN and is not converged.

    >>> loadings = np.array([[.8], [.7], [.6], [.5]])
    >>> matrix = loadings @ loadings.T
    >>> np.fill_diagonal(matrix, 1)
    >>> extract(matrix, 1).loadings[0].round(6).ravel()
    array([0.8, 0.7, 0.6, 0.5])
    """
    stack = np.asarray(correlations, dtype=float)
    stack = stack[None] if stack.ndim == 2 else stack
    check_stack(stack, n_components, extraction)
    if extraction == "components":
        return _principal_components(stack, n_components)
    if extraction == "ml":
        definite = np.linalg.eigvalsh(stack)[:, 0] > 1e-12
        if not np.any(definite):
            raise AnalysisError(
                "Maximum likelihood needs a positive definite correlation matrix; use minres, drop items or smooth it.",
                Status.SINGULAR,
            )
        if not np.all(definite):
            part = extract(
                stack[definite],
                n_components,
                "ml",
                lower_bound=lower_bound,
                tolerance=tolerance,
                max_iterations=max_iterations,
            )
            return _with_gaps(part, definite)
    blocks = []
    at_once = max(MATRICES_AT_ONCE, _CELLS_AT_ONCE // stack.shape[1] ** 2)
    for start in range(0, len(stack), at_once):
        block = stack[start : start + at_once]
        if extraction.startswith("paf"):
            stop = PAF_STOPS.get(extraction, AxisStop(tolerance, max_iterations or 5000, each=False))
            blocks.append(_principal_axis(block, n_components, stop))
        else:
            criterion = MINRES if extraction == "minres" else ML
            blocks.append(_bounded(block, n_components, criterion, lower_bound, tolerance, max_iterations or 200))
    return _joined(blocks)


def _joined(blocks: list[Extraction]) -> Extraction:
    names = [one.name for one in fields(Extraction)]
    return Extraction(*(np.concatenate([getattr(block, name) for block in blocks]) for name in names))


def _with_gaps(part: Extraction, present: np.ndarray) -> Extraction:
    """The extractions of the matrices that are ``present`` (B,), NaN and not converged for the others."""
    whole = {}
    for one in fields(Extraction):
        values = getattr(part, one.name)
        filled = np.zeros((len(present), *values.shape[1:]), dtype=values.dtype)
        if values.dtype.kind == "f":
            filled[...] = np.nan
        filled[present] = values
        whole[one.name] = filled
    return Extraction(**whole)


def check_stack(stack: np.ndarray, n_components: int, extraction: str) -> None:
    """Raise :class:`AnalysisError` unless a stack (B, p, p), a number of components and a name of an extraction fit."""
    if extraction not in EXTRACTIONS:
        raise AnalysisError(
            f"Unknown extraction {extraction!r}; known are {', '.join(EXTRACTIONS)}.", Status.UNKNOWN_NAME
        )
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
        raise AnalysisError(f"A correlation matrix is square; this one has shape {stack.shape[1:]}.")
    if not np.all(np.isfinite(stack)):
        raise AnalysisError("The correlation matrix holds values that are missing or infinite.")
    items = stack.shape[1]
    most = items if extraction == "components" else items - 1
    if not 1 <= n_components <= most:
        raise AnalysisError(
            f"{several(n_components, 'component')} cannot be extracted by {extraction} from "
            f"{several(items, 'item')}; 1 to {most} can.",
            Status.TOO_MANY_COMPONENTS if n_components > most else Status.INVALID_INPUT,
        )


def squared_multiple_correlations(stack: np.ndarray) -> np.ndarray:
    """(B, p) squared multiple correlation of each item with the others, 1 - 1 / diag(R^-1), clipped to [0, 1].

    A ridge of 1e-10 keeps a singular matrix computable; a regular one does not feel it.
    """
    inverse = np.linalg.inv(stack + 1e-10 * np.eye(stack.shape[-1]))
    diagonal = np.diagonal(inverse, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        smc = 1 - 1 / diagonal
    return np.where(np.isfinite(smc) & (diagonal > 0), np.clip(smc, 0, 1), 1.0)


def positive_columns(loadings: np.ndarray) -> np.ndarray:
    """The same loadings (B, p, m), each column signed so that its sum is not negative."""
    return loadings * np.where(loadings.sum(axis=-2, keepdims=True) < 0, -1.0, 1.0)


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


def _bounded(
    stack: np.ndarray, m: int, criterion: Criterion, lower: float, tolerance: float, max_iterations: int
) -> Extraction:
    """Bounded Newton on all replicates at once; those that do not arrive are finished by L-BFGS-B one by one."""
    count, items, _ = stack.shape
    low, high = (float(criterion.parameter(np.array(bound))) for bound in (lower, 1.0))
    x = criterion.parameter(np.clip(1 - squared_multiple_correlations(stack), lower, 1.0))
    values, vectors = criterion.eigen(x, stack)
    f, g = criterion.value(values, m), criterion.gradient(values, vectors, m)
    norms = np.max(np.abs(_projected(g, x, low, high)), axis=1)
    iterations = np.zeros(count, dtype=int)
    step, length = np.zeros_like(x), np.zeros(count)
    active = np.flatnonzero(norms > tolerance)
    fresh = np.ones(count, dtype=bool)
    for _ in range(max_iterations):
        if active.size == 0:
            break
        todo = active[fresh[active]]
        if todo.size:
            exact, definite = criterion.hessian(values[todo], vectors[todo], m)
            projected = _projected(g[todo], x[todo], low, high)
            fixed = projected != g[todo]
            step[todo] = _direction(g[todo], projected, exact, definite, fixed)
            length[todo] = 1.0
        trial = np.clip(x[active] + length[active, None] * step[active], low, high)
        trial_values, trial_vectors = criterion.eigen(trial, stack[active])
        trial_f = criterion.value(trial_values, m)
        slope = np.sum(g[active] * (trial - x[active]), axis=1)
        good = trial_f <= f[active] + 1e-4 * np.minimum(slope, 0.0) + 1e-14 * np.maximum(1.0, np.abs(f[active]))
        taken = active[good]
        x[taken], values[taken], vectors[taken], f[taken] = (
            trial[good],
            trial_values[good],
            trial_vectors[good],
            trial_f[good],
        )
        g[taken] = criterion.gradient(values[taken], vectors[taken], m)
        fresh[active], length[active] = good, np.where(good, length[active], length[active] / 2)
        norms[taken] = np.max(np.abs(_projected(g[taken], x[taken], low, high)), axis=1)
        iterations[active] += 1
        active = active[(norms[active] > tolerance) & (length[active] > 1e-8)]
    for index in np.flatnonzero(norms > max(tolerance, 1e-6)):
        _finish(int(index), stack, m, criterion, (low, high), x, values, vectors, f, g, norms, iterations)
    loadings = positive_columns(criterion.loadings(x, values, vectors, m))
    uniqueness = criterion.uniqueness(x)
    communality = np.sum(loadings**2, axis=2)
    return Extraction(
        loadings=loadings,
        uniqueness=uniqueness,
        objective=f,
        gradient=norms,
        iterations=iterations,
        converged=norms <= max(tolerance, 1e-5),
        heywood=(uniqueness <= lower * (1 + 1e-6)) | (communality >= 1 - 1e-12),
    )


def _finish(
    index: int,
    stack: np.ndarray,
    m: int,
    criterion: Criterion,
    bounds: tuple[float, float],
    x: np.ndarray,
    values: np.ndarray,
    vectors: np.ndarray,
    f: np.ndarray,
    g: np.ndarray,
    norms: np.ndarray,
    iterations: np.ndarray,
) -> None:
    """Minimise replicate ``index`` by L-BFGS-B from where Newton left it, and write the better result in place."""
    one = stack[index : index + 1]

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        spectrum, basis = criterion.eigen(point[None], one)
        return float(criterion.value(spectrum, m)[0]), criterion.gradient(spectrum, basis, m)[0]

    result = optimize.minimize(
        objective,
        x[index],
        jac=True,
        method="L-BFGS-B",
        bounds=[bounds] * x.shape[1],
        options={"maxiter": 2000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20},
    )
    if result.fun <= f[index]:
        x[index] = np.clip(result.x, *bounds)
        spectrum, basis = criterion.eigen(x[index : index + 1], one)
        values[index], vectors[index] = spectrum[0], basis[0]
        f[index] = criterion.value(spectrum, m)[0]
        g[index] = criterion.gradient(spectrum, basis, m)[0]
        norms[index] = np.max(np.abs(_projected(g[index], x[index], *bounds)))
    iterations[index] += int(result.nit)


def _principal_axis(stack: np.ndarray, m: int, stop: AxisStop) -> Extraction:
    """Iterated principal axis: communalities start at the squared multiple correlations, as in psych and SPSS."""
    count, items, _ = stack.shape
    communality = squared_multiple_correlations(stack)
    loadings = np.zeros((count, items, m))
    change = np.full(count, np.inf)
    iterations = np.zeros(count, dtype=int)
    diagonal = np.arange(items)
    active = np.arange(count)
    for _ in range(stop.max_iterations):
        reduced = stack[active].copy()
        reduced[:, diagonal, diagonal] = communality[active]
        values, vectors = np.linalg.eigh(reduced)
        found = eigen_loadings(values, vectors, m)
        updated = np.sum(found**2, axis=2)
        moved = updated - communality[active]
        change[active] = np.abs(moved).max(axis=1) if stop.each else np.abs(moved.sum(axis=1))
        loadings[active], communality[active] = found, updated
        iterations[active] += 1
        active = active[change[active] > stop.tolerance]
        if active.size == 0:
            break
    residual = stack - np.matmul(loadings, np.swapaxes(loadings, 1, 2))
    residual[:, diagonal, diagonal] = 0.0
    return Extraction(
        loadings=positive_columns(loadings),
        uniqueness=1 - communality,
        objective=0.5 * np.sum(residual**2, axis=(1, 2)),
        gradient=change,
        iterations=iterations,
        converged=change <= stop.tolerance,
        heywood=communality >= 1 - 1e-12,
    )


def _principal_components(stack: np.ndarray, m: int) -> Extraction:
    """Principal components: eigenvectors scaled by the roots of their eigenvalues."""
    values, vectors = np.linalg.eigh(stack)
    loadings = eigen_loadings(values, vectors, m)
    communality = np.sum(loadings**2, axis=2)
    count, items, _ = stack.shape
    return Extraction(
        loadings=positive_columns(loadings),
        uniqueness=1 - communality,
        objective=np.sum(values[:, : items - m] ** 2, axis=1),
        gradient=np.zeros(count),
        iterations=np.ones(count, dtype=int),
        converged=np.ones(count, dtype=bool),
        heywood=np.zeros((count, items), dtype=bool),
    )
