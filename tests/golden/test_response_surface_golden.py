"""Response surfaces against R: lm, sandwich and delta method (13)."""

import golden
import numpy as np
import pytest

from analysis.response_surface import POLYNOMIAL, SURFACE, response_surface

DERIVED = {"x0": "X0", "y0": "Y0", "p10": "p10", "p11": "p11", "p20": "p20", "p21": "p21", "shift": "lateral_shift_C"}
MODELS = {"additive": "additive", "interaction": "interaction", "squared_difference": "SQD"}


@pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3", "HC4"])
def test_surface_equals_r(kind: str) -> None:
    data = golden.data("rsa_sim")
    expected = golden.load("13_rsa")["ols" if kind == "classical" else kind]
    found = response_surface(data.Z, data.X, data.Y, centre=0.0, covariance=kind)
    for name in POLYNOMIAL:
        assert found[name].estimate == pytest.approx(expected["b"][name], rel=1e-9)
        assert found[name].se == pytest.approx(expected["se_b"][name], rel=1e-9)
    for name in SURFACE:
        ours = [found[name].estimate, found[name].se, found[name].p, found[name].ci_lower, found[name].ci_upper]
        theirs = [expected[key][name] for key in ("a", "se_a", "p_a", "ci_lb_a", "ci_ub_a")]
        assert ours == pytest.approx(theirs, rel=1e-8), name
    for ours, theirs in (DERIVED | {"as1": "as1X", "as2": "as2X"}).items():
        assert found[ours].estimate == pytest.approx(expected["derived"][theirs]["est"], rel=1e-9), ours
        assert found[ours].se == pytest.approx(expected["derived"][theirs]["se_delta"], rel=1e-6), ours


def test_fit_and_simpler_models_equal_r() -> None:
    data = golden.data("rsa_sim")
    results = golden.load("13_rsa")
    found = response_surface(data.Z, data.X, data.Y, centre=0.0, covariance="classical")
    figures = [found.r2, found.adj_r2, found.aic, found.bic]
    np.testing.assert_allclose(figures, [results["ols"][key] for key in ("R2", "adj_R2", "AIC", "BIC")], rtol=1e-10)
    for model in found.simpler:
        expected = results["nested"][(MODELS | {"rising_ridge": "rising_ridge"})[model.model]]
        ours = [model.r2, model.aic, model.bic, model.f, model.p, model.df1]
        theirs = [expected[key] for key in ("R2", "AIC", "BIC", "F_vs_full", "p_vs_full", "df1")]
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, err_msg=model.model)
