"""Bootstrap intervals for statistics that resampling pushes to one side.

A resample adds sampling noise a second time. Congruences, component correlations and agreement of partitions are all
lowered by noise, so their replicates lie below the estimate as the estimate lies below the truth, and a percentile
interval misses the truth (in simulations of two samples of 176 rows from one population it never held the true
congruence). The estimate less the bootstrap's bias, plus and minus normal quantiles of its standard error, does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.intervals import replicates_of
from analysis.common.matrices import as_floats
from analysis.common.observations import check_level


@dataclass(frozen=True, eq=False)
class CorrectedInterval:
    """Bias (mean of replicates less estimate), standard error and limits, each of the shape of the estimate."""

    bias: np.ndarray
    se: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def bias_corrected_interval(
    estimate: ArrayLike,
    replicates: ArrayLike,
    level: float = 0.95,
    *,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> CorrectedInterval:
    """Estimate - bias -+ z se over axis 0 of ``replicates`` (b, ...), cut off at ``limits``.

    Davison & Hinkley (1997), section 5.2. NaN where fewer than half of the replicates (or fewer than two) gave a
    number.

    >>> found = bias_corrected_interval(0.9, np.array([0.80, 0.85, 0.90]))
    >>> round(float(found.bias), 3), round(float(found.lower), 3), round(float(found.upper), 3)
    (-0.05, 0.852, 1.048)
    """
    quantile = stats.norm.ppf(0.5 + check_level(level) / 2)
    value, drawn = as_floats(estimate, "An estimate is a number."), replicates_of(replicates)
    finite = np.isfinite(drawn)
    usable = finite.sum(axis=0) >= max(2.0, len(drawn) / 2)
    safe = np.where(usable, np.where(finite, drawn, np.nan), 0.0)
    if len(drawn) < 2:
        nothing = np.full(value.shape, np.nan)
        return CorrectedInterval(nothing, nothing.copy(), nothing.copy(), nothing.copy())
    bias = np.where(usable, np.nanmean(safe, axis=0) - value, np.nan)
    error = np.where(usable, np.nanstd(safe, axis=0, ddof=1), np.nan)
    lower, upper = value - bias - quantile * error, value - bias + quantile * error
    return CorrectedInterval(bias, error, np.clip(lower, *limits), np.clip(upper, *limits))


def bias_corrected_correlation(estimate: ArrayLike, replicates: ArrayLike, level: float = 0.95) -> CorrectedInterval:
    """The same for correlations: limits through Fisher's z, bias and se as they are in correlations.

    A correlation of exactly 1 (a diagonal) has limits of 1.

    >>> found = bias_corrected_correlation(np.array(0.5), np.array([0.4, 0.5, 0.6]))
    >>> round(float(found.bias), 3), round(float(found.lower), 3), round(float(found.upper), 3)
    (0.0, 0.272, 0.668)
    """
    estimate, replicates = as_floats(estimate, "A correlation is a number."), replicates_of(replicates)
    one = np.abs(estimate) > 1 - 1e-9
    plain = bias_corrected_interval(estimate, replicates, level)
    z = np.arctanh(np.where(one, 0.0, np.clip(estimate, -0.999999, 0.999999)))
    drawn = np.arctanh(np.where(one, 0.0, np.clip(replicates, -0.999999, 0.999999)))
    transformed = bias_corrected_interval(z, drawn, level)
    lower = np.where(one, estimate, np.tanh(transformed.lower))
    upper = np.where(one, estimate, np.tanh(transformed.upper))
    return CorrectedInterval(plain.bias, plain.se, lower, upper)
