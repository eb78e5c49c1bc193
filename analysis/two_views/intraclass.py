"""Intraclass correlations: the six forms of Shrout & Fleiss, by the names of McGraw & Wong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.observations import check_level, complete, is_constant
from analysis.common.results import blank, part_named, tidy
from analysis.common.status import AnalysisError, Status

FORMS = ("ICC(1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")


@dataclass(frozen=True)
class IntraclassForm:
    """One form: estimate, F test that it is zero, and interval."""

    form: str
    icc: float
    f: float
    df1: float
    df2: float
    p: float
    ci_lower: float
    ci_upper: float


@dataclass(frozen=True)
class Intraclass:
    """The six intraclass correlations of ``n`` targets rated by ``k`` raters, and the mean squares they come from.

    A: absolute agreement, C: consistency; 1: of one rating, k: of the mean of k. ms_targets, ms_raters, ms_residual and
    ms_within are the mean squares of the two-way and the one-way layout.
    """

    forms: tuple[IntraclassForm, ...]
    n: int
    k: int
    n_dropped: int
    level: float
    ms_targets: float
    ms_raters: float
    ms_residual: float
    ms_within: float
    status: Status
    warnings: tuple[str, ...]

    def __getitem__(self, form: str) -> IntraclassForm:
        """One of :data:`FORMS`; raises :class:`AnalysisError` for another."""
        return part_named(self.forms, "form", form)

    def to_frame(self) -> pd.DataFrame:
        """One row per form."""
        shared = tidy(self, "forms")
        return pd.DataFrame([{**vars(form), **shared} for form in self.forms])


def intraclass(ratings: ArrayLike, level: float = 0.95) -> Intraclass:
    """Intraclass correlations of ``ratings`` (n targets, k raters); targets with a missing rating are left out.

    Formulas: Shrout & Fleiss 1979, McGraw & Wong 1996; the limits of ICC(A,1) use the Satterthwaite degrees of freedom
    of the former, as R's ``psych::ICC(lmer = FALSE)`` does. Fewer than two targets or ratings without any variance give
    NaN with a status; fewer than two raters, words and infinities raise :class:`AnalysisError`.

    >>> judges = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> {one.form: round(one.icc, 2) for one in intraclass(judges).forms}
    {'ICC(1)': 0.17, 'ICC(A,1)': 0.29, 'ICC(C,1)': 0.71, 'ICC(1,k)': 0.44, 'ICC(A,k)': 0.62, 'ICC(C,k)': 0.91}
    """
    check_level(level)
    table = pd.DataFrame(np.asarray(ratings))
    if table.shape[1] < 2:
        raise AnalysisError("An intraclass correlation needs the ratings of at least two raters, one per column.")
    rows = complete({f"rater {at}": table[column] for at, column in enumerate(table.columns, start=1)})
    status, sentence = Status.OK, ""
    if rows.n < 2:
        status, sentence = Status.TOO_FEW_ROWS, f"{rows.n} targets rated by all raters; at least 2 are needed."
    elif is_constant(rows.values):
        status, sentence = Status.CONSTANT, "All ratings are equal."
    elif is_constant(rows.values.mean(axis=1)) and is_constant(rows.values - rows.values.mean(axis=0)):
        status, sentence = Status.CONSTANT, "Targets do not differ."
    known = dict[str, Any](n=rows.n, k=len(table.columns), n_dropped=rows.n_dropped, level=level, status=status)
    means_alike = status is Status.OK and rows.n > 2 and is_constant(rows.values.mean(axis=1))
    if means_alike:
        known["status"] = Status.CONSTANT
    if status is not Status.OK:
        nothing = tuple(blank(IntraclassForm, form=form) for form in FORMS)
        return blank(Intraclass, forms=nothing, warnings=(sentence,), **known)
    targets, raters, residual, within = _mean_squares(rows.values)
    with np.errstate(divide="ignore", invalid="ignore"):
        forms = _forms(np.float64(targets), np.float64(raters), residual, within, rows.n, len(table.columns), 1 - level)
    return Intraclass(
        forms=forms,
        ms_targets=targets,
        ms_raters=raters,
        ms_residual=residual,
        ms_within=within,
        warnings=("Targets have the same mean rating: no reliability of a mean.",) if means_alike else (),
        **known,
    )


def _mean_squares(x: np.ndarray) -> tuple[float, float, float, float]:
    """Mean squares of targets, raters, residual, and within targets."""
    n, k = x.shape
    largest = float(np.abs(x).max())
    x = x - x.mean()
    targets, raters = x.mean(axis=1, keepdims=True), x.mean(axis=0, keepdims=True)
    residual = float(((x - targets - raters) ** 2).sum())
    within = float(((x - targets) ** 2).sum())
    ms_targets = k * float((targets**2).sum()) / (n - 1)
    ms_raters = n * float((raters**2).sum()) / (k - 1)
    # Rounding leaves 1e-30 where raters agree up to a constant; a ratio to it would look like an enormous F.
    tiny = (1e-14 * largest) ** 2
    ms_residual, ms_within = residual / ((n - 1) * (k - 1)), within / (n * (k - 1))
    return ms_targets, ms_raters, ms_residual if ms_residual > tiny else 0.0, ms_within if ms_within > tiny else 0.0


def _forms(msb: float, msj: float, mse: float, msw: float, n: int, k: int, alpha: float) -> tuple[IntraclassForm, ...]:
    df_b, df_w, df_e = n - 1, n * (k - 1), (n - 1) * (k - 1)
    # Only ratios of mean squares count below, and products of huge ones would not be numbers any more.
    unit = max(msb, msj, mse, msw)
    if 0 < unit < np.inf:
        msb, msj, mse, msw = msb / unit, msj / unit, mse / unit, msw / unit
    one_way, two_way = msb / msw, msb / mse

    def row(form: str, icc: float, f: float, df2: int, limits: tuple[float, float]) -> IntraclassForm:
        value, low, high = (float(x) if np.isfinite(x) else np.nan for x in (icc, *limits))
        return IntraclassForm(form, value, float(f), df_b, df2, float(stats.f.sf(f, df_b, df2)), low, high)

    def shrunk(f: float, df2: int) -> tuple[float, float]:
        return f / stats.f.ppf(1 - alpha / 2, df_b, df2), f * stats.f.ppf(1 - alpha / 2, df2, df_b)

    low1, high1 = shrunk(one_way, df_w)
    low3, high3 = shrunk(two_way, df_e)
    agreement = (msb - mse) / (msb + (k - 1) * mse + k * (msj - mse) / n)
    low2, high2 = _agreement_limits(msb, msj, mse, agreement, n, k, alpha)
    return (
        row("ICC(1)", _ratio(one_way, k), one_way, df_w, (_ratio(low1, k), _ratio(high1, k))),
        row("ICC(A,1)", agreement, two_way, df_e, (low2, high2)),
        row("ICC(C,1)", _ratio(two_way, k), two_way, df_e, (_ratio(low3, k), _ratio(high3, k))),
        row("ICC(1,k)", 1 - 1 / one_way, one_way, df_w, (1 - 1 / low1, 1 - 1 / high1)),
        row(
            "ICC(A,k)",
            (msb - mse) / (msb + (msj - mse) / n),
            two_way,
            df_e,
            (low2 * k / (1 + low2 * (k - 1)), high2 * k / (1 + high2 * (k - 1))),
        ),
        row("ICC(C,k)", 1 - 1 / two_way, two_way, df_e, (1 - 1 / low3, 1 - 1 / high3)),
    )


def _ratio(f: float, k: int) -> float:
    """(F - 1) / (F + k - 1), 1 for an infinite F."""
    return 1.0 if np.isinf(f) else (f - 1) / (f + k - 1)


def _agreement_limits(
    msb: float, msj: float, mse: float, icc: float, n: int, k: int, alpha: float
) -> tuple[float, float]:
    """Limits of ICC(A,1), Shrout & Fleiss 1979 p. 424."""
    f_raters = msj / mse
    weight = n * (1 + (k - 1) * icc) - k * icc
    df = (k - 1) * (n - 1) * (k * icc * f_raters + weight) ** 2
    df = df / ((n - 1) * k**2 * icc**2 * f_raters**2 + weight**2)
    upper = stats.f.ppf(1 - alpha / 2, n - 1, df)
    lower = stats.f.ppf(1 - alpha / 2, df, n - 1)
    common = k * msj + (k * n - k - n) * mse
    return n * (msb - upper * mse) / (upper * common + n * msb), n * (lower * msb - mse) / (common + n * lower * msb)
