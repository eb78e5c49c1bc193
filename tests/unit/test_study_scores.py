"""Scores that cannot be had take nothing else of an analysis with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.common.study_rows import Rows
from analysis.components.component_stream import study_component_stream
from analysis.components.component_study import ComponentSettings, study_components
from analysis.components.item_facts import ItemFacts
from analysis.two_views.two_views import PairSettings, study_component_agreement
from tests.unit.known_truth import item_names
from tests.unit.test_component_stream import streamed
from tests.unit.test_component_study import rows_of

TABLES = {
    "suitability", "retention", "item_correlations", "components", "loadings", "component_correlations", "model_fit",
    "reliability",
}  # fmt: skip


def heywood_rows() -> Rows:
    """Answers of 60 to six items of two components, one of which is all but the sum of others."""
    rng = np.random.default_rng(2)
    values = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 6)) * 2 + rng.standard_normal((60, 6))
    values[:, 0] += 5 * values[:, 1]
    return rows_of(pd.DataFrame(np.round(values), columns=item_names(6)), 2)


@pytest.mark.parametrize("method", ["bartlett", "anderson_rubin"])
def test_components_of_a_heywood_case_stand_without_scores(method: str) -> None:
    settings = ComponentSettings(n_components=2, scores=method, parallel_samples=5, min_rows=3)
    result, found = study_components(heywood_rows(), settings, ItemFacts(), seed=1)
    assert (result.status, result.reason) == ("heywood", "Heywood case: no uniqueness is left for i01.")
    assert "No scores: These scores need positive uniquenesses; i01 has none (Heywood case)" in " ".join(
        result.warnings
    )
    assert set(result.frames) >= TABLES
    assert result.frames["loadings"]["loading"].notna().all()
    scores = result.frames["component_scores"]
    assert len(scores) == 120
    assert scores["score"].isna().all()
    assert (scores["n_answered"] == 6).all()
    assert found is not None
    agreement = study_component_agreement(found, found, PairSettings(0, 3, 0.95, 1))
    assert agreement.status == "no_data"


def test_rows_too_many_to_hold_do_without_scores_too() -> None:
    settings = ComponentSettings(n_components=2, scores="bartlett", parallel_samples=5, min_rows=3)
    result, _ = study_component_stream(streamed(heywood_rows(), settings), settings, ItemFacts(), seed=1)
    assert result.status == "heywood"
    assert set(result.frames) >= TABLES
    assert pd.concat(result.streams["component_scores"])["score"].isna().all()
