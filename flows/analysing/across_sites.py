"""The headline effects of a study, each at its sites and pooled over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.common.study_rows import StudyResult
from analysis.components.component_study import FoundComponents
from analysis.outcome.outcome_study import Predictors
from analysis.outcome.rating_choice import choose
from analysis.outcome.site_study import site_rows, study_sites
from analysis.two_views.two_views import paired_scores
from flows.analysing.registry import CONFIDENCE


def study_across_sites(
    found: Mapping[str, FoundComponents],
    predictors: Mapping[str, Predictors],
    outcomes: pd.DataFrame,
    min_rows: int,
    few: tuple[int, int],
) -> StudyResult:
    """Correlations of every component with every outcome, and of client with therapist components, by site.

    ``predictors`` are the ratings of each rater that predict outcomes, by the study's rule; ``few`` the dyads and
    therapists below which a site is withheld. Only effects with at least ``min_rows`` rows over all sites are compared.
    Raises :class:`AnalysisError` when there is none, or one site.
    """
    frames = [frame for rater in sorted(found) for frame in _with_outcomes(predictors[rater], outcomes, min_rows, few)]
    if set(found) == {"client", "therapist"}:
        frames += _with_each_other(found["client"], found["therapist"], min_rows, few)
    result = study_sites(frames)
    sampled = [sentence for rater in sorted(found) for sentence in found[rater].rows.sampled]
    return replace(result, warnings=(*result.warnings, *dict.fromkeys(sampled)))


def _with_outcomes(
    predictors: Predictors, outcomes: pd.DataFrame, min_rows: int, few: tuple[int, int]
) -> list[pd.DataFrame]:
    frames = []
    after = outcomes[outcomes["phase"] == "post"]
    for (outcome, outcome_rater), measured in after.groupby(["outcome", "rater"], sort=True):
        chosen = choose(predictors.values, predictors.rows.keys, measured, predictors.rule, predictors.dyads)
        for name, column in chosen.values.items():
            scores = column.to_numpy(dtype=float)
            if int((np.isfinite(scores) & np.isfinite(chosen.benefit)).sum()) < min_rows:
                continue
            effect = f"{predictors.rater}.{name}.{outcome_rater}.{outcome}"
            frames.append(site_rows(effect, "outcome_effects", scores, chosen.benefit, chosen.keys, CONFIDENCE, few))
    return frames


def _with_each_other(
    client: FoundComponents, therapist: FoundComponents, min_rows: int, few: tuple[int, int]
) -> list[pd.DataFrame]:
    pairs, _ = paired_scores(client, therapist)
    if len(pairs) < min_rows:
        return []
    return [
        site_rows(
            f"client.component_{own}.therapist.component_{other}",
            "agreement",
            pairs[f"c{own}"].to_numpy(dtype=float),
            pairs[f"t{other}"].to_numpy(dtype=float),
            pairs,
            CONFIDENCE,
            few,
        )
        for own in range(1, client.solution.n_components + 1)
        for other in range(1, therapist.solution.n_components + 1)
    ]
