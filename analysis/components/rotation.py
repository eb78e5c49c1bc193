"""Rotation of components: the names a psych user and an SPSS user know, each with its variant spelled out.

==================== ========== ======= =============================================================================
name                 kind       Kaiser  the same as
==================== ========== ======= =============================================================================
none                 orthogonal no
varimax              orthogonal yes     SPSS, R ``varimax``, psych
varimax_raw          orthogonal no      ``varimax(normalize = FALSE)``, statsmodels
quartimax            orthogonal no      psych, GPArotation
quartimax_kaiser     orthogonal yes     SPSS
equamax              orthogonal no      psych (Crawford-Ferguson, kappa = m / 2p)
equamax_kaiser       orthogonal yes     SPSS
geomin_orthogonal    orthogonal no      GPArotation ``geominT``
promax_kaiser        oblique    yes     psych ``fa(rotate = "promax")``, SPSS: rows normalised before the target
promax_stats         oblique    varimax R ``promax``, psych ``"Promax"``: Kaiser varimax, target not normalised
promax_raw           oblique    no      Hendrickson & White (1964) on raw varimax
oblimin              oblique    no      psych, GPArotation (``gamma`` 0)
oblimin_kaiser       oblique    yes     SPSS direct oblimin (its delta is our gamma)
quartimin            oblique    no      oblimin with gamma 0
quartimin_kaiser     oblique    yes
geomin               oblique    no      psych ``geominQ``, Mplus (``delta`` .01)
geomin_kaiser        oblique    yes
target_orthogonal    orthogonal no      GPArotation ``targetT`` / ``pstT`` (NaN cells of the target are free)
target_oblique       oblique    no      GPArotation ``targetQ`` / ``pstQ``
procrustes           oblique    no      least squares to a full target (Hurley & Cattell 1962), psych ``target.rot``
==================== ========== ======= =============================================================================

``promax`` is another word for ``promax_kaiser``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from analysis.common.arguments import seed_number, whole_number
from analysis.common.matrices import as_floats
from analysis.common.status import AnalysisError, Status
from analysis.components.alignment import orthogonal_procrustes
from analysis.components.rotation_criteria import (
    CrawfordFerguson,
    Criterion,
    Geomin,
    Oblimin,
    Quartimax,
    Target,
    Varimax,
)
from analysis.components.rotation_gpa import GradientProjection, gradient_projection, path_of_r
from analysis.components.rotation_names import ROTATIONS, rotation_name
from analysis.components.rotation_settings import RotationSettings

LARGEST = 1e20
SAME_MINIMUM = 1e-5
"""Two starts whose criterion values differ by less than this (relative to max(1, |value|)) reached the same minimum."""

_IN_REACH = 1e-3
"""Gradient at which R's path is left for a faster one: of 3600 rotations of random loadings (oblimin, geomin, varimax)
none ended elsewhere than from R's own 1e-5, after little more than half of its steps; from 1e-2 one did."""


@dataclass(frozen=True, eq=False)
class RotationStack:
    """Rotations of a stack: loadings (B, p, m), phi (B, m, m), transform (B, m, m), and per replicate criterion,
    gradient, iterations, converged. Oblique: loadings = A inv(T)', phi = T'T; orthogonal: loadings = A T."""

    loadings: np.ndarray
    phi: np.ndarray
    transform: np.ndarray
    criterion: np.ndarray
    gradient: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray


@dataclass(frozen=True, eq=False)
class Rotation:
    """One rotation: loadings (p, m), phi (m, m), transform (m, m) and how it was reached.

    ``starts`` counts the identity and the random starts, without those that began on a stationary point and never
    moved; ``starts_at_best`` how many ended at the lowest criterion,
    ``minima`` how many different minima were met, ``first_is_best`` whether the identity start, the only one R tries,
    reached the lowest.
    """

    name: str
    loadings: np.ndarray
    phi: np.ndarray
    transform: np.ndarray
    criterion: float
    gradient: float
    iterations: int
    converged: bool
    starts: int
    starts_at_best: int
    minima: int
    first_is_best: bool

    def to_frame(self) -> pd.DataFrame:
        """One row per item and component: item (1..p), component (1..m), loading."""
        items, components = self.loadings.shape
        return pd.DataFrame(
            {
                "item": np.repeat(np.arange(1, items + 1), components),
                "component": np.tile(np.arange(1, components + 1), items),
                "loading": self.loadings.ravel(),
            }
        )


def rotate(
    loadings: np.ndarray,
    rotation: str = "oblimin",
    *,
    random_starts: int | None = None,
    seed: int = 0,
    settings: RotationSettings | None = None,
) -> Rotation:
    """Rotate ``loadings`` (p, m). Columns keep the order and sign of the minimum that was found.

    The identity is always the first start; ``random_starts`` more are random orthogonal matrices drawn from ``seed``
    (default 10 for the iterated oblique rotations and for partial targets, none for the others). The lowest converged
    criterion wins; when the identity is within :data:`SAME_MINIMUM` of it, the identity's result is kept. Where several
    minima are met, or the identity is the only start, the path from there is GPArotation's and ends where R does.

    Raises :class:`AnalysisError` for an unknown name, loadings that are not finite or have no full column rank, a
    target that does not fit, or a number of starts or a seed that is none.

    >>> turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    >>> simple = np.array([[0.8, 0.0], [0.7, 0.0], [0.0, 0.7], [0.0, 0.6]])
    >>> rotate(simple @ turn, "varimax").loadings.round(6) + 0.0
    array([[0.8, 0. ],
           [0.7, 0. ],
           [0. , 0.7],
           [0. , 0.6]])
    """
    settings = settings or RotationSettings()
    name = rotation_name(rotation)
    kind = ROTATIONS[name]
    matrix = as_floats(loadings, "Loadings to rotate are numbers.")
    _check(matrix, name, settings)
    seed = seed_number(seed)
    components = matrix.shape[1]
    if random_starts is not None:
        random_starts = whole_number(random_starts, "The number of random starts", 0, 100_000)
    else:
        partial = kind.family == "target" and settings.target is not None and bool(np.any(np.isnan(settings.target)))
        random_starts = 10 if kind.iterated and (kind.oblique or partial) else 0
    extra = random_starts if kind.iterated and components > 1 else 0
    stack = _from_starts(matrix, name, extra, seed, settings, as_r=extra == 0)
    if extra and _ends_differ(stack):
        stack = _from_starts(matrix, name, extra, seed, settings, as_r=True)
    if kind.iterated and components > 1 and extra == 0 and stack.iterations[0] == 0:
        # The unrotated loadings are a stationary point, which symmetry can make a saddle: look around it.
        stack = _from_starts(matrix, name, 5, seed, settings, as_r=False)
    starts = len(stack.criterion)
    moved = stack.iterations > 0 if np.any(stack.iterations > 0) else np.ones(starts, dtype=bool)
    usable = np.flatnonzero(stack.converged & moved)
    usable = usable if usable.size else np.arange(starts)
    usable = usable[np.isfinite(stack.criterion[usable])]
    if not usable.size:
        raise AnalysisError(f"The rotation {name} of these {components} components has no solution.", Status.SINGULAR)
    lowest = np.min(stack.criterion[usable])
    margin = SAME_MINIMUM * max(1.0, abs(float(lowest)))
    at_best = usable[stack.criterion[usable] <= lowest + margin]
    best = 0 if at_best[0] == 0 else int(usable[np.argmin(stack.criterion[usable])])
    different = 1 + int(np.sum(np.diff(np.sort(stack.criterion[usable])) > margin))
    return Rotation(
        name=name,
        loadings=stack.loadings[best],
        phi=stack.phi[best],
        transform=stack.transform[best],
        criterion=float(stack.criterion[best]),
        gradient=float(stack.gradient[best]),
        iterations=int(stack.iterations[best]),
        converged=bool(stack.converged[best]),
        starts=int(np.sum(moved)),
        starts_at_best=len(at_best),
        minima=different,
        first_is_best=bool(at_best[0] == 0 or not moved[0]),
    )


def _ends_differ(stack: RotationStack) -> bool:
    """Whether the starts ended in different minima."""
    ends = stack.criterion[stack.converged & np.isfinite(stack.criterion)]
    return ends.size > 1 and bool(np.ptp(ends) > SAME_MINIMUM * max(1.0, abs(float(ends.min()))))


def _from_starts(
    matrix: np.ndarray, name: str, extra: int, seed: int, settings: RotationSettings, *, as_r: bool
) -> RotationStack:
    """The loadings rotated from the identity (target rotations: from the Procrustes solution) and random starts; with
    ``as_r`` from where GPArotation comes to from the identity, for rotations that R's users take from there."""
    components = matrix.shape[1]
    kind = ROTATIONS[name]
    first, walked = np.eye(components), 0
    if kind.family == "target":
        first = orthogonal_procrustes(matrix, np.nan_to_num(_target(settings, matrix.shape, full=False)))
    elif as_r and components > 1 and kind.family in ("oblimin", "geomin", "quartimax"):
        weights = _row_lengths(matrix[None])[0] if kind.kaiser else 1.0
        criterion = _criterion(name, matrix.shape, settings)
        first, walked = path_of_r(matrix / weights, criterion, oblique=kind.oblique, tolerance=_IN_REACH)
    starts = np.concatenate([first[None], random_orthogonal(components, extra, seed)])
    stack = np.broadcast_to(matrix, (len(starts), *matrix.shape))
    rotated = rotate_stack(stack, name, start=starts, settings=settings)
    rotated.iterations[0] += walked
    return rotated


def rotate_stack(
    loadings: np.ndarray,
    rotation: str = "oblimin",
    *,
    start: np.ndarray | None = None,
    settings: RotationSettings | None = None,
) -> RotationStack:
    """Rotate each of a stack of loadings (B, p, m) from ``start``, (m, m) or (B, m, m), the identity by default.

    This is what the bootstrap calls: one call for all its replicates, started from the full solution's transform.
    Non-iterated rotations ignore ``start``. Raises :class:`AnalysisError` as :func:`rotate`.
    """
    settings = settings or RotationSettings()
    name = rotation_name(rotation)
    stack = np.asarray(loadings, dtype=float)
    try:
        return _rotate_together(stack, name, start, settings)
    except np.linalg.LinAlgError:
        return _rotate_apart(stack, name, start, settings)


def _rotate_apart(stack: np.ndarray, name: str, start: np.ndarray | None, settings: RotationSettings) -> RotationStack:
    """One after the other: loadings that span too few dimensions come to nothing, and nothing but themselves.

    A singular transform on the way of a search costs that search one step (`rotation_gpa._inverses`); such loadings
    have no rotation at all, and numpy gives up a whole stack for one of them.
    """
    rotated = []
    for place, loadings in enumerate(stack):
        own = start if start is None or np.ndim(start) == 2 else start[place : place + 1]
        try:
            rotated.append(_rotate_together(loadings[None], name, own, settings))
        except np.linalg.LinAlgError:
            rotated.append(_no_rotation(loadings.shape))
    return RotationStack(
        *(np.concatenate([getattr(one, part.name) for one in rotated]) for part in fields(RotationStack))
    )


def _no_rotation(shape: tuple[int, ...]) -> RotationStack:
    components = shape[1]
    square = np.full((1, components, components), np.nan)
    unknown = np.full(1, np.nan)
    return RotationStack(
        np.full((1, *shape), np.nan), square, square, unknown, unknown, np.zeros(1, dtype=int), np.zeros(1, dtype=bool)
    )


def _rotate_together(
    stack: np.ndarray, name: str, start: np.ndarray | None, settings: RotationSettings
) -> RotationStack:
    kind = ROTATIONS[name]
    count, _, components = stack.shape
    if kind.family == "none" or (components == 1 and kind.family not in ("target", "procrustes")):
        return _unrotated(stack)
    if kind.family == "procrustes":
        return _procrustes(stack, _target(settings, stack.shape[1:], full=True))
    if kind.family == "promax":
        return _promax(stack, name, settings)
    transforms = np.eye(components) if start is None else np.asarray(start, dtype=float)
    transforms = np.array(np.broadcast_to(transforms, (count, components, components)))
    weights = _row_lengths(stack) if kind.kaiser else np.ones((count, stack.shape[1], 1))
    criterion = _criterion(name, stack.shape[1:], settings)
    if isinstance(criterion, Target) and start is None:
        transforms = orthogonal_procrustes(stack, np.nan_to_num(criterion.target))
    result = gradient_projection(
        stack / weights,
        transforms,
        criterion,
        oblique=kind.oblique,
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    )
    return _as_stack(result, weights, kind.oblique)


def random_orthogonal(size: int, count: int, seed: int) -> np.ndarray:
    """(count, size, size) random orthogonal matrices, uniform over rotations and reflections."""
    draws = np.random.default_rng(np.random.SeedSequence(seed)).standard_normal((count, size, size))
    q, r = np.linalg.qr(draws)
    return q * np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[:, None, :]


def _check(matrix: np.ndarray, name: str, settings: RotationSettings) -> None:
    if matrix.ndim != 2 or 0 in matrix.shape or not np.all(np.isfinite(matrix)):
        raise AnalysisError("Loadings to rotate are a matrix of items by components without missing values.")
    if np.max(np.abs(matrix)) > LARGEST:
        raise AnalysisError(f"There are loadings beyond {LARGEST:g}, whose powers are no longer numbers.")
    if ROTATIONS[name].family in ("target", "procrustes"):
        _target(settings, matrix.shape, full=name == "procrustes")
    if name != "none" and np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise AnalysisError(
            f"The {matrix.shape[1]} components span fewer dimensions than that and cannot be rotated; ask for fewer.",
            Status.SINGULAR,
        )


def _target(settings: RotationSettings, shape: tuple[int, ...], *, full: bool) -> np.ndarray:
    if settings.target is None:
        raise AnalysisError("A target rotation needs a target matrix of items by components.")
    target = np.asarray(settings.target, dtype=float)
    if target.shape != tuple(shape):
        raise AnalysisError(f"The target has shape {target.shape}; the loadings have {tuple(shape)}.")
    if np.any(np.isinf(target)) or (full and np.any(np.isnan(target))):
        raise AnalysisError("This target rotation needs a finite value in every cell of the target.")
    return target


def _criterion(name: str, shape: tuple[int, ...], settings: RotationSettings) -> Criterion:
    family = ROTATIONS[name].family
    if family == "varimax":
        return Varimax()
    if family == "quartimax":
        return Quartimax()
    if family == "equamax":
        return CrawfordFerguson(kappa=shape[1] / (2 * shape[0]))
    if family == "geomin":
        return Geomin(settings.delta)
    if family == "target":
        return Target(_target(settings, shape, full=False))
    return Oblimin(settings.gamma if name.startswith("oblimin") else 0.0)


def _row_lengths(stack: np.ndarray) -> np.ndarray:
    """(B, p, 1) square roots of the communalities; 1 for an item the components do not touch."""
    lengths = np.sqrt(np.sum(stack**2, axis=-1, keepdims=True))
    return np.where(lengths < 1e-12, 1.0, lengths)


def _as_stack(result: GradientProjection, weights: np.ndarray, oblique: bool) -> RotationStack:
    transform = result.transform
    eye = np.broadcast_to(np.eye(transform.shape[-1]), transform.shape)
    phi = np.matmul(np.swapaxes(transform, -1, -2), transform) if oblique else eye.copy()
    return RotationStack(
        loadings=result.loadings * weights,
        phi=phi,
        transform=transform,
        criterion=result.criterion,
        gradient=result.gradient,
        iterations=result.iterations,
        converged=result.converged,
    )


def _unrotated(stack: np.ndarray) -> RotationStack:
    count, _, components = stack.shape
    eye = np.broadcast_to(np.eye(components), (count, components, components)).copy()
    return _closed_form(np.array(stack), eye, eye)


def _closed_form(loadings: np.ndarray, phi: np.ndarray, transform: np.ndarray) -> RotationStack:
    count = len(loadings)
    zeros = np.zeros(count)
    return RotationStack(
        loadings, phi, transform, zeros, zeros.copy(), np.zeros(count, dtype=int), np.ones(count, dtype=bool)
    )


def _scaled(stack: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loadings, phi and transform for A W, with the columns of W (B, m, m) scaled so that phi has a unit diagonal."""
    inverse = np.linalg.inv(np.matmul(np.swapaxes(weights, -1, -2), weights))
    scale = np.sqrt(np.diagonal(inverse, axis1=-2, axis2=-1))[:, None, :]
    weights = weights * scale
    # A W = A inv(T)' with T = inv(W)', the convention of the gradient projection.
    transform = np.swapaxes(np.linalg.inv(weights), -1, -2)
    return np.matmul(stack, weights), np.matmul(np.swapaxes(transform, -1, -2), transform), transform


def _procrustes(stack: np.ndarray, target: np.ndarray) -> RotationStack:
    gram = np.matmul(np.swapaxes(stack, -1, -2), stack)
    weights = np.linalg.solve(gram, np.matmul(np.swapaxes(stack, -1, -2), target))
    return _closed_form(*_scaled(stack, weights))


def _promax(stack: np.ndarray, name: str, settings: RotationSettings) -> RotationStack:
    """Hendrickson & White (1964): least squares from varimax loadings to their ``power``-th powers, signs kept."""
    lengths = _row_lengths(stack)
    base = stack / lengths if name == "promax_kaiser" else stack
    varimax = rotate_stack(base, "varimax_raw" if name == "promax_raw" else "varimax", settings=settings)
    rotated = varimax.loadings
    target = rotated * np.abs(rotated) ** (settings.power - 1)
    gram = np.matmul(np.swapaxes(rotated, -1, -2), rotated)
    weights = np.linalg.solve(gram, np.matmul(np.swapaxes(rotated, -1, -2), target))
    loadings, phi, oblique = _scaled(rotated, weights)
    if name == "promax_kaiser":
        loadings = loadings * lengths
    return RotationStack(
        loadings,
        phi,
        np.matmul(varimax.transform, oblique),
        varimax.criterion,
        varimax.gradient,
        varimax.iterations,
        varimax.converged,
    )


__all__ = ["Rotation", "RotationSettings", "RotationStack", "random_orthogonal", "rotate", "rotate_stack"]
