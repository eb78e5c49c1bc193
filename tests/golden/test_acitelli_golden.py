"""Real dyads, 148 couples of Acitelli's study, against lavaan, psych, epiR, sandwich and lme4 (24).

The couples stand in for dyads of client (wife) and therapist (husband): two raters, one rating of the other each.
"""

import golden
import numpy as np
import pandas as pd
import pytest

from analysis.common.status import Status
from analysis.outcome.mixed_models import random_intercept
from analysis.outcome.regression import regress
from analysis.two_views.actor_partner import actor_partner
from analysis.two_views.agreement import agree
from analysis.two_views.one_with_many import one_with_many
from analysis.two_views.response_surface import POLYNOMIAL, SURFACE, response_surface

PATHS = {
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
def couples() -> pd.DataFrame:
    return golden.data("acitelli_couples")


@pytest.fixture(scope="module")
def expected() -> dict:
    return golden.load("24_acitelli_dyads")


@pytest.mark.parametrize("measure", ["other", "self", "satisfaction", "tension"])
def test_agreement_of_partners_equals_r(couples: pd.DataFrame, expected: dict, measure: str) -> None:
    theirs = expected["agreement"][measure]
    found = agree(couples[f"wife_{measure}"], couples[f"husband_{measure}"])

    def interval(statistic: str) -> list[float]:
        one = found[statistic]
        return [one.estimate, one.ci_lower, one.ci_upper]

    for ours, name in {"pearson": "pearson", "mean_difference": "difference"}.items():
        keys = ["r" if name == "pearson" else "mean", "lower", "upper"]
        assert interval(ours) == pytest.approx([theirs[name][key] for key in keys], abs=1e-10)
        assert found[ours].p == pytest.approx(theirs[name]["p"], rel=1e-6)
    for ours, name in {"icc_a_1": "icc_a1", "icc_c_1": "icc_c1"}.items():
        assert interval(ours) == pytest.approx([theirs[name][key] for key in ("icc", "lower", "upper")], abs=1e-10)
    assert interval("concordance") == pytest.approx([theirs["ccc"][k] for k in ("est", "lower", "upper")], abs=1e-8)
    for d in ("d_pooled", "d_difference"):
        assert found[d].estimate == pytest.approx(theirs["difference"][d], abs=1e-10)
    limits = [found["limit_lower"].estimate, found["limit_upper"].estimate]
    assert limits == pytest.approx([theirs["limits"]["lower"], theirs["limits"]["upper"]], abs=1e-10)


def test_actor_and_partner_paths_equal_lavaan(couples: pd.DataFrame, expected: dict) -> None:
    theirs = expected["actor_partner"]
    table = pd.DataFrame(theirs["parameter_estimates"]).query("label != ''").set_index("label")
    found = actor_partner(
        couples.wife_other,
        couples.husband_other,
        couples.wife_satisfaction,
        couples.husband_satisfaction,
        errors="ML",
    )
    for effect, label in PATHS.items():
        ours = [found[effect].estimate, found[effect].se, found[effect].ci_lower, found[effect].ci_upper]
        assert ours == pytest.approx(list(table.loc[label, ["est", "se", "ci.lower", "ci.upper"]]), abs=1e-5), effect
    assert [found.r2_client, found.r2_therapist] == pytest.approx(list(theirs["r2"].values()), abs=1e-6)
    assert found.equal_statistic == pytest.approx(theirs["equal"]["chisq"], abs=1e-5)
    common = [theirs["equal"]["actor"], theirs["equal"]["partner"]]
    assert [found.equal_actor, found.equal_partner] == pytest.approx(common, abs=1e-5)


@pytest.mark.parametrize("kind", ["classical", "HC2", "HC3"])
def test_response_surface_equals_r(couples: pd.DataFrame, expected: dict, kind: str) -> None:
    theirs = expected["surface"][kind]
    found = response_surface(couples.wife_satisfaction, couples.wife_other, couples.husband_other, covariance=kind)
    assert found.centre == pytest.approx(expected["surface"]["centre"]) and found.r2 == pytest.approx(
        expected["surface"]["R2"]
    )
    np.testing.assert_allclose([found[b].estimate for b in POLYNOMIAL], theirs["b"], rtol=1e-8)
    np.testing.assert_allclose([found[b].se for b in POLYNOMIAL], theirs["se_b"], rtol=1e-8)
    for name in SURFACE:
        assert [found[name].estimate, found[name].se] == pytest.approx([theirs["a"][name], theirs["se_a"][name]])


def test_cr2_of_couples_that_are_each_alone_is_hc2(couples: pd.DataFrame, expected: dict) -> None:
    found = response_surface(couples.wife_satisfaction, couples.wife_other, couples.husband_other)
    np.testing.assert_allclose([found[b].se for b in POLYNOMIAL], expected["surface"]["HC2"]["se_b"], rtol=1e-8)


def test_random_intercept_of_couples_equals_lme4(couples: pd.DataFrame, expected: dict) -> None:
    both = pd.concat([couples.wife_other, couples.husband_other], ignore_index=True)
    outcome = pd.concat([couples.wife_satisfaction, couples.husband_satisfaction], ignore_index=True)
    husband = np.repeat([0.0, 1.0], len(couples))
    couple = np.tile(couples.couple.to_numpy(), 2)
    found = random_intercept(outcome, {"other": both, "husband": husband}, cluster=couple)
    frame = found.to_frame()
    np.testing.assert_allclose(frame["estimate"], expected["mixed"]["estimate"], rtol=1e-6)
    np.testing.assert_allclose(frame["se"], expected["mixed"]["se"], rtol=1e-6)
    np.testing.assert_allclose([found.variance_cluster, found.variance_residual], expected["mixed"]["vcov"], rtol=1e-5)
    assert found.log_likelihood == pytest.approx(expected["mixed"]["logLik"], abs=1e-6)
    clustered = regress(outcome, {"other": both, "husband": husband}, cluster=couple)
    assert clustered["other"].df < len(couples)


def test_couples_tell_dyad_variance_and_reciprocity_but_no_one_with_many(couples: pd.DataFrame, expected: dict) -> None:
    found = one_with_many(couples.wife_other, couples.husband_other, therapist=couples.couple)
    assert found.status is Status.UNDERIDENTIFIED
    r = expected["agreement"]["other"]["pearson"]["r"]
    assert found.reciprocity("dyad").correlation == pytest.approx(r, abs=1e-6)
