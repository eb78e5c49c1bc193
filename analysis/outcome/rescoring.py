"""Scores of the same components from other answers: of another session, or without items that overlap with outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
import pandas as pd

from analysis.components.component_study import FoundComponents
from analysis.components.scores import ScoreMethod, component_scores, unit_weighted_scores


def score_columns(scores: np.ndarray) -> pd.DataFrame:
    """Scores (n, k) as columns component_1, component_2, ..."""
    return pd.DataFrame(scores, columns=[f"component_{number + 1}" for number in range(scores.shape[1])])


def rescored(
    found: FoundComponents,
    answers: pd.DataFrame,
    *,
    salience: float,
    ranges: Mapping[str, tuple[float, float]],
    without: Iterable[str] = (),
) -> pd.DataFrame:
    """Scores (n, k) of ``answers`` (n, p) on the components of ``found``, as columns component_1, component_2, ...

    Answers are standardised as those of ``found`` were, so that scores of another session are on the same scale. Items
    in ``without`` count as not answered: a score is then its expectation given the other items, of the same component,
    and comparable with the full one.
    """
    given = answers.copy()
    given[[item for item in without if item in given.columns]] = np.nan
    method = found.scores.method
    if method == "unit_weighted":
        return score_columns(unit_weighted_scores(given, found.solution, salience=salience, ranges=ranges).scores)
    own = found.scores
    scores = component_scores(
        given, found.solution, cast("ScoreMethod", method), mean=own.mean, deviation=own.deviation
    )
    return score_columns(scores.scores)
