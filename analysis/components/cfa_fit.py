"""Fit indices of a confirmatory model, as lavaan 0.6 defines them for maximum likelihood."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.components.fit import _noncentrality


@dataclass(frozen=True)
class CfaFit:
    """Fit of a model with ``df`` degrees of freedom to ``n`` rows; NaN where a figure is not defined (df 0).

    chi2 is n times the discrepancy (lavaan's normal likelihood; n - 1 would be Wishart). The null model has
    uncorrelated items. rmsea = sqrt(max(chi2 - df, 0) / (df n)), with its 90 % interval and the p of rmsea <= .05. srmr
    is Bentler's: residuals standardised by the sample's deviations, diagonal included.
    """

    n: float
    n_parameters: int
    chi2: float
    df: int
    p: float
    null_chi2: float
    null_df: int
    cfi: float
    tli: float
    rmsea: float
    rmsea_lower: float
    rmsea_upper: float
    rmsea_close_p: float
    srmr: float
    log_likelihood: float
    aic: float
    bic: float

    def to_frame(self) -> pd.DataFrame:
        """One row, one column per figure."""
        return pd.DataFrame([asdict(self)])


def cfa_fit(sample: np.ndarray, implied: np.ndarray, n: float, n_parameters: int) -> CfaFit:
    """Fit of ``implied`` (p, p) to ``sample`` (p, p), a covariance matrix with divisor ``n``.

    The log-likelihood counts saturated means, which cost no parameters here (lavaan without a mean structure).

    >>> found = cfa_fit(np.array([[1.0, 0.5], [0.5, 1.0]]), np.eye(2), 100, 2)
    >>> round(found.chi2, 3), found.df, round(found.srmr, 3)
    (28.768, 1, 0.289)
    """
    p = len(sample)
    df, null_df = p * (p + 1) // 2 - n_parameters, p * (p - 1) // 2
    sample_log, implied_log = np.linalg.slogdet(sample)[1], np.linalg.slogdet(implied)[1]
    trace = float(np.trace(np.linalg.solve(implied, sample)))
    chi2 = float(max(n * (implied_log + trace - sample_log - p), 0.0))
    null_chi2 = float(n * (np.log(np.diag(sample)).sum() - sample_log))
    log_likelihood = float(-n / 2 * (p * np.log(2 * np.pi) + implied_log + trace))
    deviation = np.sqrt(np.diag(sample))
    residual = ((sample - implied) / np.outer(deviation, deviation))[np.tril_indices(p)]
    cfi, tli = _against_null(chi2, df, null_chi2, null_df)
    rmsea, lower, upper, close = _rmsea(chi2, df, n)
    return CfaFit(
        n=n,
        n_parameters=n_parameters,
        chi2=chi2,
        df=df,
        p=float(stats.chi2.sf(chi2, df)) if df > 0 else float("nan"),
        null_chi2=null_chi2,
        null_df=null_df,
        cfi=cfi,
        tli=tli,
        rmsea=rmsea,
        rmsea_lower=lower,
        rmsea_upper=upper,
        rmsea_close_p=close,
        srmr=float(np.sqrt(np.mean(residual**2))),
        log_likelihood=log_likelihood,
        aic=2 * n_parameters - 2 * log_likelihood,
        bic=float(np.log(n) * n_parameters - 2 * log_likelihood),
    )


def _against_null(chi2: float, df: int, null_chi2: float, null_df: int) -> tuple[float, float]:
    excess, null_excess = max(chi2 - df, 0.0), max(chi2 - df, null_chi2 - null_df, 0.0)
    cfi = 1 - excess / null_excess if null_excess > 0 else 1.0
    if df == 0 or null_df == 0 or null_chi2 == null_df:
        return cfi, float("nan")
    ratio = null_chi2 / null_df
    return cfi, (ratio - chi2 / df) / (ratio - 1)


def _rmsea(chi2: float, df: int, n: float) -> tuple[float, float, float, float]:
    if df == 0:
        return (float("nan"),) * 4
    estimate = float(np.sqrt(max(chi2 - df, 0.0) / (df * n)))
    limits = [float(np.sqrt(_noncentrality(chi2, df, probability) / (df * n))) for probability in (0.95, 0.05)]
    return estimate, limits[0], limits[1], float(stats.ncx2.sf(chi2, df, 0.05**2 * n * df))
