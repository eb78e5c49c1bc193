"""Omega: how much of a sum score's variance the factors (total) and the general factor alone (hierarchical) carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.common.matrices import correlation_matrix
from analysis.common.status import Status
from analysis.components.extraction_starts import extract_lowest
from analysis.components.general_factor import schmid_leiman
from analysis.components.solution import Solution

_NOTHING = 1e-10
"""A variance of standardised items from here down is one that they do not have."""


@dataclass(frozen=True, eq=False)
class Omega:
    """Omega of the sum of a solution's items, standardised, items with negative general loadings reflected.

    total: (1'R1 - sum of uniquenesses) / 1'R1; hierarchical: (sum of general loadings)^2 / 1'R1; limit: hierarchical
    over the reliable variance. reflected (p,): True where an item was turned round. groups: one row for the whole and
    one per group factor (the items with their largest group loading there): total, general and group share of the
    variance of that sum.
    """

    items: tuple[str, ...]
    total: float
    hierarchical: float
    limit: float
    explained_common_variance: float
    reflected: np.ndarray
    groups: pd.DataFrame
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per measure: measure (``omega_total``, ``omega_hierarchical``, ``omega_limit``, ``ecv``), estimate,
        n_items."""
        values = {
            "omega_total": self.total,
            "omega_hierarchical": self.hierarchical,
            "omega_limit": self.limit,
            "ecv": self.explained_common_variance,
        }
        return pd.DataFrame({"measure": list(values), "estimate": list(values.values()), "n_items": len(self.items)})


def omega(solution: Solution) -> Omega:
    """Omega of all items of ``solution`` by Schmid-Leiman, with the definitions of psych's ``omega`` 2.2.9.

    With one component hierarchical equals (sum of loadings)^2 / 1'R1 and says nothing beyond total (status
    ``not_applicable`` for it as a hierarchical figure, in a warning). Sources: McDonald (1999); Zinbarg et al. (2005).
    Raises :class:`AnalysisError` for orthogonal components.

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(3), np.array([[0.8], [0.7], [0.6]]))
    >>> phi = np.array([[1, 0.48, 0.4], [0.48, 1, 0.3], [0.4, 0.3, 1]])
    >>> matrix = pattern @ phi @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = omega(find_components(matrix, 300, list("abcdefghi"), n_components=3))
    >>> round(found.total, 4), round(found.hierarchical, 4)
    (0.8392, 0.5652)
    """
    factor = schmid_leiman(solution)
    signs = np.where(factor.general < 0, -1.0, 1.0)
    correlation = solution.correlation * np.outer(signs, signs)
    general, group = factor.general * signs, factor.group * signs[:, None]
    variance = float(correlation.sum())
    unique = float(np.sum(1 - solution.communality))
    general_square = float(general.sum() ** 2)
    total = _share(variance - unique, variance)
    warnings = factor.warnings
    if solution.n_components == 1:
        group = np.zeros_like(group)
        warnings = (*warnings, "One component: omega hierarchical is not meaningful, only total is.")
    return Omega(
        solution.items,
        total,
        _share(general_square, variance),
        _share(general_square, variance - unique),
        factor.explained_common_variance if solution.n_components > 1 else float("nan"),
        signs < 0,
        _groups(correlation, general, group, total),
        factor.status,
        warnings,
    )


def _share(part: float, whole: float) -> float:
    """NaN where the whole is nothing, as for items whose sum does not vary."""
    return float(part / whole) if whole > _NOTHING else float("nan")


def _groups(correlation: np.ndarray, general: np.ndarray, group: np.ndarray, total: float) -> pd.DataFrame:
    """psych's ``omega.group``: factor, n_items, total, general, group."""
    strongest = np.abs(group).argmax(axis=1)
    rows = []
    explained = 0.0
    for column in range(group.shape[1]):
        members = np.flatnonzero(strongest == column)
        if not len(members):
            rows.append((str(column + 1), 0, np.nan, np.nan, np.nan))
            continue
        variance = correlation[np.ix_(members, members)].sum()
        own, common = group[members, column].sum() ** 2, general[members].sum() ** 2
        explained += own
        both, of_general, of_group = (_share(part, variance) for part in (own + common, common, own))
        rows.append((str(column + 1), len(members), both, of_general, of_group))
    whole = correlation.sum()
    rows.insert(0, ("general", len(general), total, _share(general.sum() ** 2, whole), _share(explained, whole)))
    return pd.DataFrame(rows, columns=["factor", "n_items", "total", "general", "group"])


@dataclass(frozen=True, eq=False)
class OneFactorOmega:
    """Omega of one scale by a single minres factor of its correlations.

    model: (sum l)^2 / ((sum l)^2 + sum(1 - l^2)), McDonald's omega, the total variance as the model has it; observed:
    (1'R1 - sum(1 - l^2)) / 1'R1, the total variance as the data have it (psych's ``omega(nfactors = 1)``). They differ
    as far as one factor does not fit.
    """

    items: tuple[str, ...]
    loadings: np.ndarray
    model: float
    observed: float
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per measure: measure (``omega_model``, ``omega_total``), estimate, n_items."""
        return pd.DataFrame(
            {
                "measure": ["omega_model", "omega_total"],
                "estimate": [self.model, self.observed],
                "n_items": len(self.items),
            }
        )


def one_factor_omega(correlation: np.ndarray, items: tuple[str, ...]) -> OneFactorOmega:
    """Omega of a scale from the correlations (p, p) of its items, which are taken as keyed.

    Raises :class:`AnalysisError` for fewer than three items (one factor of two is not identified).

    >>> round(one_factor_omega(np.full((3, 3), 0.5) + 0.5 * np.eye(3), ("a", "b", "c")).model, 6)
    0.75
    """
    matrix, items = correlation_matrix(correlation, items, least=3, use="omega of one factor needs")
    found = extract_lowest(matrix, 1).extraction
    loadings = found.loadings[0][:, 0]
    model, observed = omega_stack(matrix[None], loadings[None])
    warnings = []
    status = Status.OK
    if np.any(loadings < 0):
        names = ", ".join(item for item, loading in zip(items, loadings, strict=True) if loading < 0)
        warnings.append(f"Items that load negatively on their own scale: {names}; is their key right?")
    if found.heywood.any():
        status = Status.HEYWOOD
        warnings.append("An item has a uniqueness at its bound (Heywood case).")
    return OneFactorOmega(tuple(items), loadings, float(model[0]), float(observed[0]), status.value, tuple(warnings))


def omega_stack(correlations: np.ndarray, loadings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Model and observed one-factor omega (b,) of correlations (b, p, p) with loadings (b, p)."""
    true = loadings.sum(axis=1) ** 2
    unique = (1 - loadings**2).sum(axis=1)
    variance = correlations.sum(axis=(1, 2))
    # The sum of items that cancel each other out does not vary; whatever is said of its variance is no number.
    whole, modelled = (np.where(sums > _NOTHING, sums, np.nan) for sums in (variance, true + unique))
    return true / modelled, (variance - unique) / whole
