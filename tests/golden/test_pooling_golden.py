"""Random-effects pooling against R's metafor (10)."""

import golden
import numpy as np
import pytest

from analysis.common.pooling import Pooled, leave_one_out, pool, pool_correlations

NAMES = {"estimate": "beta", "se": "se", "statistic": "zval", "p": "pval", "ci_lower": "ci_lb", "ci_upper": "ci_ub"}
FIGURES = {"tau2": "tau2", "tau2_se": "se_tau2", "q": "QE", "q_p": "QEp", "i2": "I2", "h2": "H2"}


def check(found: Pooled, expected: dict, tolerance: float) -> None:
    for ours, theirs in NAMES.items():
        value = expected[theirs]["intrcpt"] if theirs == "beta" else expected[theirs][0]
        assert getattr(found, ours) == pytest.approx(value, rel=tolerance, abs=1e-10), ours
    for ours, theirs in FIGURES.items():
        value = golden.number(expected[theirs])
        assert getattr(found, ours) == pytest.approx(value, rel=tolerance, abs=1e-9, nan_ok=True), ours
    interval = [golden.number(expected["predict"][key]) for key in ("pi_lb", "pi_ub")]
    assert [found.prediction_lower, found.prediction_upper] == pytest.approx(interval, rel=tolerance, nan_ok=True)


@pytest.mark.parametrize("data", [("bcg", "RR"), ("bcg", "OR"), ("bcg", "RD"), ("molloy", "ZCOR"), ("molloy", "COR")])
@pytest.mark.parametrize("model", ["FE", "DL", "REML", "DL_knha", "REML_knha"])
def test_pooled_effect_equals_metafor(data: tuple[str, str], model: str) -> None:
    study = golden.load("10_meta_analysis")[data[0]][data[1]]
    method, _, knapp_hartung = model.partition("_")
    found = pool(study["yi"], study["vi"], method=method, knapp_hartung=bool(knapp_hartung))
    # metafor 3.8 stops its REML_knha without the tight threshold that the script sets for plain REML.
    check(found, study["models"][model], 2e-4 if model == "REML_knha" else 1e-6 if method == "REML" else 1e-9)


@pytest.mark.parametrize("method", ["DL", "REML"])
def test_interval_of_tau2_equals_q_profile(method: str) -> None:
    study = golden.load("10_meta_analysis")["bcg"]["RR"]
    expected = golden.matrix(study["models"][method]["confint_Qprofile"]).loc["tau^2"]
    found = pool(study["yi"], study["vi"], method=method)
    limits = [found.tau2_ci_lower, found.tau2_ci_upper]
    assert limits == pytest.approx([expected["ci.lb"], expected["ci.ub"]], rel=2e-4)


def test_leaving_one_site_out_equals_metafor() -> None:
    results = golden.load("10_meta_analysis")["bcg"]
    expected = results["diagnostics_RR_REML"]["leave1out"]
    found = leave_one_out(results["RR"]["yi"], results["RR"]["vi"], knapp_hartung=False).to_frame()
    columns = {"estimate": "estimate", "se": "se", "ci_lower": "ci.lb", "ci_upper": "ci.ub", "q": "Q", "tau2": "tau2"}
    columns |= {"p": "pval", "i2": "I2", "h2": "H2"}
    for ours, theirs in columns.items():
        np.testing.assert_allclose(found[ours], expected[theirs], rtol=1e-4, err_msg=ours)


def test_pooled_correlations_are_turned_back() -> None:
    expected = golden.load("10_meta_analysis")["molloy"]["ZCOR"]["back_transformed_REML"]
    data = golden.data("dat_molloy2014")
    found = pool_correlations(data["ri"], data["ni"], knapp_hartung=False)
    ours = [found.estimate, found.ci_lower, found.ci_upper, found.prediction_lower, found.prediction_upper]
    assert ours == pytest.approx([expected[key] for key in ("pred", "ci_lb", "ci_ub", "pi_lb", "pi_ub")], rel=1e-6)


def test_sites_that_do_not_differ_have_no_variance_between_them() -> None:
    example = golden.load("10_meta_analysis")["smd_example"]
    found = pool(example["SMD_yi"], example["SMD_vi"], knapp_hartung=False)
    assert found.tau2 == 0 and found.i2 == 0
    check(found, example["REML"], 1e-6)
