"""Polychoric correlations against lavaan, psych and polycor; pairwise Pearson against R; EM against lavaan."""

import golden
import numpy as np
import pytest

from analysis.correlations.correlation import correlate
from analysis.correlations.missing import ml_moments
from analysis.correlations.pair_counts import PairCounts
from analysis.correlations.polychoric import polychoric

BFI = [f"{scale}{number}" for scale in "ACENO" for number in range(1, 6)]
SETS = {
    "bfi_complete": ("bfi_complete", "lavaan"),
    "bfi_missing": ("bfi", "lavaan_pairwise"),
    "sim47x176": ("sim47x176", "lavaan"),
}


def answers(file: str):
    data = golden.data(file)
    return data[BFI] if file.startswith("bfi") else data


@pytest.mark.parametrize("name", SETS)
def test_polychoric_agrees_with_lavaan_and_psych(name):
    file, key = SETS[name]
    reference = golden.load("15_polychoric")[name]
    ours = correlate(answers(file), method="polychoric")
    assert ours.status == "ok"
    np.testing.assert_allclose(ours.matrix, golden.matrix(reference[key]["rho"]), atol=1e-6)
    thresholds = np.concatenate([ours.thresholds[item] for item in ours.items])
    np.testing.assert_allclose(thresholds, golden.vector(reference[key]["thresholds"]), atol=1e-10)
    # psych's optimize() leaves 3e-5; with global thresholds its correction does nothing.
    np.testing.assert_allclose(ours.matrix, golden.matrix(reference["psych_correct05"]["rho"]), atol=1e-4)
    if "psych_correct0" in reference:
        np.testing.assert_allclose(ours.matrix, golden.matrix(reference["psych_correct0"]["rho"]), atol=1e-4)
    tau = golden.matrix(reference["psych_correct05"]["tau"]).to_numpy()
    np.testing.assert_allclose(np.stack([ours.thresholds[item] for item in ours.items]), tau, atol=1e-10)
    if "min_eigen_lavaan" in reference:
        assert np.linalg.eigvalsh(ours.matrix)[0] == pytest.approx(reference["min_eigen_lavaan"], abs=1e-5)


def test_thresholds_of_each_pair_are_those_of_psych_with_global_false():
    reference = golden.load("15_polychoric")["bfi_complete"]["psych_local"]
    counts = PairCounts.from_rows(answers("bfi_complete").to_numpy(dtype=float), BFI)
    ours = polychoric(counts, thresholds="pair", empty_cell=0.5)
    # psych does not rescale the table after the half counts were added.
    np.testing.assert_allclose(ours.matrix, golden.matrix(reference["rho"]), atol=5e-4)


def test_polycor_two_step():
    counts = PairCounts.from_rows(answers("bfi_complete").to_numpy(dtype=float), BFI)
    frame = polychoric(counts).to_frame().set_index(["item", "other_item"])
    for pair in golden.load("15_polychoric")["polycor_pairs"]:
        ours = frame.loc[tuple(pair["pair"])]
        assert ours["correlation"] == pytest.approx(pair["twostep_rho"], abs=1e-5)
        # Ours is the expected information, polycor's the observed one.
        assert ours["standard_error"] ** 2 == pytest.approx(pair["twostep_var"], rel=0.05)
        assert ours["df"] == pair["ml_df"]
        # The full ML fit moves the thresholds too, so it fits a little better.
        assert pair["ml_chisq"] <= ours["chi2"] <= 1.05 * pair["ml_chisq"]


def test_tetrachoric():
    reference = golden.load("15_polychoric")["tetrachoric"]
    data = golden.data("bfi_complete")
    rows = np.stack([data["N1"] > 3, data["N2"] > 3, data["E1"] > 2], axis=1).astype(float)
    ours = polychoric(PairCounts.from_rows(rows, ("x", "y", "z")))
    np.testing.assert_allclose(ours.matrix, golden.matrix(reference["rho"]), atol=1e-4)
    # No cell is empty here, so psych's half counts change nothing.
    np.testing.assert_allclose(ours.matrix, golden.matrix(reference["rho_correct05"]), atol=1e-4)
    np.testing.assert_allclose(np.concatenate(list(ours.thresholds.values())), reference["tau"], atol=1e-10)


def test_a_psych_users_polychoric_correlations():
    """psych's fa(cor="poly"): its correction for empty cells is made only where categories differ in number."""
    reference = golden.load("28_polychoric_definitions")
    mixed = golden.data("mixed_categories")
    same = mixed[["five_1", "five_2", "five_3"]]
    assert reference["same"]["empty_cells"] > 0
    for items, rows in (("same", same), ("mixed", mixed)):
        for key, added in (("psych_fa_poly", 0.5), ("psych_fa_poly_correct0", 0.0)):
            ours = correlate(rows, method="polychoric", thresholds="psych", empty_cell=added)
            np.testing.assert_allclose(ours.matrix, golden.matrix(reference[items][key]["rho"]), atol=1e-4)
    # The default is lavaan's, and psych's too where all items have the same highest answer.
    by_default = correlate(mixed, method="polychoric")
    np.testing.assert_allclose(by_default.matrix, golden.matrix(reference["mixed"]["lavaan"]), atol=1e-5)
    filled = correlate(same, method="polychoric", empty_cell=0.5).matrix
    assert np.max(np.abs(filled - golden.matrix(reference["same"]["psych_fa_poly"]["rho"]))) > 0.1


def test_yes_no_items_with_an_empty_cell():
    reference = golden.load("28_polychoric_definitions")["two"]
    rows = golden.data("two_categories")
    filled = correlate(rows, method="polychoric", empty_cell=0.5)
    np.testing.assert_allclose(filled.matrix, golden.matrix(reference["psych_fa_tet"]["rho"]), atol=1e-4)
    # lavaan keeps the margins of the filled table, which we do not offer; where no cell is empty we are the same.
    lavaan = golden.matrix(reference["lavaan"]).to_numpy()
    assert 0.01 < filled.matrix[0, 2] - lavaan[0, 2] < 0.02
    np.testing.assert_allclose(np.delete(filled.matrix, 2, 1)[[0, 1, 3]], np.delete(lavaan, 2, 1)[[0, 1, 3]], atol=1e-5)
    # With nothing added the likelihood has no maximum: every program stops somewhere, and we say so.
    plain = correlate(rows, method="polychoric", smooth=False)
    pair = plain.diagnostics.set_index(["item", "other_item"]).loc[("five_1", "five_3")]
    assert plain.status == "indefinite"
    assert pair["boundary"]
    assert golden.matrix(reference["lavaan_zero_add_0"]).to_numpy()[0, 2] > 0.9


def test_pairwise_pearson():
    reference = golden.correlation("bfi_pairwise_pearson_cor")
    ours = correlate(answers("bfi"))
    np.testing.assert_allclose(ours.matrix, reference, atol=1e-12)
    assert ours.n == 2800


@pytest.mark.parametrize(("name", "file"), [("bfi", "bfi"), ("holzinger_missing", "holzinger1939_missing")])
def test_em_is_the_saturated_ml_of_lavaan(name, file):
    reference = golden.load("18_em_covariance")[name]
    items = reference["covariance"]["rows"]
    ours = ml_moments(golden.data(file)[items].to_numpy(dtype=float))
    assert ours.converged
    np.testing.assert_allclose(ours.mean, reference["mean"], atol=1e-8)
    np.testing.assert_allclose(ours.covariance, golden.matrix(reference["covariance"]), atol=1e-7)
    np.testing.assert_allclose(ours.correlation, golden.matrix(reference["correlation"]), atol=1e-7)
