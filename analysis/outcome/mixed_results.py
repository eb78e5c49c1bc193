"""What a mixed model hands back: coefficients, variance components, effects within and between clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.common.intervals import t_test
from analysis.common.results import part_named, tidy
from analysis.common.status import Status, most_serious


@dataclass(frozen=True)
class FixedEffect:
    """One coefficient of a mixed model, tested with Satterthwaite degrees of freedom ``df``."""

    term: str
    estimate: float
    se: float
    df: float
    t: float
    p: float
    ci_lower: float
    ci_upper: float
    status: Status


@dataclass(frozen=True, eq=False)
class MixedModel:
    """A random-intercept model; made by :func:`random_intercept`.

    variance_cluster, variance_outer, variance_residual: variance components (outer NaN without outer clusters);
    icc, icc_outer: shares of their sum; the interval of icc is by profile likelihood with one level of clusters, by the
    delta method on its logit with two (NaN on the boundary then).
    cluster_p: likelihood ratio test that clusters do not differ (half chi-square with 1 df, as the null is on the
    boundary). log_likelihood: restricted with ``reml``, as lme4 reports it. cluster_effects: (G,) predicted
    deviations of the clusters, in the sorted order of their labels.
    """

    outcome: str
    method: str
    coefficients: tuple[FixedEffect, ...]
    vcov: np.ndarray
    variance_cluster: float
    variance_outer: float
    variance_residual: float
    icc: float
    icc_ci_lower: float
    icc_ci_upper: float
    icc_outer: float
    cluster_p: float
    log_likelihood: float
    cluster_effects: np.ndarray
    level: float
    n: int
    n_clusters: int
    n_outer: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]

    def __getitem__(self, term: str) -> FixedEffect:
        """The coefficient of a term; raises :class:`AnalysisError` for an unknown one."""
        return part_named(self.coefficients, "term", term)

    def to_frame(self) -> pd.DataFrame:
        """One row per term, the variance components and figures of the model beside it."""
        model = tidy(self, "coefficients", "vcov", "cluster_effects")
        rows = []
        for coefficient in self.coefficients:
            status = most_serious([self.status, coefficient.status]).value
            rows.append({**tidy(coefficient), **model, "status": status})
        return pd.DataFrame(rows)


@dataclass(frozen=True)
class LevelEffects:
    """The effect of one predictor within clusters, between them, and their difference (the contextual effect)."""

    predictor: str
    within: FixedEffect
    between: FixedEffect
    contextual: FixedEffect


@dataclass(frozen=True, eq=False)
class WithinBetween:
    """Effects of predictors split into levels, and the model they come from; made by :func:`within_between`."""

    effects: tuple[LevelEffects, ...]
    model: MixedModel

    @property
    def status(self) -> Status:
        """The most serious status of the model and its coefficients."""
        return most_serious([self.model.status, *(part.status for e in self.effects for part in (e.within, e.between))])

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences of the model."""
        return self.model.warnings

    def to_frame(self) -> pd.DataFrame:
        """One row per predictor and level (``within``, ``between``, ``contextual``)."""
        model = tidy(self.model, "coefficients", "vcov", "cluster_effects")
        rows = [
            {"predictor": effect.predictor, "part": part, **tidy(getattr(effect, part)), **model}
            | {"status": most_serious([self.model.status, getattr(effect, part).status]).value}
            for effect in self.effects
            for part in ("within", "between", "contextual")
        ]
        return pd.DataFrame(rows)


def tested(term: str, estimate: float, se: float, df: float, level: float, status: Status) -> FixedEffect:
    """A coefficient with its t test and interval; NaN where it has no standard error."""
    return FixedEffect(term, estimate, se, df, *t_test(estimate, se, df, level), status)
