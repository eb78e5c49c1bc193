"""CFA: exact recovery, coverage, statuses of awkward designs, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError
from analysis.components.cfa import cfa
from tests.unit.known_truth import draw, implied, item_names, simple_population

SCALES = {item: "abc"[row // 5] for row, item in enumerate(item_names(15))}


def test_a_population_is_reproduced_exactly() -> None:
    pattern, phi = simple_population(3)
    deviation = np.linspace(0.5, 2, 15)
    covariance = implied(pattern, phi) * np.outer(deviation, deviation)
    found = cfa(covariance, 10_000, item_names(15), SCALES)
    np.testing.assert_allclose(found.standardised, pattern.max(axis=1), atol=1e-7)
    np.testing.assert_allclose(found.correlation, phi, atol=1e-7)
    assert found.fit.chi2 == pytest.approx(0, abs=1e-6)
    assert found.fit.cfi == 1
    assert found.fit.srmr == pytest.approx(0, abs=1e-7)
    assert found.status == "ok"


@given(st.integers(0, 9999))
@settings(max_examples=15, deadline=None)
def test_fit_does_not_depend_on_order_units_or_sign(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = draw(*simple_population(3), 200, seed)
    base = cfa(data.cov().to_numpy(), 200, item_names(15), SCALES)
    moved = data[rng.permutation(data.columns)] * rng.uniform(0.2, 5, 15) * rng.choice([-1, 1], 15)
    other = cfa(moved.cov().to_numpy(), 200, list(moved.columns), SCALES)
    assert other.fit.chi2 == pytest.approx(base.fit.chi2, abs=1e-6)
    assert other.fit.srmr == pytest.approx(base.fit.srmr, abs=1e-6)
    sizes = dict(zip(base.items, np.abs(base.standardised), strict=True))
    np.testing.assert_allclose(np.abs(other.standardised), [sizes[item] for item in other.items], atol=1e-6)


def test_standard_errors_cover_and_the_wrong_structure_does_not_fit() -> None:
    pattern, phi = simple_population(3)
    hits, right, wrong = [], [], []
    across = {item: "abc"[row % 3] for row, item in enumerate(item_names(15))}
    for seed in range(150):
        covariance = draw(pattern, phi, 300, seed).cov().to_numpy()
        found = cfa(covariance, 300, item_names(15), SCALES)
        distance = np.abs(found.standardised - pattern.max(axis=1))
        hits.append(distance <= 1.96 * found.standardised_se)
        right.append(found.fit.p < 0.05)
        if seed < 5:
            wrong.append(cfa(covariance, 300, item_names(15), across).fit.cfi)
    assert 0.93 <= np.mean(hits) <= 0.97
    assert np.mean(right) < 0.12
    assert max(wrong) < 0.8


def test_one_item_two_items_and_one_scale() -> None:
    data = draw(*simple_population(3), 400, 1)
    keep = ["i01", "i06", "i07", "i11", "i12", "i13"]
    found = cfa(data[keep].cov().to_numpy(), 400, keep, SCALES)
    assert found.residual[0] == 0
    assert found.standardised[0] == 1
    assert found.standardised_se[0] == 0
    assert found.status == "ok"
    assert found.fit.df == 21 - (6 + 5 + 3)
    three = ["i01", "i02", "i03"]
    exact = cfa(data[three].cov().to_numpy(), 400, three, SCALES)
    assert exact.fit.df == 0
    assert exact.fit.chi2 == pytest.approx(0, abs=1e-6)
    assert np.isnan(exact.fit.rmsea)
    with pytest.raises(AnalysisError, match="at least three items|not identified"):
        cfa(data[["i01", "i02"]].cov().to_numpy(), 400, ["i01", "i02"], SCALES)
    with pytest.raises(AnalysisError, match="three items|not identified"):
        cfa(np.eye(1), 400, ["i01"], SCALES)


def test_a_model_without_identification_says_so() -> None:
    """Two uncorrelated scales of two items: the loadings of a pair cannot be told apart."""
    covariance = np.eye(4)
    covariance[0, 1] = covariance[1, 0] = covariance[2, 3] = covariance[3, 2] = 0.5
    found = cfa(covariance, 300, item_names(4), {"i01": "a", "i02": "a", "i03": "b", "i04": "b"})
    assert found.status == "underidentified"
    assert np.isnan(found.standardised_se).all()


def test_a_heywood_case_is_flagged() -> None:
    covariance = np.array([[1.0, 0.8, 0.8], [0.8, 1.0, 0.4], [0.8, 0.4, 1.0]])
    found = cfa(covariance, 200, item_names(3), dict.fromkeys(item_names(3), "a"))
    assert found.status == "heywood"
    assert found.residual[0] < 0


def test_items_without_scale_are_left_out_and_named() -> None:
    data = draw(*simple_population(3), 300, 1)
    scales = {item: scale for item, scale in SCALES.items() if scale != "c"}
    found = cfa(data.cov().to_numpy(), 300, item_names(15), scales)
    assert found.factors == ("a", "b")
    assert "i15" in found.warnings[0]
    assert len(found.to_frame()) == 10
    assert found.factors_frame()["correlation"].tolist()[::2] == [1, 1]
    assert len(found.fit.to_frame()) == 1


@pytest.mark.parametrize(
    ("change", "n", "message"),
    [
        (lambda c: c, 15, "too few"),
        (lambda c: np.where(np.eye(15) == 1, 0, c), 300, "without variance"),
        (lambda c: np.ones((15, 15)), 300, "singular"),
        (lambda c: c * np.nan, 300, "missing"),
        (lambda c: c[:4, :4], 300, "4 rows, different item names: 15"),
    ],
)
def test_bad_input_is_refused_in_words(change, n: int, message: str) -> None:
    covariance = draw(*simple_population(3), 300, 1).cov().to_numpy()
    with pytest.raises(AnalysisError, match=message):
        cfa(change(covariance), n, item_names(15), SCALES)
    with pytest.raises(AnalysisError, match="belongs to a scale"):
        cfa(covariance, 300, item_names(15), {})
