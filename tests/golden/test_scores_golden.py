"""Score weights, scores and determinacy against psych::factor.scores (02_factor_scores)."""

import golden
import numpy as np
import pytest

from analysis.components.scores import component_scores, score_weights
from analysis.components.solution import Solution

PSYCH = {"regression": "Thurstone", "bartlett": "Bartlett", "ten_berge": "tenBerge", "anderson_rubin": "Anderson"}


def _solution(rotation: str) -> Solution:
    reference = golden.load("02_factor_scores")
    loadings = golden.matrix(reference["loadings" if rotation == "oblimin" else "loadings_varimax"])
    phi = golden.matrix(reference["Phi"]).to_numpy() if rotation == "oblimin" else np.eye(5)
    correlation = golden.correlation("bfi_complete_pearson_cor").to_numpy()
    pattern = loadings.to_numpy()
    uniqueness = 1 - np.diag(pattern @ phi @ pattern.T)
    return Solution(tuple(loadings.index), correlation, 2436, "minres", rotation, pattern, phi, uniqueness, "ok", ())


@pytest.mark.parametrize("rotation", ["oblimin", "varimax"])
@pytest.mark.parametrize("method", PSYCH)
def test_weights_and_scores_equal_psych(rotation: str, method: str) -> None:
    reference = golden.load("02_factor_scores")[rotation][PSYCH[method]]
    solution = _solution(rotation)
    weights = score_weights(solution, method)
    np.testing.assert_allclose(weights.weights, golden.matrix(reference["weights"]), atol=1e-9)
    np.testing.assert_allclose(weights.score_correlations, golden.matrix(reference["r_scores"]), atol=1e-9)
    scores = component_scores(golden.data("bfi_complete"), solution, method)
    np.testing.assert_allclose(scores.scores[:20], golden.matrix(reference["scores_first20"]), atol=1e-9)
    np.testing.assert_allclose(scores.scores.std(axis=0, ddof=1), golden.vector(reference["score_sds"]), atol=1e-9)


@pytest.mark.parametrize("rotation", ["oblimin", "varimax"])
def test_determinacy_is_psychs_r2_of_regression_scores(rotation: str) -> None:
    reference = golden.vector(golden.load("02_factor_scores")[rotation]["Thurstone"]["R2"])
    for method in PSYCH:
        np.testing.assert_allclose(score_weights(_solution(rotation), method).determinacy, reference, atol=1e-9)


def test_validity_of_ten_berge_scores_is_psychs_r2() -> None:
    """psych's R2 is diag(W'S): for scores of unit variance the correlation with the component, not its square."""
    for rotation in ("oblimin", "varimax"):
        reference = golden.vector(golden.load("02_factor_scores")[rotation]["tenBerge"]["R2"])
        np.testing.assert_allclose(score_weights(_solution(rotation), "ten_berge").validity, reference, atol=1e-9)


def test_missing_answers_differ_from_psych_by_definition() -> None:
    """psych gives a row with any missing item no score (or imputes a median); we give the conditional expectation.

    Rows that are complete must agree; the others must be scored here and lie near psych's imputed scores.
    """
    reference = golden.load("02_factor_scores")["missing_data"]
    loadings = golden.matrix(reference["default"]["loadings"])
    phi = golden.matrix(reference["default"]["Phi"]).to_numpy()
    pattern = loadings.to_numpy()
    correlation = golden.correlation("bfi_pairwise_pearson_cor").to_numpy()
    solution = Solution(
        tuple(loadings.index), correlation, 2800, "minres", "oblimin", pattern, phi,
        1 - np.diag(pattern @ phi @ pattern.T), "ok", (),
    )  # fmt: skip
    np.testing.assert_allclose(
        score_weights(solution).weights, golden.matrix(reference["default"]["weights"]), atol=1e-9
    )
    data = golden.data("bfi")
    found = component_scores(data, solution)
    complete = data[list(solution.items)].notna().all(axis=1).to_numpy()
    assert (~complete).sum() == reference["default"]["n_na_rows"]
    psych = golden.matrix(reference["default"]["scores_first40"]).to_numpy()
    first = complete[:40]
    np.testing.assert_allclose(found.scores[:40][first], psych[first], atol=1e-9)
    assert np.isnan(psych[~first]).all()
    assert np.isfinite(found.scores[~complete]).all()
    spread = found.scores[complete].std(axis=0)
    assert (found.scores[~complete].std(axis=0) < 1.1 * spread).all()
    assert (found.determinacy[~complete] <= found.determinacy[complete][0] + 1e-12).all()
