"""Procrustes and target rotations against R (base-R gradient projection, GPArotation targetT/targetQ/pstQ, psych)."""

import golden
import numpy as np
import pytest

from analysis.components.alignment import orthogonal_procrustes, tucker_congruence
from analysis.components.rotation import RotationSettings, rotate

REFERENCE = "07_target_procrustes"


@pytest.fixture(scope="module")
def loadings():
    return golden.correlation("bfi_uls_unrotated").to_numpy()


def target(kind: str) -> np.ndarray:
    return golden.correlation(f"bfi_target_{kind}").to_numpy(dtype=float)


def test_orthogonal_procrustes(loadings):
    reference = golden.load(REFERENCE)["orthogonal_procrustes_svd"]
    rotation = orthogonal_procrustes(loadings, target("full"))
    np.testing.assert_allclose(rotation, golden.matrix(reference["rotation"]), atol=1e-12)
    np.testing.assert_allclose(loadings @ rotation, golden.matrix(reference["loadings"]), atol=1e-12)
    assert np.sqrt(np.mean((loadings @ rotation - target("full")) ** 2)) == pytest.approx(reference["rmsd"], abs=1e-12)
    congruence = tucker_congruence(loadings @ rotation, target("full"))
    np.testing.assert_allclose(congruence, golden.matrix(reference["congruence"]), atol=1e-10)


@pytest.mark.parametrize("kind", ["full", "partial"])
@pytest.mark.parametrize("axes", ["orthogonal", "oblique"])
def test_target_rotation(loadings, kind, axes):
    reference = golden.load(REFERENCE)[f"{kind}_target_{axes}"]
    ours = rotate(loadings, f"target_{axes}", settings=RotationSettings(target=target(kind)))
    assert ours.converged
    assert ours.criterion == pytest.approx(reference["criterion"], abs=1e-10)
    # Free columns of a partial target may come back with either sign.
    theirs = golden.matrix(reference["loadings"]).to_numpy()
    signs = np.sign(np.sum(ours.loadings * theirs, axis=0))
    np.testing.assert_allclose(ours.loadings * signs, theirs, atol=1e-6)
    if axes == "oblique":
        np.testing.assert_allclose(ours.phi * np.outer(signs, signs), golden.matrix(reference["Phi"]), atol=1e-6)


def test_least_squares_oblique_procrustes(loadings):
    reference = golden.load(REFERENCE)["least_squares_oblique_procrustes"]
    ours = rotate(loadings, "procrustes", settings=RotationSettings(target=target("full")))
    np.testing.assert_allclose(ours.loadings, golden.matrix(reference["loadings"]), atol=1e-10)
    np.testing.assert_allclose(ours.phi, golden.matrix(reference["Phi"]), atol=1e-10)


def test_procrustes_is_target_rot_of_psych(loadings):
    reference = golden.load(REFERENCE)["psych_target_rot"]
    ours = rotate(loadings, "procrustes", settings=RotationSettings(target=target("full")))
    np.testing.assert_allclose(ours.loadings, golden.matrix(reference["loadings"]), atol=1e-10)
    np.testing.assert_allclose(ours.phi, golden.matrix(reference["Phi"]), atol=1e-10)
