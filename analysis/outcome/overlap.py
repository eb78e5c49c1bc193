"""What an effect owes to items that ask about improvement: the same effect with and without them, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from analysis.common.observations import check_level, cluster_sums, complete
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several


@dataclass(frozen=True)
class Change:
    """``without`` minus ``with_all``: standardised slopes of one predictor, interval by leaving out each cluster."""

    predictor: str
    with_all: float
    without: float
    change: float
    se: float
    df: float
    p: float
    ci_lower: float
    ci_upper: float
    n: int
    n_clusters: int


def slope_changes(
    outcome: ArrayLike,
    with_all: pd.DataFrame,
    without: pd.DataFrame,
    *,
    covariates: pd.DataFrame | None = None,
    cluster: ArrayLike,
    level: float = 0.95,
) -> tuple[Change, ...]:
    """Change of every standardised slope when ``without`` (n, k) replaces ``with_all`` (n, k) of the same columns.

    Both regressions are of ``outcome`` (n,) on all k columns at once (and the ``covariates``), on the rows complete in
    both. The jackknife over clusters keeps that the two slopes rest on the same people (Efron & Stein 1981; t with
    clusters - 1 degrees of freedom). With one cluster, or a slope that cannot be told, there is no interval. Raises
    :class:`AnalysisError` when the outcome does not vary.
    """
    check_level(level)
    held = pd.DataFrame(index=with_all.index) if covariates is None else covariates
    columns = {"\0y": outcome}
    columns |= {f"with {name}": with_all[name] for name in with_all.columns}
    columns |= {f"without {name}": without[name] for name in with_all.columns}
    columns |= {f"held {name}": held[name] for name in held.columns}
    rows = complete(columns, cluster)
    if np.ptp(rows.values[:, 0]) == 0:
        raise AnalysisError(f"The outcome does not vary over its {several(rows.n, 'row')}.", Status.CONSTANT)
    k, c = with_all.shape[1], held.shape[1]
    z = (rows.values - rows.values.mean(axis=0)) / np.maximum(rows.values.std(axis=0), 1e-300)
    i, j = np.triu_indices(z.shape[1])
    sums = cluster_sums(np.column_stack([np.ones(rows.n), z, z[:, i] * z[:, j]]), rows.codes, rows.n_clusters)
    total = sums.sum(axis=0, keepdims=True)
    shared = list(range(1 + 2 * k, 1 + 2 * k + c))
    pairs = [[*range(1, 1 + k), *shared], [*range(1 + k, 1 + 2 * k), *shared]]
    full = [_slopes(total, z.shape[1], own)[0, :k] for own in pairs]
    left_out = [_slopes(total - sums, z.shape[1], own)[:, :k] for own in pairs]
    differences = left_out[1] - left_out[0]
    g = rows.n_clusters
    centred = differences - differences.mean(axis=0)
    se = np.sqrt((g - 1) / g * (centred**2).sum(axis=0)) if g > 1 else np.full(k, np.nan)
    half = stats.t.ppf(0.5 + level / 2, g - 1) * se if g > 1 else se
    change = full[1] - full[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(change) / se, max(g - 1, 1))
    return tuple(
        Change(
            str(name), float(full[0][at]), float(full[1][at]), float(change[at]), float(se[at]), float(g - 1),
            float(p[at]), float(change[at] - half[at]), float(change[at] + half[at]), rows.n, g,
        )
        for at, name in enumerate(with_all.columns)
    )  # fmt: skip


def _slopes(sums: np.ndarray, width: int, own: list[int]) -> np.ndarray:
    """(b, len(own)) standardised slopes of column 0 on the columns ``own``, from sums of one, columns and products."""
    n = np.where(sums[:, :1] > 1, sums[:, :1], np.nan)
    mean = sums[:, 1 : width + 1] / n
    i, j = np.triu_indices(width)
    covariance = np.empty((len(sums), width, width))
    covariance[:, i, j] = covariance[:, j, i] = sums[:, width + 1 :] / n - mean[:, i] * mean[:, j]
    deviation = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 1e-300))
    correlation = covariance / (deviation[:, :, None] * deviation[:, None, :])
    inner = correlation[:, own][:, :, own]
    known = np.isfinite(correlation).all(axis=(1, 2))
    inner[~known] = 0.0
    singular = ~known | (np.linalg.eigvalsh(inner)[:, 0] < 1e-9)
    inner[singular] = np.eye(len(own))
    slopes = np.linalg.solve(inner, correlation[:, own, 0][:, :, None])[:, :, 0]
    slopes[singular] = np.nan
    return np.asarray(slopes)
