"""CFA against lavaan's ML (11_cfa): fit indices at 1e-6, estimates and standard errors at 1e-4.

Estimates would agree more closely if lavaan's optimiser (nlminb) went on: the last test shows where it stops short.
"""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.components.cfa import Cfa, cfa
from analysis.components.correspondence_study import confirmatory_tables
from analysis.correlations.correlation import correlate
from analysis.correlations.missing import ml_moments

HOLZINGER = {f"x{i}": name for i, name in enumerate(["visual"] * 3 + ["textual"] * 3 + ["speed"] * 3, start=1)}
BFI = {f"{scale}{number}": scale for scale in "ACENO" for number in range(1, 6)}
CASES = {
    "HS_ML": ("holzinger1939", HOLZINGER),
    "HS_1factor_ML": ("holzinger1939", dict.fromkeys(HOLZINGER, "g")),
    "HS_listwise_missing": ("holzinger1939_missing", HOLZINGER),
    "bfi_ML": ("bfi_complete", BFI),
}
INDICES = {
    "chi2": "chisq", "df": "df", "p": "pvalue", "null_chi2": "baseline.chisq", "null_df": "baseline.df", "cfi": "cfi",
    "tli": "tli", "rmsea": "rmsea", "rmsea_lower": "rmsea.ci.lower", "rmsea_upper": "rmsea.ci.upper",
    "rmsea_close_p": "rmsea.pvalue", "srmr": "srmr", "log_likelihood": "logl", "aic": "aic", "bic": "bic",
    "n_parameters": "npar",
}  # fmt: skip


def _fit(case: str) -> tuple[Cfa, dict]:
    name, scales = CASES[case]
    data = golden.data(name)[list(scales)].dropna()
    return cfa(data.cov().to_numpy(), len(data), list(scales), scales), golden.load("11_cfa")[case]


def _estimates(table: dict, op: str) -> pd.DataFrame:
    frame = pd.DataFrame({name: values for name, values in table.items() if len(values) == len(table["lhs"])})
    return frame[frame["op"] == op]


@pytest.mark.parametrize("case", CASES)
def test_fit_indices_equal_lavaan(case: str) -> None:
    found, reference = _fit(case)
    for ours, theirs in INDICES.items():
        expected = reference["fit_measures"][theirs]
        np.testing.assert_allclose(getattr(found.fit, ours), expected, rtol=1e-7, atol=1e-6, err_msg=ours)
    assert found.status == "ok"


@pytest.mark.parametrize("case", CASES)
def test_loadings_and_their_errors_equal_lavaan(case: str) -> None:
    found, reference = _fit(case)
    marker = _estimates(reference["parameter_estimates"], "=~")
    assert marker["rhs"].tolist() == list(found.items)
    np.testing.assert_allclose(found.loading, marker["est"], atol=1e-4)
    np.testing.assert_allclose(found.loading_se, marker["se"], atol=1e-4)
    standardised = _estimates(reference["standardized"], "=~")
    np.testing.assert_allclose(found.standardised, standardised["est.std"], atol=1e-4)
    np.testing.assert_allclose(found.standardised_se, standardised["se"], atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_variances_and_covariances_equal_lavaan(case: str) -> None:
    found, reference = _fit(case)
    table = _estimates(reference["parameter_estimates"], "~~").set_index(["lhs", "rhs"])
    np.testing.assert_allclose(found.residual, [table.loc[(i, i), "est"] for i in found.items], atol=1e-4)
    np.testing.assert_allclose(found.residual_se, [table.loc[(i, i), "se"] for i in found.items], atol=1e-4)
    correlations = _estimates(reference["standardized"], "~~").set_index(["lhs", "rhs"])
    for row in found.factors_frame().itertuples():
        pair = (row.factor, row.other_factor)
        np.testing.assert_allclose([row.covariance, row.covariance_se], table.loc[pair, ["est", "se"]], atol=1e-4)
        if row.factor != row.other_factor:
            expected = correlations.loc[pair, ["est.std", "se"]].astype(float)
            np.testing.assert_allclose([row.correlation, row.correlation_se], expected, atol=1e-4)


@pytest.mark.parametrize("case", ["HS_ML", "HS_listwise_missing", "bfi_ML"])
def test_stored_loadings_and_correlations_of_scales_are_lavaans_std_all(case: str) -> None:
    """As a study stores them: fitted to correlations, lavaan to covariances, which standardised figures cannot tell."""
    name, scales = CASES[case]
    data = golden.data(name)[list(scales)].dropna()
    found = cfa(data.corr().to_numpy(), len(data), list(scales), {item: f"own.{scales[item]}" for item in scales})
    tables = confirmatory_tables(found, 0.95)
    reference = golden.load("11_cfa")[case]["standardized"]
    theirs = ["est.std", "se", "ci.lower", "ci.upper"]

    loadings = _estimates(reference, "=~")
    ours = tables["cfa_loadings"]
    assert ours[["item_id", "scale_id"]].to_numpy().tolist() == loadings[["rhs", "lhs"]].to_numpy().tolist()
    assert set(ours["instrument_id"]) == {"own"}
    columns = ["loading", "standard_error", "lower", "upper"]
    np.testing.assert_allclose(ours[columns], loadings[theirs].astype(float), atol=1e-4)

    correlations = _estimates(reference, "~~").query("lhs != rhs")
    ours = tables["cfa_correlations"]
    assert ours[["scale_id", "other_scale_id"]].to_numpy().tolist() == correlations[["lhs", "rhs"]].to_numpy().tolist()
    columns = ["correlation", "standard_error", "lower", "upper"]
    np.testing.assert_allclose(ours[columns], correlations[theirs].astype(float), atol=1e-4)
    assert (ours["status"] == "ok").all()
    assert ours["reason"].isna().all()


@pytest.mark.parametrize("case", CASES)
def test_our_optimum_is_no_worse_than_lavaans(case: str) -> None:
    found, reference = _fit(case)
    assert found.fit.chi2 <= reference["fit_measures"]["chisq"] + 1e-8


def test_implied_covariances_residuals_and_explained_variance_equal_lavaan() -> None:
    found, reference = _fit("HS_ML")
    data = golden.data("holzinger1939")[list(HOLZINGER)]
    sample = data.cov().to_numpy() * (len(data) - 1) / len(data)
    np.testing.assert_allclose(sample, golden.matrix(reference["sample_cov"]), atol=1e-10)
    np.testing.assert_allclose(found.implied, golden.matrix(reference["implied_cov"]), atol=1e-4)
    np.testing.assert_allclose(found.standardised**2, golden.vector(reference["r2"]), atol=1e-4)

    def correlation(covariance: np.ndarray) -> np.ndarray:
        return covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))

    residual = correlation(sample) - correlation(found.implied)
    np.testing.assert_allclose(residual, golden.matrix(reference["resid_cor"]), atol=1e-4)


@pytest.mark.parametrize("case", ["HS_ML_stdlv", "HS_ML_meanstructure"])
def test_other_ways_to_write_the_model_have_the_same_chi_square_and_standardised_loadings(case: str) -> None:
    """lavaan's std.lv and meanstructure change what is fixed, not what fits; SRMR with means divides by more cells."""
    found, _ = _fit("HS_ML")
    other = golden.load("11_cfa")[case]
    assert found.fit.chi2 == pytest.approx(other["fit_measures"]["chisq"], abs=1e-6)
    assert found.fit.rmsea == pytest.approx(other["fit_measures"]["rmsea"], abs=1e-6)
    standardised = _estimates(other["standardized"], "=~")
    np.testing.assert_allclose(found.standardised, standardised["est.std"], atol=1e-4)
    np.testing.assert_allclose(found.standardised_se, standardised["se"], atol=1e-4)
    if case == "HS_ML_stdlv":
        free = _estimates(other["parameter_estimates"], "=~")
        deviation = np.sqrt(np.diag(found.covariance))[found.factor_of]
        np.testing.assert_allclose(found.loading * deviation, free["est"], atol=1e-4)


def test_likelihood_ratio_of_three_factors_against_one_equals_lavaan() -> None:
    three, one = _fit("HS_ML")[0].fit, _fit("HS_1factor_ML")[0].fit
    reference = golden.load("11_cfa")["HS_LRT_3_vs_1"]
    np.testing.assert_allclose([three.chi2, one.chi2], golden.vector(reference["Chisq"]), atol=1e-6)
    np.testing.assert_allclose([three.aic, one.aic], golden.vector(reference["AIC"]), atol=1e-6)
    np.testing.assert_allclose([three.bic, one.bic], golden.vector(reference["BIC"]), atol=1e-6)
    assert one.chi2 - three.chi2 == pytest.approx(golden.number(reference["Chisq diff"][1]), abs=1e-6)
    assert one.df - three.df == reference["Df diff"][1]


def test_wishart_likelihood_differs_by_definition() -> None:
    """We have lavaan's default, divisor n; its ``likelihood = "wishart"`` has n - 1, and chi-square with it."""
    found, _ = _fit("HS_ML")
    theirs = golden.load("11_cfa")["HS_wishart"]["fit_measures"]["chisq"]
    assert found.fit.chi2 == pytest.approx(85.305522, abs=1e-6)
    assert theirs == pytest.approx(85.022, abs=1e-3)
    assert found.fit.chi2 * 300 / 301 == pytest.approx(theirs, abs=1e-4)


def test_polychoric_input_of_wlsmv_equals_ours() -> None:
    """We fit by ML only; the polychoric matrix and thresholds that lavaan's WLSMV starts from are ours."""
    reference = golden.load("11_cfa")["bfi_WLSMV"]
    ours = correlate(golden.data("bfi_complete")[list(BFI)], method="polychoric")
    np.testing.assert_allclose(ours.matrix, golden.matrix(reference["polychoric"]), atol=1e-5)
    thresholds = np.concatenate([ours.thresholds[item] for item in ours.items])
    np.testing.assert_allclose(thresholds, golden.vector(reference["thresholds"]), atol=1e-8)


def test_saturated_moments_of_fiml_equal_em() -> None:
    reference = golden.load("11_cfa")["HS_FIML"]["saturated_moments"]
    ours = ml_moments(golden.data("holzinger1939_missing")[list(HOLZINGER)].to_numpy(dtype=float))
    covariance = next(value for value in reference.values() if isinstance(value, dict) and "data" in value)
    np.testing.assert_allclose(ours.covariance, golden.matrix(covariance), atol=1e-5)


def test_a_model_far_from_the_data_converges_as_in_lavaan():
    """Scoring steps shrink by a few percent each here; 500 of them are not enough."""
    reference = golden.load("29_cfa_far_from_the_data")
    assert reference["converged"]
    scale_of = reference["scale_of"]
    data = golden.data("bfi_complete")[list(scale_of)]
    found = cfa(data.corr().to_numpy(), len(data), list(data), scale_of)
    assert found.status == "heywood"  # correlations of these scales go beyond 1
    fit = reference["fit"]
    names = {"chisq": "chi2", "baseline.chisq": "null_chi2", "baseline.df": "null_df", "rmsea.pvalue": "rmsea_close_p"}
    for theirs, value in fit.items():
        assert getattr(found.fit, names.get(theirs, theirs)) == pytest.approx(value, abs=1e-4), theirs
    ours = found.to_frame().set_index("item").loc[reference["loadings"]["item"]]
    np.testing.assert_allclose(ours["standardised_loading"], reference["loadings"]["loading"], atol=1e-4)
    np.testing.assert_allclose(ours["standardised_se"], reference["loadings"]["se"], atol=1e-4)
    place = {scale: number for number, scale in enumerate(found.factors)}
    pairs = reference["correlations"]
    at = [place[one] for one in pairs["scale"]], [place[one] for one in pairs["other"]]
    np.testing.assert_allclose(found.correlation[at], pairs["correlation"], atol=1e-4)
    np.testing.assert_allclose(found.correlation_se[at], pairs["se"], atol=1e-4)


def test_a_scale_that_would_need_a_negative_variance_has_no_solution_of_ours():
    """lavaan lets a factor's variance go below zero and calls that converged, with a warning; we do not."""
    reference = golden.load("29_cfa_far_from_the_data")["negative_variance"]
    assert reference["converged"]
    assert reference["variance_b"] < 0
    matrix = golden.matrix(reference["matrix"])
    found = cfa(matrix.to_numpy(), 70, list(matrix), {"i1": "a", "i3": "a", "i5": "a", "i2": "b", "i4": "b"})
    assert found.status in ("not_converged", "underidentified")
    assert found.fit.chi2 > reference["chisq"] + 1
