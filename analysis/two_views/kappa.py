"""Cohen's kappa: agreement of two raters on categories, beyond chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.arguments import one_of
from analysis.common.observations import check_level, labels
from analysis.common.results import blank, one_row
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True)
class Kappa:
    """Kappa with its large-sample standard error (Fleiss, Cohen & Everitt 1969); observed and chance agreement."""

    weights: str
    kappa: float
    se: float
    ci_lower: float
    ci_upper: float
    observed: float
    expected: float
    categories: tuple[object, ...]
    level: float
    n: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        return one_row(self, "categories").assign(n_categories=len(self.categories))


def kappa(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights: Weights = "none",
    categories: list[object] | None = None,
    level: float = 0.95,
) -> Kappa:
    """Agreement of ``a`` and ``b`` (n,) on categories, given in order or taken sorted from what occurs.

    The variance of a weighted kappa is that of Fleiss, Cohen & Everitt; R's psych (2.2.9) weights one margin wrongly
    there and differs. Weights count steps between categories, so name all possible ones when some do not occur. One
    category only gives NaN (chance agreement is perfect); lengths that differ and values outside ``categories`` raise
    :class:`AnalysisError`.

    >>> a = ["yes"] * 25 + ["no"] * 25
    >>> b = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    >>> found = kappa(a, b)
    >>> round(found.observed, 4), round(found.expected, 4), round(found.kappa, 4)
    (0.7, 0.5, 0.4)
    """
    check_level(level)
    one_of(weights, ("none", "linear", "quadratic"), "kind of weights")
    left, right = (pd.Series(np.asarray(values, dtype=object)) for values in (a, b))
    if len(left) != len(right):
        raise AnalysisError(f"The raters differ in length ({len(left)} and {several(len(right), 'row')}).")
    kept = left.notna() & right.notna()
    left, right = left[kept], right[kept]
    if categories is None:
        both = pd.concat([left, right], ignore_index=True)
        codes, size = labels(both)
        found = tuple(both.iloc[int(np.argmax(codes == code))] for code in range(size))
    else:
        found = tuple(categories)
    index = {category: at for at, category in enumerate(found)}
    outside = [value for value in [*left, *right] if value not in index]
    if outside:
        raise AnalysisError(f"{len(outside)} ratings lie outside the categories given.")
    table = np.zeros((len(found), len(found)))
    np.add.at(table, (left.map(index).to_numpy(dtype=int), right.map(index).to_numpy(dtype=int)), 1.0)
    return _from_table(table, weights, found, level, int((~kept).sum()))


def _from_table(table: np.ndarray, weights: str, categories: tuple[object, ...], level: float, n_dropped: int) -> Kappa:
    n, size = int(table.sum()), len(table)
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / max(size - 1, 1)
    weight = {"none": (steps == 0).astype(float), "linear": 1 - steps, "quadratic": 1 - steps**2}[weights]
    share = table / max(n, 1)
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float((weight * share).sum()), float(rows @ weight @ columns)
    if n == 0 or 1 - expected < 1e-12:
        status = Status.NO_DATA if n == 0 else Status.CONSTANT
        sentence = "No target was rated by both." if n == 0 else "Both raters used one and the same category only."
        return blank(
            Kappa,
            weights=weights,
            categories=categories,
            level=level,
            n=n,
            n_dropped=n_dropped,
            status=status,
            warnings=(sentence,),
        )
    value = (observed - expected) / (1 - expected)
    mean_weight = np.add.outer(weight @ columns, weight.T @ rows)
    spread = (share * (weight - mean_weight * (1 - value)) ** 2).sum() - (value - expected * (1 - value)) ** 2
    se = float(np.sqrt(max(float(spread), 0.0) / n)) / (1 - expected)
    half = float(stats.norm.ppf(0.5 + level / 2)) * se
    return Kappa(
        weights=weights,
        kappa=value,
        se=se,
        ci_lower=value - half,
        ci_upper=value + half,
        observed=observed,
        expected=expected,
        categories=categories,
        level=level,
        n=n,
        n_dropped=n_dropped,
        status=Status.OK,
        warnings=(),
    )
