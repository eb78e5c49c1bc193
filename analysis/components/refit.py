"""Refits of one solution to many correlation matrices at once (bootstrap replicates).

:func:`analysis.components.components.find_components` finds a solution from nothing, with random starts. A replicate is
a disturbed copy of a matrix whose solution is known, so its rotation starts at that solution's axes and stays in its
basin; so does its extraction, where the solution is not the one that the usual start leads to. Extraction
(:mod:`analysis.components.extraction`) and criterion are the same; a test holds the two ways together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.common.status import AnalysisError
from analysis.components.alignment import orthogonal_procrustes
from analysis.components.extraction import extract
from analysis.components.rotation import RotationSettings, rotate_stack
from analysis.components.rotation_names import ROTATIONS, rotation_name
from analysis.components.solution import Solution

EXTRACTION_TOLERANCE = 1e-8
ROTATION_TOLERANCE = 1e-6
# Least squares by Newton and by principal-axis iteration have one optimum (Harman & Jones 1966); Newton takes
# three steps to it where the iteration takes hundreds.
_SAME_OPTIMUM = {"paf": "minres"}


@dataclass(frozen=True, eq=False)
class Refits:
    """Solutions of b correlation matrices, columns still in their own order and sign.

    pattern (b, p, k), phi (b, k, k), uniqueness (b, p); ``converged`` (b,) is False where extraction or rotation
    stopped early or the matrix could not be used (its numbers are NaN then); ``heywood`` (b,) where a uniqueness
    stands at its bound.
    """

    pattern: np.ndarray
    phi: np.ndarray
    uniqueness: np.ndarray
    converged: np.ndarray
    heywood: np.ndarray


def refit_stack(correlations: np.ndarray, solution: Solution, settings: RotationSettings | None = None) -> Refits:
    """Extract and rotate each of ``correlations`` (b, p, p) in the way of ``solution``, starting from it.

    ``settings`` are by default the constants (gamma, power, delta, target) with which the solution was rotated.
    A matrix with a missing value, or one that is not positive definite where ML needs it, is a replicate that did not
    converge. Raises :class:`AnalysisError` when the shapes do not belong together or the method is not known.
    """
    if settings is None:
        settings = replace(solution.constants, tolerance=ROTATION_TOLERANCE)
    stack = np.asarray(correlations, dtype=float)
    b, p, k = len(stack), len(solution.items), solution.n_components
    if stack.shape != (b, p, p):
        raise AnalysisError(f"Correlations have shape {stack.shape}; ({b}, {p}, {p}) was expected for these items.")
    extraction = _SAME_OPTIMUM.get(solution.extraction, solution.extraction)
    usable = np.isfinite(stack).all(axis=(1, 2))
    if extraction == "ml":
        usable[usable] = np.linalg.eigvalsh(stack[usable])[:, 0] > 1e-8
    refits = Refits(
        pattern=np.full((b, p, k), np.nan),
        phi=np.full((b, k, k), np.nan),
        uniqueness=np.full((b, p), np.nan),
        converged=np.zeros(b, dtype=bool),
        heywood=np.zeros(b, dtype=bool),
    )
    if not usable.any():
        return refits
    usual = solution.diagnostics.get("extraction_first_is_lowest", 1.0) == 1.0
    begin = None if usual else solution.uniqueness
    found = extract(stack[usable], k, extraction, tolerance=EXTRACTION_TOLERANCE, start=begin)
    start = axes_near(found.loadings, solution) if k > 1 else None
    rotated = rotate_stack(found.loadings, solution.rotation, start=start, settings=settings)
    refits.pattern[usable], refits.phi[usable] = rotated.loadings, rotated.phi
    refits.converged[usable] = found.converged & rotated.converged & np.isfinite(rotated.loadings).all(axis=(1, 2))
    refits.uniqueness[usable] = found.uniqueness
    refits.heywood[usable] = found.heywood.any(axis=1)
    return refits


def axes_near(loadings: np.ndarray, solution: Solution) -> np.ndarray:
    """Axes (b, k, k) with which ``loadings`` (b, p, k) come near the full solution's pattern P, in the conventions of
    :mod:`analysis.components.rotation`: A T near P when orthogonal, A near P T' with columns of unit length when
    oblique."""
    if not ROTATIONS[rotation_name(solution.rotation)].oblique:
        return orthogonal_procrustes(loadings, solution.pattern)
    axes = np.swapaxes(np.linalg.pinv(solution.pattern) @ loadings, -1, -2)
    return axes / np.linalg.norm(axes, axis=-2, keepdims=True)
