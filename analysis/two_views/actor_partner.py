"""Does each rater's outcome follow their own view of the alliance (actor) or that of the other (partner)?

The actor-partner interdependence model for distinguishable dyads (Kenny, Kashy & Cook 2006): two equations with the
same two predictors, so that estimates are least squares; what is special is testing across equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.arguments import one_of
from analysis.common.intervals import percentile_interval, t_test
from analysis.common.observations import Observations, check_level, cluster_sums, complete, is_constant
from analysis.common.resampling import replicate_blocks
from analysis.common.results import blank, part_named, tidy
from analysis.common.robust_covariance import (
    LeastSquares,
    contrast_df,
    least_squares,
    stacked_cluster_robust,
    standard_error,
    wald_htz,
)
from analysis.common.status import Status
from analysis.common.wording import several

Errors = Literal["CR2", "ML"]
PATHS = ("actor_client", "partner_client", "actor_therapist", "partner_therapist")
COMBINED = ("ratio_client", "ratio_therapist", "actor_difference", "partner_difference")
# Stacked coefficients: intercept, x client, x therapist of the client's outcome, then of the therapist's.
POSITION = {"actor_client": 1, "partner_client": 2, "partner_therapist": 4, "actor_therapist": 5}


@dataclass(frozen=True)
class PathEffect:
    """One path or combination of paths.

    ``actor_client``: client's view on client's outcome; ``partner_client``: therapist's view on client's outcome;
    ``actor_therapist``, ``partner_therapist``: likewise for the therapist's outcome. ``ratio_*``: partner / actor (0:
    own view only, 1: both alike, -1: contrast; no p, as a ratio has no null); ``*_difference``: client minus therapist.
    standardised: in standard deviations. df is infinite for ``ML``. boot: percentiles over resampled clusters.
    """

    effect: str
    estimate: float
    se: float
    df: float
    statistic: float
    p: float
    ci_lower: float
    ci_upper: float
    standardised: float
    boot_ci_lower: float
    boot_ci_upper: float


@dataclass(frozen=True, eq=False)
class ActorPartner:
    """An actor-partner model; made by :func:`actor_partner`.

    equal_p: are both actor and both partner paths equal (CR2: HTZ test; ML: likelihood ratio, with its statistic, df1 =
    2). distinguishable_chi2, _df, _p: likelihood ratio test that roles make no difference at all (means, variances,
    covariances), dyads taken as independent. r2_*: of each outcome. residual_correlation: of what the paths leave.
    """

    effects: tuple[PathEffect, ...]
    equal_statistic: float
    equal_df1: float
    equal_df2: float
    equal_p: float
    equal_actor: float
    equal_partner: float
    distinguishable_chi2: float
    distinguishable_df: int
    distinguishable_p: float
    r2_client: float
    r2_therapist: float
    residual_correlation: float
    x_correlation: float
    errors: str
    n_bootstrap: int
    seed: int
    level: float
    n: int
    n_clusters: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]

    def __getitem__(self, effect: str) -> PathEffect:
        """One effect by name; raises :class:`AnalysisError` for an unknown one."""
        return part_named(self.effects, "effect", effect)

    def to_frame(self) -> pd.DataFrame:
        """One row per effect."""
        model = tidy(self, "effects")
        return pd.DataFrame([{**vars(effect), **model} for effect in self.effects])


def actor_partner(
    x_client: ArrayLike,
    x_therapist: ArrayLike,
    outcome_client: ArrayLike,
    outcome_therapist: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    errors: Errors = "CR2",
    n_bootstrap: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> ActorPartner:
    """Actor and partner effects of both views (n,) on both outcomes (n,), one row per dyad; complete dyads only.

    ``CR2``: standard errors robust to ``cluster`` (therapists; without it each dyad is its own), Satterthwaite degrees
    of freedom. ``ML``: those of a saturated structural equation model (lavaan), dyads independent. Constant or
    identical views, a constant outcome and fewer than five dyads give a status and NaN; all dyads of one therapist fall
    back to one cluster per dyad and say so. Raises :class:`AnalysisError` for columns that are not numbers, hold
    infinities or differ in length.

    >>> client, therapist = [1, 2, 3, 4, 5, 6, 7, 8], [2, 4, 1, 3, 8, 5, 7, 6]
    >>> benefit, own = [2, 2, 4, 4, 4, 7, 6, 8], [3, 4, 2, 3, 7, 6, 8, 5]
    >>> found = actor_partner(client, therapist, benefit, own)
    >>> {one.effect: round(one.estimate, 3) for one in found.effects[:4]}
    {'actor_client': 1.083, 'partner_client': -0.333, 'actor_therapist': 0.785, 'partner_therapist': 0.035}
    """
    check_level(level)
    one_of(errors, ("CR2", "ML"), "kind of errors")
    columns = {"client's view": x_client, "therapist's view": x_therapist}
    columns |= {"client's outcome": outcome_client, "therapist's outcome": outcome_therapist}
    rows = complete(columns, cluster)
    known: dict[str, Any] = {"errors": errors, "seed": seed, "level": level, **rows.counts}
    status, sentence = _obstacle(rows)
    if status is not Status.OK:
        nothing = tuple(blank(PathEffect, effect=effect) for effect in PATHS + COMBINED)
        return blank(ActorPartner, effects=nothing, n_bootstrap=0, status=status, warnings=(sentence,), **known)
    warnings: list[str] = []
    codes, n_clusters = rows.codes, rows.n_clusters
    if n_clusters < 2:
        status = Status.TOO_FEW_CLUSTERS
        warnings.append("All dyads belong to one cluster: standard errors describe dyads within it.")
        codes, n_clusters = np.arange(rows.n), rows.n
    n_bootstrap = n_bootstrap if rows.n_clusters > 1 else 0
    model = _Model(rows, codes, n_clusters, errors, level)
    return ActorPartner(
        effects=model.effects(n_bootstrap, seed),
        **model.equal_paths(),
        **_distinguishable(rows.values),
        **model.fit_figures(),
        n_bootstrap=n_bootstrap,
        status=status,
        warnings=tuple(warnings),
        **known,
    )


def _obstacle(rows: Observations) -> tuple[Status, str]:
    if rows.n == 0:
        return Status.NO_DATA, "No dyad has both views and both outcomes."
    if rows.n < 5:
        return (
            Status.TOO_FEW_ROWS,
            f"{several(rows.n, 'complete dyad')}; at least 5 are needed.",
        )
    constant = [name for name in rows.names if is_constant(rows.column(name))]
    if constant:
        return Status.CONSTANT, f"All dyads have the same value of: {', '.join(constant)}."
    views = np.column_stack([np.ones(rows.n), rows.values[:, :2]])
    if least_squares(views, rows.values[:, 2]).rank < 3:
        return (
            Status.COLLINEAR,
            "The client's and the therapist's view cannot be told apart: one follows from the other.",
        )
    covariance = np.cov(rows.values, rowvar=False)
    scale = np.sqrt(np.diag(covariance))
    if np.linalg.eigvalsh(covariance / np.outer(scale, scale)).min() < 1e-10:
        return Status.SINGULAR, "One of the views and outcomes follows exactly from the others."
    return Status.OK, ""


class _Model:
    """The two equations, stacked, and what follows from them."""

    def __init__(self, rows: Observations, codes: np.ndarray, n_clusters: int, errors: str, level: float) -> None:
        self.rows, self.codes, self.n_clusters, self.errors, self.level = rows, codes, n_clusters, errors, level
        self.design = np.column_stack([np.ones(rows.n), rows.values[:, :2]])
        self.outcomes = rows.values[:, 2:]
        fit: LeastSquares = least_squares(self.design, self.outcomes[:, 0])
        self.residuals = self.outcomes - fit.basis @ (fit.basis.T @ self.outcomes)
        self.spread = self.residuals.T @ self.residuals / rows.n
        self.coefficients, self.robust = stacked_cluster_robust(fit, self.outcomes, codes, n_clusters)
        ml = np.kron(self.spread, fit.to_coefficients @ fit.to_coefficients.T)
        self.vcov = self.robust.vcov if errors == "CR2" else ml

    def effects(self, n_bootstrap: int, seed: int) -> tuple[PathEffect, ...]:
        """Paths and combinations with their tests and intervals."""
        b = self.coefficients
        limits = self._bootstrap(n_bootstrap, seed)
        scale = self._scale()
        found = []
        for effect in PATHS + COMBINED:
            estimate, slope = _value_and_slope(effect, b)
            se = standard_error(float(slope @ self.vcov @ slope))
            df = contrast_df(self.robust, slope) if self.errors == "CR2" else np.inf
            test = t_test(estimate, se, df, self.level)
            found.append(
                PathEffect(
                    effect=effect,
                    estimate=estimate,
                    se=se,
                    df=df,
                    statistic=test.t,
                    p=np.nan if effect.startswith("ratio") else test.p,
                    ci_lower=test.ci_lower,
                    ci_upper=test.ci_upper,
                    standardised=estimate * scale[effect] if effect in scale else np.nan,
                    boot_ci_lower=limits[effect][0],
                    boot_ci_upper=limits[effect][1],
                )
            )
        return tuple(found)

    def equal_paths(self) -> dict[str, Any]:
        """The test that actor and partner paths are equal, and the common paths by maximum likelihood."""
        actor, partner, spread = self._constrained()
        terms = [POSITION[name] for name in PATHS]
        if self.errors == "CR2":
            contrasts = np.array([[1.0, 0, -1, 0], [0, 1, 0, -1]])
            test = wald_htz(self.robust, self.coefficients, terms, contrasts)
        else:
            ratio = self.rows.n * float(np.linalg.slogdet(spread)[1] - np.linalg.slogdet(self.spread)[1])
            test = (ratio, 2.0, np.inf, float(stats.chi2.sf(ratio, 2)))
        names = ("equal_statistic", "equal_df1", "equal_df2", "equal_p", "equal_actor", "equal_partner")
        return dict(zip(names, (*test, actor, partner), strict=True))

    def fit_figures(self) -> dict[str, Any]:
        """Variance explained and correlations of views and of residuals."""
        total = self.outcomes.var(axis=0)
        r2 = 1 - np.diag(self.spread) / total
        return {
            "r2_client": float(r2[0]),
            "r2_therapist": float(r2[1]),
            "residual_correlation": float(self.spread[0, 1] / np.sqrt(self.spread[0, 0] * self.spread[1, 1])),
            "x_correlation": float(np.corrcoef(self.rows.values[:, :2], rowvar=False)[0, 1]),
        }

    def _constrained(self) -> tuple[float, float, np.ndarray]:
        """Generalised least squares with equal paths, iterated with the residual covariance to the ML optimum."""
        x = self.rows.values[:, :2]
        # Free intercepts take up any centring; a common unit keeps both raters' paths comparable.
        unit = float(np.sqrt(x.var(axis=0).mean()))
        x = (x - x.mean(axis=0)) / unit
        one, none = np.ones(self.rows.n), np.zeros(self.rows.n)
        designs = np.stack([np.column_stack([one, none, x]), np.column_stack([none, one, x[:, ::-1]])])
        centred = self.outcomes - self.outcomes.mean(axis=0)
        # Everything the iteration needs are cross-products of the two designs and the two outcomes.
        inner = np.array([[left.T @ right for right in designs] for left in designs])
        joint = np.array([[left.T @ y for y in centred.T] for left in designs])
        squares = centred.T @ centred
        spread = self.spread
        for _ in range(500):
            weight = np.linalg.inv(spread)
            b = np.linalg.solve(np.einsum("kl,klij->ij", weight, inner), np.einsum("kl,kli->i", weight, joint))
            crossed = joint.transpose(1, 0, 2) @ b
            updated = (squares - crossed - crossed.T + b @ inner @ b) / self.rows.n
            if np.abs(updated - spread).max() <= 1e-13 * np.abs(spread).max():
                break
            spread = updated
        return float(b[2]) / unit, float(b[3]) / unit, updated

    def _scale(self) -> dict[str, float]:
        sd = self.rows.values.std(axis=0)
        own = {"actor_client": sd[0] / sd[2], "partner_client": sd[1] / sd[2]}
        return {**own, "actor_therapist": sd[1] / sd[3], "partner_therapist": sd[0] / sd[3]}

    def _bootstrap(self, n_bootstrap: int, seed: int) -> dict[str, tuple[float, float]]:
        if n_bootstrap < 1:
            return dict.fromkeys(PATHS + COMBINED, (np.nan, np.nan))
        joined = np.column_stack([self.design, self.outcomes])
        joined[:, 1:] -= joined[:, 1:].mean(axis=0)
        i, j = np.triu_indices(5)
        sums = cluster_sums(joined[:, i] * joined[:, j], self.codes, self.n_clusters)
        replicates = []
        for block in replicate_blocks(n_bootstrap, seed):
            products = np.empty((block.size, 5, 5))
            products[:, i, j] = products[:, j, i] = block.weights(self.n_clusters).astype(float) @ sums
            # A resample of few therapists can be singular; the pseudo-inverse keeps the batch going.
            slopes = np.linalg.pinv(products[:, :3, :3], hermitian=True) @ products[:, :3, 3:]
            replicates.append(np.concatenate([slopes[:, :, 0], slopes[:, :, 1]], axis=1))
        b = np.concatenate(replicates).T
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.column_stack([_value(effect, b) for effect in PATHS + COMBINED])
        lower, upper, _ = percentile_interval(values, self.level)
        return {e: (float(lower[at]), float(upper[at])) for at, e in enumerate(PATHS + COMBINED)}


def _value(effect: str, b: np.ndarray) -> Any:
    """An effect from the stacked coefficients (6, ...)."""
    if effect in POSITION:
        return b[POSITION[effect]]
    if effect.startswith("ratio"):
        rater = effect.removeprefix("ratio_")
        return b[POSITION[f"partner_{rater}"]] / b[POSITION[f"actor_{rater}"]]
    kind = effect.removesuffix("_difference")
    return b[POSITION[f"{kind}_client"]] - b[POSITION[f"{kind}_therapist"]]


def _value_and_slope(effect: str, b: np.ndarray) -> tuple[float, np.ndarray]:
    """An effect and its derivatives by the six coefficients (complex step, exact to rounding)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.array([np.imag(_value(effect, b + 1e-30j * e)) / 1e-30 for e in np.eye(6)])
        return float(_value(effect, b)), slope


def _distinguishable(values: np.ndarray) -> dict[str, Any]:
    """Likelihood ratio of free moments against moments that are the same when the raters change places (6 df)."""
    swap = [1, 0, 3, 2]
    free, means = np.cov(values, rowvar=False, ddof=0), values.mean(axis=0)
    # The moments of the rows together with the same rows after the raters changed places.
    apart = (means - means[swap]) / 2
    spread = (free + free[np.ix_(swap, swap)]) / 2
    # log det(spread + apart apart'), whose second part may be so large that the sum would lose the first.
    log_alike = np.linalg.slogdet(spread)[1] + np.log1p(apart @ np.linalg.solve(spread, apart))
    chi2 = len(values) * float(log_alike - np.linalg.slogdet(free)[1])
    p = float(stats.chi2.sf(chi2, 6))
    return {"distinguishable_chi2": chi2, "distinguishable_df": 6, "distinguishable_p": p}
