"""Alpha, omega and the general factor against psych (05_reliability)."""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.components.cfa import cfa
from analysis.components.components import find_components
from analysis.components.general_factor import schmid_leiman
from analysis.components.omega import omega, one_factor_omega
from analysis.components.reliability import alpha, item_statistics
from analysis.components.solution import Solution
from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate

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


@pytest.mark.parametrize(("scale", "case"), CASES)
def test_omega_of_short_scales_from_psychs_oblique_solution(scale: str, case: str) -> None:
    """Three group factors are more than five items can tell apart, and what psych's second-order fit leaves shows in
    the third decimal; given its oblique solution we agree to that. We publish no hierarchical omega of so few items."""
    reference = golden.load("05_reliability")[scale][case]["omega3"]
    frame = _keyed(scale, case)
    pattern, phi = golden.matrix(reference["oblique"]).to_numpy(), golden.matrix(reference["phi"]).to_numpy()
    solution = Solution(
        tuple(frame.columns), frame.corr().to_numpy(), len(frame), "minres", "oblimin", pattern, phi,
        1 - np.diag(pattern @ phi @ pattern.T), "ok", (),
    )  # fmt: skip
    table = golden.matrix(reference["schmid_sl"])
    factor = schmid_leiman(solution)
    np.testing.assert_allclose(factor.general, table["g"], atol=3e-3)
    np.testing.assert_allclose(factor.group, table.filter(regex=r"^F\d\*$"), atol=3e-3)
    found = omega(solution)
    np.testing.assert_allclose(found.hierarchical, reference["omega_h"], atol=3e-3)
    np.testing.assert_allclose(found.total, reference["omega_tot"], atol=3e-3)
    np.testing.assert_allclose(found.limit, reference["omega_lim"], atol=3e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_loadings_and_omega_of_a_one_factor_cfa_equal_lavaan_and_semtools(scale: str) -> None:
    reference = golden.load("05_reliability")[scale]["complete"]
    frame = _keyed(scale, "complete")
    found = cfa(frame.cov().to_numpy(), len(frame), list(frame.columns), dict.fromkeys(frame.columns, scale))
    np.testing.assert_allclose(found.standardised, reference["cfa_std_loadings"], atol=1e-4)
    # semTools' compRelSEM: the factor's share of the observed variance of the sum.
    observed = frame.sum(axis=1).var(ddof=0)
    share = found.loading.sum() ** 2 * found.covariance[0, 0] / observed
    np.testing.assert_allclose(share, reference["cfa_omega_ml"], atol=1e-4)


@pytest.mark.parametrize("scale", SCALES)
def test_ordinal_alpha_the_whole_way(scale: str) -> None:
    """From the rows by our own polychoric correlations."""
    reference = golden.load("05_reliability")[scale]["ordinal"]
    found = correlate(_keyed(scale, "complete"), method="polychoric")
    np.testing.assert_allclose(alpha(found.matrix, found.n, found.items).raw, reference["ordinal_alpha"], atol=1e-4)


@pytest.mark.parametrize(("scale", "case"), CASES)
def test_further_figures_of_psychs_alpha_follow_from_ours(scale: str, case: str) -> None:
    reference = golden.load("05_reliability")[scale][case]
    frame = _keyed(scale, case)
    found, items = item_statistics(frame, list(frame.columns))
    # Signal to noise, and the mean of the scale's item means.
    average = found.average_correlation
    np.testing.assert_allclose(len(items) * average / (1 - average), reference["SN"], rtol=1e-10)
    np.testing.assert_allclose(frame.mean(axis=1).mean(), reference["mean"], rtol=1e-10)
    # Guttman's lambda 3 is standardised alpha. Where answers are missing psych's guttman() takes pairwise correlations
    # and its alpha() pairwise covariances over the items' own variances: two numbers, and we give the second.
    correlation = frame.corr().to_numpy()
    lambda_three = alpha(correlation, len(frame), list(frame.columns)).raw
    np.testing.assert_allclose(lambda_three, reference["guttman"]["lambda3"], atol=1e-10)
    assert (abs(found.standardised - lambda_three) < 1e-10) == (case == "complete")
    lambda_six = 1 - np.sum(1 - suitability(correlation, len(frame), tuple(frame)).smc) / correlation.sum()
    np.testing.assert_allclose(lambda_six, reference["guttman"]["lambda6"], atol=1e-10)
