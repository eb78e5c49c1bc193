"""Regression against R: sandwich and lmtest (17), clubSandwich (20)."""

import golden
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.common.robust_covariance import cluster_robust, least_squares, wald_htz
from analysis.outcome.regression import regress

PREDICTORS = ["age", "gender", "Emean", "Cmean"]


@pytest.fixture(scope="module")
def traits() -> pd.DataFrame:
    frame = golden.data("bfi_complete").dropna(subset=["gender", "age", "education"])
    neuroticism = frame[[f"N{i}" for i in range(1, 6)]].mean(axis=1)
    extraversion = (7 - frame.E1 + 7 - frame.E2 + frame.E3 + frame.E4 + frame.E5) / 5
    conscience = (frame.C1 + frame.C2 + frame.C3 + 7 - frame.C4 + 7 - frame.C5) / 5
    return frame[["age", "gender"]].assign(Nmean=neuroticism, Emean=extraversion, Cmean=conscience)


def test_least_squares_equals_lm(traits: pd.DataFrame) -> None:
    expected = golden.load("17_regression_robust")
    fit = regress(traits.Nmean, traits[PREDICTORS], covariance="classical")
    frame = fit.to_frame()
    classical = expected["classical"]
    for column, name in {"estimate": "Estimate", "se": "Std. Error", "t": "t value", "p": "Pr(>|t|)"}.items():
        np.testing.assert_allclose(frame[column], classical[name], rtol=1e-8, atol=1e-12)
    figures = [fit.n, fit.r2, fit.adj_r2, fit.sigma, fit.joint_f]
    np.testing.assert_allclose(figures, [expected[key] for key in ("n", "R2", "adjR2", "sigma", "F")], rtol=1e-10)
    np.testing.assert_allclose(frame["beta"][1:], golden.vector(expected["std_beta"])[1:], atol=1e-10)
    np.testing.assert_allclose(frame["vif"][1:], golden.vector(expected["vif"]), atol=1e-10)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5"])
def test_heteroskedastic_covariance_equals_sandwich(traits: pd.DataFrame, kind: str) -> None:
    expected = golden.load("17_regression_robust")["HC"][kind]
    fit = regress(traits.Nmean, traits[PREDICTORS], covariance=kind)
    np.testing.assert_allclose(fit.vcov, golden.matrix(expected["vcov"]), rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(fit.to_frame()["p"], expected["coeftest"]["Pr(>|t|)"], rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("CR0", "HC0_no_adjust"), ("CR1", "HC0_cadjust"), ("CR1S", "HC1"), ("CR2", "HC2"), ("CR3", "HC3")],
)
def test_clustered_covariance_equals_sandwich(kind: str, name: str) -> None:
    sleep = golden.data("sleepstudy")
    fit = regress(sleep.Reaction, {"Days": sleep.Days}, cluster=sleep.Subject, covariance=kind)
    expected = golden.matrix(golden.load("17_regression_robust")["sleepstudy_cluster"][name])
    np.testing.assert_allclose(fit.vcov, expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_small_sample_tests_equal_clubsandwich(kind: str) -> None:
    data = golden.data("clustered_outcome")
    expected = golden.load("20_cluster_robust")[kind]
    fit = regress(data.y, data[["x1", "x2", "x3"]], cluster=data.therapist, covariance=kind)
    np.testing.assert_allclose(fit.vcov, golden.matrix(expected["vcov"]), rtol=1e-9)
    np.testing.assert_allclose(
        fit.to_frame()[["se", "df", "p"]].T, [expected[key] for key in ("se", "df", "p")], rtol=1e-8
    )


@pytest.mark.parametrize(("name", "terms"), [("htz_all", [1, 2, 3]), ("htz_x1_x2", [1, 2]), ("htz_x1", [1])])
def test_joint_test_equals_clubsandwich(name: str, terms: list[int]) -> None:
    data = golden.data("clustered_outcome")
    expected = golden.load("20_cluster_robust")[name]
    fit = least_squares(np.column_stack([np.ones(len(data)), data[["x1", "x2", "x3"]]]), data.y.to_numpy())
    robust = cluster_robust(fit, data.therapist.to_numpy() - 1, data.therapist.nunique())
    np.testing.assert_allclose(wald_htz(robust, fit.coefficients, terms), list(expected.values()), rtol=1e-8)


def test_clusters_are_tested_with_their_own_degrees_of_freedom_where_lmtest_counts_rows() -> None:
    sleep = golden.data("sleepstudy")
    expected = golden.load("17_regression_robust")["sleepstudy_cluster"]["coeftest_HC1"]
    fit = regress(sleep.Reaction, {"Days": sleep.Days}, cluster=sleep.Subject, covariance="CR1S")
    frame = fit.to_frame()
    for ours, theirs in {"estimate": "Estimate", "se": "Std. Error", "t": "t value"}.items():
        np.testing.assert_allclose(frame[ours], expected[theirs], rtol=1e-9)
    by_rows = 2 * stats.t.sf(frame["t"].abs(), len(sleep) - 2)
    np.testing.assert_allclose(by_rows, expected["Pr(>|t|)"], rtol=1e-7)
    assert (frame["df"] < sleep.Subject.nunique()).all() and (frame["p"] > expected["Pr(>|t|)"]).all()


def test_classical_covariance_equals_vcov(traits: pd.DataFrame) -> None:
    fit = regress(traits.Nmean, traits[PREDICTORS], covariance="classical")
    expected = golden.matrix(golden.load("17_regression_robust")["vcov"])
    np.testing.assert_allclose(fit.vcov, expected, rtol=1e-8, atol=1e-14)
