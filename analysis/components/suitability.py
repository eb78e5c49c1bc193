"""Is a correlation matrix fit for a component analysis? KMO, Bartlett's sphericity, determinant, rows per item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from analysis.common.arguments import number_of_rows
from analysis.common.matrices import correlation_matrix
from analysis.common.status import Status, most_serious
from analysis.common.wording import several

LEAST_EIGENVALUE = 1e-9
"""Up to here a matrix has no inverse worth the name: smoothing leaves eigenvalues of 1e-10, and KMO, squared multiple
correlations and Bartlett's test would rest on that size alone (psych prints them)."""


@dataclass(frozen=True, eq=False)
class Suitability:
    """Sampling adequacy of p items. Where the matrix has no inverse, what needs one is NaN and ``status`` says so.

    kmo; msa (p,); smc (p,) squared multiple correlations; log_determinant, determinant; bartlett_chi2, bartlett_df,
    bartlett_p and its natural logarithm (p underflows for any study of size); rows_per_item.
    """

    items: tuple[str, ...]
    n: float
    kmo: float
    msa: np.ndarray
    smc: np.ndarray
    image_correlation: np.ndarray
    determinant: float
    log_determinant: float
    bartlett_chi2: float
    bartlett_df: int
    bartlett_p: float
    bartlett_log_p: float
    rows_per_item: float
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per item (item, msa, smc) and one for the whole (item None), which also has the other figures."""
        whole = {
            "item": None,
            "msa": self.kmo,
            "smc": np.nan,
            "n": self.n,
            "n_items": len(self.items),
            "rows_per_item": self.rows_per_item,
            "determinant": self.determinant,
            # That of a singular matrix is minus infinity, which no table holds.
            "log_determinant": self.log_determinant if np.isfinite(self.log_determinant) else np.nan,
            "bartlett_chi2": self.bartlett_chi2,
            "bartlett_df": self.bartlett_df,
            "bartlett_p": self.bartlett_p,
        }
        rows = [{"item": item, "msa": m, "smc": s} for item, m, s in zip(self.items, self.msa, self.smc, strict=True)]
        return pd.DataFrame([whole, *rows])


def suitability(correlation: np.ndarray, n: float | None, items: tuple[str, ...] | None = None) -> Suitability:
    """Suitability of ``correlation`` (p, p) from ``n`` rows (None: unknown; then Bartlett's test is NaN).

    KMO and MSA: Kaiser & Rice (1974), r^2 / (r^2 + q^2) with q the anti-image correlations, as psych::KMO. Bartlett
    (1951): -log det R (n - 1 - (2p + 5) / 6) on p (p - 1) / 2 degrees of freedom, as psych::cortest.bartlett.

    Raises :class:`AnalysisError` for what is no correlation matrix of 2 items or more, and fewer than 3 rows.

    >>> found = suitability(np.array([[1, .5, .5], [.5, 1, .5], [.5, .5, 1]]), 100)
    >>> round(found.kmo, 4), round(found.determinant, 4), found.bartlett_df
    (0.6923, 0.5, 3)
    """
    matrix, names = correlation_matrix(correlation, items, use="suitability needs")
    rows, size = number_of_rows(n, "suitability needs"), len(matrix)
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    statuses, sentences = [], []
    if rows <= size:
        statuses.append(Status.TOO_FEW_ROWS)
        sentences.append(f"{several(rows, 'row')} for {several(size, 'item')}.")
    if smallest <= LEAST_EIGENVALUE:
        statuses.append(Status.INDEFINITE if smallest < -1e-10 else Status.SINGULAR)
        sentences.append("The correlation matrix has no inverse: KMO and Bartlett's test cannot be computed.")
        kmo, msa, smc, image = np.nan, np.full(size, np.nan), np.full(size, np.nan), np.full((size, size), np.nan)
        log_determinant, determinant = (-np.inf, 0.0) if smallest >= -1e-10 else (np.nan, np.nan)
    else:
        inverse = np.linalg.inv(matrix)
        kmo, msa, image = _adequacy(matrix, inverse)
        smc = 1 - 1 / np.diag(inverse)
        log_determinant = float(np.linalg.slogdet(matrix)[1])
        determinant = float(np.exp(log_determinant))
    df = size * (size - 1) // 2
    chi2 = -log_determinant * (rows - 1 - (2 * size + 5) / 6) if np.isfinite(log_determinant) else np.nan
    usable = np.isfinite(chi2) and chi2 >= 0
    return Suitability(
        items=names,
        n=rows,
        kmo=kmo,
        msa=msa,
        smc=smc,
        image_correlation=image,
        determinant=determinant,
        log_determinant=log_determinant,
        bartlett_chi2=float(chi2) if usable else np.nan,
        bartlett_df=df,
        bartlett_p=float(stats.chi2.sf(chi2, df)) if usable else np.nan,
        bartlett_log_p=log_chi2_tail(float(chi2), df) if usable else np.nan,
        rows_per_item=rows / size,
        status=most_serious(statuses).value,
        warnings=tuple(sentences),
    )


def log_chi2_tail(chi2: float, df: int) -> float:
    """Natural logarithm of the upper tail of chi-square, also where the tail itself underflows.

    Beyond that point the continued fraction of the incomplete gamma function (Lentz's method) is used.

    >>> round(log_chi2_tail(10.0, 3), 6), round(log_chi2_tail(20000.0, 300), 4)
    (-3.986416, -9227.6537)
    """
    tail = float(stats.chi2.sf(chi2, df))
    if tail > 1e-290:
        return float(np.log(tail))
    a, x = df / 2, chi2 / 2
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    for step in range(1, 10000):
        numerator = -step * (step - a)
        b += 2
        d = 1 / (numerator * d + b)
        c = b + numerator / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return float(-x + a * np.log(x) - special.gammaln(a) + np.log(fraction))


def _adequacy(matrix: np.ndarray, inverse: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """KMO, MSA per item and the anti-image correlations (psych's ``Image``: q / sqrt of the diagonal, sign kept)."""
    scale = 1 / np.sqrt(np.diag(inverse))
    image = inverse * np.outer(scale, scale)
    off = ~np.eye(len(matrix), dtype=bool)
    r2, q2 = np.where(off, matrix**2, 0.0), np.where(off, image**2, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(r2.sum() / (r2.sum() + q2.sum())), r2.sum(axis=0) / (r2.sum(axis=0) + q2.sum(axis=0)), image
