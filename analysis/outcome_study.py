"""Question 2: which components, or scale scores, of a rater predict each post-therapy outcome.

Every outcome gets correlations (with three kinds of interval), the regression on all components at once with standard
errors robust to therapists, and, where there is a measure before therapy, both again adjusted for it. Prediction is
all that these figures can show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.association import Correlation, correlate
from analysis.component_tables import why
from analysis.multiplicity import adjust_families
from analysis.regression import Coefficient, Regression, regress
from analysis.status import AnalysisError, Status, attempt, most_serious
from analysis.study_rows import Rows, StudyResult, count_people

FAMILY = ["family", "interval_method"]


@dataclass(frozen=True, eq=False)
class Predictors:
    """What predicts: ``values`` (n, k) named as the table names predictors, in the rows of ``rows``."""

    values: pd.DataFrame
    rows: Rows
    rater: str
    jointly: bool


@dataclass(frozen=True)
class OutcomeSettings:
    """Bootstrap samples, least rows, level, and the seed of the bootstrap."""

    bootstrap: int
    min_rows: int
    level: float
    seed: int


def study_outcomes(predictors: Predictors, outcomes: pd.DataFrame, settings: OutcomeSettings) -> StudyResult:
    """Rows of ``outcome_effects`` for every outcome measured after therapy.

    ``outcomes`` has one row per unit, outcome, rater and phase (unit_id, client_id, dyad_id, outcome, rater, phase,
    benefit, form_date). A rating made after the outcome is used and counted in a warning. Raises
    :class:`AnalysisError` when no outcome was measured after therapy.
    """
    after = outcomes[outcomes["phase"] == "post"]
    if not len(after):
        raise AnalysisError("No outcome was measured after therapy.", Status.NO_DATA)
    before = outcomes[outcomes["phase"] == "pre"]
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for (name, rater), measured in after.groupby(["outcome", "rater"], sort=True):
        outcome = matched(predictors.rows, measured)
        late = _late(predictors.rows, outcome)
        if late:
            warnings.append(f"{name} of the {rater}: {late} ratings of the alliance are dated after the outcome.")
        covariate, covariate_name = _before(predictors.rows, before, str(name), str(rater))
        one = _Outcome(str(name), str(rater), outcome["benefit"].to_numpy(dtype=float), covariate, covariate_name)
        rows += list(_effects(one, predictors, settings, warnings))
    frame = adjusted(pd.DataFrame(rows))
    ran = frame[frame["term"] != ""]
    if not len(ran):
        raise AnalysisError(
            f"No outcome has the {settings.min_rows} rows that the study asks for together with the predictors.",
            Status.TOO_FEW_ROWS,
        )
    return StudyResult(
        {"outcome_effects": frame},
        Status.OK.value,
        None,
        tuple(dict.fromkeys(warnings)),
    )


def adjusted(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with p_holm and p_bh within each family and kind of interval; rows without a family have none."""
    found = adjust_families(frame, FAMILY).drop(columns="family_size")
    found.loc[found["family"].isna(), ["p_holm", "p_bh"]] = np.nan
    return found


def matched(rows: Rows, measured: pd.DataFrame) -> pd.DataFrame:
    """``benefit`` and ``form_date`` of each row (n,): of its dyad, or of its client where the client is in one row and
    the outcome names no dyad (or the row has none)."""
    by_dyad = measured.dropna(subset=["dyad_id"]).set_index("dyad_id")[["benefit", "form_date"]]
    found = by_dyad.reindex(rows.keys["dyad_id"]).reset_index(drop=True)
    single_row = ~rows.keys["client_id"].duplicated(keep=False)
    by_client = measured[~measured["client_id"].duplicated(keep=False)]
    loose = by_client["dyad_id"].isna()
    for usable, source in (
        (single_row, by_client[loose]),
        (single_row & rows.keys["dyad_id"].isna(), by_client),
    ):
        other = source.set_index("client_id")[["benefit", "form_date"]].reindex(rows.keys["client_id"])
        fill = found["benefit"].isna() & usable.reset_index(drop=True)
        found = found.where(~fill, other.reset_index(drop=True))
    return found


@dataclass(frozen=True, eq=False)
class _Outcome:
    """One outcome over the predictors' rows, and the measure before therapy it is adjusted for, if there is one."""

    name: str
    rater: str
    values: np.ndarray
    before: np.ndarray | None
    before_name: str


def _late(rows: Rows, outcome: pd.DataFrame) -> int:
    rated = pd.to_datetime(rows.keys["form_date"]).reset_index(drop=True)
    measured = pd.to_datetime(outcome["form_date"])
    return int((rated > measured).sum())


def _before(rows: Rows, before: pd.DataFrame, name: str, rater: str) -> tuple[np.ndarray | None, str]:
    """The same measure before therapy, or else the rater's measure that most rows have; None without any."""
    same_rater = before[before["rater"] == rater]
    own = same_rater[same_rater["outcome"] == name]
    if not len(own) and len(same_rater):
        sizes = same_rater.groupby("outcome", sort=True).size()
        own = same_rater[same_rater["outcome"] == sizes.idxmax()]
    if not len(own):
        return None, ""
    return matched(rows, own)["benefit"].to_numpy(dtype=float), str(own["outcome"].iloc[0])


def _effects(
    outcome: _Outcome, predictors: Predictors, settings: OutcomeSettings, warnings: list[str]
) -> Iterator[dict[str, Any]]:
    usable = np.isfinite(outcome.values) & np.isfinite(predictors.values.to_numpy(dtype=float)).any(axis=1)
    if usable.sum() < settings.min_rows:
        yield _row(outcome, predictors, "correlation", "", "") | {
            "status": (Status.TOO_FEW_ROWS if usable.any() else Status.NO_DATA).value,
            "reason": f"{int(usable.sum())} rows; the study asks for at least {settings.min_rows}.",
            **count_people(predictors.rows.keys[usable]),
        }
        return
    models: list[tuple[str, str, np.ndarray | None, str]] = [("correlation", "regression", None, "")]
    if outcome.before is not None:
        models.append(("partial_correlation", "regression_adjusted", outcome.before, outcome.before_name))
    for correlation, regression, before, before_name in models:
        said: dict[str, Any] = {"covariates": [f"pre_therapy.{before_name}"] if before is not None else []}
        if before is not None:
            kept = int((usable & np.isfinite(before)).sum())
            if kept < settings.min_rows:
                warnings.append(
                    f"{outcome.name} of the {outcome.rater} is not adjusted for {before_name} before therapy: "
                    f"{kept} rows have both."
                )
                continue
        for name in predictors.values.columns:
            for row in _correlations(outcome, predictors, str(name), correlation, before, settings):
                yield row | said
        if predictors.jointly:
            for row in _regressions(outcome, predictors, regression, before, settings, warnings):
                yield row | said


def _row(outcome: _Outcome, predictors: Predictors, model: str, predictor: str, term: str) -> dict[str, Any]:
    return {
        "outcome": outcome.name,
        "outcome_rater": outcome.rater,
        "model": model,
        "predictor": predictor,
        "term": term,
        "interval_method": "",
        "predictor_rater": predictors.rater,
        "covariates": [],
        "overlap_left_out": False,
        "p": np.nan,
        "family": f"{outcome.name} of {outcome.rater}, {model} with {predictors.rater}",
        "status": Status.OK.value,
        "reason": None,
    }


def _correlations(
    outcome: _Outcome,
    predictors: Predictors,
    name: str,
    model: str,
    before: np.ndarray | None,
    settings: OutcomeSettings,
) -> Iterator[dict[str, Any]]:
    values = predictors.values[name].to_numpy(dtype=float)
    used = np.isfinite(values) & np.isfinite(outcome.values)
    used &= True if before is None else np.isfinite(before)
    found = correlate(
        values,
        outcome.values,
        covariates=None if before is None else {"before": before},
        cluster=predictors.rows.clusters,
        n_bootstrap=settings.bootstrap,
        seed=settings.seed,
        level=settings.level,
        names=(name, outcome.name),
    )
    shared = _row(outcome, predictors, model, name, "r") | count_people(predictors.rows.keys[used])
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


def _regressions(
    outcome: _Outcome,
    predictors: Predictors,
    model: str,
    before: np.ndarray | None,
    settings: OutcomeSettings,
    warnings: list[str],
) -> Iterator[dict[str, Any]]:
    # A component without a score for anyone (no salient item) would take every row with it.
    columns = predictors.values.dropna(axis=1, how="all")
    tried = attempt(
        regress,
        outcome.values,
        columns,
        covariates=None if before is None else {"before": before},
        cluster=predictors.rows.clusters,
        level=settings.level,
        name=outcome.name,
    )
    if tried.value is None:
        yield _row(outcome, predictors, model, "", "r_squared") | {"status": tried.status, "reason": tried.reason}
        return
    found = tried.value
    warnings += [f"{outcome.name} of the {outcome.rater}: {sentence}" for sentence in found.warnings]
    used = np.isfinite(outcome.values) & columns.notna().all(axis=1).to_numpy()
    used &= True if before is None else np.isfinite(before)
    people = count_people(predictors.rows.keys[used])
    for coefficient in found.coefficients:
        if coefficient.role == "predictor":
            yield _row(outcome, predictors, model, coefficient.term, "slope") | people | _slope(found, coefficient)
        elif coefficient.role == "covariate":
            row = _row(outcome, predictors, model, "", "slope_of_covariate") | people | _slope(found, coefficient)
            yield row | {"family": None}
    for term, figures in _whole(found).items():
        status = {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
        yield _row(outcome, predictors, model, "", term) | people | figures | status | {"family": None}


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
