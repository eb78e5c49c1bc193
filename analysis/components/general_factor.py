"""The general factor behind oblique components: Schmid-Leiman loadings and explained common variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.components.extraction import extract
from analysis.components.extraction_starts import extract_lowest
from analysis.components.solution import Solution


@dataclass(frozen=True, eq=False)
class GeneralFactor:
    """A solution split into one general factor and orthogonal group factors (Schmid & Leiman 1957).

    general (p,) loadings L g with g (k,) the second-order loadings; group (p, k) loadings L_ij sqrt(1 - g_j^2): what is
    left of each component when the general factor is taken out. communality and uniqueness (p,) are those of the
    first-order solution, as psych has them.
    """

    items: tuple[str, ...]
    second_order: np.ndarray
    general: np.ndarray
    group: np.ndarray
    communality: np.ndarray
    status: str
    warnings: tuple[str, ...]

    @property
    def explained_common_variance(self) -> float:
        """ECV: sum of squared general loadings over the sum of all squared Schmid-Leiman loadings (Reise 2012)."""
        return float(np.sum(self.general**2) / (np.sum(self.general**2) + np.sum(self.group**2)))

    @property
    def item_explained_common_variance(self) -> np.ndarray:
        """(p,) I-ECV: the same share within each item (Stucky & Edelen 2014)."""
        general = self.general**2
        return general / (general + np.sum(self.group**2, axis=1))

    @property
    def uncontaminated_share(self) -> float:
        """PUC: share of the correlations between items of different group factors, which the general factor alone
        explains; an item belongs to the group of its largest group loading (Bonifay et al. 2015)."""
        strongest = np.abs(self.group).argmax(axis=1)
        upper = np.triu_indices(len(strongest), 1)
        return float(np.mean(strongest[upper[0]] != strongest[upper[1]])) if len(strongest) > 1 else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """One row per item and factor: item, factor (``general`` or the component's number as text), loading,
        communality, item_ecv."""
        p, k = self.group.shape
        loadings = np.column_stack([self.general, self.group])
        factors = np.array(["general", *(str(number) for number in range(1, k + 1))], dtype=object)
        return pd.DataFrame(
            {
                "item": np.repeat(np.array(self.items, dtype=object), k + 1),
                "factor": np.tile(factors, p),
                "loading": loadings.ravel(),
                "communality": np.repeat(self.communality, k + 1),
                "item_ecv": np.repeat(self.item_explained_common_variance, k + 1),
            }
        )


def schmid_leiman(solution: Solution) -> GeneralFactor:
    """Split ``solution`` into a general factor and group factors, as psych's ``schmid`` 2.2.9 does.

    The second-order factor is one minres factor of the component correlations. With two components it is not
    identified: both loadings are set to sqrt(|phi_12|) (psych's option ``equal``), status ``underidentified``. With one
    component the component is the general factor.

    Raises :class:`AnalysisError` (``not_applicable``) for orthogonal components, which have no general factor.

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(3), np.array([[0.8], [0.7], [0.6]]))
    >>> phi = np.array([[1, 0.48, 0.4], [0.48, 1, 0.3], [0.4, 0.3, 1]])
    >>> matrix = pattern @ phi @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> schmid_leiman(find_components(matrix, 300, list("abcdefghi"), n_components=3)).second_order.round(3).tolist()
    [0.8, 0.6, 0.5]
    """
    second_order, status, warnings = second_order_loadings(solution.phi)
    if second_order.sum() < 0:
        second_order = -second_order
    return GeneralFactor(
        solution.items,
        second_order,
        solution.pattern @ second_order,
        solution.pattern * np.sqrt(np.maximum(1 - second_order**2, 0.0)),
        solution.communality,
        status.value,
        warnings,
    )


def second_order_loadings(phi: np.ndarray) -> tuple[np.ndarray, Status, tuple[str, ...]]:
    """Loadings (k,) of the components on one general factor of their correlations ``phi`` (k, k), with a status.

    Raises :class:`AnalysisError` for orthogonal components, which have none.
    """
    k = len(phi)
    if k == 1:
        return np.ones(1), Status.OK, ()
    off_diagonal = phi[~np.eye(k, dtype=bool)]
    if np.abs(off_diagonal).max() < 1e-12:
        raise AnalysisError(
            "Orthogonal components have no general factor; rotate obliquely to look for one.", Status.NOT_APPLICABLE
        )
    if k == 2:
        loading = float(np.sqrt(abs(phi[0, 1])))
        return (
            np.array([loading, np.sign(phi[0, 1]) * loading]),
            Status.UNDERIDENTIFIED,
            ("Two components do not identify a general factor: both second-order loadings were set equal.",),
        )
    found = extract_lowest(phi, 1).extraction
    loadings = found.loadings[0][:, 0]
    if found.heywood.any():
        return loadings, Status.HEYWOOD, ("A component has a second-order uniqueness at its bound (Heywood case).",)
    if np.any(loadings <= 0) and np.any(loadings > 0):
        return (
            loadings,
            Status.OK,
            ("Second-order loadings have mixed signs: 'general' is a poor word for this factor.",),
        )
    return loadings, Status.OK, ()


def explained_common_variances(patterns: np.ndarray, phis: np.ndarray) -> np.ndarray:
    """(b,) ECV of patterns (b, p, k) with correlations ``phis`` (b, k, k), for bootstrap intervals; NaN where there is
    none (one component, or all uncorrelated)."""
    count, _, k = patterns.shape
    upper = np.triu_indices(k, 1)
    usable = np.abs(phis[:, upper[0], upper[1]]).max(axis=1, initial=0.0) >= 1e-12
    second_order = np.full((count, k), np.nan)
    if k == 2:
        loading = np.sqrt(np.abs(phis[:, 0, 1]))
        second_order = np.column_stack([loading, np.sign(phis[:, 0, 1]) * loading])
    elif usable.any():
        second_order[usable] = extract(phis[usable], 1, "minres").loadings[:, :, 0]
    general = np.sum(np.einsum("bpk,bk->bp", patterns, second_order) ** 2, axis=1)
    group = np.einsum("bpk,bk->b", patterns**2, np.maximum(1 - second_order**2, 0.0))
    return np.where(usable, general / (general + group), np.nan)
