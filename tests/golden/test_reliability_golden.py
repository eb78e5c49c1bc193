"""Alpha, omega and the general factor against psych (05_reliability)."""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.general_factor import schmid_leiman
from analysis.omega import omega, one_factor_omega
from analysis.reliability import item_statistics
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
    alpha, items = item_statistics(frame, list(frame.columns))
    assert alpha.n == len(frame) if case == "complete" else alpha.n <= reference["n"]
    np.testing.assert_allclose(alpha.raw, reference["alpha_raw"], atol=1e-10)
    np.testing.assert_allclose(alpha.standardised, reference["alpha_std"], atol=1e-10)
    np.testing.assert_allclose(alpha.average_correlation, reference["average_r"], atol=1e-10)
    np.testing.assert_allclose(alpha.raw_if_deleted, reference["alpha_drop"]["raw_alpha"], atol=1e-10)
    np.testing.assert_allclose(alpha.standardised_if_deleted, reference["alpha_drop"]["std.alpha"], atol=1e-10)
    np.testing.assert_allclose(alpha.item_rest, reference["item_stats"]["r.drop"], atol=1e-10)
    np.testing.assert_allclose(items["mean"], reference["item_stats"]["mean"], atol=1e-10)
    np.testing.assert_allclose(items["sd"], reference["item_stats"]["sd"], atol=1e-10)
    np.testing.assert_array_equal(items["n"], reference["item_stats"]["n"])


@pytest.mark.parametrize("scale", SCALES)
def test_feldt_interval_and_error_equal_psych(scale: str) -> None:
    reference = golden.load("05_reliability")[scale]["complete"]
    frame = _keyed(scale, "complete")
    alpha, _ = item_statistics(frame, list(frame.columns))
    np.testing.assert_allclose([alpha.lower, alpha.upper], reference["alpha_ci_feldt95"], atol=1e-10)
    np.testing.assert_allclose(alpha.se, reference["ase"], atol=1e-10)


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
        tuple(correlation.columns), correlation.to_numpy(), reference["n_obs"], "minres", "oblimin", pattern, phi,
        1 - np.diag(pattern @ phi @ pattern.T), "ok", (),
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
