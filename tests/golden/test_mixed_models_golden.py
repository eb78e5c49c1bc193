"""Random intercepts against lme4 and lmerTest (09, and 21 for nesting, levels and a singular fit)."""

import golden
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.common.status import Status
from analysis.outcome.mixed_models import MixedModel, random_intercept, within_between

COLUMNS = {"estimate": "Estimate", "se": "Std. Error", "df": "df", "t": "t value"}


def check(found: MixedModel, expected: dict) -> None:
    coefficients = pd.DataFrame(expected["coefficients"])
    frame = found.to_frame()
    for ours, theirs in COLUMNS.items():
        np.testing.assert_allclose(frame[ours], coefficients[theirs], rtol=1e-6, err_msg=ours)
    np.testing.assert_allclose(frame["p"], coefficients["Pr(>|t|)"], rtol=1e-5)
    assert found.log_likelihood == pytest.approx(expected["logLik"], abs=1e-6)


def model(name: str, method: str) -> MixedModel:
    sleep, dyads, alike = (golden.data(data) for data in ("sleepstudy", "dyads_long", "dyads_indist_long"))
    second = (dyads["role"] == 2) * 1.0
    by_role = {"role": second, "x_a": dyads.x_a, "x_p": dyads.x_p, "role x_a": second * dyads.x_a}
    options = {"method": method.lower()}
    if name == "sleepstudy/null_reml":
        return random_intercept(sleep.Reaction, cluster=sleep.Subject, **options)
    if name == "sleepstudy/ri":
        return random_intercept(sleep.Reaction, {"Days": sleep.Days}, cluster=sleep.Subject, **options)
    if name == "dyads/null":
        return random_intercept(dyads.y, cluster=dyads.dyad, **options)
    if name == "dyads/apim_pooled":
        return random_intercept(dyads.y, dyads[["x_a", "x_p"]], cluster=dyads.dyad, **options)
    if name == "dyads/apim_role":
        return random_intercept(dyads.y, by_role | {"role x_p": second * dyads.x_p}, cluster=dyads.dyad, **options)
    return random_intercept(alike.y, alike[["x_a", "x_p"]], cluster=alike.dyad, **options)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize(
    "name",
    [
        *("sleepstudy/null_reml", "sleepstudy/ri", "dyads/null", "dyads/apim_pooled", "dyads/apim_role"),
        "dyads_indistinguishable/apim",
    ],
)
def test_random_intercept_equals_lme4(name: str, method: str) -> None:
    first, second = name.split("/")
    expected = golden.load("09_mixed_models")[first][second][method]
    found = model(name, method)
    check(found, expected)
    variances = [found.variance_cluster, found.variance_residual]
    np.testing.assert_allclose(variances, expected["varcomp"]["vcov"], rtol=1e-6)
    assert found.icc == pytest.approx(expected["icc"], rel=1e-6)
    effects = golden.matrix(expected["ranef_first10"])["(Intercept)"]
    np.testing.assert_allclose(found.cluster_effects[:10], effects, atol=1e-5)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_therapists_within_sites_equal_lme4(method: str) -> None:
    data = golden.data("nested_outcome")
    expected = golden.load("21_nested_models")["nested"][method]
    found = random_intercept(data.y, data[["x"]], cluster=data.therapist, outer=data.site, method=method.lower())
    check(found, expected)
    variances = [found.variance_cluster, found.variance_outer, found.variance_residual]
    np.testing.assert_allclose(variances, expected["vcov"], rtol=1e-6)
    assert (found.status, found.n_clusters, found.n_outer) == (Status.OK, 36, 8)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_effects_within_and_between_therapists_equal_lme4(method: str) -> None:
    data = golden.data("nested_outcome")
    found = within_between(data.y, data[["x"]], cluster=data.therapist, method=method.lower())
    check(found.model, golden.load("21_nested_models")["levels"][method])
    effect = found.effects[0]
    assert effect.contextual.estimate == pytest.approx(effect.between.estimate - effect.within.estimate)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_a_singular_fit_equals_lme4_and_is_flagged(method: str) -> None:
    data = golden.data("nested_outcome")
    found = random_intercept(data.flat, data[["x"]], cluster=data.therapist, method=method.lower())
    check(found, golden.load("21_nested_models")["singular"][method])
    assert found.status is Status.BOUNDARY and found.variance_cluster == 0 and "Singular" in found.warnings[0]


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_covariance_of_fixed_effects_equals_lme4(method: str) -> None:
    expected = golden.matrix(golden.load("09_mixed_models")["dyads"]["apim_pooled"][method]["vcov"])
    np.testing.assert_allclose(model("dyads/apim_pooled", method).vcov, expected, rtol=1e-5, atol=1e-10)


def test_random_intercept_is_compound_symmetry_in_nlme() -> None:
    expected = golden.load("09_mixed_models")["dyads_indistinguishable"]["gls_compound_symmetry"]
    found = model("dyads_indistinguishable/apim", "REML")
    assert found.icc == pytest.approx(expected["rho"], abs=1e-5)
    assert found.variance_cluster + found.variance_residual == pytest.approx(expected["sigma"] ** 2, rel=1e-5)
    assert found.log_likelihood == pytest.approx(expected["logLik"], abs=1e-6)
    np.testing.assert_allclose(found.to_frame()["estimate"], list(expected["coef"].values()), rtol=1e-5)


def test_intervals_are_by_t_where_the_wald_intervals_of_lme4_are_by_z() -> None:
    expected = golden.load("09_mixed_models")["sleepstudy"]["ri"]["REML"]
    found = model("sleepstudy/ri", "REML")["Days"]
    wald = golden.matrix(expected["confint_wald"]).loc["Days"]
    by_z = stats.norm.ppf(0.975) * found.se
    assert [found.estimate - by_z, found.estimate + by_z] == pytest.approx(list(wald), rel=1e-6)
    assert found.ci_upper - found.estimate == pytest.approx(stats.t.ppf(0.975, found.df) * found.se)
    assert found.ci_upper > wald["97.5 %"]
