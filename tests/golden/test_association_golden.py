"""Correlations and adjusted p values against R's psych (16)."""

import golden
import numpy as np
import pytest
from scipy import stats

from analysis.common.multiplicity import adjust
from analysis.outcome.association import correlate, correlate_all

ITEMS = [f"N{i}" for i in range(1, 6)]


def test_pearson_pairs_equal_corr_test() -> None:
    expected = golden.load("16_descriptives_cor")["corr_test_holm"]
    found = correlate_all(golden.data("bfi")[ITEMS])
    r, n = golden.matrix(expected["r"]), golden.matrix(expected["n"])
    for pair in found.pairs:
        assert pair.r == pytest.approx(r.loc[pair.x, pair.y], abs=1e-12)
        assert pair.n == n.loc[pair.x, pair.y]
    np.testing.assert_allclose([pair.ci_lower for pair in found.pairs], expected["ci"]["lower"], atol=1e-10)
    np.testing.assert_allclose([pair.ci_upper for pair in found.pairs], expected["ci"]["upper"], atol=1e-10)
    raw = golden.matrix(expected["p_raw_lower_holm_upper"])
    np.testing.assert_allclose([pair.p for pair in found.pairs], [raw.loc[q.y, q.x] for q in found.pairs], rtol=1e-6)
    holm = [raw.loc[pair.x, pair.y] for pair in found.pairs]
    np.testing.assert_allclose(adjust([pair.p for pair in found.pairs]), holm, rtol=1e-6)


def test_spearman_pairs_equal_corr_test() -> None:
    expected = golden.load("16_descriptives_cor")["spearman"]
    r, p = golden.matrix(expected["r"]), golden.matrix(expected["p"])
    for pair in correlate_all(golden.data("bfi")[ITEMS], method="spearman").pairs:
        assert pair.r == pytest.approx(r.loc[pair.x, pair.y], abs=1e-12)
        assert pair.p == pytest.approx(p.loc[pair.x, pair.y], rel=1e-6)


def test_partial_correlations_equal_psych() -> None:
    expected = golden.matrix(golden.load("16_descriptives_cor")["partial_r"])
    data = golden.data("bfi_complete")
    for a, b in [("N1", "N2"), ("N1", "N5"), ("N3", "N4")]:
        found = correlate(data[a], data[b], covariates=data[[item for item in ITEMS if item not in (a, b)]])
        assert found.r == pytest.approx(expected.loc[a, b], abs=1e-10)


@pytest.mark.parametrize(("method", "name"), [("holm", "holm"), ("benjamini_hochberg", "BH")])
def test_adjusted_p_equals_p_adjust(method: str, name: str) -> None:
    expected = golden.load("16_descriptives_cor")["p_adjust"]
    np.testing.assert_allclose(adjust(expected["p"], method), expected[name], rtol=1e-12)


def test_t_of_correlations_equals_corr_test() -> None:
    expected = golden.matrix(golden.load("16_descriptives_cor")["corr_test_holm"]["t"])
    for pair in correlate_all(golden.data("bfi")[ITEMS]).pairs:
        t = pair.r * np.sqrt((pair.n - 2) / (1 - pair.r**2))
        assert t == pytest.approx(expected.loc[pair.x, pair.y], rel=1e-9)
        assert pair.p == pytest.approx(2 * stats.t.sf(abs(t), pair.n - 2), rel=1e-9)
