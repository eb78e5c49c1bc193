"""Rows of ``outcome_effects``: correlations and the regression on all predictors at once, for one outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.status import Status, attempt, most_serious
from analysis.common.study_rows import count_people
from analysis.components.component_tables import why
from analysis.outcome.association import Correlation, correlate
from analysis.outcome.regression import Coefficient, Regression, regress


@dataclass(frozen=True)
class EffectSettings:
    """Bootstrap samples, least rows, level, and the seed of the bootstrap."""

    bootstrap: int
    min_rows: int
    level: float
    seed: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """One outcome of one rater with the ratings chosen for it: rows of ``predictors`` (n, k), ``keys`` and ``values``
    (n,) correspond. ``before``: the measure before therapy it is adjusted for, if there is one. ``jointly``: whether
    the predictors belong together in one regression."""

    name: str
    rater: str
    values: np.ndarray
    before: np.ndarray | None
    before_name: str
    predictors: pd.DataFrame
    predictor_rater: str
    keys: pd.DataFrame
    jointly: bool
    overlap_left_out: bool = False

    @property
    def clusters(self) -> np.ndarray:
        """(n,) the therapist, or the client where no therapist is known."""
        return self.keys["therapist_id"].fillna(self.keys["client_id"]).to_numpy(dtype=object)

    def covariates(self, before: np.ndarray | None) -> list[str]:
        """What a model is adjusted for, as the table names it."""
        return [] if before is None else [f"pre_therapy.{self.before_name}"]

    def with_predictors(self, predictors: pd.DataFrame) -> Outcome:
        """The same outcome with the scores from which overlapping items were left out."""
        return replace(self, predictors=predictors, overlap_left_out=True)


def effect_row(outcome: Outcome, model: str, predictor: str, term: str) -> dict[str, Any]:
    """A row of ``outcome_effects`` that still lacks its estimate, interval and counts."""
    return {
        "outcome": outcome.name,
        "outcome_rater": outcome.rater,
        "model": model,
        "predictor": predictor,
        "term": term,
        "interval_method": "",
        "predictor_rater": outcome.predictor_rater,
        "covariates": [],
        "overlap_left_out": outcome.overlap_left_out,
        "p": np.nan,
        "family": family(outcome, model),
        "status": Status.OK.value,
        "reason": None,
    }


def correlation_rows(
    outcome: Outcome,
    name: str,
    model: str,
    before: np.ndarray | None,
    settings: EffectSettings,
) -> Iterator[dict[str, Any]]:
    """Rows of the correlation of the predictor ``name`` with the outcome, partial where ``before`` (n,) is given: one
    per kind of interval, or one with the reason why there is none."""
    values = outcome.predictors[name].to_numpy(dtype=float)
    used = np.isfinite(values) & np.isfinite(outcome.values)
    used &= True if before is None else np.isfinite(before)
    found = correlate(
        values,
        outcome.values,
        covariates=None if before is None else {"before": before},
        cluster=outcome.clusters,
        n_bootstrap=settings.bootstrap,
        seed=settings.seed,
        level=settings.level,
        names=(name, outcome.name),
    )
    shared = effect_row(outcome, model, name, "r") | count_people(outcome.keys[used])
    shared |= {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
    yield from (shared | interval for interval in correlation_intervals(found))


def correlation_intervals(found: Correlation) -> Iterator[dict[str, Any]]:
    """estimate, standard_error, lower, upper, p by each kind of interval the correlation has: leaving out one cluster
    at a time, Fisher's z as if rows were independent, and the bootstrap by therapist."""
    yield {
        "interval_method": "cluster_jackknife",
        "estimate": found.r,
        "lower": found.cluster_ci_lower,
        "upper": found.cluster_ci_upper,
        "p": found.cluster_p,
    }
    yield {
        "interval_method": "fisher_z",
        "estimate": found.r,
        "lower": found.ci_lower,
        "upper": found.ci_upper,
        "p": found.p,
    }
    if found.n_bootstrap:
        yield {
            "interval_method": "bootstrap_therapist",
            "estimate": found.r,
            "standard_error": found.boot_se,
            "lower": found.boot_ci_lower,
            "upper": found.boot_ci_upper,
            "p": np.nan,
        }


def regression_rows(
    outcome: Outcome,
    model: str,
    before: np.ndarray | None,
    settings: EffectSettings,
    warnings: list[str],
) -> Iterator[dict[str, Any]]:
    """Rows of the regression on all predictors at once, adjusted for ``before`` (n,) where it is given: slopes, then
    what the model explains. What the regression warns of is added to ``warnings``."""
    # A component without a score for anyone (no salient item) would take every row with it.
    columns = outcome.predictors.dropna(axis=1, how="all")
    tried = attempt(
        regress,
        outcome.values,
        columns,
        covariates=None if before is None else {"before": before},
        cluster=outcome.clusters,
        level=settings.level,
        name=outcome.name,
    )
    if tried.value is None:
        yield effect_row(outcome, model, "", "r_squared") | {"status": tried.status, "reason": tried.reason}
        return
    found = tried.value
    warnings += [f"{outcome.name} of the {outcome.rater}: {sentence}" for sentence in found.warnings]
    used = np.isfinite(outcome.values) & columns.notna().all(axis=1).to_numpy()
    used &= True if before is None else np.isfinite(before)
    people = count_people(outcome.keys[used])
    for coefficient in found.coefficients:
        if coefficient.role == "predictor":
            yield effect_row(outcome, model, coefficient.term, "slope") | people | _slope(found, coefficient)
        elif coefficient.role == "covariate":
            row = effect_row(outcome, model, "", "slope_of_covariate") | people | _slope(found, coefficient)
            yield row | {"family": None}
    for term, figures in _whole(found).items():
        status = {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
        yield effect_row(outcome, model, "", term) | people | figures | status | {"family": None}


def _slope(found: Regression, coefficient: Coefficient) -> dict[str, Any]:
    status = most_serious([found.status, coefficient.status])
    kind = found.covariance.lower()
    return {
        "interval_method": f"cluster_{kind}" if kind.startswith("cr") else kind,
        "estimate": coefficient.beta,
        "standard_error": coefficient.beta_se,
        "statistic": coefficient.t,
        "df": coefficient.df,
        "p": coefficient.p,
        "lower": coefficient.beta_ci_lower,
        "upper": coefficient.beta_ci_upper,
        "status": status.value,
        "reason": why(status, found.warnings),
    }


def _whole(found: Regression) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {
        "r_squared": {"estimate": found.r2},
        "adjusted_r_squared": {"estimate": found.adj_r2},
        "all_predictors_zero": {
            "statistic": found.joint_f,
            "df": found.joint_df2,
            "p": found.joint_p,
        },
    }
    if any(coefficient.role == "covariate" for coefficient in found.coefficients):
        figures["r_squared_added"] = {"estimate": found.delta_r2}
    return figures


def family(outcome: Outcome, model: str) -> str:
    """The declared family of tests: one outcome, one model, the predictors of one rater."""
    without = ", overlap left out" if outcome.overlap_left_out else ""
    return f"{outcome.name} of {outcome.rater}, {model} with {outcome.predictor_rater}{without}"
