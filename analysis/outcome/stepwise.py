"""Stepwise regression, as older studies chose their predictors: kept to replicate them, never as the answer.

Its p values, its choice and its R2 are too good: they come from the same data that chose the predictors (Harrell 2015,
Regression Modeling Strategies, 4.3). The regression on all predictors at once stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.common.observations import Columns, complete, is_constant, named_columns
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

P_ENTER, P_REMOVE = 0.05, 0.10
"""The defaults of SPSS REGRESSION METHOD=STEPWISE (PIN, POUT)."""


@dataclass(frozen=True)
class Entered:
    """A predictor that was entered: its order (1 first), and its coefficient in the last model with classical errors.

    r2_change: what it added when it was entered.
    """

    predictor: str
    step: int
    beta: float
    se: float
    t: float
    p: float
    r2_change: float


@dataclass(frozen=True)
class Stepwise:
    """The predictors entered, in their order; those that were not; R2 of the last model and its residual df."""

    entered: tuple[Entered, ...]
    left_out: tuple[str, ...]
    r2: float
    df_residual: int
    n: int


def stepwise(
    outcome: np.ndarray | pd.Series,
    predictors: Columns,
    *,
    forced: Columns | None = None,
    p_enter: float = P_ENTER,
    p_remove: float = P_REMOVE,
) -> Stepwise:
    """Choose among ``predictors`` (n, k) of ``outcome`` (n,): enter the one with the smallest p below ``p_enter``,
    remove any whose p has risen above ``p_remove``.

    ``forced`` columns are in every model. Rows are complete on all columns and taken as independent, as the practice
    had it. Raises :class:`AnalysisError` for a constant outcome and too few rows.

    >>> predictors = {"bond": [1, 2, 3, 4, 5, 6, 7, 8], "task": [1, 0, 0, 1, 1, 0, 0, 1]}
    >>> found = stepwise(np.array([1.1, 1.9, 3.2, 3.8, 5.1, 5.9, 7.2, 7.8]), predictors)
    >>> [one.predictor for one in found.entered], found.left_out, round(found.r2, 4)
    (['bond'], ('task',), 0.9953)
    """
    held, given = named_columns(forced), named_columns(predictors)
    rows = complete({"\0outcome": outcome, **given, **held})
    if rows.n < len(given) + len(held) + 2:
        raise AnalysisError(
            f"{several(rows.n, 'row')}: too few to choose from {several(len(given), 'predictor')}.",
            Status.TOO_FEW_ROWS,
        )
    if is_constant(rows.values[:, 0]):
        raise AnalysisError("The outcome does not vary.", Status.CONSTANT)
    usable = [name for name in (*given, *held) if not is_constant(rows.column(name))]
    z = {name: _standardised(rows.column(name)) for name in ("\0outcome", *usable)}
    always = [name for name in held if name in usable]
    chosen: list[str] = []
    changes: dict[str, float] = {}
    for _ in range(2 * len(given)):
        best = _best(z, always, chosen, [name for name in given if name in usable and name not in chosen])
        if best is None or best[1] >= p_enter:
            break
        before = _fit(z, [*always, *chosen])[3]
        chosen.append(best[0])
        changes[best[0]] = _fit(z, [*always, *chosen])[3] - before
        p = _fit(z, [*always, *chosen])[2][len(always) :]
        chosen = [name for name, value in zip(chosen, p, strict=True) if value <= p_remove]
    beta, se, p, r2, df = _fit(z, [*always, *chosen])
    entered = tuple(
        Entered(name, step, beta[at], se[at], beta[at] / se[at], p[at], changes[name])
        for step, name in enumerate(chosen, start=1)
        for at in [len(always) + step - 1]
    )
    return Stepwise(entered, tuple(name for name in given if name not in chosen), r2, df, rows.n)


def _best(
    z: dict[str, np.ndarray], always: list[str], chosen: list[str], candidates: list[str]
) -> tuple[str, float] | None:
    tried = [(float(_fit(z, [*always, *chosen, name])[2][-1]), at, name) for at, name in enumerate(candidates)]
    tried = [one for one in tried if np.isfinite(one[0])]
    return (min(tried)[2], min(tried)[0]) if tried else None


def _fit(z: dict[str, np.ndarray], names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, int]:
    """Betas, standard errors, p values, R2 and residual df; NaN where the columns cannot be told apart."""
    y = z["\0outcome"]
    df = len(y) - len(names) - 1
    if not names:
        return np.empty(0), np.empty(0), np.empty(0), 0.0, df
    x = np.column_stack([z[name] for name in names])
    products = x.T @ x
    if np.linalg.eigvalsh(products)[0] < 1e-9 * len(y):
        nothing = np.full(len(names), np.nan)
        return nothing, nothing, nothing, np.nan, df
    beta = np.linalg.solve(products, x.T @ y)
    rss = float(((y - x @ beta) ** 2).sum())
    se = np.sqrt(rss / df * np.diag(np.linalg.inv(products)))
    p = 2 * stats.t.sf(np.abs(beta) / se, df)
    return beta, se, p, 1 - rss / float(y @ y), df


def _standardised(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / values.std(ddof=1))
