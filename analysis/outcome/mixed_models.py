"""Random intercepts of therapists (and sites): how much of an outcome is theirs, and effects within and between them.

The likelihood is our own (:mod:`analysis.outcome.variance_components`). statsmodels' MixedLM was tried first: on the
reference models of lme4 its variances are off by 1e-6 to 1e-4 (ours: 1e-7 or less), it has no Satterthwaite degrees of
freedom, and on 100,000 rows of 5000 clusters with six predictors it takes a hundred times as long and more (lme4 some
thirty times; `python -m benchmarks.outcomes` runs all three).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from analysis.common.arguments import one_of
from analysis.common.observations import (
    Columns,
    Observations,
    check_level,
    complete,
    groups_within,
    is_constant,
    labels,
    named_columns,
    renumber,
)
from analysis.common.results import blank
from analysis.common.robust_covariance import LeastSquares, least_squares, standard_error
from analysis.common.status import AnalysisError, Status, most_serious
from analysis.common.wording import several
from analysis.outcome.mixed_results import FixedEffect, LevelEffects, MixedModel, WithinBetween, tested
from analysis.outcome.regression import INTERCEPT
from analysis.outcome.variance_components import (
    NestedSums,
    at,
    collapse,
    covariance_slopes,
    deviance,
    maximise,
    nested_sums,
    predicted_effects,
    rss_within,
    variance_hessian,
)

__all__ = ["FixedEffect", "LevelEffects", "MixedModel", "WithinBetween", "random_intercept", "within_between"]

Method = Literal["reml", "ml"]
BOUNDARY = 1e-9
EXACT = 1e-20


def random_intercept(
    outcome: ArrayLike,
    predictors: Columns | None = None,
    *,
    cluster: ArrayLike,
    outer: ArrayLike | None = None,
    method: Method = "reml",
    level: float = 0.95,
    name: str = "outcome",
) -> MixedModel:
    """``outcome`` (n,) on ``predictors`` (n, k) with a random intercept per ``cluster``, and per ``outer`` if given.

    Clusters (therapists) are nested in outer clusters (sites). A variance estimated as zero is flagged ``boundary``;
    constant and collinear predictors are treated as in :func:`analysis.outcome.regression.regress`. When all clusters
    have one row, or there is one cluster only, the components cannot be told apart: ``underidentified`` or
    ``too_few_clusters``, and the coefficients are those of least squares. Raises :class:`AnalysisError` for wrong
    columns, an unknown method, and a cluster that occurs in several outer clusters.

    >>> found = random_intercept([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], cluster=list("aabbcc"))
    >>> round(found.variance_cluster, 4), round(found.variance_residual, 4), round(found.icc, 4)
    (3.75, 0.5, 0.8824)
    """
    check_level(level)
    one_of(method, ("reml", "ml"), "method")
    given = named_columns(predictors)
    rows = complete({"\0outcome": outcome, **given}, cluster)
    outer_codes, n_outer = _outer_codes(rows, outer)
    used = [term for term in given if rows.n and not is_constant(rows.column(term))]
    constant = [term for term in given if term not in used]
    known: dict[str, Any] = {"outcome": name, "method": method, "level": level, "n_outer": n_outer, **rows.counts}
    status, sentence = _obstacle(rows, name, len(used))
    if status is not Status.OK:
        nothing = tuple(blank(FixedEffect, term=term, status=status) for term in [INTERCEPT, *given])
        return blank(
            MixedModel,
            coefficients=nothing,
            vcov=np.full((len(nothing),) * 2, np.nan),
            cluster_effects=np.full(rows.n_clusters, np.nan),
            status=status,
            warnings=(sentence,),
            **known,
        )
    warnings = [f"Left out, because all rows have the same value: {', '.join(constant)}."] if constant else []
    # Sums of squares of an outcome far from zero would lose the digits that matter; the intercept gets its mean back.
    origin = float(rows.values[:, 0].mean())
    y = rows.values[:, 0] - origin
    fit = least_squares(np.column_stack([np.ones(rows.n), *(rows.column(term) for term in used)]), y)
    sums = nested_sums(fit.basis, y, rows.codes, rows.n_clusters, outer_codes if n_outer else None)
    fitted = _Fitted(fit, sums, rows.n_clusters, method == "reml", level)
    return fitted.result(used, list(given), origin, known, warnings)


def within_between(
    outcome: ArrayLike,
    predictors: Columns,
    *,
    cluster: ArrayLike,
    outer: ArrayLike | None = None,
    method: Method = "reml",
    level: float = 0.95,
    name: str = "outcome",
) -> WithinBetween:
    """Each predictor split into its cluster mean (between) and the deviation from it (within), in one mixed model.

    Source: Mundlak 1978; Bell, Fairbrother & Jones 2019. Rows with a missing value are left out before means are taken.
    Raises as :func:`random_intercept`.

    >>> alliance = {"alliance": [1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 5.0, 6.0, 8.0]}
    >>> outcome = [2.0, 2.5, 3.0, 1.0, 2.0, 2.0, 5.0, 5.0, 6.0, 4.0, 5.0, 5.5]
    >>> found = within_between(outcome, alliance, cluster=list("aaabbbcccddd"))
    >>> effect = found.effects[0]
    >>> round(effect.within.estimate, 3), round(effect.between.estimate, 3)
    (0.484, 0.766)
    """
    given = named_columns(predictors)
    rows = complete({"\0outcome": outcome, **given}, cluster)
    sizes = np.maximum(np.bincount(rows.codes, minlength=rows.n_clusters), 1)
    split: dict[str, np.ndarray] = {}
    for term in given:
        means = np.bincount(rows.codes, weights=rows.column(term), minlength=rows.n_clusters) / sizes
        between = means[rows.codes]
        within = rows.column(term) - between
        split[f"{term} (within)"] = np.where(np.abs(within) < 1e-12 * (1 + np.abs(between)), 0.0, within)
        split[f"{term} (between)"] = between
    kept_outer = None if outer is None else np.asarray(outer, dtype=object)[rows.kept]
    model = random_intercept(
        rows.values[:, 0], split, cluster=rows.codes, outer=kept_outer, method=method, level=level, name=name
    )
    effects = []
    for term in given:
        within_effect, between_effect = model[f"{term} (within)"], model[f"{term} (between)"]
        effects.append(LevelEffects(term, within_effect, between_effect, _difference(model, term)))
    return WithinBetween(tuple(effects), model)


def _difference(model: MixedModel, term: str) -> FixedEffect:
    """Between minus within; its degrees of freedom are the smaller of both, which is the careful side."""
    names = [coefficient.term for coefficient in model.coefficients]
    low, high = names.index(f"{term} (within)"), names.index(f"{term} (between)")
    within, between = model.coefficients[low], model.coefficients[high]
    variance = model.vcov[low, low] + model.vcov[high, high] - 2 * model.vcov[low, high]
    se = float(np.sqrt(variance)) if variance > 0 else np.nan
    status = most_serious([within.status, between.status])
    df = min(within.df, between.df)
    return tested(f"{term} (contextual)", between.estimate - within.estimate, se, df, model.level, status)


def _outer_codes(rows: Observations, outer: ArrayLike | None) -> tuple[np.ndarray, int]:
    """The outer cluster of each cluster, (G,), and how many there are."""
    if outer is None:
        return np.zeros(rows.n_clusters, dtype=int), 0
    given = np.asarray(outer, dtype=None if np.asarray(outer).dtype.kind in "iu" else object)
    if len(given) != len(rows.kept):
        raise AnalysisError(
            f"{several(len(given), 'outer cluster')} for {several(len(rows.kept), 'row')}; one per row is needed."
        )
    of_rows, _ = labels(given[rows.kept], "outer")
    if (of_rows < 0).any():
        raise AnalysisError("Every row needs its outer cluster (site); some are missing.")
    of_cluster, extra = groups_within(rows.codes, of_rows, rows.n_clusters)
    if extra:
        raise AnalysisError(
            f"Clusters must lie within one outer cluster; {several(extra, 'more pair')} than clusters were found."
        )
    codes, found = renumber(of_cluster)
    # One outer cluster has no variance to speak of: the model is that without it.
    return codes, len(found) if len(found) > 1 else 0


def _obstacle(rows: Observations, name: str, n_terms: int) -> tuple[Status, str]:
    if rows.n == 0:
        return Status.NO_DATA, "No row has the outcome and all predictors."
    if is_constant(rows.values[:, 0]):
        return Status.CONSTANT, f"The outcome '{name}' does not vary over its {several(rows.n, 'row')}."
    if rows.n < n_terms + 3:
        return (
            Status.TOO_FEW_ROWS,
            f"{several(rows.n, 'row')} for {several(n_terms, 'predictor')}; {n_terms + 3} are needed.",
        )
    return Status.OK, ""


class _Fitted:
    """A fitted model on its way to a :class:`MixedModel`."""

    def __init__(self, fit: LeastSquares, sums: NestedSums, n_clusters: int, reml: bool, level: float) -> None:
        self.fit, self.sums, self.n_clusters, self.reml, self.level = fit, sums, n_clusters, reml, level
        self.status, self.reason = self._identified()
        self.ratios, converged = np.zeros(sums.n_ratios), True
        if self.status is Status.OK:
            self.ratios, converged = maximise(sums, reml)
        elif self.status is Status.UNDERIDENTIFIED and sums.n_ratios == 2:
            self.ratios[1] = maximise(collapse(sums), reml)[0][0]
        if not converged:
            self.status, self.reason = Status.NOT_CONVERGED, "The likelihood could not be maximised."
        self.point = at(sums, self.ratios)
        df = sums.n - sums.rank if reml else sums.n
        self.residual = self.point.rss / df
        self.variances = np.r_[self.ratios * self.residual, self.residual]

    def _identified(self) -> tuple[Status, str]:
        total = self.sums.total
        if self.fit.df_residual < 1:
            return (
                Status.TOO_FEW_ROWS,
                f"{several(self.sums.n, 'row')}: no residual degrees of freedom.",
            )
        if self.fit.rss <= EXACT * total:
            return Status.SINGULAR, "The predictors reproduce the outcome exactly."
        if self.n_clusters < 2:
            return Status.TOO_FEW_CLUSTERS, "All rows belong to one cluster: its variance cannot be estimated."
        if self.sums.sizes.max() < 2:
            return Status.UNDERIDENTIFIED, "Every cluster has one row: its variance is part of the residual one."
        if rss_within(self.sums) <= EXACT * total:
            return (
                Status.SINGULAR,
                "Clusters and predictors reproduce the outcome exactly: nothing varies within clusters.",
            )
        return Status.OK, ""

    def result(
        self, used: list[str], terms: list[str], origin: float, known: dict[str, Any], warnings: list[str]
    ) -> MixedModel:
        """The model in full; ``used``: terms of the design, ``terms``: all given, ``origin``: the outcome's zero."""
        if self.reason:
            warnings.append(self.reason)
        singular = self.status is Status.OK and bool((self.ratios <= BOUNDARY).any())
        if singular:
            level = "clusters" if self.ratios[0] <= BOUNDARY else "outer clusters"
            warnings.append(f"Singular fit: the variance of {level} is estimated as zero.")
            self.status = Status.BOUNDARY
        estimable = dict(zip([INTERCEPT, *used], self.fit.estimable, strict=True))
        collinear = [term for term, told in estimable.items() if not told]
        if collinear:
            warnings.append(f"Cannot be told apart (perfect collinearity): {', '.join(collinear)}.")
        covariance, df = self._uncertainty()
        coordinates = self.sums.start + self.point.moved
        estimates = np.where(self.fit.estimable, self.fit.to_coefficients @ coordinates, np.nan)
        estimates[0] += origin
        vcov = self.fit.covariance(covariance)
        coefficients = []
        for term in [INTERCEPT, *terms]:
            if term not in estimable:
                coefficients.append(blank(FixedEffect, term=term, status=Status.CONSTANT))
                continue
            i = [INTERCEPT, *used].index(term)
            status = Status.OK if estimable[term] else Status.COLLINEAR
            se = standard_error(vcov[i, i])
            coefficients.append(tested(term, float(estimates[i]), se, df[i], self.level, status))
        return MixedModel(
            coefficients=tuple(coefficients),
            vcov=_set_into(vcov, [INTERCEPT, *used], [INTERCEPT, *terms]),
            cluster_effects=predicted_effects(self.sums, self.ratios),
            status=self.status,
            warnings=tuple(warnings),
            **self._components(),
            **known,
        )

    def _uncertainty(self) -> tuple[np.ndarray, list[float]]:
        """Covariance of the basis coordinates and Satterthwaite degrees of freedom of each coefficient."""
        if not self.residual > EXACT * self.sums.total:
            return np.full((self.fit.rank,) * 2, np.nan), [np.nan] * len(self.fit.coefficients)
        covariance, slopes = covariance_slopes(self.sums, self.variances)
        free = np.r_[self.ratios > BOUNDARY, True]
        if free.sum() == 1:
            return covariance, [float(self.fit.df_residual if self.reml else self.sums.n)] * len(self.fit.coefficients)
        spread = self._variance_covariance(free)
        df = []
        for row in self.fit.to_coefficients:
            slope = np.array([row @ s @ row for s in slopes])[free]
            noise = float(slope @ spread @ slope)
            df.append(float(2 * (row @ covariance @ row) ** 2 / noise) if noise > 0 else np.nan)
        return covariance, df

    def _variance_covariance(self, free: np.ndarray) -> np.ndarray:
        """Asymptotic covariance of the variance components that are not on the boundary."""
        hessian = variance_hessian(self.sums, self.variances, self.reml)[np.ix_(free, free)]
        return 2 * np.linalg.pinv(hessian, hermitian=True)

    def _components(self) -> dict[str, Any]:
        total = float(self.variances.sum())
        two = self.sums.n_ratios == 2
        told = self.status in (Status.OK, Status.BOUNDARY, Status.NOT_CONVERGED)
        outer_told = told or self.status is Status.UNDERIDENTIFIED
        exact = self.residual <= EXACT * self.sums.total
        log_likelihood = np.nan if exact else -0.5 * self._reported_deviance(deviance(self.sums, self.point, self.reml))
        low, high = self._icc_interval() if told else (np.nan, np.nan)
        return {
            "variance_cluster": float(self.variances[0]) if told else np.nan,
            "variance_outer": float(self.variances[1]) if two and outer_told else np.nan,
            "variance_residual": self.residual,
            "icc": float(self.variances[0]) / total if told else np.nan,
            "icc_ci_lower": low,
            "icc_ci_upper": high,
            "icc_outer": float(self.variances[1]) / total if two and outer_told else np.nan,
            "cluster_p": self._cluster_p() if told else np.nan,
            "log_likelihood": log_likelihood,
        }

    def _reported_deviance(self, value: float) -> float:
        """The restricted deviance in the metric of the design, as lme4 has it, not of our orthonormal basis."""
        if not self.reml:
            return value
        size = np.linalg.svd(self.fit.to_coefficients, compute_uv=False)
        return value - 2 * float(np.log(size[size > 0]).sum())

    def _cluster_p(self) -> float:
        without = np.zeros(self.sums.n_ratios)
        if self.sums.n_ratios == 2:
            without[1] = maximise(collapse(self.sums), self.reml)[0][0]
        gain = deviance(self.sums, at(self.sums, without), self.reml) - deviance(self.sums, self.point, self.reml)
        return 1.0 if gain <= 1e-10 else float(0.5 * stats.chi2.sf(gain, 1))

    def _icc_interval(self) -> tuple[float, float]:
        if self.sums.n_ratios == 2:
            return self._delta_icc()
        least = deviance(self.sums, self.point, self.reml)
        cut = least + float(stats.chi2.ppf(self.level, 1))

        def above(icc: float) -> float:
            return deviance(self.sums, at(self.sums, np.array([icc / (1 - icc)])), self.reml) - cut

        best = float(self.ratios[0] / (1 + self.ratios[0]))
        top = 1 - 1e-7
        low = 0.0 if above(0.0) <= 0 else float(optimize.brentq(above, 0.0, best))
        high = 1.0 if above(top) <= 0 else float(optimize.brentq(above, best, top))
        return low, high

    def _delta_icc(self) -> tuple[float, float]:
        free = np.r_[self.ratios > BOUNDARY, True]
        if not free.all():
            return np.nan, np.nan
        total = float(self.variances.sum())
        icc = float(self.variances[0]) / total
        slope = np.full(3, -icc / total)
        slope[0] += 1 / total
        se = standard_error(float(slope @ self._variance_covariance(free) @ slope)) / (icc * (1 - icc))
        half = float(stats.norm.ppf(0.5 + self.level / 2)) * se
        return float(special.expit(special.logit(icc) - half)), float(special.expit(special.logit(icc) + half))


def _set_into(vcov: np.ndarray, used: Sequence[str], terms: Sequence[str]) -> np.ndarray:
    where = [list(terms).index(term) for term in used]
    full = np.full((len(terms),) * 2, np.nan)
    full[np.ix_(where, where)] = vcov
    return full
