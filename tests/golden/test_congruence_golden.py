"""Tucker congruence and Procrustes against psych (06_congruence)."""

import golden
import numpy as np
import pytest

from analysis.congruence import congruence
from analysis.solution import Solution

ROTATIONS = ["oblimin", "varimax", "promax_kaiser"]


def _solutions(rotation: str) -> tuple[Solution, Solution, dict]:
    reference = golden.load("06_congruence")[rotation]
    both = []
    for sex in ("male", "female"):
        loadings = golden.matrix(reference[f"{sex}_loadings"])
        pattern = loadings.to_numpy()
        phi = golden.matrix(reference[f"{sex}_phi"]).to_numpy() if reference[f"{sex}_phi"] else np.eye(5)
        implied = pattern @ phi @ pattern.T
        uniqueness = 1 - np.diag(implied)
        both.append(
            Solution(
                tuple(loadings.index),
                implied + np.diag(uniqueness),
                800,
                "minres",
                rotation,
                pattern,
                phi,
                uniqueness,
                "ok",
                (),
            )
        )
    return both[0], both[1], reference


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_tucker_and_match_equal_psych(rotation: str) -> None:
    male, female, reference = _solutions(rotation)
    found = congruence(male, female)
    np.testing.assert_allclose(found.table, golden.matrix(reference["tucker"]), atol=1e-10)
    # The best partner of each column is one to one in these data, so it is the Hungarian match as well.
    np.testing.assert_array_equal(found.match.right + 1, reference["matched_female_column"])
    np.testing.assert_allclose(found.match.congruence * found.match.signs, reference["matched_congruence"], atol=1e-10)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_congruence_after_procrustes_equals_psych(rotation: str) -> None:
    male, female, reference = _solutions(rotation)
    found = congruence(male, female)
    expected = np.diag(golden.matrix(reference["procrustes_male_to_female"]["congruence"]).to_numpy())
    np.testing.assert_allclose(found.after_rotation, expected[found.match.right], atol=1e-10)
    np.testing.assert_allclose(found.rmsd, reference["procrustes_male_to_female"]["rmsd"], atol=1e-10)
    np.testing.assert_allclose(found.item_congruence, reference["item_congruence"], atol=1e-10)
