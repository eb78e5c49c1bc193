"""Variants by name against the program each is named after."""

import golden
import numpy as np
import pytest

from analysis.components.components import find_components
from analysis.components.extraction import extract

SETS = {"bfi_complete": ("bfi_complete_pearson_cor", 2436, 5), "harman74": ("harman74_cor", 145, 4)}


@pytest.mark.parametrize("name", SETS)
def test_paf_psych_stops_where_psych_does(name):
    file, n, components = SETS[name]
    reference = golden.load(f"01_efa_{name}")["psych"]["pa"]["none"]
    loadings = golden.matrix(reference["loadings"]).to_numpy()
    ours = find_components(
        golden.correlation(file), n, n_components=components, extraction="paf_psych", rotation="none"
    )
    signs = np.sign(np.sum(ours.pattern * loadings, axis=0))
    np.testing.assert_allclose(ours.pattern, loadings * signs, atol=1e-6)
    settled = extract(golden.correlation(file).to_numpy(), components, "paf")
    # psych's stop is what is being matched: the optimum itself is further away than the tolerance above.
    assert np.abs(settled.loadings[0] ** 2 - ours.pattern**2).max() > 1e-5


@pytest.mark.parametrize("name", SETS)
def test_paf_spss_runs_the_same_iteration_to_another_stop(name):
    file, n, components = SETS[name]
    matrix = golden.correlation(file).to_numpy()
    found = extract(matrix, components, "paf_spss")
    # By hand, as SPSS's manual of algorithms describes it: from squared multiple correlations until none moves by .001.
    communality = 1 - 1 / np.diag(np.linalg.inv(matrix))
    for _ in range(25):
        reduced = matrix - np.diag(np.diag(matrix)) + np.diag(communality)
        values, vectors = np.linalg.eigh(reduced)
        loadings = vectors[:, -components:] * np.sqrt(values[-components:])
        moved = np.abs(np.sum(loadings**2, axis=1) - communality).max()
        communality = np.sum(loadings**2, axis=1)
        if moved < 1e-3:
            break
    np.testing.assert_allclose(1 - found.uniqueness[0], communality, atol=1e-10)
    assert found.converged[0] == (moved < 1e-3)
