"""Intraclass forms against psych (08); concordance, limits of agreement and kappa against epiR and psych (14)."""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.two_views.agreement import agree, concordance, intraclass, kappa, limits_of_agreement, paired_difference


def ratings(name: str) -> pd.DataFrame:
    if name == "shrout_fleiss_anova":
        return golden.data("shrout_fleiss").iloc[:, 1:]
    if name == "sleepstudy_days":
        return golden.data("sleepstudy").pivot(index="Subject", columns="Days", values="Reaction")
    pefr = golden.data("bland_altman_pefr")
    return pefr[["wright1", "mini1"]] if name == "pefr_wright_mini" else pefr.iloc[:, 1:]


@pytest.mark.parametrize("name", ["shrout_fleiss_anova", "sleepstudy_days", "pefr_wright_mini", "pefr_4"])
def test_six_intraclass_forms_equal_psych(name: str) -> None:
    expected = golden.load("08_icc")[name]["results"]
    found = intraclass(ratings(name)).to_frame()
    columns = {"icc": "ICC", "f": "F", "df1": "df1", "df2": "df2", "p": "p"}
    for column, theirs in {**columns, "ci_lower": "lower bound", "ci_upper": "upper bound"}.items():
        np.testing.assert_allclose(found[column], expected[theirs], rtol=1e-9, atol=1e-10)


def pairs(name: str) -> tuple[pd.Series, pd.Series]:
    if name.startswith("sleepstudy"):
        days = ratings("sleepstudy_days")
        return days[0], days[1]
    pefr = golden.data("bland_altman_pefr")
    return pefr["wright1"], pefr["mini1" if name.endswith("mini1") else "wright2"]


@pytest.mark.parametrize("name", ["pefr_wright1_mini1", "pefr_wright1_wright2", "sleepstudy_day0_day1"])
@pytest.mark.parametrize(("interval", "theirs"), [("z", "z-transform"), ("asymptotic", "asymptotic")])
def test_concordance_equals_epir(name: str, interval: str, theirs: str) -> None:
    a, b = pairs(name)
    expected = golden.load("14_ccc_agreement")[name][theirs]
    found = concordance(a, b, interval=interval)
    assert found.concordance == pytest.approx(expected["ccc"], abs=1e-10)
    assert found.ci_lower == pytest.approx(expected["lower"], abs=1e-8)
    assert found.ci_upper == pytest.approx(expected["upper"], abs=1e-8)
    assert found.bias_correction == pytest.approx(expected["C_b"], abs=1e-10)
    # epiR compares the second rater with the first, we the first with the second as Lin does.
    assert 1 / found.scale_shift == pytest.approx(expected["s_shift"], abs=1e-10)
    assert -found.location_shift == pytest.approx(expected["l_shift"], abs=1e-10)


@pytest.mark.parametrize("name", ["pefr_wright1_mini1", "pefr_wright1_wright2", "sleepstudy_day0_day1"])
def test_limits_of_agreement_equal_bland_altman(name: str) -> None:
    a, b = pairs(name)
    expected = golden.load("14_ccc_agreement")[name]["bland_altman"]
    found = limits_of_agreement(a, b)
    ours = [found.bias, found.sd, found.lower, found.upper, found.bias_se, found.se_limit]
    theirs = [expected[key] for key in ("bias", "sd", "loa_lower", "loa_upper", "se_bias", "se_loa")]
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    np.testing.assert_allclose([found.bias_ci_lower, found.bias_ci_upper], expected["bias_ci"], rtol=1e-10)
    assert paired_difference(a, b).p == pytest.approx(expected["paired_t_p"], rel=1e-8)
    assert agree(a, b)["pearson"].estimate == pytest.approx(expected["pearson"], abs=1e-10)


def test_kappa_equals_psych() -> None:
    expected = golden.load("14_ccc_agreement")["kappa_bfi_N1_N2"]
    data = golden.data("bfi_complete")
    plain = kappa(data.N1, data.N2)
    assert plain.kappa == pytest.approx(expected["kappa"], abs=1e-12)
    assert plain.se**2 == pytest.approx(expected["var_kappa"], rel=1e-10)
    limits = golden.matrix(expected["confid"]).loc["unweighted kappa"]
    assert [plain.ci_lower, plain.ci_upper] == pytest.approx([limits["lower"], limits["upper"]], abs=1e-10)
    assert kappa(data.N1, data.N2, weights="linear").kappa == pytest.approx(expected["weighted_linear"], abs=1e-12)
    assert kappa(data.N1, data.N2, weights="quadratic").kappa == pytest.approx(
        expected["weighted_quadratic"], abs=1e-12
    )
    halves = kappa(data.N1 > 3, data.N2 > 3)
    assert halves.kappa == pytest.approx(expected["dichotomised"]["kappa"], abs=1e-12)


def test_variance_of_weighted_kappa_is_that_of_the_delta_method_where_psych_differs() -> None:
    table = golden.matrix(golden.load("14_ccc_agreement")["kappa_bfi_N1_N2"]["table"]).to_numpy()
    share, n = table / table.sum(), table.sum()
    weight = 1 - np.subtract.outer(np.arange(6), np.arange(6)) ** 2 / 25

    def weighted(p: np.ndarray) -> float:
        p = p.reshape(6, 6) / p.sum()
        chance = p.sum(axis=1) @ weight @ p.sum(axis=0)
        return float(((weight * p).sum() - chance) / (1 - chance))

    flat, step = share.ravel(), 1e-6
    gradient = np.array([(weighted(flat + step * e) - weighted(flat - step * e)) / (2 * step) for e in np.eye(36)])
    variance = (flat @ gradient**2 - (flat @ gradient) ** 2) / n
    data = golden.data("bfi_complete")
    found = kappa(data.N1, data.N2, weights="quadratic").se ** 2
    psych = golden.load("14_ccc_agreement")["kappa_bfi_N1_N2"]["var_weighted"]
    assert found == pytest.approx(variance, rel=1e-6)
    assert abs(found - psych) > 2e-5


def test_mean_squares_equal_those_of_r() -> None:
    for name in ("shrout_fleiss_anova", "sleepstudy_days", "pefr_wright_mini", "pefr_4"):
        expected = golden.load("08_icc")[name]["anova"]
        found = intraclass(ratings(name))
        ours = [found.n, found.k, found.ms_targets, found.ms_raters, found.ms_residual, found.ms_within]
        theirs = [expected[key] for key in ("n", "k", "MSR", "MSC", "MSE", "MSW")]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_intraclass_forms_equal_those_of_psych_by_lmer_where_ratings_are_complete() -> None:
    # psych's default takes the mean squares from lmer's variance components, which it stops at about 1e-6.
    expected = golden.load("08_icc")["shrout_fleiss_lmer"]["results"]
    found = intraclass(ratings("shrout_fleiss_anova")).to_frame()
    columns = {"icc": "ICC", "f": "F", "p": "p", "ci_lower": "lower bound", "ci_upper": "upper bound"}
    for ours, theirs in columns.items():
        np.testing.assert_allclose(found[ours], expected[theirs], rtol=1e-4, err_msg=ours)


def test_a_target_with_a_missing_rating_is_left_out_where_psych_keeps_it() -> None:
    with_gaps = golden.data("shrout_fleiss_missing").iloc[:, 1:]
    found = intraclass(with_gaps)
    assert (found.n, found.n_dropped) == (4, 2)
    assert found["ICC(C,1)"].icc == pytest.approx(intraclass(with_gaps.dropna())["ICC(C,1)"].icc)
    psych = golden.load("08_icc")["shrout_fleiss_missing_lmer"]
    assert psych["n_obs"] == 6 and psych["results"]["ICC"][2] == pytest.approx(0.7161, abs=1e-4)
    assert found["ICC(C,1)"].icc == pytest.approx(0.6510, abs=1e-4)


@pytest.mark.parametrize("name", ["pefr_wright1_mini1", "pefr_wright1_wright2", "sleepstudy_day0_day1"])
def test_concordance_divides_moments_by_n_as_lin_does(name: str) -> None:
    expected = golden.load("14_ccc_agreement")[name]
    found = concordance(*pairs(name)).concordance
    assert found == pytest.approx(expected["ccc_divisor_n"], abs=1e-12)
    assert found != pytest.approx(expected["ccc_divisor_n_minus_1"], abs=1e-6)


def test_interval_of_kappa_of_two_categories_equals_psych() -> None:
    expected = golden.matrix(golden.load("14_ccc_agreement")["kappa_bfi_N1_N2"]["dichotomised"]["confid"])
    data = golden.data("bfi_complete")
    found = kappa(data.N1 > 3, data.N2 > 3)
    limits = expected.loc["unweighted kappa", ["lower", "upper"]]
    assert [found.ci_lower, found.ci_upper] == pytest.approx(list(limits), abs=1e-10)


def test_intraclass_of_one_rating_equals_r_on_dyads_that_cannot_be_told_apart() -> None:
    # R's double-entry correlation of the same pairs is another estimate of it, and a little smaller.
    expected = golden.load("09_mixed_models")["dyads_indistinguishable"]["double_entry_icc"]
    data = golden.data("dyads_indist_wide")
    assert intraclass(data[["y_1", "y_2"]])["ICC(1)"].icc == pytest.approx(expected["anova_icc_y"], abs=1e-12)
    for variable in ("x", "y"):
        one, two = data[f"{variable}_1"], data[f"{variable}_2"]
        doubled = agree(np.r_[one, two], np.r_[two, one])["pearson"].estimate
        assert doubled == pytest.approx(expected[variable], abs=1e-12)
