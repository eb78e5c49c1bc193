"""KMO and Bartlett's test against psych."""

import golden
import numpy as np
import pytest

from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate

BFI = [f"{scale}{number}" for scale in "ACENO" for number in range(1, 6)]
HOLZINGER = [f"x{number}" for number in range(1, 10)]


def matrix_of(name: str) -> tuple[np.ndarray, tuple[str, ...], int]:
    if name.startswith("bfi"):
        found = correlate(golden.data({"bfi_complete": "bfi_complete", "bfi_pairwise": "bfi"}[name])[BFI])
    elif name in ("holzinger9", "sim47x176"):
        data = golden.data({"holzinger9": "holzinger1939"}.get(name, name))
        found = correlate(data[HOLZINGER] if name == "holzinger9" else data)
    else:
        frame = golden.correlation(f"{name}_cor")
        return frame.to_numpy(), tuple(frame.columns), golden.load("03_kmo_bartlett")[name]["n"]
    return found.matrix, found.items, found.n


@pytest.mark.parametrize(
    "name", ["bfi_complete", "bfi_pairwise", "harman74", "holzinger9", "thurstone", "sim55", "sim47x176"]
)
def test_kmo_and_bartlett(name):
    reference = golden.load("03_kmo_bartlett")[name]
    matrix, items, n = matrix_of(name)
    ours = suitability(matrix, n, items)
    assert n == reference["n"]
    assert ours.status == "ok"
    assert ours.kmo == pytest.approx(reference["KMO"], abs=1e-10)
    np.testing.assert_allclose(ours.msa, golden.vector(reference["MSA_items"]), atol=1e-10)
    np.testing.assert_allclose(ours.smc, golden.vector(reference["smc"]), atol=1e-10)
    assert ours.log_determinant == pytest.approx(reference["log_det"], abs=1e-9)
    assert ours.determinant == pytest.approx(reference["determinant"], rel=1e-9)
    assert ours.bartlett_chi2 == pytest.approx(reference["bartlett_chisq"], rel=1e-10)
    assert ours.bartlett_df == reference["bartlett_df"]
    assert ours.bartlett_log_p == pytest.approx(reference["bartlett_log_p"], rel=1e-8)
    image = golden.matrix(reference["image_correlation"]).to_numpy()
    off = ~np.eye(len(image), dtype=bool)
    np.testing.assert_allclose(np.abs(ours.image_correlation[off]), np.abs(image[off]), atol=1e-10)
