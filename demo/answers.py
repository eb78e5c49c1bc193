"""Draws the demo study's answers and outcomes from the population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.model import (
    BETAS,
    COMPONENTS,
    DYAD_SHARE,
    OUTCOME_RESIDUAL_CORRELATION,
    PRE_SEVERITY_BETA,
    RATERS,
    SEVERITY_AGREEMENT,
    SITE_SHARE,
    STABLE_UNIQUE_SHARE,
    THERAPIST_SHARE,
    Matrix,
    Population,
)
from demo.people import People

Answers = NDArray[np.int64]

# Mean and standard deviation of keyed answers as shares of the item's range: clients answer high, so that the top
# answer is frequent and distributions are mildly skewed.
_LEVEL = {"client": (0.74, 0.21), "therapist": (0.66, 0.19)}
# Clients' mean is higher still where they stress a theme (see model.STRESSED_BY_CLIENTS).
_ITEM_LEVEL_SPREAD = 0.04


@dataclass(frozen=True)
class StudyData:
    """Everything drawn. Arrays run over all dyads, whether or not a form exists (see `people.Dyad`).

    ``components`` (dyads, sessions, 10) holds the true component scores, the client's six first. ``alliance[rater]``
    (dyads, sessions, 47) are raw answers as administered. The others are (dyads,) or (dyads, items).
    """

    components: Matrix
    alliance: dict[str, Answers]
    gsi_pre: Matrix
    gsi_post: Matrix
    phq_pre: Answers
    phq_post: Answers
    complaints_pre: Answers
    complaints_post: Answers
    severity_pre: Answers
    severity_post: Answers
    global_rating: dict[str, Answers]


def draw(people: People, population: Population, n_sessions: int, rng: np.random.Generator) -> StudyData:
    """Draws all answers of all dyads at ``n_sessions`` sessions, and all outcomes."""
    components = _components(people, population, n_sessions, rng)
    split = len(COMPONENTS["client"])
    parts = {"client": components[..., :split], "therapist": components[..., split:]}
    alliance = {rater: _alliance(parts[rater], population, rater, rng) for rater in RATERS}
    last = {rater: part[:, -1, :] for rater, part in parts.items()}
    return _with_outcomes(components, alliance, last, population, rng)


def _components(people: People, population: Population, n_sessions: int, rng: np.random.Generator) -> Matrix:
    """True component scores: site, therapist, dyad and session each add a share with the same correlations."""
    root = np.linalg.cholesky(population.joint)
    size = len(root)
    site = {each.site_id: number for number, each in enumerate(people.sites)}
    of_site = np.array([site[dyad.site.site_id] for dyad in people.dyads])
    of_therapist = np.array([dyad.therapist_index for dyad in people.dyads])
    # Every effect is drawn by itself and in a fixed order, so that a study with more sessions keeps its people.
    by_site = _standardised(rng.standard_normal((len(people.sites), size)))
    by_therapist = rng.standard_normal((people.n_therapists, size))
    by_dyad = rng.standard_normal((len(people.dyads), size))
    by_session = rng.standard_normal((len(people.dyads), n_sessions, size))
    session_share = 1.0 - SITE_SHARE - THERAPIST_SHARE - DYAD_SHARE
    stable = (
        np.sqrt(SITE_SHARE) * by_site[of_site]
        + np.sqrt(THERAPIST_SHARE) * by_therapist[of_therapist]
        + np.sqrt(DYAD_SHARE) * by_dyad
    )
    mixed = stable[:, None, :] + np.sqrt(session_share) * by_session
    return np.asarray(mixed @ root.T)


def _standardised(effects: Matrix) -> Matrix:
    """Effects with mean 0 and variance 1: six draws would otherwise stray far from the variance they stand for."""
    if len(effects) < 2:
        return np.zeros_like(effects)
    return np.asarray((effects - effects.mean(axis=0)) / effects.std(axis=0))


def _alliance(components: Matrix, population: Population, rater: str, rng: np.random.Generator) -> Answers:
    n_dyads, n_sessions, _ = components.shape
    n_items = len(population.items)
    stable = rng.standard_normal((n_dyads, 1, n_items))
    passing = rng.standard_normal((n_dyads, n_sessions, n_items))
    unique = np.sqrt(STABLE_UNIQUE_SHARE) * stable + np.sqrt(1.0 - STABLE_UNIQUE_SHARE) * passing
    latent = components @ population.loadings[rater].T + np.sqrt(population.uniqueness(rater)) * unique
    mean, deviation = _LEVEL[rater]
    # Fixed by the item, so that an item is as easy at every site and in every study.
    ease = _ITEM_LEVEL_SPREAD * np.array([(place * 7 % 5) - 2 for place in range(n_items)]) / 2
    low, high = (np.array([each[side] for each in population.ranges]) for side in (0, 1))
    keyed = _likert(low + (high - low) * (mean + ease + deviation * latent), low, high)
    reverse = np.array([item.reverse_keyed for item in population.items])
    return np.where(reverse, low + high - keyed, keyed)


def _likert(values: Matrix, low: NDArray[np.int64] | int, high: NDArray[np.int64] | int) -> Answers:
    return np.clip(np.rint(values), low, high).astype(np.int64)


def _with_outcomes(
    components: Matrix,
    alliance: dict[str, Answers],
    last: dict[str, Matrix],
    population: Population,
    rng: np.random.Generator,
) -> StudyData:
    """Measures before and after therapy. The latent outcome of each rater has variance 1, higher is better."""
    n = len(last["client"])
    severity = rng.standard_normal(n)
    noise = rng.standard_normal(n)
    seen_severity = {
        "client": severity,
        "therapist": SEVERITY_AGREEMENT * severity + np.sqrt(1 - SEVERITY_AGREEMENT**2) * noise,
    }
    shared, own = rng.standard_normal((1, n)), rng.standard_normal((2, n))
    residual = dict(
        zip(
            RATERS,
            np.sqrt(OUTCOME_RESIDUAL_CORRELATION) * shared + np.sqrt(1 - OUTCOME_RESIDUAL_CORRELATION) * own,
            strict=True,
        )
    )
    gain, measured = {}, {}
    for rater in RATERS:
        effect = last[rater] @ np.array(BETAS[rater])
        left = 1.0 - population.explained(rater)
        gain[rater] = effect + np.sqrt(left) * residual[rater]
        measured[rater] = (
            effect - PRE_SEVERITY_BETA * seen_severity[rater] + np.sqrt(left - PRE_SEVERITY_BETA**2) * residual[rater]
        )
    return StudyData(
        components=components,
        alliance=alliance,
        gsi_pre=_gsi(1.40 + 0.45 * severity),
        gsi_post=_gsi(1.05 - 0.42 * measured["client"]),
        phq_pre=_items(severity, 9, 1.45, 0.75, 0.75, (0, 3), rng),
        phq_post=_items(-measured["client"], 9, 1.00, 0.75, 0.75, (0, 3), rng),
        complaints_pre=_items(severity, 3, 9.5, 2.0, 0.8, (1, 13), rng),
        complaints_post=_items(-measured["client"], 3, 5.5, 2.4, 0.8, (1, 13), rng),
        severity_pre=_items(seen_severity["therapist"], 3, 4.8, 1.1, 0.88, (1, 7), rng),
        severity_post=_items(-measured["therapist"], 3, 3.3, 1.2, 0.88, (1, 7), rng),
        global_rating={rater: _items(gain[rater], 4, 6.2, 1.6, 0.9, (1, 9), rng) for rater in RATERS},
    )


def _gsi(values: Matrix) -> Matrix:
    return np.clip(np.round(values, 2), 0.0, 4.0)


def _items(
    latent: Matrix,
    n_items: int,
    mean: float,
    deviation: float,
    loading: float,
    bounds: tuple[int, int],
    rng: np.random.Generator,
) -> Answers:
    """Answers to parallel items of one dimension, (n, items)."""
    unique = np.sqrt(1 - loading**2) * rng.standard_normal((len(latent), n_items))
    return _likert(mean + deviation * (loading * latent[:, None] + unique), *bounds)
