"""Confirmatory factor analysis of a simple structure (each item on one factor), by maximum likelihood.

The declared scales of an instrument, correlated freely, as lavaan's ``cfa()`` fits them to a covariance matrix. Fisher
scoring with the expected information, the same information that gives the standard errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from analysis.common.arguments import number_of_rows, scale_names
from analysis.common.matrices import square_matrix
from analysis.common.observations import check_level
from analysis.common.status import AnalysisError, Status, most_serious
from analysis.common.wording import several
from analysis.components.cfa_fit import CfaFit, cfa_fit
from analysis.components.cfa_model import SimpleStructure, gradient_and_information, lowest_discrepancy


@dataclass(frozen=True, eq=False)
class Cfa:
    """A fitted model Sigma = Lambda Phi Lambda' + Theta.

    loading (p,), its se and the standardised loading (p,) with se; residual (p,) variances with se; factor covariance
    (k, k) and correlation (k, k), each with its se. The first item of each factor is its marker (loading 1, se 0), as
    in lavaan's default; standardised figures do not depend on that choice.
    """

    items: tuple[str, ...]
    factors: tuple[str, ...]
    factor_of: np.ndarray
    loading: np.ndarray
    loading_se: np.ndarray
    standardised: np.ndarray
    standardised_se: np.ndarray
    residual: np.ndarray
    residual_se: np.ndarray
    covariance: np.ndarray
    covariance_se: np.ndarray
    correlation: np.ndarray
    correlation_se: np.ndarray
    implied: np.ndarray
    fit: CfaFit
    status: str
    warnings: tuple[str, ...]

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row per item: item, factor, loading, loading_se, standardised_loading, standardised_se,
        standardised_lower, standardised_upper (normal interval at ``level``, as lavaan's ``standardizedSolution``),
        residual_variance, residual_se, r_squared."""
        lower, upper = _interval(self.standardised, self.standardised_se, level)
        return pd.DataFrame(
            {
                "item": np.array(self.items, dtype=object),
                "factor": np.array(self.factors, dtype=object)[self.factor_of],
                "loading": self.loading,
                "loading_se": self.loading_se,
                "standardised_loading": self.standardised,
                "standardised_se": self.standardised_se,
                "standardised_lower": lower,
                "standardised_upper": upper,
                "residual_variance": self.residual,
                "residual_se": self.residual_se,
                "r_squared": self.standardised**2,
            }
        )

    def factors_frame(self, level: float = 0.95) -> pd.DataFrame:
        """One row per pair of factors (and each with itself): factor, other_factor, covariance, covariance_se,
        correlation, correlation_se, correlation_lower, correlation_upper (normal interval at ``level``)."""
        rows, columns = np.triu_indices(len(self.factors))
        names = np.array(self.factors, dtype=object)
        lower, upper = _interval(self.correlation, self.correlation_se, level)
        return pd.DataFrame(
            {
                "factor": names[rows],
                "other_factor": names[columns],
                "covariance": self.covariance[rows, columns],
                "covariance_se": self.covariance_se[rows, columns],
                "correlation": self.correlation[rows, columns],
                "correlation_se": self.correlation_se[rows, columns],
                "correlation_lower": lower[rows, columns],
                "correlation_upper": upper[rows, columns],
            }
        )


def cfa(covariance: np.ndarray | pd.DataFrame, n: float, items: Sequence[str], scales: Mapping[str, str]) -> Cfa:
    """Fit the declared structure to a covariance (or correlation) matrix.

    Parameters
    ----------
    covariance: (p, p), divisor n - 1; it is rescaled to divisor n, as lavaan's default (normal) likelihood wants.
    n: rows it comes from; a whole number is not needed.
    items: (p,) names of its rows; scales: the scale of each item. Items without a scale are left out and named.

    Estimates, standard errors (expected information) and fit equal lavaan 0.6's ``cfa(estimator = "ML")``. As there,
    a scale with one item has no residual variance, and a negative residual variance or a factor correlation beyond 1
    is not prevented: status ``heywood``. Factors have unit variance here, so that a negative one, which lavaan allows
    and calls converged (two items of a scale that correlate negatively), is ``not_converged`` or ``underidentified``.
    A model that does not converge has status ``not_converged`` and its last figures.

    Raises :class:`AnalysisError`: no item with a scale, a singular matrix or n <= p (ML needs its inverse), a model
    with more parameters than covariances or a scale that is not identified.

    >>> loadings = np.array([0.8, 0.7, 0.6, 0.5])
    >>> matrix = np.outer(loadings, loadings)
    >>> np.fill_diagonal(matrix, 1)
    >>> found = cfa(matrix, 200, list("abcd"), dict.fromkeys("abcd", "bond"))
    >>> found.standardised.round(6).tolist(), found.fit.df, round(found.fit.srmr, 6)
    ([0.8, 0.7, 0.6, 0.5], 2, 0.0)
    """
    sample, n, kept, factors, factor_of, left_out = _input(covariance, n, items, scales)
    model = SimpleStructure(factor_of)
    _check_identified(model, factors)
    deviation = np.sqrt(np.diag(sample))
    scaled = sample / np.outer(deviation, deviation)
    theta, converged = lowest_discrepancy(model, scaled)
    theta = model.marker_positive(theta)
    _, information = gradient_and_information(model, theta, scaled)
    identified = bool(np.linalg.cond(information) < 1e12)
    # The information of the likelihood is n / 2 times that of the discrepancy.
    errors = np.linalg.inv(information) * 2 / n if identified else np.full_like(information, np.nan)
    loading, residual, phi = model.split(theta)
    raw = _in_marker_scale(model, theta, deviation, errors)
    implied = model.implied(theta) * np.outer(deviation, deviation)
    status, warnings = _judge(left_out, converged, identified, residual, phi)
    correlation_se = np.zeros_like(phi)
    correlation_se[model.pairs] = np.sqrt(np.diag(errors))[model.correlations_at]
    return Cfa(
        items=kept,
        factors=factors,
        factor_of=factor_of,
        loading=raw.loading,
        loading_se=raw.loading_se,
        standardised=raw.standardised,
        standardised_se=raw.standardised_se,
        residual=raw.residual,
        residual_se=raw.residual_se,
        covariance=raw.covariance,
        covariance_se=raw.covariance_se,
        correlation=phi,
        correlation_se=correlation_se + correlation_se.T,
        implied=implied,
        fit=cfa_fit(sample, implied, n, model.n_parameters),
        status=status,
        warnings=warnings,
    )


def _input(
    covariance: np.ndarray | pd.DataFrame, n: float, items: Sequence[str], scales: Mapping[str, str]
) -> tuple[np.ndarray, float, tuple[str, ...], tuple[str, ...], np.ndarray, tuple[str, ...]]:
    matrix, items = square_matrix(covariance, items, "covariance matrix", gaps=True)
    n, scales = number_of_rows(n, "a CFA needs", 0), scale_names(scales)
    if np.isnan(n):
        raise AnalysisError("A CFA needs the number of rows.")
    has_scale = np.array([item in scales for item in items], dtype=bool)
    kept = tuple(item for item, keep in zip(items, has_scale, strict=True) if keep)
    if not kept:
        raise AnalysisError("None of the items belongs to a scale: there is no structure to confirm.", Status.NO_DATA)
    matrix = matrix[np.ix_(has_scale, has_scale)]
    if not np.isfinite(matrix).all():
        raise AnalysisError("Covariances are missing or infinite.", Status.NO_DATA)
    constant = [item for item, value in zip(kept, np.diag(matrix), strict=True) if value <= 1e-12]
    if constant:
        raise AnalysisError(f"Items without variance: {', '.join(constant)}; leave them out.", Status.CONSTANT)
    if not n > len(kept):
        raise AnalysisError(
            f"{several(n, 'row')}: too few for a CFA of {several(len(kept), 'item')}.",
            Status.TOO_FEW_ROWS,
        )
    deviation = np.sqrt(np.diag(matrix))
    if np.linalg.eigvalsh(matrix / np.outer(deviation, deviation))[0] < 1e-8:
        raise AnalysisError(
            "The covariance matrix is singular or indefinite: maximum likelihood needs its inverse.", Status.SINGULAR
        )
    factors = tuple(dict.fromkeys(scales[item] for item in kept))
    factor_of = np.array([factors.index(scales[item]) for item in kept])
    left_out = tuple(item for item, keep in zip(items, has_scale, strict=True) if not keep)
    return matrix * (n - 1) / n, n, kept, factors, factor_of, left_out


def _check_identified(model: SimpleStructure, factors: Sequence[str]) -> None:
    if model.df < 0:
        raise AnalysisError(
            f"The structure has {model.n_parameters} parameters for {model.p * (model.p + 1) // 2} covariances: "
            "not identified.",
            Status.UNDERIDENTIFIED,
        )
    if model.k == 1 and model.p < 3:
        raise AnalysisError(
            f"Scale {factors[0]} alone needs at least three items for a CFA; it has {model.p}.", Status.TOO_FEW_ITEMS
        )


def _judge(
    left_out: Sequence[str], converged: bool, identified: bool, residual: np.ndarray, phi: np.ndarray
) -> tuple[str, tuple[str, ...]]:
    warnings, statuses = [], [Status.OK]
    if left_out:
        warnings.append(f"Items without a scale are left out: {', '.join(left_out)}.")
    if not converged:
        statuses.append(Status.NOT_CONVERGED)
        warnings.append("The estimation did not converge; figures are those of its last step.")
    if not identified:
        statuses.append(Status.UNDERIDENTIFIED)
        warnings.append("The information matrix is singular: the model is not identified and has no standard errors.")
    if np.any(residual < 0) or np.linalg.eigvalsh(phi)[0] < 0:
        statuses.append(Status.HEYWOOD)
        warnings.append("A residual variance is negative or factor correlations are impossible (Heywood case).")
    return most_serious(statuses).value, tuple(warnings)


class _Reported(NamedTuple):
    loading: np.ndarray
    loading_se: np.ndarray
    standardised: np.ndarray
    standardised_se: np.ndarray
    residual: np.ndarray
    residual_se: np.ndarray
    covariance: np.ndarray
    covariance_se: np.ndarray


def _in_marker_scale(model: SimpleStructure, theta: np.ndarray, deviation: np.ndarray, errors: np.ndarray) -> _Reported:
    """What is reported, in the items' units, the first item of each factor as marker; errors by the delta method."""
    loading, residual, phi = model.split(theta)
    p, q = model.p, model.n_parameters
    items, own_marker = np.arange(p), model.markers[model.factor_of]
    raw = loading * deviation
    by_marker = np.zeros((p, q))
    # A marker that does not load has no scale to lend: what is in its scale is not defined.
    markers = np.where(np.abs(raw[own_marker]) > 1e-8 * deviation[own_marker], raw[own_marker], np.nan)
    by_marker[items, items] = deviation / markers
    by_marker[items, own_marker] -= raw * deviation[own_marker] / markers**2
    # An estimate that did not converge may have a negative variance, and then no standardised figures.
    variance = np.where(loading**2 + residual > 0, loading**2 + residual, np.nan)
    cube = variance**1.5
    standardised = np.zeros((p, q))
    standardised[items, items] = residual / cube
    residual_columns = np.arange(model.residuals_at.start, model.residuals_at.stop)
    free = model.free_residual
    standardised[free, residual_columns] = -loading[free] / (2 * cube[free])
    variances = np.zeros((p, q))
    variances[free, residual_columns] = deviation[free] ** 2
    scale = raw[model.markers]
    covariance = phi * np.outer(scale, scale)
    covariance_se = _errors(_covariance_slopes(model, phi, scale, deviation), errors).reshape(model.k, model.k)
    return _Reported(
        raw / markers,
        _errors(by_marker, errors),
        loading / np.sqrt(variance),
        _errors(standardised, errors),
        residual * deviation**2,
        _errors(variances, errors),
        covariance,
        covariance_se,
    )


def _covariance_slopes(model: SimpleStructure, phi: np.ndarray, scale: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """(k k, q) derivative of the factor covariances phi_ab s_a s_b, s the marker loadings in the items' units."""
    k = model.k
    slopes = np.zeros((k, k, model.n_parameters))
    for factor, marker in enumerate(model.markers):
        slopes[factor, :, marker] += phi[factor] * scale * deviation[marker]
        slopes[:, factor, marker] += phi[factor] * scale * deviation[marker]
    for column, (one, other) in enumerate(zip(*model.pairs, strict=True), start=model.correlations_at.start):
        slopes[one, other, column] = slopes[other, one, column] = scale[one] * scale[other]
    return slopes.reshape(k * k, -1)


def _errors(slopes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(np.einsum("iq,qr,ir->i", slopes, errors, slopes), 0.0))


def _interval(estimate: np.ndarray, error: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    half = special.ndtri((1 + check_level(level)) / 2) * error
    return estimate - half, estimate + half
