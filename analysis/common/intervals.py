"""Intervals: of an estimate by t, percentile limits of a bootstrap, and Fisher's z for correlations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.matrices import LARGEST, as_floats
from analysis.common.observations import check_level
from analysis.common.status import AnalysisError


class Tested(NamedTuple):
    """t, its two-sided p, and the interval of the estimate."""

    t: float
    p: float
    ci_lower: float
    ci_upper: float


def t_test(estimate: float, se: float, df: float, level: float = 0.95) -> Tested:
    """An estimate tested against zero, from its standard error and degrees of freedom (may be infinite).

    Without a standard error above zero there is no t and no p, without degrees of freedom no interval either (NaN).
    """
    t = estimate / se if se > 0 else np.nan
    half = float(stats.t.ppf(0.5 + level / 2, df)) * se
    return Tested(t, float(2 * stats.t.sf(abs(t), df)), estimate - half, estimate + half)


def percentile_interval(replicates: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower limits, upper limits and standard errors over axis 0 of (b, ...); replicates without a number left out.

    Fewer than half of the replicates usable gives NaN: such an interval would describe the usable ones only.

    >>> lower, upper, se = percentile_interval(np.arange(101.0))
    >>> round(float(lower), 4), round(float(upper), 4), round(float(se), 4)
    (2.5, 97.5, 29.3002)
    """
    tail = (1.0 - check_level(level)) / 2.0
    values = replicates_of(replicates)
    if len(values) < 2:
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing.copy(), nothing.copy()
    finite = np.isfinite(values)
    usable = finite.sum(axis=0) >= max(2.0, len(values) / 2)
    safe = np.where(usable, np.where(finite, values, np.nan), 0.0)
    lower, upper = np.nanquantile(safe, [tail, 1.0 - tail], axis=0)
    spread = np.nanstd(safe, axis=0, ddof=1)
    return np.where(usable, lower, np.nan), np.where(usable, upper, np.nan), np.where(usable, spread, np.nan)


def replicates_of(values: ArrayLike) -> np.ndarray:
    """(b, ...) replicates as floats; raises :class:`AnalysisError` for what are no numbers, or is one of them only."""
    told = "Replicates are an array of numbers, one replicate after the other."
    drawn = as_floats(values, told)
    if drawn.ndim == 0:
        raise AnalysisError(told)
    return np.where(np.abs(drawn) > LARGEST, np.nan, drawn)


def fisher_interval(r: ArrayLike, n: ArrayLike, n_partialled: int = 0, level: float = 0.95) -> tuple[np.ndarray, ...]:
    """Interval of a correlation by Fisher's z, standard error 1 / sqrt(n - 3 - n_partialled); NaN where n is too small.

    With |r| = 1 both limits are r. ``n`` may be an effective number of rows.

    >>> lower, upper = fisher_interval(0.5, 28)
    >>> round(float(lower), 4), round(float(upper), 4)
    (0.156, 0.7358)
    """
    half = stats.norm.ppf(0.5 + check_level(level) / 2)
    told = "Correlations and their numbers of rows are numbers."
    room = as_floats(n, told) - 3.0 - n_partialled
    se = np.where(room > 0, 1.0 / np.sqrt(np.where(room > 0, room, 1.0)), np.nan)
    with np.errstate(divide="ignore"):
        z = np.arctanh(np.clip(as_floats(r, told), -1.0, 1.0))
    return np.tanh(z - half * se), np.tanh(z + half * se)
