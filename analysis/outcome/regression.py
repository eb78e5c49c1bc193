"""Which components predict an outcome: regression on all predictors at once, standard errors robust to clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.arguments import one_of
from analysis.common.intervals import t_test
from analysis.common.observations import Columns, Observations, check_level, complete, is_constant, named_columns
from analysis.common.results import blank, part_named
from analysis.common.robust_covariance import (
    COVARIANCES,
    ClusterRobust,
    CoefficientCovariance,
    LeastSquares,
    classical,
    coefficient_covariance,
    least_squares,
    standard_error,
    wald_htz,
)
from analysis.common.status import AnalysisError, Status, most_serious
from analysis.common.wording import several

INTERCEPT = "(intercept)"
MODEL_FIGURES = (
    *("covariance", "level", "n", "n_clusters", "n_dropped", "df_residual", "sigma", "r2", "adj_r2"),
    *("r2_covariates", "delta_r2", "joint_f", "joint_df1", "joint_df2", "joint_p"),
)
FEW_DF = 4.0
"""Below 4 Satterthwaite degrees of freedom the t approximation is unreliable (Tipton 2015, Psychol Methods 20:375)."""


@dataclass(frozen=True)
class Coefficient:
    """One term of a regression.

    estimate: in the units of the outcome per unit of the predictor; beta: the same with both standardised (n - 1
    standard deviations), with its interval; df: degrees of freedom of t; partial_r: correlation with the outcome given
    all other terms; vif: variance inflation factor; role: ``intercept``, ``predictor`` or ``covariate``.
    """

    term: str
    role: str
    estimate: float
    se: float
    df: float
    t: float
    p: float
    ci_lower: float
    ci_upper: float
    beta: float
    beta_se: float
    beta_ci_lower: float
    beta_ci_upper: float
    partial_r: float
    vif: float
    status: Status


@dataclass(frozen=True, eq=False)
class Regression:
    """A regression and what it rests on; made by :func:`regress`.

    r2, adj_r2: of all terms; r2_covariates: of the covariates alone; delta_r2: what the predictors add to them.
    joint_f, joint_df1, joint_df2, joint_p: are all predictors zero (CR2: HTZ test; otherwise the Wald F, its
    denominator the number of clusters - 1, or the residual degrees of freedom without clusters).
    covariance: the kind that was used. vcov: (k, k), intercept first, in the order of ``coefficients``.
    """

    outcome: str
    coefficients: tuple[Coefficient, ...]
    vcov: np.ndarray
    covariance: str
    level: float
    n: int
    n_clusters: int
    n_dropped: int
    df_residual: int
    sigma: float
    r2: float
    adj_r2: float
    r2_covariates: float
    delta_r2: float
    joint_f: float
    joint_df1: float
    joint_df2: float
    joint_p: float
    status: Status
    warnings: tuple[str, ...]

    def __getitem__(self, term: str) -> Coefficient:
        """The coefficient of a term; raises :class:`AnalysisError` for an unknown one."""
        return part_named(self.coefficients, "term", term)

    def to_frame(self) -> pd.DataFrame:
        """One row per term: the coefficient, and the figures of the whole model beside it."""
        model = {name: getattr(self, name) for name in MODEL_FIGURES}
        rows = []
        for coefficient in self.coefficients:
            status = most_serious([self.status, coefficient.status])
            rows.append(
                {"outcome": self.outcome, **vars(coefficient), **model}
                | {"status": status.value, "reason": " ".join(self.warnings)}
            )
        return pd.DataFrame(rows)


def regress(
    outcome: ArrayLike,
    predictors: Columns,
    *,
    covariates: Columns | None = None,
    cluster: ArrayLike | None = None,
    covariance: str = "CR2",
    level: float = 0.95,
    name: str = "outcome",
) -> Regression:
    """Least squares of ``outcome`` (n,) on all ``predictors`` (n, k) at once, adjusted for ``covariates``.

    Rows with a missing value are left out and counted. ``covariance`` is one of :data:`COVARIANCES`; with CR2 (the
    default) each coefficient is tested with Satterthwaite degrees of freedom, and without ``cluster`` every row is its
    own. Standard errors of betas treat the standard deviations as known, as regression of z-scores does.

    A constant predictor is left out; predictors that cannot be told apart get NaN while the others keep their
    estimates; one cluster only falls back to HC3 and says so. Raises :class:`AnalysisError` for columns that are not
    numbers, hold infinities or differ in length, for a name used twice, and for an unknown covariance.

    Example: ``regress(post, scores, covariates={"pre": pre}, cluster=therapist).to_frame()``.

    >>> found = regress([1, 3, 2, 5, 4], {"alliance": [1, 2, 3, 4, 5]})
    >>> [(one.term, round(one.estimate, 6)) for one in found.coefficients], round(found.r2, 6)
    ([('(intercept)', 0.6), ('alliance', 0.8)], 0.64)
    """
    check_level(level)
    one_of(covariance, COVARIANCES, "covariance")
    roles = _roles(predictors, covariates)
    columns = {"\0outcome": outcome, **named_columns(predictors), **named_columns(covariates)}
    rows = complete(columns, cluster)
    warnings: list[str] = []
    used, statuses = _usable_terms(rows, list(roles), warnings)
    y = rows.values[:, 0]
    if rows.n == 0:
        warnings.append("No row has the outcome and all predictors.")
        return _empty(name, roles, statuses, rows, covariance, level, Status.NO_DATA, warnings)
    if is_constant(y):
        warnings.append(f"The outcome '{name}' does not vary over its {several(rows.n, 'row')}.")
        return _empty(name, roles, statuses, rows, covariance, level, Status.CONSTANT, warnings)
    fit = least_squares(np.column_stack([np.ones(rows.n), *(rows.column(term) for term in used)]), y)
    errors, model_status = _covariance(fit, rows, covariance, warnings)
    for term, estimable in zip([INTERCEPT, *used], fit.estimable, strict=True):
        if not estimable:
            statuses[term] = Status.COLLINEAR
    _warn_of_collinear(statuses, warnings)
    _warn_of_few_df(errors, [INTERCEPT, *used], warnings)
    coefficients = _coefficients(fit, errors, rows, y, used, roles, statuses, level)
    figures: dict[str, Any] = _model_figures(fit, errors, rows, y, used, roles)
    return Regression(
        outcome=name,
        coefficients=coefficients,
        vcov=_spread(errors.vcov, used, list(roles)),
        covariance=errors.kind,
        level=level,
        **rows.counts,
        df_residual=fit.df_residual,
        status=most_serious([model_status, *(coefficient.status for coefficient in coefficients)]),
        warnings=tuple(warnings),
        **figures,
    )


def _roles(predictors: Columns, covariates: Columns | None) -> dict[str, str]:
    """Role of each term in order; raises when a name is used twice or there is none."""
    names = [(term, "predictor") for term in named_columns(predictors)]
    names += [(term, "covariate") for term in named_columns(covariates)]
    roles = dict(names)
    if not names:
        raise AnalysisError("A regression needs at least one predictor.")
    if len(roles) != len(names) or INTERCEPT in roles:
        raise AnalysisError("Each term of a regression needs a name of its own.")
    return roles


def _usable_terms(rows: Observations, terms: list[str], warnings: list[str]) -> tuple[list[str], dict[str, Status]]:
    statuses = dict.fromkeys([INTERCEPT, *terms], Status.OK)
    constant = [term for term in terms if rows.n > 0 and is_constant(rows.column(term))]
    statuses.update(dict.fromkeys(constant, Status.CONSTANT))
    if constant:
        warnings.append(f"Left out, because all rows have the same value: {', '.join(constant)}.")
    return [term for term in terms if term not in constant], statuses


def _covariance(
    fit: LeastSquares, rows: Observations, kind: str, warnings: list[str]
) -> tuple[CoefficientCovariance, Status]:
    """The covariance asked for, or the nearest that the rows allow, with its status."""
    if fit.df_residual < 1:
        warnings.append(
            f"{several(rows.n, 'row')} for {several(fit.rank, 'term')}: no residual degrees of freedom and no errors."
        )
        nothing = np.full((len(fit.coefficients),) * 2, np.nan)
        return CoefficientCovariance("none", nothing, nothing[:, 0]), Status.TOO_FEW_ROWS
    if fit.rss <= 1e-20 * float(rows.values[:, 0] @ rows.values[:, 0]):
        warnings.append("The predictors reproduce the outcome exactly; standard errors mean nothing here.")
        nothing = np.full((len(fit.coefficients),) * 2, np.nan)
        return CoefficientCovariance("none", nothing, nothing[:, 0]), Status.SINGULAR
    errors = coefficient_covariance(fit, rows.codes, rows.n_clusters, kind)
    if errors.kind == kind:
        return errors, Status.OK
    warnings.append(
        f"All rows belong to one cluster: standard errors ({errors.kind}) describe rows within it and say nothing of "
        "others."
    )
    return errors, Status.TOO_FEW_CLUSTERS


def _warn_of_collinear(statuses: Mapping[str, Status], warnings: list[str]) -> None:
    collinear = [term for term, status in statuses.items() if status is Status.COLLINEAR]
    if collinear:
        warnings.append(f"Cannot be told apart (perfect collinearity): {', '.join(collinear)}.")


def _warn_of_few_df(errors: CoefficientCovariance, terms: Sequence[str], warnings: list[str]) -> None:
    if not isinstance(errors, ClusterRobust):
        return
    few = [term for term, df in zip(terms, errors.df, strict=True) if term != INTERCEPT and df < FEW_DF]
    if few:
        warnings.append(f"Fewer than {FEW_DF:g} degrees of freedom, p and interval are rough: {', '.join(few)}.")


def _coefficients(
    fit: LeastSquares,
    errors: CoefficientCovariance,
    rows: Observations,
    y: np.ndarray,
    used: list[str],
    roles: Mapping[str, str],
    statuses: Mapping[str, Status],
    level: float,
) -> tuple[Coefficient, ...]:
    plain = classical(fit)
    inflation = _inflation(rows, used)
    sd_y = float(np.std(y, ddof=1))
    coefficients = []
    for term in [INTERCEPT, *roles]:
        role = roles.get(term, "intercept")
        if term != INTERCEPT and term not in used:
            coefficients.append(blank(Coefficient, term=term, role=role, status=statuses[term]))
            continue
        at = 0 if term == INTERCEPT else used.index(term) + 1
        estimate, df = float(fit.coefficients[at]), float(errors.df[at])
        se = standard_error(errors.vcov[at, at])
        test = t_test(estimate, se, df, level)
        scale = np.nan if term == INTERCEPT else float(np.std(rows.column(term), ddof=1)) / sd_y
        usual = estimate / standard_error(plain.vcov[at, at])
        partial = np.nan if term == INTERCEPT else usual / np.sqrt(usual**2 + fit.df_residual)
        coefficients.append(
            Coefficient(
                term=term,
                role=role,
                estimate=estimate,
                se=se,
                df=df,
                **test._asdict(),
                beta=estimate * scale,
                beta_se=se * scale,
                beta_ci_lower=test.ci_lower * scale,
                beta_ci_upper=test.ci_upper * scale,
                partial_r=float(partial),
                vif=inflation.get(term, np.nan),
                status=statuses[term],
            )
        )
    return tuple(coefficients)


def _inflation(rows: Observations, used: list[str]) -> dict[str, float]:
    """Variance inflation factors: diagonal of the inverse correlation matrix of the predictors; inf if collinear."""
    if rows.n < 3 or not used:
        return {}
    correlation = np.atleast_2d(np.corrcoef(np.column_stack([rows.column(term) for term in used]), rowvar=False))
    values, vectors = np.linalg.eigh(correlation)
    null = values <= 1e-12 * len(used)
    touched = (vectors[:, null] ** 2).sum(axis=1) > 1e-8
    inverse = (vectors[:, ~null] ** 2 / values[~null]).sum(axis=1)
    return {term: float(np.inf if hit else vif) for term, hit, vif in zip(used, touched, inverse, strict=True)}


def _model_figures(
    fit: LeastSquares,
    errors: CoefficientCovariance,
    rows: Observations,
    y: np.ndarray,
    used: list[str],
    roles: Mapping[str, str],
) -> dict[str, float]:
    tss = float(((y - y.mean()) ** 2).sum())
    r2 = 1.0 - fit.rss / tss
    df = fit.df_residual
    adjusted = 1.0 - (1.0 - r2) * (rows.n - 1) / df if df > 0 else np.nan
    kept = [term for term in used if roles[term] == "covariate"]
    reduced = least_squares(np.column_stack([np.ones(rows.n), *(rows.column(term) for term in kept)]), y)
    r2_covariates = 1.0 - reduced.rss / tss
    terms = [at + 1 for at, term in enumerate(used) if roles[term] == "predictor" and fit.estimable[at + 1]]
    joint = _joint_test(fit, errors, terms, rows.n_clusters)
    return {
        "sigma": float(np.sqrt(fit.rss / df)) if df > 0 else np.nan,
        "r2": r2,
        "adj_r2": adjusted,
        "r2_covariates": r2_covariates,
        "delta_r2": r2 - r2_covariates,
        "joint_f": joint[0],
        "joint_df1": joint[1],
        "joint_df2": joint[2],
        "joint_p": joint[3],
    }


def _joint_test(
    fit: LeastSquares, errors: CoefficientCovariance, terms: list[int], n_clusters: int
) -> tuple[float, float, float, float]:
    if isinstance(errors, ClusterRobust) and errors.kind == "CR2":
        return wald_htz(errors, fit.coefficients, terms)
    df2 = n_clusters - 1 if isinstance(errors, ClusterRobust) else fit.df_residual
    vcov = errors.vcov[np.ix_(terms, terms)]
    size = len(terms)
    if size == 0 or not np.isfinite(vcov).all() or np.linalg.matrix_rank(vcov, hermitian=True) < size:
        return np.nan, float(size), np.nan, np.nan
    estimate = fit.coefficients[terms]
    f = float(estimate @ np.linalg.solve(vcov, estimate)) / size
    return f, float(size), float(df2), float(stats.f.sf(f, size, df2))


def _spread(vcov: np.ndarray, used: list[str], terms: list[str]) -> np.ndarray:
    """The covariance of the terms used, set into a matrix of all terms; NaN elsewhere."""
    where = [0, *(terms.index(term) + 1 for term in used)]
    full = np.full((len(terms) + 1,) * 2, np.nan)
    full[np.ix_(where, where)] = vcov
    return full


def _empty(
    name: str,
    roles: Mapping[str, str],
    statuses: Mapping[str, Status],
    rows: Observations,
    covariance: str,
    level: float,
    status: Status,
    warnings: list[str],
) -> Regression:
    terms = [(INTERCEPT, "intercept"), *roles.items()]
    return blank(
        Regression,
        outcome=name,
        coefficients=tuple(
            blank(Coefficient, term=term, role=role, status=most_serious([status, statuses[term]]))
            for term, role in terms
        ),
        vcov=np.full((len(terms),) * 2, np.nan),
        covariance=covariance,
        level=level,
        **rows.counts,
        df_residual=0,
        status=status,
        warnings=tuple(warnings),
    )
