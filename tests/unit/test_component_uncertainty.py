"""Carrying the bootstrap of components to outcome and to the other rater: centre, width, and what it adds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError
from analysis.components.components import find_components
from analysis.components.scores import component_scores
from analysis.outcome.association import correlate
from analysis.outcome.component_uncertainty import carry_to_each_other, carry_to_outcome

N, P = 160, 8


@pytest.fixture(scope="module")
def study() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Answers to eight items of two components, an outcome that follows the first, therapists of four."""
    rng = np.random.default_rng(4)
    true = rng.standard_normal((N, 2))
    loadings = np.kron(np.eye(2), np.full((P // 2, 1), 0.6))
    answers = true @ loadings.T + 0.8 * rng.standard_normal((N, P))
    outcome = 0.5 * true[:, 0] + 0.85 * rng.standard_normal(N)
    return pd.DataFrame(answers, columns=[f"i{n}" for n in range(P)]), outcome, np.repeat(np.arange(N // 4), 4)


def found_in(answers: pd.DataFrame):
    return find_components(answers.corr().to_numpy(), N, list(answers.columns), n_components=2)


def test_intervals_surround_the_estimate_and_are_wider_than_with_known_loadings(study) -> None:
    answers, outcome, clusters = study
    solution = found_in(answers)
    carried = carry_to_outcome(
        solution, answers, outcome, clusters=clusters, method="regression", seed=1, replicates=300
    )
    scores = component_scores(answers, solution).scores
    for column in range(2):
        known = correlate(scores[:, column], outcome, cluster=clusters, n_bootstrap=300, seed=1)
        low, high = np.nanquantile(carried.correlations[:, column], [0.025, 0.975])
        assert low < known.r < high
        assert high - low > 0.95 * (known.boot_ci_upper - known.boot_ci_lower)
    slopes = np.linalg.lstsq(
        np.column_stack([np.ones(N), (scores - scores.mean(0)) / scores.std(0)]), outcome / outcome.std(), rcond=None
    )[0][1:]
    assert np.nanmedian(carried.slopes, axis=0) == pytest.approx(slopes, abs=0.05)


def test_all_therapists_once_give_the_correlation_of_the_scores(study, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, outcome, clusters = study
    solution = found_in(answers)
    once = "analysis.common.resampling.Block.weights"
    monkeypatch.setattr(once, lambda self, n: np.ones((self.size, n), dtype=int))
    carried = carry_to_outcome(solution, answers, outcome, clusters=clusters, method="regression", seed=1, replicates=2)
    scores = component_scores(answers, solution).scores
    expected = [np.corrcoef(scores[:, column], outcome)[0, 1] for column in range(2)]
    assert carried.correlations == pytest.approx(np.array([expected, expected]), abs=1e-5)


def test_the_other_raters_components_move_too(study) -> None:
    answers, outcome, clusters = study
    rng = np.random.default_rng(5)
    other = answers + 0.8 * rng.standard_normal(answers.shape)
    kept = np.arange(0, N, 2)
    found = carry_to_each_other(
        (found_in(answers), answers, clusters),
        (found_in(other), other.iloc[kept].reset_index(drop=True), clusters[kept]),
        (kept, np.arange(len(kept))),
        methods=("regression", "regression"),
        seed=2,
        replicates=100,
    )
    assert found.shape == (100, 2, 2)
    centre = np.nanmedian(found, axis=0)
    assert np.diag(centre).min() > 0.4 > np.abs(centre - np.diag(np.diag(centre))).max()


def test_means_of_salient_items_have_no_weights(study) -> None:
    answers, outcome, clusters = study
    with pytest.raises(AnalysisError, match="no weights"):
        carry_to_outcome(
            found_in(answers), answers, outcome, clusters=clusters, method="unit_weighted", seed=1, replicates=5
        )
