"""Regression and its robust covariances: brute-force formulas, invariants, a known truth, and bad input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError, Status
from analysis.outcome.regression import INTERCEPT, regress


def sample(seed: int, therapists: int = 15, icc: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(therapists), rng.integers(1, 8, therapists))
    n = len(therapist)
    shared = rng.normal(size=(therapists, 2))[therapist]
    data = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "pre"])
    data["a"] += shared[:, 0]
    data["post"] = 0.5 * data.a + np.sqrt(icc / (1 - icc)) * shared[:, 1] + rng.normal(size=n)
    return data.assign(therapist=therapist)


def brute_force(data: pd.DataFrame, terms: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """CR2 and Satterthwaite degrees of freedom from the n x n matrices of the textbook."""
    x = np.column_stack([np.ones(len(data)), data[terms]])
    y, codes = data.post.to_numpy(), data.therapist.to_numpy()
    bread = np.linalg.inv(x.T @ x)
    residual_maker = np.eye(len(x)) - x @ bread @ x.T
    e = residual_maker @ y
    meat, directions = np.zeros((x.shape[1],) * 2), []
    for code in np.unique(codes):
        at = codes == code
        values, vectors = np.linalg.eigh(residual_maker[np.ix_(at, at)])
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        score = x[at].T @ root @ e[at]
        meat += np.outer(score, score)
        directions.append(residual_maker[:, at] @ root @ x[at] @ bread)
    df = []
    for term in range(x.shape[1]):
        p = np.column_stack([direction[:, term] for direction in directions])
        df.append(np.trace(p.T @ p) ** 2 / ((p.T @ p) ** 2).sum())
    return bread @ meat @ bread, np.array(df)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_cr2_and_its_degrees_of_freedom_equal_the_textbook_formulas(seed: int) -> None:
    data = sample(seed)
    fit = regress(data.post, data[["a", "b"]], cluster=data.therapist)
    vcov, df = brute_force(data, ["a", "b"])
    np.testing.assert_allclose(fit.vcov, vcov, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose([term.df for term in fit.coefficients], df, rtol=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_order_units_and_labels_do_not_matter(seed: int) -> None:
    data = sample(seed)
    first = regress(data.post, data[["a", "b"]], covariates=data[["pre"]], cluster=data.therapist)
    moved = data.sample(frac=1, random_state=seed)
    again = regress(
        1000 - 10 * moved.post,
        {"b": moved.b / 7, "a": 3 * moved.a + 50},
        covariates={"pre": moved.pre - 4},
        cluster=moved.therapist.map("therapist {}".format),
    )
    for term in ("a", "b", "pre"):
        assert first[term].beta == pytest.approx(-again[term].beta, rel=1e-6, abs=1e-9)
        assert first[term].p == pytest.approx(again[term].p, rel=1e-6)
        assert first[term].df == pytest.approx(again[term].df, rel=1e-6)
    assert (first.r2, first.delta_r2, first.joint_p) == pytest.approx(
        (again.r2, again.delta_r2, again.joint_p), rel=1e-6
    )


def test_rows_without_clusters_give_hc2() -> None:
    data = sample(3)
    alone = regress(data.post, data[["a", "b"]])
    np.testing.assert_allclose(alone.vcov, regress(data.post, data[["a", "b"]], covariance="HC2").vcov, rtol=1e-9)


def test_false_positives_are_five_percent_with_few_clusters_and_more_without_them() -> None:
    rng = np.random.default_rng(8)
    therapist = np.repeat(np.arange(12), rng.integers(2, 12, 12))
    trials, naive, robust, covered = 400, 0, 0, 0
    for _ in range(trials):
        shared = rng.normal(size=(12, 2))[therapist]
        x = shared[:, 0] + 0.5 * rng.normal(size=len(therapist))
        y = 0.3 * x + 0.7 * shared[:, 1] + rng.normal(size=len(therapist))
        fit = regress(y, {"x": x}, cluster=therapist)["x"]
        plain = regress(y, {"x": x}, covariance="classical")["x"]
        robust += regress(y - 0.3 * x, {"x": x}, cluster=therapist)["x"].p < 0.05
        naive += regress(y - 0.3 * x, {"x": x}, covariance="classical")["x"].p < 0.05
        covered += fit.ci_lower <= 0.3 <= fit.ci_upper
        assert fit.estimate == pytest.approx(plain.estimate)
    assert naive / trials > 0.15
    assert 0.02 < robust / trials < 0.085
    assert covered / trials > 0.915


def test_adjusting_for_severity_says_what_the_predictors_add() -> None:
    data = sample(4)
    fit = regress(data.post, data[["a"]], covariates=data[["pre"]], cluster=data.therapist)
    alone = regress(data.post, data[["pre"]])
    assert fit.r2_covariates == pytest.approx(alone.r2)
    assert fit.delta_r2 == pytest.approx(fit.r2 - alone.r2)
    assert fit.to_frame().set_index("term").loc["pre", "role"] == "covariate"


def test_perfect_collinearity_leaves_the_other_terms_and_r2() -> None:
    data = sample(5)
    whole = regress(data.post, data[["a", "b"]], cluster=data.therapist)
    fit = regress(data.post, data[["a", "b"]].assign(again=1 - 2 * data.b), cluster=data.therapist)
    assert fit.status is Status.COLLINEAR
    assert np.isnan(fit["b"].estimate) and np.isnan(fit["again"].p) and fit["b"].status is Status.COLLINEAR
    assert fit["a"].estimate == pytest.approx(whole["a"].estimate)
    assert fit["a"].p == pytest.approx(whole["a"].p, rel=1e-6)
    assert fit.r2 == pytest.approx(whole.r2)
    assert "b, again" in " ".join(fit.warnings)


def test_a_constant_predictor_is_left_out_and_named() -> None:
    data = sample(6)
    fit = regress(data.post, data[["a"]].assign(flat=4.0), cluster=data.therapist)
    assert fit["flat"].status is Status.CONSTANT and "flat" in fit.warnings[0]
    assert fit["a"].beta == pytest.approx(data[["a", "post"]].corr().iloc[0, 1])


def test_one_therapist_falls_back_and_says_so() -> None:
    data = sample(7)
    fit = regress(data.post, data[["a"]], cluster=["only"] * len(data))
    assert (fit.status, fit.covariance) == (Status.TOO_FEW_CLUSTERS, "HC3")
    assert np.isfinite(fit["a"].se) and "one cluster" in fit.warnings[0]


@pytest.mark.parametrize(
    ("post", "a", "status"),
    [
        ([3, 3, 3, 3, 3], [1, 2, 3, 4, 5], Status.CONSTANT),
        ([1, 2], [2, 1], Status.TOO_FEW_ROWS),
        ([1, 3, 2], [1, 2, np.nan], Status.TOO_FEW_ROWS),
        ([np.nan] * 3, [1, 2, 3], Status.NO_DATA),
        ([2, 4, 6, 8], [1, 2, 3, 4], Status.SINGULAR),
    ],
)
def test_difficult_data_have_a_status_and_a_sentence(post: list, a: list, status: Status) -> None:
    fit = regress(post, {"a": a})
    assert fit.status is status
    assert fit.warnings and np.isnan(fit["a"].p)
    assert set(fit.to_frame()["status"]) == {status.value}


def test_a_therapist_who_alone_differs_in_a_predictor_does_not_break_the_correction() -> None:
    data = sample(9)
    fit = regress(data.post, {"only_first": (data.therapist == 0) * 1.0, "a": data.a}, cluster=data.therapist)
    assert np.isfinite(fit["a"].p)


@pytest.mark.parametrize(
    "call",
    [
        lambda: regress([1, 2, np.inf], {"a": [1, 2, 3]}),
        lambda: regress([1, 2], {"a": [1, 2, 3]}),
        lambda: regress([1, 2, 3], {"a": ["x", "y", "z"]}),
        lambda: regress([1, 2, 3], {}),
        lambda: regress([1, 2, 3], {"a": [1, 2, 4]}, covariates={"a": [1, 2, 3]}),
        lambda: regress([1, 2, 3], {"a": [1, 2, 4]}, covariance="CR9"),
        lambda: regress([1, 2, 4, 3], {"a": [1, 2, 3, 5]})["b"],
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()


def test_the_intercept_is_the_first_row_of_the_frame() -> None:
    data = sample(10)
    frame = regress(data.post, data[["a", "b"]], cluster=data.therapist, name="symptoms").to_frame()
    assert frame["term"].tolist() == [INTERCEPT, "a", "b"]
    assert set(frame["outcome"]) == {"symptoms"}
