"""Extraction of components from a correlation matrix: minres (ULS), ML, principal axis, principal components.

Everything works on a stack of matrices (B, p, p) at once, because the bootstrap and the parallel analysis refit
hundreds of them: one Newton iteration is one batched eigendecomposition. Minres and ML minimise over the bounded
uniquenesses with the analytic gradient and Hessian of Jöreskog (1977, "Factor analysis by least-squares and
maximum-likelihood methods"); where Newton does not arrive, L-BFGS-B finishes the replicate.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from analysis.common.arguments import one_of, real_number, whole_number
from analysis.common.matrices import as_floats
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.components.bounded_newton import BoundedNewton
from analysis.components.extraction_criteria import MINRES, ML, Criterion, eigen_loadings

LOWER_BOUND = 0.005
"""Smallest uniqueness minres and ML may reach (psych, factanal); at the bound an item is a Heywood case."""

MATRICES_AT_ONCE = 128
"""Matrices worked on together, more of small ones: enough to spread the cost of a call, few enough to stay in a few
hundred megabytes."""

_CELLS_AT_ONCE = 2**17
_SLACK = 1e-6
"""How far a correlation matrix may be from symmetry and a unit diagonal by rounding."""

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
    start: np.ndarray | None = None,
) -> Extraction:
    """Extract ``n_components`` from each matrix of ``correlations`` (B, p, p), or from one matrix (p, p), then B = 1.

    Minres and ML begin at the uniquenesses ``start``, (p,) or (B, p), by default those that the squared multiple
    correlations leave (psych, factanal, SPSS), and end in the minimum whose basin that lies in; a start in another may
    end lower: :func:`analysis.components.extraction_starts.extract_lowest`.

    ``tolerance`` is on the projected gradient (minres, ml) or on the change of the sum of communalities (paf).
    ``max_iterations`` is 200 for minres and ml, 5000 for paf unless given. ``paf_psych`` and ``paf_spss`` are principal
    axes that stop where psych's ``pa`` and SPSS stop by default (:data:`PAF_STOPS`), whatever ``tolerance`` says.

    Raises :class:`AnalysisError` for an unknown extraction, more components than items, what is no correlation matrix,
    options that are no such numbers (``lower_bound`` lies from 0, for ML above 0, to below 1), or no positive definite
    matrix where ML needs one; a matrix of a stack that ML cannot use has NaN and is not converged.

    >>> loadings = np.array([[.8], [.7], [.6], [.5]])
    >>> matrix = loadings @ loadings.T
    >>> np.fill_diagonal(matrix, 1)
    >>> extract(matrix, 1).loadings[0].round(6).ravel()
    array([0.8, 0.7, 0.6, 0.5])
    """
    stack = as_floats(correlations, "The correlation matrix holds values that are not numbers.")
    stack = stack[None] if stack.ndim == 2 else stack
    n_components = check_stack(stack, n_components, extraction)
    tolerance = real_number(tolerance, "The tolerance", 0, beyond=True)
    lower_bound = real_number(lower_bound, "The lower bound", 0, 1, beyond=extraction == "ml", below=True)
    if max_iterations is not None:
        max_iterations = whole_number(max_iterations, "The number of iterations", 1)
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
                start=start if start is None or np.ndim(start) == 1 else np.asarray(start)[definite],
            )
            return _with_gaps(part, definite)
    begin = None if start is None else np.broadcast_to(np.asarray(start, dtype=float), stack.shape[:2])
    blocks = []
    at_once = max(MATRICES_AT_ONCE, _CELLS_AT_ONCE // stack.shape[1] ** 2)
    for first in range(0, len(stack), at_once):
        block = stack[first : first + at_once]
        if extraction.startswith("paf"):
            stop = PAF_STOPS.get(extraction, AxisStop(tolerance, max_iterations or 5000, each=False))
            blocks.append(_principal_axis(block, n_components, stop))
        else:
            criterion = MINRES if extraction == "minres" else ML
            uniqueness = 1 - squared_multiple_correlations(block) if begin is None else begin[first : first + at_once]
            blocks.append(
                _bounded(block, n_components, criterion, uniqueness, lower_bound, tolerance, max_iterations or 200)
            )
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


def check_stack(stack: np.ndarray, n_components: int, extraction: str) -> int:
    """The number of components of a stack (B, p, p) of correlation matrices.

    Raises :class:`AnalysisError` unless the matrices, the number and the name of the extraction fit."""
    one_of(extraction, EXTRACTIONS, "extraction")
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
        raise AnalysisError(f"A correlation matrix is square; this one has shape {stack.shape[1:]}.")
    if not np.all(np.isfinite(stack)):
        raise AnalysisError("The correlation matrix holds values that are missing or infinite.")
    diagonal = np.diagonal(stack, axis1=1, axis2=2)
    # Only one triangle is worked with, so that another one would go unnoticed.
    differences = np.abs(stack - np.swapaxes(stack, 1, 2))
    if np.max(np.abs(diagonal - 1), initial=0) > _SLACK or np.max(differences, initial=0) > _SLACK:
        raise AnalysisError("The matrix is not symmetric with a diagonal of 1: this is not a correlation matrix.")
    return number_of_components(n_components, stack.shape[1], extraction)


def number_of_components(asked: int, n_items: int, extraction: str) -> int:
    """``asked`` as a whole number; raises :class:`AnalysisError` when ``extraction`` cannot take so many from
    ``n_items`` items, or none were asked for."""
    most = n_items if extraction == "components" else n_items - 1
    number = whole_number(asked, "The number of components", None)
    if not 1 <= number <= most:
        raise AnalysisError(
            f"{several(number, 'component')} cannot be extracted by {extraction} from "
            f"{several(n_items, 'item')}; 1 to {most} can.",
            Status.TOO_MANY_COMPONENTS if number > most else Status.INVALID_INPUT,
        )
    return number


def squared_multiple_correlations(stack: np.ndarray) -> np.ndarray:
    """(B, p) squared multiple correlation of each item with the others, 1 - 1 / diag(R^-1), clipped to [0, 1].

    A ridge of 1e-10 keeps a singular matrix computable; a regular one does not feel it.
    """
    diagonal = _inverse_diagonals(stack + 1e-10 * np.eye(stack.shape[-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        smc = 1 - 1 / diagonal
    return np.where(np.isfinite(smc) & (diagonal > 0), np.clip(smc, 0, 1), 1.0)


def _inverse_diagonals(stack: np.ndarray) -> np.ndarray:
    """(B, p) diagonals of the inverses of ``stack`` (B, p, p).

    From LAPACK's Cholesky factor, half the work of a general inverse; the latter where a matrix is indefinite."""
    diagonals = np.empty(stack.shape[:-1])
    for matrix, diagonal in zip(stack, diagonals, strict=True):
        factor, failed = dpotrf(matrix.T, lower=1, clean=0)
        inverse = np.linalg.inv(matrix) if failed else dpotri(factor, lower=1, overwrite_c=1)[0]
        diagonal[:] = inverse.diagonal()
    return diagonals


def positive_columns(loadings: np.ndarray) -> np.ndarray:
    """The same loadings (B, p, m), each column signed so that its sum is not negative."""
    return loadings * np.where(loadings.sum(axis=-2, keepdims=True) < 0, -1.0, 1.0)


def _bounded(
    stack: np.ndarray,
    m: int,
    criterion: Criterion,
    start: np.ndarray,
    lower: float,
    tolerance: float,
    max_iterations: int,
) -> Extraction:
    """Minres or ML, from the uniquenesses ``start`` (B, p) on."""
    search = BoundedNewton(stack, m, criterion, np.clip(start, lower, 1.0), lower)
    search.run(tolerance, max_iterations)
    loadings = positive_columns(criterion.loadings(search.x, search.values, search.vectors, m))
    uniqueness = criterion.uniqueness(search.x)
    communality = np.sum(loadings**2, axis=2)
    return Extraction(
        loadings=loadings,
        uniqueness=uniqueness,
        objective=search.objective,
        gradient=search.norms,
        iterations=search.iterations,
        converged=search.norms <= max(tolerance, 1e-5),
        heywood=(uniqueness <= lower * (1 + 1e-6)) | (communality >= 1 - 1e-12),
    )


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
