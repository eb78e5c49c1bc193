"""Two raters of the same targets: difference in level, Lin's concordance, and Bland-Altman limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from analysis.common.arguments import one_of
from analysis.common.intervals import t_test
from analysis.common.observations import Observations, check_level, complete, is_constant
from analysis.common.results import OneRow, blank
from analysis.common.robust_covariance import classical, cluster_robust, least_squares, standard_error
from analysis.common.status import Status
from analysis.common.wording import several

LARGE_T = 500.0
"""Beyond it scipy's noncentral t is not reliable."""


@dataclass(frozen=True)
class PairedDifference(OneRow):
    """Mean of a - b over pairs.

    d_pooled: standardised by sqrt((s_a^2 + s_b^2) / 2), interval of Bonett (2008). d_difference: standardised by the
    standard deviation of the differences, interval from the noncentral t. se, df, t, p and the interval of the
    difference are cluster-robust (CR2) when clusters were given; ``covariance`` says which.
    """

    mean_a: float
    mean_b: float
    sd_a: float
    sd_b: float
    difference: float
    se: float
    df: float
    t: float
    p: float
    ci_lower: float
    ci_upper: float
    d_pooled: float
    d_pooled_se: float
    d_pooled_ci_lower: float
    d_pooled_ci_upper: float
    d_difference: float
    d_difference_ci_lower: float
    d_difference_ci_upper: float
    covariance: str
    level: float
    n: int
    n_clusters: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Concordance(OneRow):
    """Lin's concordance correlation (moments with divisor n), its parts and interval.

    bias_correction: C_b, concordance / Pearson r; scale_shift: sd_a / sd_b; location_shift:
    (mean_a - mean_b) / sqrt(sd_a sd_b); interval: ``z`` (Fisher's z) or ``asymptotic``; se: of the concordance.
    """

    concordance: float
    se: float
    ci_lower: float
    ci_upper: float
    pearson: float
    bias_correction: float
    scale_shift: float
    location_shift: float
    interval: str
    level: float
    n: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class LimitsOfAgreement(OneRow):
    """Bland & Altman: between which limits the difference a - b of most pairs lies.

    bias: mean difference; sd: of differences; lower, upper: bias -+ multiplier x sd, each with se_limit and interval;
    slope, slope_p: of the difference on the mean of both (does the gap grow with the level?).
    """

    bias: float
    bias_se: float
    bias_ci_lower: float
    bias_ci_upper: float
    sd: float
    lower: float
    lower_ci_lower: float
    lower_ci_upper: float
    upper: float
    upper_ci_lower: float
    upper_ci_upper: float
    se_limit: float
    slope: float
    slope_p: float
    multiplier: float
    level: float
    n: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, cluster: ArrayLike | None = None, level: float = 0.95
) -> PairedDifference:
    """The mean of ``a`` - ``b`` (n,) over pairs, raw and standardised; cluster-robust if ``cluster`` (n,) is given.

    Fewer than two pairs give NaN with a status; differences that are all equal give no test. Raises
    :class:`AnalysisError` for columns that are not numbers, hold infinities or differ in length.

    >>> found = paired_difference([3, 4, 5, 6], [2, 4, 4, 5])
    >>> found.difference, round(found.se, 6), round(found.d_difference, 6)
    (0.75, 0.25, 1.5)
    """
    check_level(level)
    rows = complete({"a": a, "b": b}, cluster)
    status, warnings = _pairs_status(rows, least=2)
    covariance = "classical" if cluster is None else "CR2"
    if cluster is not None and rows.n_clusters == 1 and rows.n > 1:
        covariance, status = "classical", Status.TOO_FEW_CLUSTERS
        warnings = ("All rows belong to one cluster: the interval says nothing of other clusters.",)
    known: dict[str, Any] = {"level": level, **rows.counts}
    if rows.n < 2:
        return blank(PairedDifference, covariance=covariance, status=status, warnings=warnings, **known)
    x, y = rows.values.T
    difference = float((x - y).mean())
    fit = least_squares(np.ones((rows.n, 1)), x - y)
    errors = cluster_robust(fit, rows.codes, rows.n_clusters) if covariance == "CR2" else classical(fit)
    varies = not is_constant(x - y)
    if not varies:
        status, warnings = Status.CONSTANT, (*warnings, "All pairs differ by the same amount: no test.")
    se, df = standard_error(errors.vcov[0, 0]) if varies else 0.0, float(errors.df[0])
    d_pooled, d_pooled_se = _d_pooled(x, y)
    d_half = float(stats.norm.ppf(0.5 + level / 2)) * d_pooled_se
    d_difference = difference / float((x - y).std(ddof=1)) if varies else np.nan
    d_low, d_high = _noncentral_limits(d_difference, rows.n, level)
    return PairedDifference(
        mean_a=float(x.mean()),
        mean_b=float(y.mean()),
        sd_a=float(x.std(ddof=1)),
        sd_b=float(y.std(ddof=1)),
        difference=difference,
        se=se,
        df=df,
        **t_test(difference, se, df, level)._asdict(),
        d_pooled=d_pooled,
        d_pooled_se=d_pooled_se,
        d_pooled_ci_lower=d_pooled - d_half,
        d_pooled_ci_upper=d_pooled + d_half,
        d_difference=d_difference,
        d_difference_ci_lower=d_low,
        d_difference_ci_upper=d_high,
        covariance=covariance,
        status=status,
        warnings=warnings,
        **known,
    )


def concordance(
    a: ArrayLike, b: ArrayLike, *, interval: Literal["z", "asymptotic"] = "z", level: float = 0.95
) -> Concordance:
    """Lin's (1989) concordance correlation of ``a`` and ``b`` (n,), with the standard error as corrected in Lin (2000).

    One rater who gives the same rating to all makes it 0 without an interval, two give NaN; fewer than three pairs give
    NaN. Raises :class:`AnalysisError` for columns that are not numbers, hold infinities or differ in length.

    >>> found = concordance([1, 2, 3, 4], [2, 3, 4, 5])
    >>> [round(float(part), 4) for part in (found.concordance, found.pearson, found.bias_correction)]
    [0.7143, 1.0, 0.7143]
    """
    check_level(level)
    one_of(interval, ("z", "asymptotic"), "interval")
    rows = complete({"a": a, "b": b})
    known: dict[str, Any] = {"interval": interval, "level": level, "n": rows.n, "n_dropped": rows.n_dropped}
    status, warnings = _pairs_status(rows, least=3)
    if status is not Status.OK:
        return blank(Concordance, status=status, warnings=warnings, **known)
    x, y = rows.values.T
    constant = is_constant(x), is_constant(y)
    if any(constant):
        sentence = "Both raters" if all(constant) else "One rater"
        value = np.nan if all(constant) else 0.0
        warnings = (f"{sentence} gave the same rating to all: no interval.",)
        return blank(Concordance, concordance=value, status=Status.CONSTANT, warnings=warnings, **known)
    sd_a, sd_b = float(x.std()), float(y.std())
    location = float(x.mean() - y.mean()) / np.sqrt(sd_a * sd_b)
    r = float(((x - x.mean()) * (y - y.mean())).mean()) / (sd_a * sd_b)
    bias_correction = 2 / (sd_a / sd_b + sd_b / sd_a + location**2)
    value = r * bias_correction
    se = _concordance_se(r, value, bias_correction, location, rows.n)
    half = float(stats.norm.ppf(0.5 + level / 2)) * se
    lower, upper = value - half, value + half
    if interval == "z" and abs(value) < 1:
        width = half / (1 - value**2)
        lower, upper = np.tanh(np.arctanh(value) - width), np.tanh(np.arctanh(value) + width)
    return Concordance(
        concordance=value,
        se=se,
        ci_lower=float(lower),
        ci_upper=float(upper),
        pearson=r,
        bias_correction=bias_correction,
        scale_shift=sd_a / sd_b,
        location_shift=location,
        status=status,
        warnings=warnings,
        **known,
    )


def limits_of_agreement(
    a: ArrayLike, b: ArrayLike, *, multiplier: float = 1.96, level: float = 0.95
) -> LimitsOfAgreement:
    """Bland & Altman (1986, 1999) limits of ``a`` - ``b`` (n,), each limit with its interval by t.

    Fewer than two pairs give NaN with a status. Raises :class:`AnalysisError` for columns that are not numbers, hold
    infinities or differ in length.

    >>> found = limits_of_agreement([3, 4, 5, 6], [2, 4, 4, 5])
    >>> found.bias, found.sd, round(found.lower, 2), round(found.upper, 2)
    (0.75, 0.5, -0.23, 1.73)
    """
    check_level(level)
    rows = complete({"a": a, "b": b})
    known: dict[str, Any] = {"multiplier": multiplier, "level": level, "n": rows.n, "n_dropped": rows.n_dropped}
    status, warnings = _pairs_status(rows, least=2)
    if status is not Status.OK:
        return blank(LimitsOfAgreement, status=status, warnings=warnings, **known)
    x, y = rows.values.T
    difference, n = x - y, rows.n
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    se, se_limit = sd / np.sqrt(n), sd * np.sqrt(1 / n + multiplier**2 / (2 * (n - 1)))
    t = float(stats.t.ppf(0.5 + level / 2, n - 1))
    lower, upper = bias - multiplier * sd, bias + multiplier * sd
    slope, slope_p = np.nan, np.nan
    if n > 2 and not is_constant(x + y):
        line = stats.linregress((x + y) / 2, difference)
        slope, slope_p = float(line.slope), float(line.pvalue)
    return LimitsOfAgreement(
        bias=bias,
        bias_se=se,
        bias_ci_lower=bias - t * se,
        bias_ci_upper=bias + t * se,
        sd=sd,
        lower=lower,
        lower_ci_lower=lower - t * se_limit,
        lower_ci_upper=lower + t * se_limit,
        upper=upper,
        upper_ci_lower=upper - t * se_limit,
        upper_ci_upper=upper + t * se_limit,
        se_limit=se_limit,
        slope=slope,
        slope_p=slope_p,
        status=status,
        warnings=warnings,
        **known,
    )


def _pairs_status(rows: Observations, least: int) -> tuple[Status, tuple[str, ...]]:
    if rows.n == 0:
        return Status.NO_DATA, ("No dyad was rated by both.",)
    if rows.n < least:
        return Status.TOO_FEW_ROWS, (f"{several(rows.n, 'dyad')} rated by both; at least {least} are needed.",)
    return Status.OK, ()


def _d_pooled(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Difference by the root mean of both variances, and its standard error (Bonett 2008, Psychol Methods 13:99)."""
    variance_a, variance_b = float(x.var(ddof=1)), float(y.var(ddof=1))
    pooled = (variance_a + variance_b) / 2
    if is_constant(x) and is_constant(y):
        return np.nan, np.nan
    d = float((x - y).mean()) / np.sqrt(pooled)
    covariance = float(np.cov(x, y)[0, 1])
    df = len(x) - 1
    of_spread = d**2 * (variance_a**2 + variance_b**2 + 2 * covariance**2) / (8 * df * pooled**2)
    of_mean = (variance_a + variance_b - 2 * covariance) / (df * pooled)
    return float(d), float(np.sqrt(max(of_spread + of_mean, 0.0)))


def _noncentral_limits(d: float, n: int, level: float) -> tuple[float, float]:
    """Limits of a one-sample standardised mean by inverting the noncentral t (Steiger & Fouladi 1997)."""
    if not np.isfinite(d):
        return np.nan, np.nan
    t, tail = abs(d) * np.sqrt(n), (1 - level) / 2
    if t > LARGE_T:
        # The normal part of T is nothing beside so large a noncentrality: nc = t s, s^2 chi-square over its df.
        low, high = (t * float(np.sqrt(stats.chi2.ppf(c, n - 1) / (n - 1) / n)) for c in (tail, 1 - tail))
        return (low, high) if d >= 0 else (-high, -low)
    z = float(stats.norm.ppf(1 - tail)) + 1
    # Brackets from T <= t exactly when Z + nc <= t s, s the ratio of the sample to the true standard deviation.
    widest = t * float(np.sqrt(stats.chi2.ppf(1 - tail / 100, n - 1) / (n - 1)))
    limits = []
    for chance in (1 - tail, tail):
        root = optimize.brentq(lambda nc, chance=chance: stats.nct.cdf(t, n - 1, nc) - chance, -z, widest + z)
        limits.append(float(root / np.sqrt(n)))
    return (limits[0], limits[1]) if d >= 0 else (-limits[1], -limits[0])


def _concordance_se(r: float, value: float, bias_correction: float, location: float, n: int) -> float:
    """Lin's standard error with concordance / r written as C_b, so that r = 0 needs no special case."""
    variance = (1 - r**2) * bias_correction**2 * (1 - value**2)
    variance += 2 * value**2 * bias_correction * (1 - value) * location**2
    variance -= value**2 * bias_correction**2 * location**4 / 2
    return float(np.sqrt(max(variance, 0.0) / (n - 2)))
