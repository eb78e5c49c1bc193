"""Least squares and the covariances of its coefficients that survive unequal variances and clusters.

Everything is computed in an orthonormal basis U of the design (X = U S V'), so that a rank-deficient design needs no
special case, and the cluster-robust corrections need only the small matrices U_g'U_g and U_g'e_g of each cluster: the
matrices of size n_g x n_g of the textbook formulas are never made.

Sources: MacKinnon & White 1985 (HC1-HC3); Cribari-Neto 2004 (HC4); Cribari-Neto et al. 2007 (HC5); Bell & McCaffrey
2002 and Pustejovsky & Tipton 2018 (CR2, Satterthwaite degrees of freedom, HTZ test), working model: independence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from analysis.common.arguments import one_of
from analysis.common.observations import cluster_sums
from analysis.common.status import AnalysisError, Status

HETEROSKEDASTIC = ("HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5")
CLUSTERED = ("CR0", "CR1", "CR1S", "CR2", "CR3")
COVARIANCES = ("classical", *HETEROSKEDASTIC, *CLUSTERED)
RANK_TOLERANCE = 1e-9
LEVERAGE_TOLERANCE = 1e-9
TALL = 1000
"""From this many rows on, a well-conditioned design is orthogonalised by Cholesky instead of Householder's QR."""
WELL_CONDITIONED = 1e-9
"""Smallest share of the largest eigenvalue of the cross-products for which that is exact to rounding: a condition
number of 3e4, far from the 1e8 where a second pass no longer mends the first (Yamamoto et al. 2015)."""


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A least-squares fit of ``outcome`` (n,) on ``design`` (n, k) of rank r.

    basis: (n, r) orthonormal; to_coefficients: (k, r) maps basis coordinates to coefficients; coefficients: (k,), NaN
    where a coefficient cannot be told apart from others; estimable: (k,) which can; residuals: (n,).
    """

    basis: np.ndarray
    to_coefficients: np.ndarray
    coefficients: np.ndarray
    estimable: np.ndarray
    residuals: np.ndarray

    @property
    def rank(self) -> int:
        """Rank of the design."""
        return int(self.basis.shape[1])

    @property
    def df_residual(self) -> int:
        """Rows minus rank."""
        return int(self.basis.shape[0] - self.rank)

    @property
    def rss(self) -> float:
        """Sum of squared residuals."""
        return float(self.residuals @ self.residuals)

    def covariance(self, meat: np.ndarray) -> np.ndarray:
        """(k, k) covariance of the coefficients from the (r, r) one of the basis coordinates; NaN if not estimable."""
        full = self.to_coefficients @ meat @ self.to_coefficients.T
        full[~self.estimable, :] = np.nan
        full[:, ~self.estimable] = np.nan
        return full


@dataclass(frozen=True, eq=False)
class CoefficientCovariance:
    """``vcov`` (k, k) and the degrees of freedom (k,) with which each coefficient is tested."""

    kind: str
    vcov: np.ndarray
    df: np.ndarray


def least_squares(design: np.ndarray, outcome: np.ndarray) -> LeastSquares:
    """Fit of ``outcome`` (n,) on ``design`` (n, k) by an orthogonal basis and a singular value decomposition of its
    triangular factor.

    Columns are centred, when the first is the intercept, and scaled: units and origins must not decide the rank.
    """
    # Column by column in memory: sums over rows are several times faster for a few long columns.
    design = np.asfortranarray(design, dtype=float)
    shift = np.eye(design.shape[1])
    if design.shape[1] > 1 and len(design) and (design[:, 0] == 1.0).all():
        shift[0, 1:] = -design[:, 1:].mean(axis=0)
    centred = _times(design, shift)
    scale = np.sqrt((centred**2).sum(axis=0))
    scale = np.where(scale > RANK_TOLERANCE * np.sqrt((design**2).sum(axis=0)) * 1e-4, scale, 1.0)
    q, r = _orthogonal(centred / scale)
    left, singular, right = np.linalg.svd(r, full_matrices=False)
    keep = singular > RANK_TOLERANCE * max(singular.max(initial=0.0), np.finfo(float).tiny)
    basis = _times(q, left[:, keep])
    back = shift / scale
    to_coefficients = back @ (right[keep].T / singular[keep])
    # A coefficient is estimable when no direction of the null space of the design touches it.
    told, size = ((back @ right[keep].T) ** 2).sum(axis=1), (back**2).sum(axis=1)
    estimable = told > (1.0 - 1e-8) * size
    nothing = np.empty(0)
    fit = LeastSquares(basis, to_coefficients, nothing, estimable, nothing)
    return replace(fit, **_fitted(fit, outcome))


def _times(tall: np.ndarray, small: np.ndarray) -> np.ndarray:
    """``tall`` @ ``small``, column by column in memory."""
    return (small.T @ tall.T).T


def _orthogonal(design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An orthonormal basis Q (n, k) and R (k, k) with Q R = ``design``, R triangular or not.

    Tall designs of good condition go through the cross-products, twice (CholeskyQR2): a fifth of the time of a QR, and
    Q as orthogonal. All others, those near collinearity among them, go through Householder's QR.
    """
    if len(design) < TALL:
        return np.linalg.qr(design)
    q, whole = design, np.eye(design.shape[1])
    for _ in range(2):
        products = q.T @ q
        values = np.linalg.eigvalsh(products)
        if not values.min(initial=1.0) > WELL_CONDITIONED * values.max(initial=0.0):
            return np.linalg.qr(design)
        upper = np.linalg.cholesky(products).T
        q = _times(q, np.linalg.inv(upper))
        whole = upper @ whole
    return q, whole


def standard_error(variance: float) -> float:
    """The root of a variance; NaN where rounding or a degenerate design left none."""
    return float(np.sqrt(variance)) if variance > 0 else float("nan")


def classical(fit: LeastSquares) -> CoefficientCovariance:
    """The covariance under equal variances and independent rows, tested with the residual degrees of freedom."""
    variance = fit.rss / fit.df_residual if fit.df_residual > 0 else np.nan
    k = len(fit.coefficients)
    return CoefficientCovariance("classical", fit.covariance(variance * np.eye(fit.rank)), np.full(k, fit.df_residual))


def heteroskedastic(fit: LeastSquares, kind: str = "HC3") -> CoefficientCovariance:
    """HC0 to HC5, tested with the residual degrees of freedom. Rows of leverage 1 have no residual and are left out.

    White (1980), MacKinnon & White (1985), Cribari-Neto (2004; 2007), as R's sandwich has them. Raises
    :class:`AnalysisError` for another ``kind``.
    """
    n, rank = fit.basis.shape
    leverage = (fit.basis**2).sum(axis=1)
    rest = np.where(1.0 - leverage > LEVERAGE_TOLERANCE, 1.0 - leverage, np.inf)
    ratio = n * leverage / rank
    exponent = {
        "HC0": lambda: 0.0,
        "HC1": lambda: 0.0,
        "HC2": lambda: 1.0,
        "HC3": lambda: 2.0,
        "HC4": lambda: np.minimum(4.0, ratio),
        "HC4m": lambda: np.minimum(1.0, ratio) + np.minimum(1.5, ratio),
        # Half the power of HC4, as in the R package sandwich.
        "HC5": lambda: np.minimum(ratio, max(4.0, 0.7 * n * leverage.max() / rank)) / 2.0,
    }
    one_of(kind, exponent, "covariance")
    weights = fit.residuals**2 / rest ** exponent[kind]()
    meat = fit.basis.T @ (fit.basis * weights[:, None])
    if kind == "HC1":
        meat = meat * n / fit.df_residual
    return CoefficientCovariance(kind, fit.covariance(meat), np.full(len(fit.coefficients), fit.df_residual))


@dataclass(frozen=True, eq=False)
class ClusterRobust(CoefficientCovariance):
    """A cluster-robust covariance with what its small-sample tests need.

    gram: (G, r, r) of q_g, spread: (G, r, r) of v_g (see :func:`_satterthwaite`), both for unit basis vectors;
    to_coefficients: (k, r) as in the fit; scores: (G, r) corrected, whose cross-products are the covariance.
    """

    gram: np.ndarray
    spread: np.ndarray
    to_coefficients: np.ndarray
    scores: np.ndarray


def cluster_robust(fit: LeastSquares, codes: np.ndarray, n_clusters: int, kind: str = "CR2") -> ClusterRobust:
    """CR0 to CR3 with Satterthwaite degrees of freedom; ``codes`` (n,) numbers the clusters from 0.

    With lambda the eigenvalues of U_g'U_g, the corrected scores of a cluster are V a(lambda) V' U_g'e_g, where
    a = (1 - lambda)^(-1/2) for CR2 and (1 - lambda)^(-1) for CR3; a direction that one cluster alone determines
    (lambda = 1) has no residual and gets a = 0. With every row its own cluster CR2 is HC2.
    Raises :class:`AnalysisError` for fewer than two clusters.
    """
    if n_clusters < 2:
        raise AnalysisError(
            "All rows belong to one cluster, so its variance cannot be estimated.", Status.TOO_FEW_CLUSTERS
        )
    vectors, factor, gram, spread = _corrected(fit, codes, n_clusters, kind)
    scores = _scores(fit, fit.residuals, codes, n_clusters, vectors, factor)
    vcov = fit.covariance(scores.T @ scores)
    return ClusterRobust(kind, vcov, _each_df(fit, gram, spread), gram, spread, fit.to_coefficients, scores)


def coefficient_covariance(fit: LeastSquares, codes: np.ndarray, n_clusters: int, kind: str) -> CoefficientCovariance:
    """The one of :data:`COVARIANCES` that ``kind`` names; HC3 instead of a clustered one when there is one cluster
    (its ``kind`` tells). ``codes`` (n,) numbers the clusters from 0."""
    if kind == "classical":
        return classical(fit)
    if kind in HETEROSKEDASTIC:
        return heteroskedastic(fit, kind)
    return heteroskedastic(fit, "HC3") if n_clusters < 2 else cluster_robust(fit, codes, n_clusters, kind)


def _corrected(
    fit: LeastSquares, codes: np.ndarray, n_clusters: int, kind: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each cluster the eigenvectors (G, r, r), factors a (G, r), gram and spread (see :class:`ClusterRobust`)."""
    values, vectors = np.linalg.eigh(_cluster_grams(fit.basis, codes, n_clusters))
    values = np.clip(values, 0.0, 1.0)
    factor = _correction(values, kind, n_clusters, fit)
    back = np.swapaxes(vectors, 1, 2)
    gram = (vectors * (values * factor**2)[:, None, :]) @ back
    spread = (vectors * (values * factor)[:, None, :]) @ back
    return vectors, factor, gram, spread


def _scores(
    fit: LeastSquares,
    residuals: np.ndarray,
    codes: np.ndarray,
    n_clusters: int,
    vectors: np.ndarray,
    factor: np.ndarray,
) -> np.ndarray:
    """(G, r) corrected scores of the clusters."""
    scores = cluster_sums(fit.basis * residuals[:, None], codes, n_clusters)
    turned = (scores[:, None, :] @ vectors) * factor[:, None, :]
    return (turned @ np.swapaxes(vectors, 1, 2))[:, 0, :]


def _each_df(fit: LeastSquares, gram: np.ndarray, spread: np.ndarray) -> np.ndarray:
    df = np.array([_satterthwaite(gram, spread, row) for row in fit.to_coefficients])
    return np.where(fit.estimable, df, np.nan)


def stacked_cluster_robust(
    fit: LeastSquares, outcomes: np.ndarray, codes: np.ndarray, n_clusters: int
) -> tuple[np.ndarray, ClusterRobust]:
    """Several ``outcomes`` (n, q) on the design of ``fit``: their coefficients (q k,) and the CR2 covariance of all.

    The same as stacking the q equations into one regression of q n rows whose clusters hold a row's q outcomes, which
    is never made: the blocks have one basis in common.
    """
    own = [replace(fit, **_fitted(fit, outcome)) for outcome in outcomes.T]
    vectors, factor, gram, spread = _corrected(fit, codes, n_clusters, "CR2")
    scores = np.concatenate([_scores(fit, one.residuals, codes, n_clusters, vectors, factor) for one in own], axis=1)
    size, rank = len(own), fit.rank
    grams, spreads = np.zeros((2, n_clusters, size * rank, size * rank))
    for at in range(size):
        block = slice(at * rank, (at + 1) * rank)
        grams[:, block, block], spreads[:, block, block] = gram, spread
    maps = np.kron(np.eye(size), fit.to_coefficients)
    vcov = maps @ (scores.T @ scores) @ maps.T
    lost = ~np.tile(fit.estimable, size)
    vcov[lost, :] = np.nan
    vcov[:, lost] = np.nan
    df = np.tile(_each_df(fit, gram, spread), size)
    coefficients = np.concatenate([one.coefficients for one in own])
    return coefficients, ClusterRobust("CR2", vcov, df, grams, spreads, maps, scores)


def _fitted(fit: LeastSquares, outcome: np.ndarray) -> dict[str, np.ndarray]:
    """Coefficients and residuals of another outcome (n,) on the same design."""
    coordinates = fit.basis.T @ outcome
    coefficients = np.where(fit.estimable, fit.to_coefficients @ coordinates, np.nan)
    return {"coefficients": coefficients, "residuals": outcome - fit.basis @ coordinates}


def contrast_df(covariance: CoefficientCovariance, contrast: np.ndarray) -> float:
    """Degrees of freedom to test a combination (k,) of coefficients with: Satterthwaite's if cluster-robust."""
    if isinstance(covariance, ClusterRobust):
        return _satterthwaite(covariance.gram, covariance.spread, contrast @ covariance.to_coefficients)
    return float(covariance.df[0])


def wald_htz(
    covariance: ClusterRobust, coefficients: np.ndarray, terms: list[int], contrasts: np.ndarray | None = None
) -> tuple[float, float, float, float]:
    """Are all of these coefficients zero? Approximate Hotelling test (HTZ): F, df1, df2 and p.

    ``terms`` index the ``coefficients`` (k,); with ``contrasts`` (q, number of terms) it tests these combinations of
    them. NaN when the covariance of the terms is singular or the degrees of freedom are too few.
    Source: Pustejovsky & Tipton 2018, JBES 36(4):672-683, eq. 11-13.
    """
    combine = np.eye(len(terms)) if contrasts is None else contrasts
    size = len(combine)
    nothing = (np.nan, float(size), np.nan, np.nan)
    maps = combine @ covariance.to_coefficients[terms]
    vcov = combine @ covariance.vcov[np.ix_(terms, terms)] @ combine.T
    model = maps @ maps.T
    if size == 0 or not np.isfinite(vcov).all():
        return nothing
    values, vectors = np.linalg.eigh(model)
    if values.min() <= 1e-14 * values.max() or np.linalg.matrix_rank(vcov, hermitian=True) < size:
        return nothing
    white = (vectors / np.sqrt(values)).T @ maps
    total = _htz_variance(covariance.gram, covariance.spread, white)
    eta = size * (size + 1) / total if total > 0 else np.nan
    estimate = combine @ coefficients[terms]
    q = float(estimate @ np.linalg.solve(vcov, estimate))
    df2 = eta - size + 1
    if not df2 > 0:
        return nothing
    f = df2 / (eta * size) * q
    return f, float(size), float(df2), float(stats.f.sf(f, size, df2))


def _cluster_grams(basis: np.ndarray, codes: np.ndarray, n_clusters: int) -> np.ndarray:
    """(G, r, r) U_g'U_g."""
    rank = basis.shape[1]
    grams = np.empty((n_clusters, rank, rank))
    for i in range(rank):
        for j in range(i + 1):
            grams[:, i, j] = np.bincount(codes, weights=basis[:, i] * basis[:, j], minlength=n_clusters)
            grams[:, j, i] = grams[:, i, j]
    return grams


def _correction(values: np.ndarray, kind: str, n_clusters: int, fit: LeastSquares) -> np.ndarray:
    """The factor a(lambda) of each eigenvalue, (G, r)."""
    one_of(kind, CLUSTERED, "covariance")
    rest = np.where(1.0 - values > LEVERAGE_TOLERANCE, 1.0 - values, np.inf)
    n = fit.basis.shape[0]
    small = n_clusters / (n_clusters - 1)
    if kind == "CR0":
        return np.ones_like(values)
    if kind == "CR1":
        return np.full_like(values, np.sqrt(small))
    if kind == "CR1S":
        return np.full_like(values, np.sqrt(small * (n - 1) / fit.df_residual))
    if kind == "CR2":
        return rest**-0.5
    return rest**-1.0


def _satterthwaite(gram: np.ndarray, spread: np.ndarray, row: np.ndarray) -> float:
    """Degrees of freedom of one coefficient: (tr P)^2 / ||P||^2, P_gh = [g = h] q_g - v_g'v_h under independence."""
    v = spread @ row
    q = gram.reshape(len(gram), -1) @ np.outer(row, row).ravel()
    norms = (v**2).sum(axis=1)
    trace = float((q - norms).sum())
    squares = float((q**2).sum() - 2.0 * (q * norms).sum() + ((v.T @ v) ** 2).sum())
    return trace**2 / squares if squares > 1e-300 else np.nan


def _htz_variance(gram: np.ndarray, spread: np.ndarray, white: np.ndarray) -> float:
    """Total variance of the elements of the whitened robust covariance, the denominator of eta."""
    q = white @ gram @ white.T
    v = np.swapaxes(spread @ white.T, 1, 2)
    inner = v @ np.swapaxes(v, 1, 2)
    own = np.einsum("gaa->ga", q)
    own_inner = np.einsum("gaa->ga", inner)
    same = own.sum(axis=1) ** 2 - 2.0 * own.sum(axis=1) * own_inner.sum(axis=1)
    crossed = (q**2).sum(axis=(1, 2)) - 2.0 * (q * inner).sum(axis=(1, 2))
    size, rank = white.shape
    flat = v.reshape(len(v), size * rank)
    outer = (flat.T @ flat).reshape(size, rank, size, rank).transpose(0, 2, 1, 3)
    return float(same.sum() + crossed.sum() + (outer**2).sum() + np.einsum("abij,abji->", outer, outer))
