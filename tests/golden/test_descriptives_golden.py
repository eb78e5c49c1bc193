"""Descriptive figures of items against psych::describe, and squared multiple correlations (16_descriptives_cor)."""

import golden
import numpy as np
import pytest

from analysis.components.component_tables import describe, suitability_table
from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate

ITEMS = [f"N{number}" for number in range(1, 6)]


def test_items_are_described_as_in_psych_with_the_skewness_and_kurtosis_of_spss() -> None:
    reference = golden.load("16_descriptives_cor")
    answers = golden.data("bfi")[ITEMS]
    found = correlate(answers)
    suited = suitability(found.matrix, found.n, found.items)
    table = suitability_table(describe(answers), found, suited).set_index("item_id")
    ours = table.loc[ITEMS]
    described = reference["describe_type3"]
    for column, theirs in (("n_answered", "n"), ("mean", "mean"), ("sd", "sd")):
        np.testing.assert_allclose(ours[column].astype(float), described[theirs][:5], rtol=1e-12)
    spss = reference["skew_kurtosis_type2"]
    np.testing.assert_allclose(ours["skewness"], spss["skew"][:5], rtol=1e-10)
    np.testing.assert_allclose(ours["kurtosis"], spss["kurtosis"][:5], rtol=1e-10)
    # psych's default (type 3) and the moments themselves (type 1) are another definition, one step away.
    n = ours["n_answered"].to_numpy(dtype=float)
    moments = ours["skewness"] * (n - 2) / np.sqrt(n * (n - 1))
    np.testing.assert_allclose(moments, reference["skew_kurtosis_type1"]["skew"][:5], rtol=1e-10)
    np.testing.assert_allclose(moments * ((n - 1) / n) ** 1.5, described["skew"][:5], rtol=1e-10)
    assert abs(ours["skewness"].iloc[0] - described["skew"][0]) > 1e-4


def test_squared_multiple_correlations() -> None:
    reference = golden.load("16_descriptives_cor")["smc"]
    found = correlate(golden.data("bfi_complete")[ITEMS])
    ours = suitability(found.matrix, found.n, found.items)
    np.testing.assert_allclose(ours.smc, [reference[item] for item in ITEMS], rtol=1e-10)


@pytest.mark.parametrize("item", [0, 4])
def test_pairwise_correlations_and_their_rows(item: int) -> None:
    reference = golden.load("16_descriptives_cor")["corr_test_holm"]
    found = correlate(golden.data("bfi")[ITEMS])
    np.testing.assert_allclose(found.matrix[item], golden.matrix(reference["r"]).iloc[item], atol=1e-12)
    np.testing.assert_array_equal(found.n_pairs[item], golden.matrix(reference["n"]).iloc[item])
