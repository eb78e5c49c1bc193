"""Tucker congruence and Procrustes against psych (06_congruence)."""

import golden
import numpy as np
import pytest

from analysis.components.alignment import orthogonal_procrustes, tucker_congruence
from analysis.components.components import find_components
from analysis.components.congruence import congruence
from analysis.components.solution import Solution
from analysis.correlations.correlation import correlate

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


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_the_rotation_itself_is_that_of_psychs_procrustes(rotation: str) -> None:
    male, female, reference = _solutions(rotation)
    theirs = reference["procrustes_male_to_female"]
    turned = orthogonal_procrustes(male.pattern, female.pattern)
    np.testing.assert_allclose(turned, golden.matrix(theirs["rotation"]), atol=1e-10)
    np.testing.assert_allclose(male.pattern @ turned, golden.matrix(theirs["loadings"]), atol=1e-10)
    table = tucker_congruence(male.pattern @ turned, female.pattern)
    np.testing.assert_allclose(table, golden.matrix(theirs["congruence"]), atol=1e-10)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_the_whole_way_from_the_rows_of_each_sex(rotation: str) -> None:
    reference = golden.load("06_congruence")
    data = golden.data("bfi_complete")
    items = golden.matrix(reference["oblimin"]["male_loadings"]).index
    found = {}
    for code, sex in ((1, "male"), (2, "female")):
        rows = data.loc[data["gender"] == code, list(items)]
        assert len(rows) == reference[f"n_{sex}"]
        found[sex] = find_components(correlate(rows), n_components=5, rotation=rotation, random_starts=0)
        np.testing.assert_allclose(found[sex].pattern, golden.matrix(reference[rotation][f"{sex}_loadings"]), atol=1e-6)
        if reference[rotation][f"{sex}_phi"] is not None:
            np.testing.assert_allclose(found[sex].phi, golden.matrix(reference[rotation][f"{sex}_phi"]), atol=1e-6)
    table = congruence(found["male"], found["female"]).table
    np.testing.assert_allclose(table, golden.matrix(reference[rotation]["tucker"]), atol=1e-6)
    if rotation == "oblimin":
        # psych's own fits stop earlier, and order close columns otherwise.
        theirs = np.sort(np.abs(golden.matrix(reference["psych_default"]["tucker_oblimin"]).to_numpy()).ravel())
        np.testing.assert_allclose(np.sort(np.abs(table).ravel()), theirs, atol=2e-3)
