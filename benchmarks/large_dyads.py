"""Dyads by the hundred thousand, therapists of unequal caseload in sites, for the speed of outcome and agreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_PREDICTORS = 6


@dataclass(frozen=True, eq=False)
class LargeDyads:
    """One row per dyad: component scores (n, 6), both raters' scale score and outcome (n,), labels of therapist and
    site, and the session a row would be in if every two rows were one dyad (``paired``)."""

    scores: dict[str, np.ndarray]
    client: np.ndarray
    therapist: np.ndarray
    client_outcome: np.ndarray
    therapist_outcome: np.ndarray
    therapist_id: np.ndarray
    site_id: np.ndarray
    paired: np.ndarray


def large_dyads(n: int, therapists: int, sites: int, seed: int = 1) -> LargeDyads:
    """``n`` dyads; caseloads are geometric, therapists and sites differ, predictors vary between therapists too."""
    rng = np.random.default_rng(seed)
    caseload = rng.geometric(therapists / n, therapists).astype(float)
    # Whole pairs of rows per therapist, so that every two rows can be the two sessions of one dyad.
    share = np.maximum(np.floor(caseload / caseload.sum() * (n // 2 - therapists)), 0).astype(int) + 1
    share[0] += n // 2 - share.sum()
    own = np.repeat(np.arange(therapists), 2 * share)
    site = own * sites // therapists
    level = rng.normal(size=(therapists, 4)) * [0.5, 0.4, 0.4, 0.4]
    x = rng.normal(size=(n, N_PREDICTORS)) + 0.4 * rng.normal(size=(therapists, N_PREDICTORS))[own]
    common = rng.normal(size=n) + 0.7 * np.repeat(rng.normal(size=n // 2), 2)
    client = 5 + common + level[own, 0] + rng.normal(size=n)
    therapist = 5 + 0.5 * common + 0.5 * np.repeat(rng.normal(size=n // 2), 2) + level[own, 1] + rng.normal(size=n)
    outcome = x @ np.array([0.3, 0.0, 0.1, 0.0, 0.2, 0.0]) + 0.2 * rng.normal(size=sites)[site]
    return LargeDyads(
        scores={f"component_{at + 1}": x[:, at].copy() for at in range(N_PREDICTORS)},
        client=client,
        therapist=therapist,
        client_outcome=outcome + level[own, 2] + rng.normal(size=n),
        therapist_outcome=0.4 * outcome + level[own, 3] + rng.normal(size=n),
        therapist_id=np.array([f"t{number:06d}" for number in own], dtype=object),
        site_id=np.array([f"s{number:03d}" for number in site], dtype=object),
        paired=np.array([f"d{number:07d}" for number in np.arange(n) // 2], dtype=object),
    )
