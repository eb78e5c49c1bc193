"""Response surfaces against R: lm, sandwich and delta method (13)."""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.two_views.response_surface import POLYNOMIAL, SURFACE, response_surface

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


@pytest.mark.parametrize(("model", "kind"), [("lavaan_ML", "classical"), ("lavaan_MLR", "HC0")])
def test_standard_errors_of_lavaan_are_ours_but_for_the_divisor(model: str, kind: str) -> None:
    """ML divides the residual variance by n, least squares by n - 6; the robust errors of lavaan are HC0."""
    data = golden.data("rsa_sim")
    table = pd.DataFrame(golden.load("13_rsa")[model]["parameter_estimates"]).query("label != ''").set_index("label")
    found = response_surface(data.Z, data.X, data.Y, centre=0.0, covariance=kind)
    factor = np.sqrt((len(data) - 6) / len(data)) if kind == "classical" else 1.0
    for name in [*POLYNOMIAL[1:], *SURFACE]:
        assert found[name].estimate == pytest.approx(table.loc[name, "est"], abs=1e-6), name
        assert found[name].se * factor == pytest.approx(table.loc[name, "se"], rel=1e-4), name


def test_quadratic_terms_together_equal_r() -> None:
    data = golden.data("rsa_sim")
    expected = golden.load("13_rsa")["ols"]
    found = response_surface(data.Z, data.X, data.Y, centre=0.0, covariance="classical")
    additive = next(model for model in found.simpler if model.model == "additive")
    assert found.r2 - additive.r2 == pytest.approx(expected["delta_R2_quadratic"], abs=1e-12)
    assert [additive.f, additive.p] == pytest.approx([expected["F_quadratic"], expected["p_quadratic"]], rel=1e-9)


def test_robust_standard_errors_agree_with_the_bootstrap_of_r_within_monte_carlo_error() -> None:
    data = golden.data("rsa_sim")
    drawn = golden.load("13_rsa")["bootstrap_percentile"]["se"]
    found = response_surface(data.Z, data.X, data.Y, centre=0.0)
    # 2000 replicates know a standard error to 1.6 %; HC2 beside a bootstrap is that and some leverage apart.
    assert [found[name].se for name in SURFACE] == pytest.approx([drawn[name] for name in SURFACE], rel=0.06)
