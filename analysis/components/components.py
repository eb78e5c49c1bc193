"""The front door of component analysis: a correlation matrix in, one `Solution` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.common.arguments import number_of_rows, one_of
from analysis.common.matrices import correlation_matrix
from analysis.common.status import AnalysisError, Status, most_serious
from analysis.common.wording import several
from analysis.components.extraction import EXTRACTIONS, LOWER_BOUND, number_of_components
from analysis.components.extraction_starts import MOST_STARTS, LowestExtraction, extract_lowest
from analysis.components.fit import degrees_of_freedom
from analysis.components.rotation import Rotation, RotationSettings, rotate
from analysis.components.rotation_names import ROTATIONS, rotation_name
from analysis.components.rotation_target import target_of
from analysis.components.solution import Solution
from analysis.correlations.correlation import Correlations, smoothed

LEAST_ROWS = 3
INDEFINITE, SINGULAR, SMOOTHED = -1e-10, 1e-12, 1e-9
"""Smallest eigenvalues: below the first the matrix is indefinite, up to the second it is singular, and up to the third
it was smoothed, which leaves eigenvalues of about 1e-10."""


_RESTS_ON_SMOOTHING = "chi-square and what follows from it rest on the size its smallest eigenvalue was given."


@dataclass
class _Notes:
    """Statuses and sentences as they gather."""

    statuses: list[Status] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def add(self, status: Status, sentence: str) -> None:
        self.statuses.append(status)
        self.sentences.append(sentence)

    def add_all(self, status: str, sentences: Sequence[str]) -> None:
        self.statuses.append(Status(status))
        self.sentences.extend(sentences)


def find_components(
    correlation: np.ndarray | pd.DataFrame | Correlations,
    n: float | None = None,
    items: Sequence[str] | None = None,
    *,
    n_components: int,
    extraction: str = "minres",
    rotation: str = "oblimin",
    gamma: float = 0.0,
    power: float = 4.0,
    delta: float = 0.01,
    target: np.ndarray | pd.DataFrame | None = None,
    extraction_starts: int = MOST_STARTS,
    random_starts: int | None = None,
    seed: int = 0,
    lower_bound: float = LOWER_BOUND,
    smooth: bool = True,
    tolerance: float = 1e-9,
    max_iterations: int | None = None,
) -> Solution:
    """Extract and rotate ``n_components`` from ``correlation`` (p, p) of ``n`` rows.

    ``items`` names the rows of an array; of a frame or of
    :class:`analysis.correlations.correlation.Correlations`, which have names of their own, it chooses items by them.
    Correlations bring their own n, and their status and warnings go with the solution. ``extraction``: a name of
    :data:`analysis.components.extraction.EXTRACTIONS`. ``rotation``: a name of
    :data:`analysis.components.rotation.ROTATIONS`, with ``gamma`` (oblimin), ``power`` (promax), ``delta`` (geomin) and
    ``target`` (p, m; NaN cells are free). ``extraction_starts``: see
    :func:`analysis.components.extraction_starts.extract_lowest`. ``random_starts`` and ``seed``: see
    :func:`analysis.components.rotation.rotate`. ``n`` None: unknown, then nothing that needs it is given. An indefinite
    matrix is smoothed unless ``smooth`` is False. ``tolerance`` and ``max_iterations`` are those of
    :func:`analysis.components.extraction.extract`.

    Columns are ordered by variance explained and signed by their sum, except after a target rotation, where they
    stay in the target's order and sign. The status is the most serious of: ``local_minima`` (the usual start of the
    extraction did not reach its lowest criterion; or that of the rotation, the identity, not the best, or fewer than
    half of the starts did), ``heywood``, ``indefinite``, ``not_converged``,
    ``underidentified`` (negative degrees of freedom), ``too_few_rows`` (n <= p), ``singular``; ``warnings`` say the
    same in sentences.

    Raises :class:`AnalysisError` for a matrix that is no correlation matrix, n below 3, more components than the
    items allow, unknown names, constants out of their range, and ML on a singular matrix.

    >>> loadings = np.array([[.8, 0], [.7, 0], [.6, 0], [0, .7], [0, .6], [0, .5]])
    >>> matrix = loadings @ np.array([[1, .3], [.3, 1]]) @ loadings.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = find_components(matrix, 500, n_components=2)
    >>> found.status, found.phi.round(3)[0, 1], found.pattern.round(3)[0]
    ('ok', np.float64(0.3), array([0.8, 0. ]))
    """
    notes = _Notes()
    if isinstance(correlation, Correlations):
        notes.add_all(correlation.status, correlation.warnings)
        n = correlation.n if n is None else n
        named = correlation.items
        if items is None:
            correlation, items = correlation.matrix, named
        else:
            correlation = pd.DataFrame(correlation.matrix, index=named, columns=named)
    matrix, names = correlation_matrix(correlation, items)
    rows = number_of_rows(n, "components need", LEAST_ROWS)
    name = rotation_name(rotation)
    one_of(extraction, EXTRACTIONS, "extraction")
    n_components = number_of_components(n_components, len(names), extraction)
    settings = RotationSettings(gamma=gamma, power=power, delta=delta, target=target_of(target, names))
    matrix = _conditioned(matrix, names, rows, extraction, smooth, notes)
    lowest = extract_lowest(
        matrix,
        n_components,
        extraction,
        starts=extraction_starts,
        lower_bound=lower_bound,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    found = lowest.extraction
    _note_sizes(rows, len(names), n_components, extraction, notes)
    _note_extraction(lowest, names, extraction, notes)
    rotated = rotate(found.loadings[0], name, random_starts=random_starts, seed=seed, settings=settings)
    _note_rotation(rotated, notes)
    solution = Solution(
        items=names,
        correlation=matrix,
        n=rows,
        extraction=extraction,
        rotation=_full_name(name, settings),
        pattern=rotated.loadings,
        phi=rotated.phi,
        uniqueness=found.uniqueness[0],
        status=most_serious(notes.statuses).value,
        warnings=tuple(notes.sentences),
        diagnostics=_diagnostics(lowest, rotated),
        constants=settings,
    )
    return solution if ROTATIONS[name].family in ("target", "procrustes") else solution.ordered_and_signed()


def _note_sizes(rows: float, n_items: int, n_components: int, extraction: str, notes: _Notes) -> None:
    if rows <= n_items and Status.TOO_FEW_ROWS not in notes.statuses:
        notes.add(
            Status.TOO_FEW_ROWS,
            f"{several(rows, 'row')} for {several(n_items, 'item')}; more rows than items are needed.",
        )
    if extraction != "components" and degrees_of_freedom(n_items, n_components) < 0:
        notes.add(
            Status.UNDERIDENTIFIED,
            f"{several(n_components, 'component')} of {several(n_items, 'item')}: more parameters than "
            "correlations, this is one of many solutions.",
        )


def _conditioned(
    matrix: np.ndarray, names: tuple[str, ...], rows: float, extraction: str, smooth: bool, notes: _Notes
) -> np.ndarray:
    """Smooth an indefinite matrix, refuse what ML cannot use, and say what makes a matrix singular."""
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest < INDEFINITE:
        notes.add(
            Status.INDEFINITE,
            f"The correlation matrix is indefinite (smallest eigenvalue {smallest:.2g})"
            + (f" and was smoothed: {_RESTS_ON_SMOOTHING}" if smooth else "."),
        )
        if not smooth and extraction == "ml":
            raise AnalysisError(
                "Maximum likelihood needs a positive definite correlation matrix; this one is indefinite.",
                Status.INDEFINITE,
            )
        return smoothed(matrix) if smooth else matrix
    if smallest <= SINGULAR:
        first, second = np.nonzero(np.triu(np.abs(matrix) >= 1 - 1e-10, k=1))
        same = "; ".join(f"{names[i]} and {names[j]}" for i, j in zip(first[:5], second[:5], strict=True))
        cause = f" These items are the same: {same}." if same else ""
        if not same and rows <= len(names):
            cause = f" {several(rows, 'row')} cannot make a regular one of {several(len(names), 'item')}."
        if extraction == "ml":
            raise AnalysisError(
                f"Maximum likelihood cannot use a singular correlation matrix; use minres or drop items.{cause}",
                Status.SINGULAR,
            )
        notes.add(Status.SINGULAR, f"The correlation matrix is singular, so there is no chi-square.{cause}")
    elif smallest <= SMOOTHED and Status.INDEFINITE not in notes.statuses:
        notes.add(Status.INDEFINITE, f"The correlation matrix was smoothed: {_RESTS_ON_SMOOTHING}")
    return matrix


def _note_extraction(lowest: LowestExtraction, names: tuple[str, ...], extraction: str, notes: _Notes) -> None:
    found = lowest.extraction
    if not lowest.first_is_lowest:
        notes.add(
            Status.LOCAL_MINIMA,
            f"The extraction ({extraction}) has several minima: the lowest of {lowest.starts} starts is given "
            f"(criterion {found.objective[0]:.4g}); the start from squared multiple correlations, the only one of R "
            f"and SPSS, ends at {lowest.first_objective:.4g} here. Fewer components may do.",
        )
    if not found.converged[0]:
        notes.add(Status.NOT_CONVERGED, f"The extraction ({extraction}) did not converge.")
    if np.any(found.heywood[0]):
        guilty = ", ".join(name for name, bad in zip(names, found.heywood[0], strict=True) if bad)
        notes.add(Status.HEYWOOD, f"Heywood case: no uniqueness is left for {guilty}.")


def _note_rotation(rotated: Rotation, notes: _Notes) -> None:
    if not rotated.converged:
        notes.add(Status.NOT_CONVERGED, f"The rotation ({rotated.name}) did not converge.")
    if rotated.starts == 1 or rotated.starts_at_best == rotated.starts:
        return
    sentence = (
        f"{rotated.starts_at_best} of {several(rotated.starts, 'rotation start')} reached the best criterion; "
        f"{rotated.minima} different minima were met."
    )
    if not rotated.first_is_best:
        sentence += " A single start from the unrotated solution, as in R, ends in another one."
    doubtful = not rotated.first_is_best or rotated.starts_at_best * 2 < rotated.starts
    notes.add(Status.LOCAL_MINIMA if doubtful else Status.OK, sentence)


def _full_name(name: str, settings: RotationSettings) -> str:
    """The rotation's name with those of its constants that are not the usual ones, so that it can be made again."""
    family = ROTATIONS[name].family
    if family == "oblimin" and name.startswith("oblimin") and settings.gamma != 0.0:
        return f"{name}(gamma={settings.gamma:g})"
    if family == "promax" and settings.power != 4.0:
        return f"{name}(power={settings.power:g})"
    if family == "geomin" and settings.delta != 0.01:
        return f"{name}(delta={settings.delta:g})"
    return name


def _diagnostics(lowest: LowestExtraction, rotated: Rotation) -> dict[str, float]:
    found = lowest.extraction
    return {
        "extraction_objective": float(found.objective[0]),
        "extraction_gradient": float(found.gradient[0]),
        "extraction_iterations": float(found.iterations[0]),
        "extraction_starts": float(lowest.starts),
        "extraction_first_is_lowest": float(lowest.first_is_lowest),
        "rotation_criterion": rotated.criterion,
        "rotation_gradient": rotated.gradient,
        "rotation_iterations": float(rotated.iterations),
        "rotation_starts": float(rotated.starts),
        "rotation_starts_at_best": float(rotated.starts_at_best),
        "rotation_minima": float(rotated.minima),
        "rotation_first_is_best": float(rotated.first_is_best),
    }
