"""Congruence of two raters: known truth, unequal solutions, bootstrap, bad input."""

import numpy as np
import pytest

from analysis.common.status import AnalysisError
from analysis.components.congruence import Sample, bootstrap_congruence, congruence
from tests.unit.known_truth import draw, simple_population, solve


def test_two_samples_of_one_population_are_equal_and_another_is_not() -> None:
    pattern, phi = simple_population(3)
    left, right = (solve(draw(pattern, phi, 600, seed), 3) for seed in (1, 2))
    alike = congruence(left, right).to_frame()
    assert alike["mark"].tolist() == ["equal"] * 3
    shuffled = pattern[np.random.default_rng(0).permutation(15)]
    other = congruence(left, solve(draw(shuffled, phi, 600, 3), 3)).to_frame()
    assert (other["congruence"] < 0.85).all()


def test_a_solution_agrees_with_itself_whatever_the_order_of_items() -> None:
    data = draw(*simple_population(3), 300, 1)
    base, turned = solve(data, 3), solve(data[data.columns[::-1]], 3)
    found = congruence(base, turned)
    np.testing.assert_allclose(found.match.congruence, 1, atol=1e-6)
    np.testing.assert_allclose(found.after_rotation, 1, atol=1e-6)
    np.testing.assert_allclose(found.item_congruence, 1, atol=1e-6)
    assert found.rmsd == pytest.approx(0, abs=1e-6)
    assert found.table_frame()["matched"].sum() == 3


def test_rotation_to_the_other_solution_cannot_make_fit_worse() -> None:
    pattern, phi = simple_population(3, loading=0.5)
    left, right = (solve(draw(pattern, phi, 120, seed), 3) for seed in (5, 6))
    before = left.pattern[:, congruence(left, right).match.left] * congruence(left, right).match.signs
    after = congruence(left, right).rmsd
    assert after <= np.sqrt(np.mean((before - right.pattern[:, congruence(left, right).match.right]) ** 2)) + 1e-12


def test_shared_items_and_unequal_numbers_of_components_are_said() -> None:
    data = draw(*simple_population(3), 400, 1)
    left, right = solve(data, 3), solve(data.drop(columns=["i01", "i15"]), 2)
    found = congruence(left, right)
    assert len(found.items) == 13
    assert len(found.to_frame()) == 2
    assert found.table.shape == (3, 2)
    assert "2 items are in one solution only" in found.warnings[0]
    assert "1 have no partner" in found.warnings[1]
    with pytest.raises(AnalysisError, match="share 0"):
        congruence(left, solve(data.rename(columns=lambda name: f"x{name}"), 2))


def test_intervals_hold_the_estimate_and_repeat_for_one_seed() -> None:
    pattern, phi = simple_population(2)
    clusters = np.array([f"t{code}" for code in np.repeat(np.arange(30), 4)])
    samples = []
    for seed in (1, 2):
        data = draw(pattern, phi, 120, seed, clusters=clusters, cluster_share=0.2)
        samples.append(Sample(solve(data, 2), data, clusters))
    found = bootstrap_congruence(*samples, seed=4, replicates=100)
    again = bootstrap_congruence(*samples, seed=4, replicates=100)
    assert found.matched.tobytes() == again.matched.tobytes()
    frame = found.to_frame()
    assert (frame["congruence_bias"] < 0).all()
    assert (frame["congruence_lower"] < frame["congruence_upper"]).all()
    assert (frame["congruence_upper"] <= 1).all()
    assert (frame["congruence_after_rotation_lower"] <= frame["congruence_after_rotation_upper"]).all()
    assert found.status == "ok"


def test_the_same_rows_drawn_together_stay_the_same() -> None:
    data = draw(*simple_population(2), 90, 1)
    names = [f"t{row // 3}" for row in range(90)]
    solution = solve(data, 2)
    together = bootstrap_congruence(Sample(solution, data, names), Sample(solution, data, names), seed=1, replicates=50)
    np.testing.assert_allclose(together.matched, 1)
    apart = bootstrap_congruence(Sample(solution, data), Sample(solution, data), seed=1, replicates=50)
    assert (apart.matched < 0.9999).all()
    few = bootstrap_congruence(
        Sample(solution, data, [row // 10 for row in range(90)]), Sample(solution, data), seed=1, replicates=50
    )
    assert few.status == "too_few_clusters"


def test_intervals_hold_the_congruence_of_the_populations() -> None:
    """Two populations of known congruence (.97); a percentile interval of the same replicates misses it every time."""
    pattern, phi = simple_population(2, each=6, loading=0.6)
    other = pattern + np.where(pattern == 0, 0.15 * np.tile([1.0, -1.0], 6)[:, None], 0)
    truth = congruence(solve(draw(pattern, phi, 50_000, 1), 2), solve(draw(other, phi, 50_000, 2), 2))
    expected = truth.match.congruence.mean()
    assert np.ptp(truth.match.congruence) < 0.01
    corrected, percentile = [], []
    for seed in range(40):
        left, right = draw(pattern, phi, 150, 2 * seed + 10), draw(other, phi, 150, 2 * seed + 11)
        samples = Sample(solve(left, 2), left), Sample(solve(right, 2), right)
        found = bootstrap_congruence(*samples, seed=1, replicates=60)
        frame = found.to_frame()
        corrected += list((frame["congruence_lower"] <= expected) & (expected <= frame["congruence_upper"]))
        percentile += list(np.quantile(found.matched, 0.975, axis=0) >= expected)
    assert np.mean(corrected) >= 0.9
    assert np.mean(percentile) < 0.6
