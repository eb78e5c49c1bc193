"""Outcome as a surface over the client's and the therapist's rating: does level matter, agreement, or who is higher.

z = b0 + b1 x + b2 y + b3 x^2 + b4 xy + b5 y^2 on ratings of one common scale (Edwards 2002; Shanock et al. 2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.arguments import one_of
from analysis.common.intervals import t_test
from analysis.common.observations import check_level, complete, is_constant
from analysis.common.results import blank, part_named, tidy
from analysis.common.robust_covariance import (
    COVARIANCES,
    CoefficientCovariance,
    LeastSquares,
    coefficient_covariance,
    contrast_df,
    least_squares,
    standard_error,
)
from analysis.common.status import Status
from analysis.common.wording import several

POLYNOMIAL = ("b0", "b1", "b2", "b3", "b4", "b5")
SURFACE = {
    "a1": (0, 1, 1, 0, 0, 0),
    "a2": (0, 0, 0, 1, 1, 1),
    "a3": (0, 1, -1, 0, 0, 0),
    "a4": (0, 0, 0, 1, -1, 1),
    "a5": (0, 0, 0, 1, 0, -1),
}
"""Slope and curvature along agreement (a1, a2) and disagreement (a3, a4), and whether ridges run parallel (a5)."""


@dataclass(frozen=True)
class SurfaceParameter:
    """One parameter: estimate, standard error, t test with ``df`` and interval.

    ``x0``, ``y0``: stationary point; ``p10``, ``p11`` and ``p20``, ``p21``: intercept and slope of the first and second
    principal axis; ``shift``: where on the line of disagreement the extremum lies; ``as1``, ``as2``: slope and
    curvature over the first principal axis. Those are ratios: the delta method is rough, p and interval are left out.
    """

    parameter: str
    estimate: float
    se: float
    df: float
    t: float
    p: float
    ci_lower: float
    ci_upper: float


@dataclass(frozen=True)
class SimplerModel:
    """A surface with fewer terms, and the classical F test of what it leaves out."""

    model: str
    r2: float
    aic: float
    bic: float
    f: float
    df1: int
    df2: int
    p: float


@dataclass(frozen=True, eq=False)
class ResponseSurface:
    """A response surface; made by :func:`response_surface`.

    centre: subtracted from both ratings. simpler: ``additive``, ``interaction``, ``squared_difference`` and
    ``rising_ridge`` against the full model. share_client_higher, share_therapist_higher: dyads whose ratings differ by
    more than half a standard deviation of all ratings, one way or the other (a surface needs both).
    """

    outcome: str
    parameters: tuple[SurfaceParameter, ...]
    simpler: tuple[SimplerModel, ...]
    vcov: np.ndarray
    centre: float
    r2: float
    adj_r2: float
    aic: float
    bic: float
    share_client_higher: float
    share_therapist_higher: float
    covariance: str
    level: float
    n: int
    n_clusters: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]

    def __getitem__(self, parameter: str) -> SurfaceParameter:
        """One parameter by name; raises :class:`AnalysisError` for an unknown one."""
        return part_named(self.parameters, "parameter", parameter)

    def to_frame(self) -> pd.DataFrame:
        """One row per parameter."""
        model = tidy(self, "parameters", "simpler", "vcov")
        return pd.DataFrame([{**vars(parameter), **model} for parameter in self.parameters])

    def models_to_frame(self) -> pd.DataFrame:
        """One row per simpler model."""
        return pd.DataFrame([{"outcome": self.outcome, **vars(model), "n": self.n} for model in self.simpler])


def response_surface(
    outcome: ArrayLike,
    client: ArrayLike,
    therapist: ArrayLike,
    *,
    centre: float | Literal["grand_mean"] = "grand_mean",
    cluster: ArrayLike | None = None,
    covariance: str = "CR2",
    level: float = 0.95,
    name: str = "outcome",
) -> ResponseSurface:
    """The surface of ``outcome`` (n,) over ``client`` (x) and ``therapist`` (y) ratings of one common scale.

    ``centre`` is subtracted from both: a number (the scale's midpoint), or the grand mean of both raters. Centring each
    rater at their own mean would move the line of agreement, so it is not offered. ``covariance`` as in
    :func:`analysis.outcome.regression.regress`; without ``cluster`` each row is its own. Fewer than seven rows, a
    constant column, or ratings whose polynomial terms cannot be told apart give a status and no parameters. Raises
    :class:`AnalysisError` for columns that are not numbers, hold infinities or differ in length.

    >>> client = np.tile(np.arange(5.0), 5)
    >>> therapist = np.repeat(np.arange(5.0), 5)
    >>> outcome = 3 + client - 0.5 * (client - therapist) ** 2
    >>> found = response_surface(outcome, client, therapist, centre=2.0)
    >>> {one.parameter: round(one.estimate, 4) + 0.0 for one in found.parameters if one.parameter in ("a1", "a4")}
    {'a1': 1.0, 'a4': -2.0}
    """
    check_level(level)
    one_of(covariance, COVARIANCES, "covariance")
    rows = complete({"z": outcome, "x": client, "y": therapist}, cluster)
    z, x, y = rows.values.T
    known: dict[str, Any] = {"outcome": name, "level": level, **rows.counts}
    status, sentence = _obstacle(z, x, y)
    if status is not Status.OK:
        return _without_surface(status, sentence, covariance, known)
    middle = float((x.mean() + y.mean()) / 2) if centre == "grand_mean" else float(centre)
    x, y = x - middle, y - middle
    design = np.column_stack([np.ones(rows.n), x, y, x**2, x * y, y**2])
    fit = least_squares(design, z)
    if fit.rank < 6:
        sentence = "The six terms of the surface cannot be told apart in these ratings."
        return _without_surface(Status.COLLINEAR, sentence, covariance, known)
    errors, status, warnings = _covariance(fit, rows.codes, rows.n_clusters, covariance)
    tss = float(((z - z.mean()) ** 2).sum())
    r2 = 1 - fit.rss / tss
    aic, bic = _information(fit.rss, rows.n, 6)
    client_higher, therapist_higher = _discrepant(x, y)
    if min(client_higher, therapist_higher) < 0.05:
        warnings.append("Fewer than 5 % of dyads differ in one of the directions: the surface is extrapolated there.")
    return ResponseSurface(
        parameters=(*_linear(fit.coefficients, errors, level), *_derived(fit.coefficients, errors)),
        simpler=_simpler(z, design, fit, tss),
        vcov=errors.vcov,
        centre=middle,
        r2=r2,
        adj_r2=1 - (1 - r2) * (rows.n - 1) / fit.df_residual,
        aic=aic,
        bic=bic,
        share_client_higher=client_higher,
        share_therapist_higher=therapist_higher,
        covariance=errors.kind,
        status=status,
        warnings=tuple(warnings),
        **known,
    )


def _without_surface(status: Status, sentence: str, covariance: str, known: dict[str, Any]) -> ResponseSurface:
    """A result that says why there is none."""
    return blank(
        ResponseSurface,
        parameters=tuple(blank(SurfaceParameter, parameter=parameter) for parameter in [*POLYNOMIAL, *SURFACE]),
        simpler=(),
        vcov=np.full((6, 6), np.nan),
        covariance=covariance,
        status=status,
        warnings=(sentence,),
        **known,
    )


def _obstacle(z: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[Status, str]:
    if len(z) == 0:
        return Status.NO_DATA, "No dyad has the outcome and both ratings."
    constant = [name for name, values in {"outcome": z, "client": x, "therapist": y}.items() if is_constant(values)]
    if len(z) < 7:
        return (
            Status.TOO_FEW_ROWS,
            f"{several(len(z), 'dyad')}: too few for a surface; at least 7 are needed.",
        )
    if constant:
        return Status.CONSTANT, f"All dyads have the same value of: {', '.join(constant)}."
    return Status.OK, ""


def _covariance(
    fit: LeastSquares, codes: np.ndarray, n_clusters: int, kind: str
) -> tuple[CoefficientCovariance, Status, list[str]]:
    errors = coefficient_covariance(fit, codes, n_clusters, kind)
    if errors.kind == kind:
        return errors, Status.OK, []
    sentence = f"All rows belong to one cluster: standard errors ({errors.kind}) say nothing of other clusters."
    return errors, Status.TOO_FEW_CLUSTERS, [sentence]


def _linear(b: np.ndarray, errors: CoefficientCovariance, level: float) -> list[SurfaceParameter]:
    """b0 to b5 and the combinations a1 to a5 of them."""
    contrasts = dict(zip(POLYNOMIAL, np.eye(6), strict=True))
    contrasts |= {name: np.array(row, dtype=float) for name, row in SURFACE.items()}
    found = []
    for name, row in contrasts.items():
        estimate, df = float(row @ b), contrast_df(errors, row)
        se = standard_error(float(row @ errors.vcov @ row))
        found.append(SurfaceParameter(name, estimate, se, df, *t_test(estimate, se, df, level)))
    return found


def _derived(b: np.ndarray, errors: CoefficientCovariance) -> list[SurfaceParameter]:
    """Ratios of coefficients with delta-method standard errors; NaN where a denominator is zero."""
    found = []
    for name, function in DERIVED.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            estimate = function(b)
            slope = _numeric_slope(function, b)
            se = standard_error(float(slope @ errors.vcov @ slope))
        if not (np.isfinite(estimate) and np.isfinite(se)):
            estimate, se = np.nan, np.nan
        found.append(blank(SurfaceParameter, parameter=name, estimate=float(estimate), se=se))
    return found


def _numeric_slope(function: Callable[[np.ndarray], float], b: np.ndarray) -> np.ndarray:
    """Complex-step derivative: exact to rounding, no step size to choose."""
    step = 1e-30
    return np.array([np.imag(function(b + 1j * step * e)) / step for e in np.eye(len(b))])


def _stationary(b: np.ndarray) -> tuple[Any, Any]:
    below = 4 * b[3] * b[5] - b[4] ** 2
    return (b[2] * b[4] - 2 * b[1] * b[5]) / below, (b[1] * b[4] - 2 * b[2] * b[3]) / below


def _axis_slope(b: np.ndarray, sign: int) -> Any:
    return (b[5] - b[3] + sign * np.sqrt((b[3] - b[5]) ** 2 + b[4] ** 2)) / b[4]


def _axis_intercept(b: np.ndarray, sign: int) -> Any:
    x0, y0 = _stationary(b)
    return y0 - _axis_slope(b, sign) * x0


def _first_axis_slope_of_outcome(b: np.ndarray) -> Any:
    slope, intercept = _axis_slope(b, 1), _axis_intercept(b, 1)
    return b[1] + b[2] * slope + b[4] * intercept + 2 * b[5] * intercept * slope


DERIVED: dict[str, Callable[[np.ndarray], Any]] = {
    "x0": lambda b: _stationary(b)[0],
    "y0": lambda b: _stationary(b)[1],
    "p10": lambda b: _axis_intercept(b, 1),
    "p11": lambda b: _axis_slope(b, 1),
    "p20": lambda b: _axis_intercept(b, -1),
    "p21": lambda b: _axis_slope(b, -1),
    "shift": lambda b: (b[2] - b[1]) / (2 * (b[3] - b[4] + b[5])),
    "as1": _first_axis_slope_of_outcome,
    "as2": lambda b: b[3] + b[4] * _axis_slope(b, 1) + b[5] * _axis_slope(b, 1) ** 2,
}


def _simpler(z: np.ndarray, design: np.ndarray, full: LeastSquares, tss: float) -> tuple[SimplerModel, ...]:
    """The simpler models, each a combination of the columns 1, x, y, x^2, xy, y^2 of the full ``design`` (n, 6).

    They lie in the space of the full basis, so each is a fit of six coordinates.
    """
    one, x, y, xx, xy, yy = np.eye(6)
    terms = {
        "additive": [x, y],
        "interaction": [x, y, xy],
        "squared_difference": [xx - 2 * xy + yy],
        "rising_ridge": [x + y, xx - 2 * xy + yy],
    }
    columns_of, outcome = full.basis.T @ design, full.basis.T @ z
    found = []
    for name, columns in terms.items():
        restricted = least_squares(columns_of @ np.column_stack([one, *columns]), outcome)
        rss = full.rss + restricted.rss
        df1 = 5 - len(columns)
        f = restricted.rss / df1 / (full.rss / full.df_residual) if full.rss > 0 else np.nan
        aic, bic = _information(rss, len(z), len(columns) + 1)
        p = float(stats.f.sf(f, df1, full.df_residual))
        found.append(SimplerModel(name, 1 - rss / tss, aic, bic, f, df1, full.df_residual, p))
    return tuple(found)


def _information(rss: float, n: int, k: int) -> tuple[float, float]:
    """AIC and BIC of a normal regression with k coefficients, the residual variance counted, as R has them."""
    deviance = n * (np.log(2 * np.pi * max(rss, 1e-300) / n) + 1)
    return float(deviance + 2 * (k + 1)), float(deviance + np.log(n) * (k + 1))


def _discrepant(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    difference = (x - y) / np.std(np.r_[x, y], ddof=1)
    return float((difference > 0.5).mean()), float((difference < -0.5).mean())
