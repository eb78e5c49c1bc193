"""Fit of a component solution to the correlation matrix it was found in."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats


@dataclass(frozen=True)
class Fit:
    """Fit statistics of one solution. What cannot be computed (no degrees of freedom, a model matrix that is not
    positive definite, an unknown n) is NaN.

    ``objective`` is the maximum-likelihood discrepancy whatever the extraction was, as psych::fa has it; ``chi2`` is
    Bartlett-corrected, ``rmsr`` the root mean square of the off-diagonal residuals, ``bic`` is chi2 - df log n.

    Further figures that psych prints: ``sabic`` (with log((n + 2) / 24)); ``empirical_chi2``, n times the squared
    off-diagonal residuals, with its p and ``empirical_bic``; ``rmsr_corrected``, the residuals' root mean square per
    degree of freedom; ``explained`` and ``explained_off_diagonal``, 1 - squared residuals over squared correlations,
    with and without the diagonal.
    """

    objective: float
    chi2: float
    df: int
    p: float
    rmsea: float
    rmsea_lower: float
    rmsea_upper: float
    tli: float
    cfi: float
    rmsr: float
    bic: float
    null_chi2: float
    null_df: int
    sabic: float
    empirical_chi2: float
    empirical_p: float
    empirical_bic: float
    rmsr_corrected: float
    explained: float
    explained_off_diagonal: float

    def to_frame(self) -> pd.DataFrame:
        """One row, one column per figure."""
        return pd.DataFrame([asdict(self)])


def degrees_of_freedom(n_items: int, n_components: int) -> int:
    """Degrees of freedom of the exploratory model, ((p - m)^2 - (p + m)) / 2; negative when it is underidentified."""
    return ((n_items - n_components) ** 2 - (n_items + n_components)) // 2


def _noncentrality(chi2: float, df: int, probability: float) -> float:
    """The noncentrality at which ``chi2`` is the ``probability`` quantile; 0 when the central one is already beyond."""
    if stats.chi2.cdf(chi2, df) <= probability:
        return 0.0

    def distance(noncentrality: float) -> float:
        return float(stats.ncx2.cdf(chi2, df, noncentrality)) - probability

    upper = max(chi2, 1.0)
    while distance(upper) > 0:
        upper *= 2
    return float(optimize.brentq(distance, 0.0 if distance(0.0) > 0 else 1e-12, upper, xtol=1e-10, rtol=1e-12))


def _regular(matrix: np.ndarray) -> bool:
    """Whether the determinant is more than rounding error."""
    return bool(np.linalg.eigvalsh(matrix)[0] > 1e-12)


def _log_determinant(matrix: np.ndarray) -> float:
    sign, value = np.linalg.slogdet(matrix)
    return float(value) if sign > 0 else np.nan


def fit_statistics(correlation: np.ndarray, pattern: np.ndarray, phi: np.ndarray, n: float) -> Fit:
    """Fit of ``pattern`` (p, m) and ``phi`` (m, m) to ``correlation`` (p, p) from ``n`` rows.

    Formulae as psych::fa 2.2.9 (``factor.stats``): the model matrix has the diagonal of the data, so that a Heywood
    case does not spoil the discrepancy; chi-square by Bartlett's (1951) multiplier; RMSEA and its 90 % interval by
    the noncentral chi-square (Steiger & Lind 1980); TLI from discrepancies per degree of freedom. psych divides by n
    in the point estimate of RMSEA and by n - 1 in its interval, and so do we; the textbook's
    sqrt((chi2 - df) / (df (n - 1))) differs in the fourth decimal. CFI is 1 - (chi2 - df) / (null chi2 - null df).

    >>> pattern = np.full((6, 1), 0.7)
    >>> matrix = pattern @ pattern.T + 0.51 * np.eye(6)
    >>> found = fit_statistics(matrix, pattern, np.eye(1), 200)
    >>> found.df, round(found.chi2, 6), round(found.rmsr, 6), round(found.null_chi2, 2)
    (9, 0.0, 0.0, 417.51)
    """
    items, components = pattern.shape
    df, null_df = degrees_of_freedom(items, components), items * (items - 1) // 2
    residual = correlation - pattern @ phi @ pattern.T
    off_diagonal = ~np.eye(items, dtype=bool)
    rmsr = float(np.sqrt(np.mean(residual[off_diagonal] ** 2))) if items > 1 else np.nan
    residual_square = float(np.sum(residual[off_diagonal] ** 2))
    explained = float(1 - np.sum(residual**2) / np.sum(correlation**2))
    explained_off = float(1 - residual_square / np.sum(correlation[off_diagonal] ** 2)) if items > 1 else np.nan
    model = correlation - residual
    np.fill_diagonal(model, np.diag(correlation))
    log_determinant = _log_determinant(correlation) if _regular(correlation) else np.nan
    objective, null_objective = _discrepancy(correlation, log_determinant, model), -log_determinant
    multiplier = n - 1 - (2 * items + 5) / 6 - 2 * components / 3
    chi2 = float(np.maximum(objective * multiplier, 0.0))
    null_chi2 = null_objective * (n - 1 - (2 * items + 5) / 6)
    if df <= 0 or not np.isfinite(chi2) or multiplier <= 0:
        nan = float("nan")
        without_df = (nan, residual_square * n, nan, nan, nan, explained, explained_off)
        return Fit(objective, chi2, df, nan, nan, nan, nan, nan, nan, rmsr, nan, null_chi2, null_df, *without_df)
    lower = _noncentrality(chi2, df, 0.95)
    upper = _noncentrality(chi2, df, 0.05)
    null_ratio, ratio = null_objective / null_df, objective / df
    excess, null_excess = max(chi2 - df, 0.0), max(null_chi2 - null_df, chi2 - df, 0.0)
    return Fit(
        objective=objective,
        chi2=chi2,
        df=df,
        p=float(stats.chi2.sf(chi2, df)),
        rmsea=float(np.sqrt(max(chi2 / (df * n) - 1 / (n - 1), 0.0))),
        rmsea_lower=float(np.sqrt(lower / ((n - 1) * df))),
        rmsea_upper=float(np.sqrt(upper / ((n - 1) * df))),
        tli=float((null_ratio - ratio) / (null_ratio - 1 / multiplier)),
        cfi=1.0 if null_excess == 0 else float(1 - excess / null_excess),
        rmsr=rmsr,
        bic=float(chi2 - df * np.log(n)),
        null_chi2=float(null_chi2),
        null_df=null_df,
        sabic=float(chi2 - df * np.log((n + 2) / 24)),
        empirical_chi2=residual_square * n,
        empirical_p=float(stats.chi2.sf(residual_square * n, df)),
        empirical_bic=float(residual_square * n - df * np.log(n)),
        rmsr_corrected=float(np.sqrt(residual_square / (2 * df))),
        explained=explained,
        explained_off_diagonal=explained_off,
    )


def _discrepancy(correlation: np.ndarray, log_determinant: float, model: np.ndarray) -> float:
    """Maximum-likelihood discrepancy of a model matrix, NaN unless both matrices are positive definite;
    ``log_determinant`` is that of the correlations, NaN where they are not."""
    difference = _log_determinant(model) - log_determinant
    if not np.isfinite(difference) or np.linalg.eigvalsh(model)[0] <= 0:
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace = float(np.trace(np.linalg.solve(model, correlation)))
    return difference + trace - correlation.shape[0]
