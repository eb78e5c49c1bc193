"""Intraclass forms against psych (08); concordance, limits of agreement and kappa against epiR and psych (14)."""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.agreement import agree, concordance, intraclass, kappa, limits_of_agreement, paired_difference


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
