"""Bias-corrected intervals: what they do to a shifted distribution, to limits and to missing replicates."""

import numpy as np
import pytest

from analysis.common.bias_correction import bias_corrected_correlation, bias_corrected_interval


def test_the_shift_of_the_replicates_is_taken_off_once() -> None:
    drawn = np.random.default_rng(1).normal(0.5, 0.1, 200_000)
    found = bias_corrected_interval(0.6, drawn)
    assert found.bias == pytest.approx(-0.1, abs=2e-3)
    assert [found.lower, found.upper] == pytest.approx([0.7 - 0.196, 0.7 + 0.196], abs=2e-3)
    cut = bias_corrected_interval(0.6, drawn, limits=(0, 0.8))
    assert cut.upper == 0.8


def test_missing_replicates() -> None:
    drawn = np.array([[0.1, np.nan, np.nan], [0.2, 0.3, np.nan], [0.3, 0.4, 0.5], [0.4, 0.4, np.nan]])
    found = bias_corrected_interval(np.array([0.2, 0.3, 0.5]), drawn)
    assert np.isfinite(found.lower).tolist() == [True, True, False]
    assert np.isnan(bias_corrected_interval(np.array([0.2]), np.array([[0.1]])).se).all()


def test_correlations_stay_correlations_and_a_diagonal_stays_one() -> None:
    phi = np.array([[1.0, 0.95], [0.95, 1.0]])
    rng = np.random.default_rng(2)
    drawn = np.tile(phi, (100, 1, 1))
    drawn[:, 0, 1] = drawn[:, 1, 0] = rng.uniform(0.7, 0.95, 100)
    found = bias_corrected_correlation(phi, drawn)
    assert found.lower[0, 0] == found.upper[1, 1] == 1
    assert -1 <= found.lower[0, 1] < found.upper[0, 1] <= 1
    assert found.bias[0, 1] < 0
