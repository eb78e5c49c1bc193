"""Over repeated sessions: does one rater run above the other (bias), and move with the other (tracking)?

West & Kenny's (2011) truth-and-bias model with sessions in dyads. The judgement (say, the therapist's rating) is
regressed on the truth (the client's), split into the dyad's mean and the session's deviation from it.

Assumed similarity is the pull of the judge's own view on the judgement. With one rating of each rater the judgement
*is* the judge's own view, so the two cannot be told apart: the effect is then said to be not identified, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.common.observations import Observations, check_level, complete, numbered
from analysis.common.pooling import pool
from analysis.common.results import blank, part_named, tidy
from analysis.common.status import Status, most_serious
from analysis.outcome.regression import INTERCEPT, Coefficient, regress

EFFECTS = (
    *("directional_bias", "tracking_within", "tracking_between"),
    *("assumed_similarity_within", "assumed_similarity_between"),
)


@dataclass(frozen=True)
class TruthBiasEffect:
    """One effect, tested robustly to clusters; ``reason`` says why there is none.

    ``directional_bias``: judgement minus truth at the mean truth; ``tracking_within``: change of the judgement per unit
    of the truth's deviation from its dyad mean; ``tracking_between``: per unit of the dyad's mean truth (drawn
    towards zero by chance when dyads have few sessions); ``assumed_similarity_*``: per unit of the judge's own view.
    """

    effect: str
    estimate: float
    se: float
    df: float
    t: float
    p: float
    ci_lower: float
    ci_upper: float
    status: Status
    reason: str


@dataclass(frozen=True)
class TruthAndBias:
    """The effects; made by :func:`truth_and_bias`.

    tracking_sd: standard deviation of tracking over dyads beyond chance, with interval, from the ``tracking_dyads``
    dyads whose truth varies over three sessions or more (NaN from fewer than two).
    """

    effects: tuple[TruthBiasEffect, ...]
    tracking_sd: float
    tracking_sd_ci_lower: float
    tracking_sd_ci_upper: float
    tracking_dyads: int
    level: float
    n: int
    n_dyads: int
    n_clusters: int
    n_dropped: int
    status: Status
    warnings: tuple[str, ...]

    def __getitem__(self, effect: str) -> TruthBiasEffect:
        """One of :data:`EFFECTS`; raises :class:`AnalysisError` for another."""
        return part_named(self.effects, "effect", effect)

    def to_frame(self) -> pd.DataFrame:
        """One row per effect, its own status and reason."""
        model = tidy(self, "effects")
        return pd.DataFrame([{**model, **tidy(effect)} for effect in self.effects])


def truth_and_bias(
    judgement: ArrayLike,
    truth: ArrayLike,
    *,
    dyad: ArrayLike,
    cluster: ArrayLike | None = None,
    own_view: ArrayLike | None = None,
    level: float = 0.95,
) -> TruthAndBias:
    """Bias and tracking of ``judgement`` against ``truth`` (n,), one row per session, sessions in ``dyad`` (n,).

    Standard errors are robust (CR2) to ``cluster`` (therapists), or to dyads without it; they allow tracking to differ
    between dyads. ``own_view`` (n,) is the judge's own rating where the judgement is a guess of the other's; only with
    it is assumed similarity estimated. Dyads with one session give bias and tracking between dyads only. Raises
    :class:`AnalysisError` for columns that are not numbers, hold infinities or differ in length.

    >>> truth = [3.0, 4.0, 5.0, 4.0, 5.0, 7.0, 2.0, 3.0, 5.0]
    >>> judgement = [2.0, 2.5, 3.0, 3.0, 3.5, 4.5, 2.0, 2.5, 3.5]
    >>> found = truth_and_bias(judgement, truth, dyad=list("aaabbbccc"))
    >>> {one.effect: round(one.estimate, 3) for one in found.effects}
    {'directional_bias': -1.278, 'tracking_within': 0.5, 'tracking_between': 0.554, 'assumed_similarity_within':
    nan, 'assumed_similarity_between': nan}
    """
    check_level(level)
    columns = {"judgement": judgement, "truth": truth} | ({} if own_view is None else {"own view": own_view})
    rows = complete(columns, dyad if cluster is None else cluster)
    codes, n_dyads = numbered(dyad, "dyad", rows.kept, in_order=False)
    known: dict[str, Any] = {"level": level, "n_dyads": n_dyads, **rows.counts}
    if rows.n == 0:
        sentence = "No session was rated by both."
        nothing = tuple(blank(TruthBiasEffect, effect=e, status=Status.NO_DATA, reason=sentence) for e in EFFECTS)
        return blank(
            TruthAndBias, effects=nothing, tracking_dyads=0, status=Status.NO_DATA, warnings=(sentence,), **known
        )
    predictors = {"tracking": rows.column("truth")}
    separate = own_view is not None and not np.allclose(rows.column("own view"), rows.column("judgement"))
    if separate:
        predictors["assumed_similarity"] = rows.column("own view")
    split = _split(predictors, codes, n_dyads)
    # Judgement about the mean truth, and between parts about their means: the intercept is then the directional bias.
    fit = regress(rows.column("judgement") - rows.column("truth").mean(), split, cluster=rows.codes, level=level)
    effects = tuple(_effect(effect, fit.coefficients, separate) for effect in EFFECTS)
    spread, n_used = _heterogeneity(rows, codes, n_dyads, level)
    told = [effect.status for effect in effects if separate or not effect.effect.startswith("assumed")]
    return TruthAndBias(
        effects=effects,
        tracking_sd=spread[0],
        tracking_sd_ci_lower=spread[1],
        tracking_sd_ci_upper=spread[2],
        tracking_dyads=n_used,
        status=_status(fit.status, told),
        warnings=tuple(dict.fromkeys([*_without_constants(fit.warnings), *(e.reason for e in effects if e.reason)])),
        **known,
    )


def _status(fit: Status, told: list[Status]) -> Status:
    """The regression's status, unless it only says that a predictor is constant: the effects say that better."""
    return most_serious(told if fit is Status.CONSTANT and told and Status.CONSTANT not in told else [fit, *told])


def _split(predictors: dict[str, np.ndarray], codes: np.ndarray, n_dyads: int) -> dict[str, np.ndarray]:
    sizes = np.bincount(codes, minlength=n_dyads)
    split = {}
    for name, values in predictors.items():
        means = (np.bincount(codes, weights=values, minlength=n_dyads) / sizes)[codes]
        split[f"{name}_within"] = values - means
        split[f"{name}_between"] = means - values.mean()
    return split


def _without_constants(warnings: tuple[str, ...]) -> list[str]:
    """The regression's sentences but that on constant terms, which the effects tell in words of their own."""
    return [sentence for sentence in warnings if not sentence.startswith("Left out")]


def _effect(effect: str, coefficients: tuple[Coefficient, ...], separate: bool) -> TruthBiasEffect:
    if effect.startswith("assumed_similarity") and not separate:
        reason = "Assumed similarity cannot be told apart: the judgement is the judge's own view."
        return blank(TruthBiasEffect, effect=effect, status=Status.UNDERIDENTIFIED, reason=reason)
    term = INTERCEPT if effect == "directional_bias" else effect
    found = next(coefficient for coefficient in coefficients if coefficient.term == term)
    status, reason = found.status, ""
    if status is Status.CONSTANT and effect.endswith("_within"):
        status, reason = Status.UNDERIDENTIFIED, "No dyad has sessions that differ: nothing to track within dyads."
    elif status is Status.CONSTANT and effect.endswith("_between"):
        status, reason = Status.UNDERIDENTIFIED, "Dyads do not differ in their means: nothing to track between dyads."
    elif status is not Status.OK:
        reason = "The ratings do not allow this effect to be told."
    figures = {name: getattr(found, name) for name in ("estimate", "se", "df", "t", "p", "ci_lower", "ci_upper")}
    return TruthBiasEffect(effect=effect, status=status, reason=reason, **figures)


def _heterogeneity(
    rows: Observations, codes: np.ndarray, n_dyads: int, level: float
) -> tuple[tuple[float, float, float], int]:
    """Spread of tracking over dyads: random-effects pooling of the dyads' own slopes (residual variance in common)."""
    split = _split({"truth": rows.column("truth"), "judgement": rows.column("judgement")}, codes, n_dyads)
    x, y = split["truth_within"], split["judgement_within"]
    sizes = np.bincount(codes, minlength=n_dyads)
    sxx, sxy, syy = (np.bincount(codes, weights=w, minlength=n_dyads) for w in (x * x, x * y, y * y))
    usable = (sizes >= 3) & (sxx > 1e-12 * max(float(sxx.max(initial=0.0)), 1e-300))
    if usable.sum() < 2:
        return (np.nan, np.nan, np.nan), int(usable.sum())
    slopes = sxy[usable] / sxx[usable]
    residual = float((syy[usable] - slopes * sxy[usable]).sum()) / float((sizes[usable] - 2).sum())
    if residual <= 1e-20 * float(syy.sum()) or residual <= 0:
        return (np.nan, np.nan, np.nan), int(usable.sum())
    pooled = pool(slopes, residual / sxx[usable], level=level)
    variances = (pooled.tau2, pooled.tau2_ci_lower, pooled.tau2_ci_upper)
    sd, low, high = (float(np.sqrt(variance)) for variance in variances)
    return (sd, low, high), int(usable.sum())
