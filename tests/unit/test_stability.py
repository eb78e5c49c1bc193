"""The cluster bootstrap of a solution: same optimum as a refit from nothing, invariants, coverage, bad input."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
import pytest

from analysis.common.resampling import ClusterSums, cluster_codes, replicate_blocks
from analysis.common.status import AnalysisError
from analysis.components.alignment import align_columns
from analysis.components.refit import refit_stack
from analysis.components.stability import bootstrap_solution
from tests.unit.known_truth import draw, simple_population, solve

METHODS = [
    ("minres", "oblimin"),
    ("minres", "geomin"),
    ("ml", "promax_kaiser"),
    ("ml", "varimax"),
    ("paf", "oblimin_kaiser"),
    ("components", "oblimin"),
    ("minres", "none"),
]


@pytest.mark.parametrize(("extraction", "rotation"), METHODS)
def test_a_refit_finds_what_a_search_from_nothing_finds(extraction: str, rotation: str) -> None:
    data = draw(*simple_population(3), 300, 2)
    solution = solve(data, 3, extraction, rotation)
    codes, n_clusters = cluster_codes(None, 300)
    stack = ClusterSums(data.to_numpy(), codes, n_clusters).moments(replicate_blocks(6, 1)[0].weights(n_clusters))
    refits = refit_stack(stack.correlation, solution)
    assert refits.converged.all()
    patterns, phis, _ = align_columns(refits.pattern, refits.phi, solution.pattern)
    for replicate, matrix in enumerate(stack.correlation):
        fresh = solve(matrix, 3, extraction, rotation)
        pattern, phi, _ = align_columns(fresh.pattern[None], fresh.phi[None], solution.pattern)
        np.testing.assert_allclose(patterns[replicate], pattern[0], atol=1e-4)
        np.testing.assert_allclose(phis[replicate], phi[0], atol=1e-4)


def test_the_full_sample_itself_is_refitted_to_the_solution() -> None:
    data = draw(*simple_population(4), 400, 3)
    solution = solve(data, 4)
    refits = refit_stack(solution.correlation[None], solution)
    np.testing.assert_allclose(refits.pattern[0], solution.pattern, atol=1e-5)


def test_one_worker_or_two_give_the_same_bytes() -> None:
    data = draw(*simple_population(2), 100, 4).mask(np.random.default_rng(0).random((100, 10)) < 0.05)
    solution = solve(data, 2)
    alone = bootstrap_solution(data, solution, seed=9, replicates=120)
    with ProcessPoolExecutor(2) as pool:
        shared = bootstrap_solution(data, solution, seed=9, replicates=120, run=pool.map)
    assert alone.patterns.tobytes() == shared.patterns.tobytes()
    assert alone.phis.tobytes() == shared.phis.tobytes()
    other = bootstrap_solution(data, solution, seed=10, replicates=120)
    assert alone.patterns.tobytes() != other.patterns.tobytes()


def test_the_order_of_items_and_the_sign_of_columns_do_not_matter() -> None:
    data = draw(*simple_population(2), 150, 5)
    base = bootstrap_solution(data, solve(data, 2), seed=1, replicates=50)
    moved = data[data.columns[::-1]]
    turned = bootstrap_solution(moved, solve(moved, 2), seed=1, replicates=50)
    left = base.to_frame().sort_values(["item", "component"]).set_index(["item", "component"])
    right = turned.to_frame().sort_values(["item", "component"]).set_index(["item", "component"])
    np.testing.assert_allclose(left.astype(float), right.astype(float), atol=1e-4)


def test_membership_and_frames() -> None:
    pattern, phi = simple_population(2)
    pattern[4] = [0.3, 0.3]
    data = draw(pattern, phi, 150, 7)
    found = bootstrap_solution(data, solve(data, 2), seed=1, replicates=200, clusters=np.arange(150) // 3)
    np.testing.assert_allclose(found.membership.sum(axis=1), 1)
    frame = found.to_frame()
    home = frame[frame["on_component"]].set_index("item")["share_strongest"]
    assert home["i01"] == 1
    assert home["i05"] < home["i01"]
    assert (frame["loading_lower"] <= frame["loading_upper"]).all()
    correlations = found.correlations_frame()
    np.testing.assert_allclose(correlations.loc[[0, 3], "correlation_lower"], 1)
    assert found.n_clusters == 50
    assert found.components_frame()["share_equal"].between(0, 1).all()
    lower, upper, error = found.interval_of(lambda _, phi: phi[0, 1])
    assert lower < upper
    assert error == pytest.approx(correlations.loc[1, "correlation_se"])


def test_intervals_cover_the_truth_and_ignoring_therapists_shortens_them() -> None:
    """100 samples of 60 therapists with 4 clients; half of the components' variance is the therapist's.

    The interval of the component correlation is the one that suffers most from taking clients as independent.
    """
    pattern, phi = simple_population(2, each=5, r=0.4)
    clusters = np.repeat(np.arange(60), 4)
    loadings, by_cluster, by_row = [], [], []
    for seed in range(100):
        data = draw(pattern, phi, 240, seed, clusters=clusters, cluster_share=0.5)
        solution = solve(data, 2)
        found = bootstrap_solution(data, solution, seed=seed, clusters=clusters, replicates=100)
        aligned, _, _ = align_columns(pattern[None], phi[None], solution.pattern)
        frame = found.to_frame()
        loadings.append(
            np.mean((frame["loading_lower"] <= aligned[0].ravel()) & (aligned[0].ravel() <= frame["loading_upper"]))
        )
        row = found.correlations_frame().iloc[1]
        by_cluster.append(row["correlation_lower"] <= 0.4 <= row["correlation_upper"])
        naive = bootstrap_solution(data, solution, seed=seed, replicates=100).correlations_frame().iloc[1]
        by_row.append(naive["correlation_upper"] - naive["correlation_lower"])
        by_cluster[-1] = bool(by_cluster[-1])
        by_row[-1] /= row["correlation_upper"] - row["correlation_lower"]
    assert 0.90 <= np.mean(loadings) <= 0.98
    assert 0.86 <= np.mean(by_cluster) <= 1.0
    assert np.mean(by_row) < 0.9


def test_procrustes_alignment_leaves_out_the_rotation() -> None:
    pattern, phi = simple_population(3, each=3, loading=0.5)
    data = draw(pattern, phi, 120, 8)
    solution = solve(data, 3)
    free = bootstrap_solution(data, solution, seed=2, replicates=200, alignment="columns")
    held = bootstrap_solution(data, solution, seed=2, replicates=200)
    assert held.to_frame()["loading_se"].mean() < free.to_frame()["loading_se"].mean()
    assert (held.congruence.mean(axis=0) >= free.congruence.mean(axis=0)).all()
    orthogonal = solve(data, 3, rotation="varimax")
    turned = bootstrap_solution(data, orthogonal, seed=2, replicates=50)
    np.testing.assert_allclose(turned.phis, np.broadcast_to(np.eye(3), turned.phis.shape), atol=1e-12)


def test_other_correlations_can_be_given() -> None:
    data = draw(*simple_population(2), 150, 5)
    solution = solve(data, 2)
    built_in = bootstrap_solution(data, solution, seed=1, replicates=30)
    given = bootstrap_solution(
        data, solution, seed=1, replicates=30, correlate=lambda rows: np.corrcoef(rows, rowvar=False)
    )
    np.testing.assert_allclose(built_in.patterns, given.patterns, atol=1e-6)


def test_failed_replicates_are_counted_and_left_out() -> None:
    rng = np.random.default_rng(1)
    data = draw(*simple_population(1, each=4), 40, 1)
    data["i04"] = (rng.random(40) < 0.04).astype(float)
    assert data["i04"].sum() in (1, 2)
    found = bootstrap_solution(data, solve(data, 1), seed=1, replicates=200)
    assert found.n_failed > 0
    assert len(found.patterns) == 200 - found.n_failed
    assert f"{found.n_failed} of 200" in found.warnings[0]


def test_few_clusters_and_more_items_than_rows_have_words() -> None:
    data = draw(*simple_population(2, each=6), 10, 1)
    found = bootstrap_solution(data, solve(data, 1, "components", "none"), seed=1, replicates=60)
    assert found.status == "too_few_clusters"
    assert np.isfinite(found.patterns).all()
    with pytest.raises(AnalysisError, match="two clusters"):
        bootstrap_solution(data, solve(data, 1), seed=1, clusters=["t"] * 10)
    with pytest.raises(AnalysisError, match="No column|no column"):
        bootstrap_solution(data.drop(columns="i01"), solve(data, 1), seed=1)
    with pytest.raises(AnalysisError, match="two clusters"):
        bootstrap_solution(pd.DataFrame(np.nan, data.index, data.columns), solve(data, 1), seed=1)
    with pytest.raises(AnalysisError, match="Unknown alignment"):
        bootstrap_solution(data, solve(data, 1), seed=1, alignment="none")
