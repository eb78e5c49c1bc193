"""One therapist, several clients, both rating: what part of a rating is the therapist's, what part the dyad's.

The reciprocal one-with-many design (Marcus, Kashy & Baldwin 2009). A rating of the alliance by client and by therapist
is the sum of a therapist effect, a dyad effect and error, each pair of effects correlated between the two raters. For
the client's rating the therapist effect is how this therapist is seen by all clients (partner effect); for the
therapist's rating it is how the therapist sees all clients (perceiver effect).

A client has one therapist, so a client's own tendency and the relationship with this therapist cannot be told apart:
the dyad variance is both. Only with several sessions per dyad is it told from error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from analysis.common.observations import check_level, groups_within, is_constant, labels, numeric, renumber
from analysis.common.results import blank, tidy
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.two_views.two_rater_likelihood import PARTS, TwoRaterLikelihood
from analysis.two_views.two_rater_profile import correlation_limits
from analysis.two_views.two_rater_search import Maximum, by_moments, covariances, holding, maximise

BOUNDARY = 1e-4
FEW_THERAPISTS = 500
"""Up to so many, intervals of correlations are by profile; of more, the likelihood is as good as symmetric in Fisher's
z, and a profile takes twenty times as long."""
LOWER = 1e-6
"""Difference of two deviances that is more than what searches leave."""
Limits = dict[str, tuple[float, float]]
"""Lower and upper limit of the correlation of each part."""


@dataclass(frozen=True)
class VariancePart:
    """One source of variance of one rater's ratings: variance, standard error, interval, share of the rater's total.

    The interval is symmetric on the cube-root scale, on which a variance is nearly normal (Wilson & Hilferty 1931);
    with few therapists one of the variance itself lies too low. ``dyad`` is client plus relationship (plus error, when
    dyads have one session each).
    """

    rater: str
    part: str
    variance: float
    se: float
    ci_lower: float
    ci_upper: float
    share: float


@dataclass(frozen=True)
class Reciprocity:
    """Correlation of both raters' effects of one part, its interval, and p by likelihood ratio (of therapists by F with
    two degrees of freedom fewer than there are, as chi-square finds too much with few).

    ``interval``: ``profile`` (what the likelihood ratio does not reject, see
    :mod:`analysis.two_views.two_rater_profile`), or with many therapists ``fisher_z`` (from the curvature).

    ``therapist``: generalised reciprocity (do therapists whom clients rate highly rate their clients highly?);
    ``dyad``: dyadic reciprocity; ``error``: the same session seen alike.
    """

    part: str
    correlation: float
    ci_lower: float
    ci_upper: float
    p: float
    interval: str


@dataclass(frozen=True)
class OneWithMany:
    """Variance parts of both raters and their reciprocities; made by :func:`one_with_many`.

    clients_mean, therapists_mean: estimated means of both raters. log_likelihood: restricted.
    """

    variances: tuple[VariancePart, ...]
    reciprocities: tuple[Reciprocity, ...]
    client_mean: float
    therapist_mean: float
    log_likelihood: float
    level: float
    n: int
    n_dyads: int
    n_therapists: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]

    def variance(self, rater: str, part: str) -> VariancePart:
        """One variance part; raises :class:`AnalysisError` for an unknown rater or part."""
        for found in self.variances:
            if (found.rater, found.part) == (rater, part):
                return found
        raise AnalysisError(f"There is no variance of '{part}' in ratings by '{rater}'.", Status.UNKNOWN_NAME)

    def reciprocity(self, part: str) -> Reciprocity:
        """One reciprocity; raises :class:`AnalysisError` for an unknown part."""
        for found in self.reciprocities:
            if found.part == part:
                return found
        raise AnalysisError(f"There is no reciprocity of '{part}'.", Status.UNKNOWN_NAME)

    def to_frame(self) -> pd.DataFrame:
        """One row per rater and part (``variance``), and one per part for both raters (``reciprocity``)."""
        model = tidy(self, "variances", "reciprocities")
        rows = [{"quantity": "variance", "estimate": item.variance, **vars(item), **model} for item in self.variances]
        rows += [
            {"quantity": "reciprocity", "rater": "both", "estimate": item.correlation, **vars(item), **model}
            for item in self.reciprocities
        ]
        columns = ["quantity", "rater", "part", "estimate", "se", "share", "ci_lower", "ci_upper", "p", *model]
        return pd.DataFrame(rows).reindex(columns=columns)


def one_with_many(
    client: ArrayLike,
    therapist_rating: ArrayLike,
    *,
    therapist: ArrayLike,
    dyad: ArrayLike | None = None,
    level: float = 0.95,
) -> OneWithMany:
    """Split ``client`` and ``therapist_rating`` (n,) of one measure into therapist, dyad and error variance (REML).

    One row per dyad, or with ``dyad`` one row per session. A rating may be missing on one side; rows without any are
    left out. Therapists with one client each leave the therapist variance untold (``underidentified``); one therapist
    gives ``too_few_clusters``; a variance or correlation on its bound is ``boundary``. Then dyad variance and dyadic
    reciprocity remain. Raises :class:`AnalysisError` for columns that are not numbers, hold infinities or differ in
    length, and for a dyad that has several therapists.

    >>> client = [1, 2, 3, 4, 5, 6, 4, 2, 5, 7, 6, 8]
    >>> own = [2, 2, 4, 3, 5, 5, 3, 4, 6, 6, 7, 5]
    >>> found = one_with_many(client, own, therapist=list("aaabbbcccddd"))
    >>> [(one.rater, one.part, round(one.variance, 3)) for one in found.variances]
    [('client', 'therapist', 4.043), ('therapist', 'therapist', 1.591), ('client', 'dyad', 1.321), ('therapist',
    'dyad', 1.304)]
    """
    check_level(level)
    ratings = [numeric(client, "client"), numeric(therapist_rating, "therapist rating")]
    of_therapist, _ = labels(therapist, "therapist", in_order=False)
    of_dyad = np.arange(len(of_therapist)) if dyad is None else labels(dyad, "dyad", in_order=False)[0]
    if len({len(values) for values in (*ratings, of_therapist, of_dyad)}) > 1:
        raise AnalysisError("Ratings, therapists and dyads differ in length; give one row per dyad and session.")
    kept = ~(np.isnan(ratings[0]) & np.isnan(ratings[1])) & (of_therapist >= 0) & (of_dyad >= 0)
    given = np.array([rating[kept] for rating in ratings]).T
    of_therapist, therapists = renumber(of_therapist[kept])
    of_dyad, dyads = renumber(of_dyad[kept])
    therapist_of, extra = groups_within(of_dyad, of_therapist, len(dyads))
    if extra:
        raise AnalysisError(
            "A dyad has one therapist; some have several. Give a client who changed therapist two dyads."
        )
    known: dict[str, Any] = {"level": level, "n": len(given), "n_dyads": len(dyads)}
    known |= {"n_therapists": len(therapists), "n_dropped": int((~kept).sum())}
    design = _Design(given, of_dyad, therapist_of, len(therapists))
    status, sentence = design.obstacle()
    if status is not Status.OK:
        return blank(OneWithMany, variances=(), reciprocities=(), status=status, warnings=(sentence,), **known)
    return design.fit().result(known)


class _Design:
    """Ratings (n, 2) in dyads in therapists, and which levels can be told apart."""

    def __init__(self, ratings: np.ndarray, of_dyad: np.ndarray, of_therapist: np.ndarray, n_therapists: int) -> None:
        self.of_dyad, self.of_therapist, self.n_therapists = of_dyad, of_therapist, n_therapists
        self.n_dyads = len(of_therapist)
        # Column by column in memory, as every use goes along columns.
        columns = [_standardised(column) for column in ratings.T]
        self.values, self.observed = (np.array([column[at] for column in columns]).T for at in (0, 1))
        self.centre, self.scale = (np.array([column[at] for column in columns]) for at in (2, 3))
        self.constant = [column[4] for column in columns]
        self.both = self.observed[:, 0] & self.observed[:, 1]
        sessions = np.bincount(of_dyad, minlength=self.n_dyads) if self.n_dyads else np.zeros(0, dtype=int)
        caseload = np.bincount(of_therapist, minlength=n_therapists) if self.n_dyads else np.zeros(0, dtype=int)
        self.has_sessions = bool((sessions > 1).any())
        self.has_caseloads = bool((caseload > 1).any()) and n_therapists > 1
        self.parts = tuple(
            part for part, told in zip(PARTS, (self.has_caseloads, True, self.has_sessions), strict=True) if told
        )

    def obstacle(self) -> tuple[Status, str]:
        """Why nothing can be estimated, or ``ok``."""
        both = self.both
        if not len(both) or not all(seen.any() for seen in self.observed.T):
            return Status.NO_DATA, "One of the raters has given no rating."
        rated = int((np.bincount(self.of_dyad, both) > 0).sum())
        if rated < 4:
            return Status.TOO_FEW_ROWS, f"{several(rated, 'dyad')} rated by both; at least 4 are needed."
        rows = np.flatnonzero(both)
        complete = [column[rows] for column in self.values.T]
        if any(self.constant) or any(is_constant(column) for column in complete):
            return Status.CONSTANT, "One of the raters has given the same rating to all."
        if abs(np.corrcoef(*complete)[0, 1]) > 1 - 1e-10:
            return Status.SINGULAR, "Both raters' ratings are the same up to a constant."
        return Status.OK, ""

    def fit(self) -> _Fit:
        """Maximise the restricted likelihood, with all correlations and without each."""
        likelihood = TwoRaterLikelihood(
            self.values, self.observed, self.of_dyad, self.of_therapist, self.n_therapists, self.parts
        )
        fit = _Fit(self, likelihood, maximise(likelihood))
        lowest = min(fit.without.values(), key=lambda other: other.deviance, default=fit.maximum)
        if lowest.deviance < fit.maximum.deviance - LOWER:
            # Without a correlation nothing can fit better: what was found at first was a maximum, but not the largest.
            fit = _Fit(self, likelihood, maximise(likelihood, lowest.parameters))
        return fit


class _Fit:
    """A maximised likelihood on its way to a :class:`OneWithMany`."""

    def __init__(self, design: _Design, likelihood: TwoRaterLikelihood, maximum: Maximum) -> None:
        self.design, self.likelihood, self.maximum = design, likelihood, maximum
        self.converged = maximum.converged
        self.covariances = covariances(maximum.parameters, design.parts)
        tested = [part for part in design.parts if self.converged and not _no_variance(self.covariances[part])]
        others = holding(likelihood, [(part, 0.0) for part in tested], maximum) if tested else []
        self.without = dict(zip(tested, others, strict=True))

    def result(self, known: dict[str, Any]) -> OneWithMany:
        """The result in the units of the ratings."""
        status, warnings = self._status()
        moments, spread = self._moments_and_spread()
        scale = self.design.scale
        total = sum(np.diag(covariance) for covariance in self.covariances.values())
        normal = float(special.ndtri(0.5 + known["level"] / 2))
        variances, reciprocities = [], []
        profiled = self._profiled(known["level"])
        for at, part in enumerate(self.design.parts):
            for j, rater in enumerate(("client", "therapist")):
                variance = float(moments[3 * at + 2 * j] * scale[j] ** 2)
                se = float(np.sqrt(spread[3 * at + 2 * j, 3 * at + 2 * j]) * scale[j] ** 2)
                share = float(self.covariances[part][j, j] / np.asarray(total)[j])
                variances.append(VariancePart(rater, part, variance, se, *_around(variance, normal * se), share))
            own = slice(3 * at, 3 * at + 3)
            by_curvature = _by_curvature(moments[own], spread[own, own], normal)
            reciprocities.append(self._reciprocity(part, profiled, by_curvature))
        means = self.maximum.means * scale + self.design.centre
        jacobian = float(2 * (self.design.observed.sum(axis=0) - 1) @ np.log(scale))
        return OneWithMany(
            variances=tuple(variances),
            reciprocities=tuple(reciprocities),
            client_mean=float(means[0]),
            therapist_mean=float(means[1]),
            log_likelihood=-0.5 * (self.maximum.deviance + jacobian),
            status=status,
            warnings=tuple(warnings),
            **known,
        )

    def _status(self) -> tuple[Status, list[str]]:
        design, warnings = self.design, []
        status = Status.OK if self.converged else Status.NOT_CONVERGED
        if not self.converged:
            warnings.append("The likelihood could not be maximised.")
        bound = [part for part, covariance in self.covariances.items() if _on_bound(covariance)]
        if bound:
            status = Status.BOUNDARY if self.converged else status
            warnings.append(f"A variance is zero or a correlation one (singular fit): {', '.join(bound)}.")
        if not design.has_caseloads:
            one = design.n_therapists < 2
            status = Status.TOO_FEW_CLUSTERS if one else Status.UNDERIDENTIFIED
            reason = "There is one therapist" if one else "No therapist has two clients"
            warnings.append(f"{reason}: therapist variance cannot be told, it is part of the dyad variance.")
        if not design.has_sessions:
            warnings.append("One session per dyad: dyad variance includes error.")
        return status, warnings

    def _moments_and_spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Variance, covariance, variance of each part, and their asymptotic covariance.

        A part on its bound is held there and has none (NaN); so have all if the likelihood is not curved everywhere.
        """
        parts = self.design.parts
        moments = np.concatenate([self.covariances[part][np.triu_indices(2)] for part in parts])
        spread = np.full((len(moments),) * 2, np.nan)
        free = np.flatnonzero(np.repeat([not _on_bound(self.covariances[part]) for part in parts], 3))

        def slopes(points: np.ndarray) -> np.ndarray:
            every = np.tile(moments, (len(points), 1))
            every[:, free] = points
            return by_moments(every, parts, self.likelihood)[:, free]

        steps = 1e-4 * np.repeat([np.diag(self.covariances[part]).min() for part in parts], 3)
        many = self.design.n_therapists > FEW_THERAPISTS
        hessian = _hessian(slopes, moments[free], steps[free], many) if len(free) else np.empty((0, 0))
        if len(free) and np.isfinite(hessian).all() and np.linalg.eigvalsh(hessian).min() > 0:
            spread[np.ix_(free, free)] = 2 * np.linalg.inv(hessian)
        return moments, spread

    def _reciprocity(self, part: str, profiled: Limits | None, by_curvature: tuple[float, float]) -> Reciprocity:
        limits, interval = by_curvature, "fisher_z"
        if profiled is not None:
            limits, interval = profiled.get(part, (np.nan, np.nan)), "profile"
        if _no_variance(self.covariances[part]):
            return Reciprocity(part, np.nan, np.nan, np.nan, np.nan, interval)
        return Reciprocity(part, _correlation(self.covariances[part]), *limits, self._p_of(part), interval)

    def _profiled(self, level: float) -> Limits | None:
        """Profile intervals of the correlations that can be tested; None with many therapists."""
        if self.design.n_therapists > FEW_THERAPISTS:
            return None
        nulls = {part: self._null(part) for part in self.without}
        enough = {part: float(null[0].ppf(level, *null[1])) for part, null in nulls.items() if null is not None}
        told = {part: _correlation(self.covariances[part]) for part in enough}
        return correlation_limits(self.likelihood, self.maximum, told, enough) if told else {}

    def _p_of(self, part: str) -> float:
        """p of what a correlation gains in deviance."""
        null = self._null(part)
        if part not in self.without or null is None:
            return np.nan
        gain = max(self.without[part].deviance - self.maximum.deviance, 0.0)
        return float(null[0].sf(gain, *null[1]))

    def _null(self, part: str) -> tuple[stats.rv_continuous, tuple[int, ...]] | None:
        """How much deviance a correlation of zero gains by chance: the distribution and its degrees of freedom; None of
        two therapists, as nothing is left to tell it by."""
        if part != "therapist":
            return stats.chi2, (1,)
        df = self.design.n_therapists - 2
        return (stats.f, (1, df)) if df > 0 else None


def _by_curvature(moments: np.ndarray, spread: np.ndarray, normal: float) -> tuple[float, float]:
    """Limits of a correlation on Fisher's scale, from variance, covariance and variance (3,) and their spread (3, 3);
    NaN where nothing varies, or everything alike."""
    a, c, b = moments
    r = float(np.clip(c / np.sqrt(a * b), -1, 1)) if min(a, b) > 0 else np.nan
    if not abs(r) < 1:
        return np.nan, np.nan
    slope = np.array([-r / (2 * a), 1 / np.sqrt(a * b), -r / (2 * b)])
    half = normal * float(np.sqrt(slope @ spread @ slope)) / (1 - r**2)
    return float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def _standardised(ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float, bool]:
    """Standardised ratings (n,), zero where missing; which are observed; their mean and standard deviation (by n); and
    whether they do not vary."""
    observed = ~np.isnan(ratings)
    known = ratings if observed.all() else ratings[observed]
    centre = float(known.sum()) / max(len(known), 1)
    deviations = ratings - centre if len(known) == len(ratings) else np.where(observed, ratings - centre, 0.0)
    scale = float(np.sqrt(deviations @ deviations / max(len(known), 1)))
    return deviations / (scale if scale > 0 else 1.0), observed, centre, scale, is_constant(known)


def _around(variance: float, margin: float) -> tuple[float, float]:
    """The interval of a variance, from its margin, that is symmetric on the cube-root scale; from zero where it would
    go below."""
    root = np.cbrt(variance)
    half = margin / (3 * root**2) if root > 0 else np.nan
    return float(max(root - half, 0.0) ** 3) if np.isfinite(half) else np.nan, float((root + half) ** 3)


def _correlation(covariance: np.ndarray) -> float:
    return float(np.clip(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), -1, 1))


def _no_variance(covariance: np.ndarray) -> bool:
    return bool(np.diag(covariance).min() < BOUNDARY)


def _on_bound(covariance: np.ndarray) -> bool:
    return _no_variance(covariance) or bool(np.linalg.det(covariance) < BOUNDARY * np.prod(np.diag(covariance)))


def _hessian(
    slopes: Callable[[np.ndarray], np.ndarray], at: np.ndarray, steps: np.ndarray, one_sided: bool
) -> np.ndarray:
    """Second derivatives by differences of the slopes, (P, k) at points (P, k): central, or one-sided, which takes half
    the points and is as exact where the likelihood is nearly quadratic."""
    moves = np.diag(steps)
    if one_sided:
        moves = moves / 100
        found = slopes(np.vstack([at, at + moves]))
        hessian = (found[1:] - found[0]) / np.diag(moves)[:, None]
    else:
        beside = slopes(np.vstack([at + moves, at - moves]))
        hessian = (beside[: len(at)] - beside[len(at) :]) / (2 * steps[:, None])
    return (hessian + hessian.T) / 2
