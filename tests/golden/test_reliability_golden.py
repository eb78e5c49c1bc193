"""Alpha, omega and the general factor against psych (05_reliability)."""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.components import find_components
from analysis.general_factor import schmid_leiman
from analysis.omega import omega, one_factor_omega
from analysis.reliability import alpha, item_statistics
from analysis.solution import Solution

SCALES = ("A", "C", "E", "N", "O")
CASES = [(scale, case) for scale in SCALES for case in ("complete", "with_missing_pairwise")]


def _keyed(scale: str, case: str) -> pd.DataFrame:
    data = golden.data("bfi_complete" if case == "complete" else "bfi")
    frame = data[[f"{scale}{number}" for number in range(1, 6)]].copy()
    for item in golden.meta("05_reliability")["settings"]["reversed_items"]:
        if item in frame:
            frame[item] = 7 - frame[item]
    return frame


@pytest.mark.parametrize(("scale", "case"), CASES)
def test_alpha_equals_psych(scale: str, case: str) -> None:
    reference = golden.load("05_reliability")[scale][case]
    frame = _keyed(scale, case)
    found, items = item_statistics(frame, list(frame.columns))
    assert found.n == len(frame) if case == "complete" else found.n <= reference["n"]
    np.testing.assert_allclose(found.raw, reference["alpha_raw"], atol=1e-10)
    np.testing.assert_allclose(found.standardised, reference["alpha_std"], atol=1e-10)
    np.testing.assert_allclose(found.average_correlation, reference["average_r"], atol=1e-10)
    np.testing.assert_allclose(found.raw_if_deleted, reference["alpha_drop"]["raw_alpha"], atol=1e-10)
    np.testing.assert_allclose(found.standardised_if_deleted, reference["alpha_drop"]["std.alpha"], atol=1e-10)
    np.testing.assert_allclose(found.item_rest, reference["item_stats"]["r.drop"], atol=1e-10)
    np.testing.assert_allclose(items["mean"], reference["item_stats"]["mean"], atol=1e-10)
    np.testing.assert_allclose(items["sd"], reference["item_stats"]["sd"], atol=1e-10)
    np.testing.assert_array_equal(items["n"], reference["item_stats"]["n"])


@pytest.mark.parametrize("scale", SCALES)
def test_feldt_interval_and_error_equal_psych(scale: str) -> None:
    reference = golden.load("05_reliability")[scale]["complete"]
    frame = _keyed(scale, "complete")
    found, _ = item_statistics(frame, list(frame.columns))
    np.testing.assert_allclose([found.lower, found.upper], reference["alpha_ci_feldt95"], atol=1e-10)
    np.testing.assert_allclose(found.se, reference["ase"], atol=1e-10)


@pytest.mark.parametrize(("scale", "case"), CASES)
def test_one_factor_omega_equals_psych(scale: str, case: str) -> None:
    reference = golden.load("05_reliability")[scale][case]
    frame = _keyed(scale, case)
    found = one_factor_omega(frame.corr().to_numpy(), tuple(frame.columns))
    np.testing.assert_allclose(found.model, reference["omega_1factor_minres_std"], atol=1e-5)
    np.testing.assert_allclose(found.observed, reference["omega1"]["omega_tot"], atol=1e-5)
    np.testing.assert_allclose(found.loadings, reference["loadings_1factor"], atol=1e-4)


def _oblique(reference: dict, correlation: pd.DataFrame) -> Solution:
    pattern = golden.matrix(reference["oblique"]).to_numpy()
    phi = golden.matrix(reference["phi"]).to_numpy()
    return Solution(
        tuple(correlation.columns),
        correlation.to_numpy(),
        reference["n_obs"],
        "minres",
        "oblimin",
        pattern,
        phi,
        1 - np.diag(pattern @ phi @ pattern.T),
        "ok",
        (),
    )


@pytest.mark.parametrize("name", ["harman74", "thurstone"])
def test_schmid_leiman_and_omega_equal_psych(name: str) -> None:
    reference = golden.load("05_reliability")[f"omega_{name}"]
    solution = _oblique(reference, golden.correlation(f"{name}_cor"))
    factor = schmid_leiman(solution)
    table = golden.matrix(reference["schmid_sl"])
    np.testing.assert_allclose(factor.general, table["g"], atol=1e-5)
    np.testing.assert_allclose(factor.group, table.filter(regex=r"^F\d\*$"), atol=1e-5)
    np.testing.assert_allclose(factor.communality, table["h2"], atol=1e-5)
    np.testing.assert_allclose(factor.second_order, golden.matrix(reference["gloading"]).to_numpy().ravel(), atol=1e-5)
    found = omega(solution)
    np.testing.assert_allclose(found.hierarchical, reference["omega_h"], atol=1e-5)
    np.testing.assert_allclose(found.total, reference["omega_tot"], atol=1e-5)
    np.testing.assert_allclose(found.limit, reference["omega_lim"], atol=1e-5)
    np.testing.assert_allclose(found.explained_common_variance, reference["ECV"]["g"], atol=1e-5)
    groups = golden.matrix(reference["omega_group"])
    np.testing.assert_allclose(found.groups[["total", "general", "group"]], groups, atol=1e-5)
    assert found.groups["factor"].tolist() == ["general", *[str(i + 1) for i in range(len(groups) - 1)]]


@pytest.mark.parametrize("scale", SCALES)
def test_ordinal_alpha_and_omega_from_polychoric_correlations(scale: str) -> None:
    reference = golden.load("05_reliability")[scale]["ordinal"]
    polychoric = golden.matrix(reference["polychoric"])
    items = list(polychoric.columns)
    np.testing.assert_allclose(alpha(polychoric.to_numpy(), 2436, items).raw, reference["ordinal_alpha"], atol=1e-10)
    found = one_factor_omega(polychoric.to_numpy(), tuple(items))
    np.testing.assert_allclose(found.model, reference["ordinal_omega_1factor"], atol=1e-5)


def test_omega_of_our_own_solutions_equals_psych() -> None:
    """The whole way: our extraction and rotation, then Schmid-Leiman; psych turns negative items round as we do."""
    keyed = pd.concat([_keyed(scale, "complete") for scale in SCALES], axis=1)
    cases = {
        "all25_omega5": (keyed.corr(), len(keyed), 5),
        "omega_harman74": (golden.correlation("harman74_cor"), 145, 4),
        "omega_thurstone": (golden.correlation("thurstone_cor"), 213, 3),
    }
    for name, (correlation, n, k) in cases.items():
        reference = golden.load("05_reliability")[name]
        found = omega(find_components(correlation, n, n_components=k))
        np.testing.assert_allclose(found.hierarchical, reference["omega_h"], atol=1e-3, err_msg=name)
        np.testing.assert_allclose(found.total, reference["omega_tot"], atol=1e-3, err_msg=name)
        np.testing.assert_allclose(found.explained_common_variance, reference["ECV"]["g"], atol=1e-3, err_msg=name)
