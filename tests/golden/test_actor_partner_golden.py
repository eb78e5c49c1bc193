"""The actor-partner model of distinguishable dyads against R's lavaan (12)."""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.outcome.regression import regress
from analysis.two_views.actor_partner import ActorPartner, actor_partner

EFFECTS = {
    "actor_client": "a1",
    "partner_client": "p12",
    "actor_therapist": "a2",
    "partner_therapist": "p21",
    "ratio_client": "k1",
    "ratio_therapist": "k2",
    "actor_difference": "diff_a",
    "partner_difference": "diff_p",
}


@pytest.fixture(scope="module")
def found() -> ActorPartner:
    data = golden.data("dyads_wide")
    return actor_partner(data.x_1, data.x_2, data.y_1, data.y_2, errors="ML", n_bootstrap=2000, seed=1)


@pytest.fixture(scope="module")
def expected() -> dict:
    return golden.load("12_apim")["distinguishable"]


@pytest.mark.parametrize("effect", list(EFFECTS))
def test_paths_equal_lavaan(found: ActorPartner, expected: dict, effect: str) -> None:
    table = pd.DataFrame(expected["saturated"]["parameter_estimates"]).set_index("label")
    lhs = table.reset_index().set_index("lhs")
    row = table.loc[EFFECTS[effect]] if EFFECTS[effect] in table.index else lhs.loc[EFFECTS[effect]]
    ours = [found[effect].estimate, found[effect].se, found[effect].ci_lower, found[effect].ci_upper]
    assert ours == pytest.approx([row[key] for key in ("est", "se", "ci.lower", "ci.upper")], abs=1e-5)
    if not effect.startswith("ratio"):
        assert found[effect].p == pytest.approx(row["pvalue"], rel=1e-3)


@pytest.mark.parametrize("effect", list(EFFECTS)[:4])
def test_standardised_paths_equal_lavaan(found: ActorPartner, expected: dict, effect: str) -> None:
    table = pd.DataFrame(expected["saturated"]["standardized"]).set_index("label")
    assert found[effect].standardised == pytest.approx(table.loc[EFFECTS[effect], "est.std"], abs=1e-6)


def test_equal_paths_equal_lavaan(found: ActorPartner, expected: dict) -> None:
    test = expected["LRT_equal_paths"]
    assert found.equal_statistic == pytest.approx(test["Chisq diff"][1], abs=1e-5)
    assert found.equal_p == pytest.approx(test["Pr(>Chisq)"][1], abs=1e-6)
    paths = (
        pd.DataFrame(expected["equal_paths"]["parameter_estimates"]).drop_duplicates("label").set_index("label")["est"]
    )
    assert [found.equal_actor, found.equal_partner] == pytest.approx([paths["a"], paths["p"]], abs=1e-5)


def test_distinguishability_equals_lavaan(found: ActorPartner, expected: dict) -> None:
    test = expected["LRT_indistinguishable"]
    assert found.distinguishable_chi2 == pytest.approx(test["Chisq diff"][1], abs=1e-4)
    assert found.distinguishable_p == pytest.approx(test["Pr(>Chisq)"][1], rel=1e-4)


def test_variance_explained_equals_lavaan(found: ActorPartner, expected: dict) -> None:
    assert [found.r2_client, found.r2_therapist] == pytest.approx(list(expected["saturated"]["r2"].values()), abs=1e-6)


def test_bootstrap_of_ratios_agrees_with_lavaan_within_monte_carlo_error(found: ActorPartner, expected: dict) -> None:
    table = expected["bootstrap_k"]
    for at, effect in enumerate(["ratio_client", "ratio_therapist"]):
        limits = [found[effect].boot_ci_lower, found[effect].boot_ci_upper]
        assert limits == pytest.approx([table["ci.lower"][at], table["ci.upper"][at]], abs=0.1)


UNCONSTRAINED = {"actor_client": "a1", "partner_client": "p12", "actor_therapist": "a2", "partner_therapist": "p21"}


def test_dyads_that_cannot_be_told_apart_equal_lavaan() -> None:
    expected = golden.load("12_apim")["indistinguishable"]
    data = golden.data("dyads_indist_wide")
    found = actor_partner(data.x_1, data.x_2, data.y_1, data.y_2, errors="ML")
    table = pd.DataFrame(expected["unconstrained"]["parameter_estimates"]).set_index("label")
    for effect, label in UNCONSTRAINED.items():
        assert [found[effect].estimate, found[effect].se] == pytest.approx(
            list(table.loc[label, ["est", "se"]]), abs=1e-5
        )
    assert found.distinguishable_df == expected["LRT"]["Df diff"][1]
    assert found.distinguishable_chi2 == pytest.approx(expected["LRT"]["Chisq diff"][1], abs=1e-4)
    assert found.distinguishable_p == pytest.approx(expected["LRT"]["Pr(>Chisq)"][1], rel=1e-4)


def test_residuals_equal_an_unstructured_fit_in_nlme(found: ActorPartner) -> None:
    expected = golden.load("09_mixed_models")["dyads"]["gls_unstructured"]["ML"]
    assert found.residual_correlation == pytest.approx(expected["residual_correlation"], abs=1e-5)
    terms = dict(zip(expected["coefficients"]["term"], expected["coefficients"]["Value"], strict=True))
    second = terms["x_a"] + terms["role2:x_a"], terms["x_p"] + terms["role2:x_p"]
    ours = [found[effect].estimate for effect in UNCONSTRAINED]
    assert ours == pytest.approx([terms["x_a"], terms["x_p"], *second], abs=1e-6)


def test_standard_errors_without_a_divisor_of_n_equal_lm_and_the_robust_ones_of_lavaan_are_hc0(
    expected: dict, found: ActorPartner
) -> None:
    """ML divides by n, lm by n - k; lavaan's MLR is HC0, ours (CR2) is HC2 where each dyad is its own cluster."""
    data = golden.data("dyads_wide")
    robust = pd.DataFrame(expected["saturated_MLR"]["parameter_estimates"]).set_index("label")
    ours = actor_partner(data.x_1, data.x_2, data.y_1, data.y_2)
    labels = {
        1: ("a1", "actor_client", "p12", "partner_client"),
        2: ("p21", "partner_therapist", "a2", "actor_therapist"),
    }
    for outcome, (first, first_effect, second, second_effect) in labels.items():
        plain = regress(data[f"y_{outcome}"], data[["x_1", "x_2"]], covariance="classical")
        table = pd.DataFrame(expected["ols"][f"y_{outcome}"]).set_index("term")
        hc0 = regress(data[f"y_{outcome}"], data[["x_1", "x_2"]], covariance="HC0")
        hc2 = regress(data[f"y_{outcome}"], data[["x_1", "x_2"]], covariance="HC2")
        for x, label, effect in (("x_1", first, first_effect), ("x_2", second, second_effect)):
            assert plain[x].se == pytest.approx(table.loc[x, "Std. Error"], rel=1e-9)
            assert found[effect].se == pytest.approx(plain[x].se * np.sqrt((len(data) - 3) / len(data)), rel=1e-9)
            assert hc0[x].se == pytest.approx(robust.loc[label, "se"], rel=1e-4)
            assert ours[effect].se == pytest.approx(hc2[x].se, rel=1e-9) and hc2[x].se > robust.loc[label, "se"]
