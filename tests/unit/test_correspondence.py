"""Correspondence with declared scales and the wording check: perfect, absent and impossible cases."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from analysis.common.status import AnalysisError
from analysis.components.correspondence import correspondence, correspondence_intervals, wording_check
from analysis.components.salience import salience
from analysis.components.solution import Solution
from analysis.components.stability import bootstrap_solution
from tests.unit.known_truth import draw, implied, item_names, simple_population, solve

SCALES = {item: "abc"[row // 5] for row, item in enumerate(item_names(15))}


def _solution(pattern: np.ndarray, phi: np.ndarray) -> Solution:
    return Solution(
        tuple(item_names(len(pattern))), implied(pattern, phi), 300, "minres", "oblimin", pattern, phi,
        1 - np.diag(pattern @ phi @ pattern.T), "ok", (),
    )  # fmt: skip


def test_components_that_are_the_scales_correspond_perfectly() -> None:
    found = correspondence(_solution(*simple_population(3)), SCALES)
    assert found.adjusted_rand == found.majority_share == found.one_to_one_share == 1
    assert found.mean_congruence > 0.97
    assert found.cross_table["none"].tolist() == [0, 0, 0]
    assert found.cross_table.to_numpy()[:, :3].tolist() == [[5, 0, 0], [0, 5, 0], [0, 0, 5]]
    assert found.scales_frame()["share_on_majority"].tolist() == [1, 1, 1]
    assert found.cross_table_frame()["n_items"].sum() == 15


def test_components_across_the_scales_do_not_correspond() -> None:
    pattern, phi = simple_population(3)
    across = np.argsort(np.tile(np.arange(5), 3), kind="stable")
    found = correspondence(_solution(pattern[across], phi), SCALES)
    assert found.adjusted_rand < 0.1
    assert found.majority_share < 0.6
    assert found.mean_congruence < 0.75


def test_all_items_on_one_component_is_a_majority_but_not_one_to_one() -> None:
    pattern = np.column_stack([np.full(15, 0.6), np.full(15, 0.1), np.full(15, 0.05)])
    found = correspondence(_solution(pattern, np.eye(3)), SCALES)
    assert found.majority_share == 1
    assert found.majority_components == 1
    assert found.one_to_one_share == pytest.approx(1 / 3)
    assert found.adjusted_rand == 0


@given(st.integers(0, 9999), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_order_sign_and_names_do_not_matter(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = rng.uniform(-0.6, 0.8, (15, k))
    phi = np.eye(k)
    base = correspondence(Solution(
        tuple(item_names(15)), np.eye(15), 100, "minres", "none", pattern, phi, np.full(15, 0.5), "ok", ()
    ), SCALES)  # fmt: skip
    rows, columns, signs = rng.permutation(15), rng.permutation(k), rng.choice([-1.0, 1.0], k)
    items = [item_names(15)[row] for row in rows]
    turned = pattern[rows][:, columns] * signs
    moved = Solution(tuple(items), np.eye(15), 100, "minres", "none", turned, phi, np.full(15, 0.5), "ok", ())
    other = correspondence(moved, {item: f"scale {SCALES[item]}" for item in items})
    left, right = base.to_frame()["estimate"], other.to_frame()["estimate"]
    kept = ~left.index.isin(left.index[base.to_frame()["measure"] == "majority_components"])
    np.testing.assert_allclose(left[kept], right[kept], atol=1e-9)
    strongest = np.abs(pattern).argmax(axis=1)
    assert base.adjusted_rand == adjusted_rand_score([SCALES[item] for item in item_names(15)], strongest)


def test_items_without_scale_or_salient_loading_are_said() -> None:
    pattern, phi = simple_population(3)
    pattern[4, 0] = 0.2
    scales = {item: scale for item, scale in SCALES.items() if item != "i15"}
    found = correspondence(_solution(pattern, phi), scales)
    assert found.cross_table.loc["a", "none"] == 1
    assert found.n_salient == 13
    assert "i15" in found.warnings[0]
    frame = found.to_frame().set_index("measure")
    assert frame.loc["adjusted_rand", "n_items"] == 14
    assert frame.loc["adjusted_rand_salient", "n_items"] == 13


def test_one_scale_is_not_a_partition() -> None:
    found = correspondence(_solution(*simple_population(2)), dict.fromkeys(item_names(10), "total"))
    assert found.status == "not_applicable"
    assert np.isnan(found.adjusted_rand)
    assert found.congruence.shape == (1,)
    with pytest.raises(AnalysisError, match="other than their instrument's total: 0; two"):
        correspondence(_solution(*simple_population(2)), {})


def test_unkeyed_answers_reach_the_same_with_their_keys() -> None:
    pattern, phi = simple_population(3)
    turned = pattern.copy()
    turned[[2, 8]] *= -1
    keyed = correspondence(_solution(pattern, phi), SCALES)
    unkeyed = correspondence(_solution(turned, phi), SCALES, keys={"i03": -1, "i09": -1})
    np.testing.assert_allclose(keyed.congruence, unkeyed.congruence)


def test_intervals_come_from_the_bootstrap() -> None:
    pattern, phi = simple_population(3, loading=0.5)
    data = draw(pattern, phi, 100, 1)
    stability = bootstrap_solution(data, solve(data, 3), seed=1, replicates=40)
    frame = correspondence_intervals(stability, SCALES).set_index("measure")
    assert (frame["lower"] <= frame["upper"]).all()
    assert frame.loc["adjusted_rand", "se"] > 0
    target = frame.loc["mean_target_congruence"]
    assert target["lower"] < target["estimate"] < target["upper"] <= 1


def test_a_component_of_reversed_items_is_found() -> None:
    pattern, phi = simple_population(3)
    solution = _solution(pattern, phi)
    found = wording_check(solution, {"i11", "i12", "i13", "i14"})
    assert found.gathers.tolist() == [False, False, True]
    assert found.p_value[2] == pytest.approx(5 / 1365)
    assert "Component 3" in found.warnings[0]
    spread = wording_check(solution, {"i01", "i06", "i11"})
    assert not spread.gathers.any()
    none = wording_check(solution, set())
    assert none.status == "not_applicable"
    assert np.isnan(none.to_frame()["p_value"]).all()
    weak = wording_check(replace(solution, pattern=pattern * 0.1), {"i01"})
    assert weak.to_frame()["share_reversed"].isna().all()


def test_salience_names_gaps_and_cross_loadings() -> None:
    pattern = np.array([[0.7, 0.1], [0.5, -0.45], [0.3, 0.2], [0.1, -0.8]])
    found = salience(_solution(pattern, np.eye(2))).to_frame()
    assert found["component"].fillna(0).tolist() == [1, 1, 0, 2]
    assert found["cross_loadings"].tolist() == ["", "2", "", ""]
    np.testing.assert_allclose(found["gap"], [0.6, 0.05, 0.1, 0.7])
    assert found["loading"].tolist() == [0.7, 0.5, 0.3, -0.8]
    with pytest.raises(AnalysisError, match="threshold"):
        salience(_solution(pattern, np.eye(2)), 1.4)
