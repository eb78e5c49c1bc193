"""What may not change the components of a study, held for the whole way from rows of answers to every figure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.resampling import MapFunction
from analysis.common.study_rows import KEYS, Rows
from analysis.components.component_study import ComponentSettings, study_components
from analysis.components.components import find_components
from analysis.components.item_facts import ItemFacts
from analysis.components.retention import retention
from analysis.components.solution import Solution
from analysis.components.suitability import suitability
from analysis.correlations.correlation import correlate
from tests.unit.known_truth import draw, item_names, simple_population

P, K, N = 12, 3, 240
ITEMS = item_names(P)
FEW = settings(max_examples=12, deadline=None)
SEEDS = st.integers(0, 50)


def answers(seed: int, categories: int = 7) -> pd.DataFrame:
    """Answers 1..``categories`` (N, P) of three oblique components, two per cent of them missing."""
    latent = draw(*simple_population(K, P // K), N, seed)
    cuts = np.linspace(-1.6, 1.6, categories - 1)
    coded = pd.DataFrame(1.0 + np.searchsorted(cuts, latent.to_numpy()), columns=latent.columns)
    return coded.mask(np.random.default_rng(seed).random(coded.shape) < 0.02)


def solved(data: pd.DataFrame, **options: object) -> Solution:
    return find_components(correlate(data, **options), n_components=K)


def figures(solution: Solution) -> dict[str, np.ndarray]:
    """What has no order and no sign of its own."""
    by_item = dict(zip(solution.items, solution.communality, strict=True))
    return {
        "communality": np.array([by_item[item] for item in ITEMS]),
        "variance": solution.variance,
        "phi": np.sort(np.abs(solution.phi).ravel()),
        "fit": np.array([solution.fit.chi2, solution.fit.rmsea, solution.fit.rmsr, solution.fit.explained]),
    }


def assert_alike(one: Solution, other: Solution, tolerance: float = 1e-6) -> None:
    expected = figures(other)
    for name, values in figures(one).items():
        np.testing.assert_allclose(values, expected[name], atol=tolerance, rtol=tolerance, err_msg=name)


@FEW
@given(seed=SEEDS, order=st.permutations(range(P)), shuffled=st.integers(0, 99))
def test_order_of_rows_and_items(seed: int, order: list[int], shuffled: int) -> None:
    data = answers(seed)
    moved = data.iloc[np.random.default_rng(shuffled).permutation(N), order]
    one, other = solved(data), solved(moved)
    assert_alike(one, other)
    np.testing.assert_allclose(other.pattern[np.argsort(order)], one.pattern, atol=1e-6)
    assert suitability(*suited(data)).kmo == pytest.approx(suitability(*suited(moved)).kmo, abs=1e-10)


def suited(data: pd.DataFrame) -> tuple[np.ndarray, int, tuple[str, ...]]:
    found = correlate(data)
    return found.matrix, found.n, found.items


@FEW
@given(seed=SEEDS, turned=st.lists(st.booleans(), min_size=P, max_size=P))
def test_reversed_items_turn_their_loadings_and_nothing_else(seed: int, turned: list[bool]) -> None:
    data = answers(seed)
    signs = np.where(turned, -1.0, 1.0)
    other_way = data.where(signs[None, :].repeat(N, axis=0) > 0, 8.0 - data)
    one, other = solved(data), solved(other_way)
    assert_alike(one, other)
    # Columns are signed by their sum, so a column may turn with its items.
    products = np.abs((one.pattern * signs[:, None]).T @ other.pattern)
    expected = np.abs(one.pattern.T @ one.pattern)
    np.testing.assert_allclose(np.sort(products.ravel()), np.sort(expected.ravel()), atol=1e-5)
    before, after = (retention(*suited(frame)[:2], replicates=40, seed=1) for frame in (data, other_way))
    pd.testing.assert_frame_equal(before.counts_frame(), after.counts_frame())
    assert suitability(*suited(data)).kmo == pytest.approx(suitability(*suited(other_way)).kmo, abs=1e-10)


@FEW
@given(seed=SEEDS, unit=st.floats(0.1, 20), shift=st.floats(-5, 5))
def test_units_of_the_answers(seed: int, unit: float, shift: float) -> None:
    data = answers(seed)
    assert_alike(solved(data), solved(data * unit + shift))


@FEW
@given(seed=SEEDS, steps=st.lists(st.floats(0.2, 4), min_size=5, max_size=5))
def test_labels_of_ordered_categories_do_not_matter_to_polychoric(seed: int, steps: list[float]) -> None:
    data = answers(seed, categories=5)
    labels = dict(zip([1.0, 2.0, 3.0, 4.0, 5.0], np.cumsum(steps), strict=True))
    relabelled = data.apply(lambda column: column.map(labels))
    assert_alike(solved(data, method="polychoric"), solved(relabelled, method="polychoric"), 1e-7)
    # Pearson takes them for distances, so there they matter.
    if np.ptp(steps[1:]) > 2:
        assert np.abs(solved(data).communality - solved(relabelled).communality).max() > 1e-4


@FEW
@given(seed=SEEDS, method=st.sampled_from(["pearson", "polychoric"]), missing=st.sampled_from(["pairwise", "complete"]))
def test_a_correlation_matrix_gives_what_its_rows_give(seed: int, method: str, missing: str) -> None:
    found = correlate(answers(seed, categories=5), method=method, missing=missing)
    from_rows = find_components(found, n_components=K)
    frame = pd.DataFrame(found.matrix, index=found.items, columns=found.items)
    from_matrix = find_components(frame, found.n, n_components=K)
    assert from_rows.pattern.tobytes() == from_matrix.pattern.tobytes()
    assert from_rows.phi.tobytes() == from_matrix.phi.tobytes()
    assert from_rows.fit == from_matrix.fit


def studied(seed: int, run: MapFunction = map) -> dict[str, pd.DataFrame]:
    data = answers(4)
    keys = pd.DataFrame({name: [f"{name}{row:03d}" for row in range(N)] for name in KEYS})
    keys["therapist_id"] = [f"t{row // 5:02d}" for row in range(N)]
    wanted = ComponentSettings(n_components=K, bootstrap=120)
    return study_components(Rows(data, keys), wanted, ItemFacts(), seed, run=run)[0].frames


def test_same_seed_same_bytes_and_as_many_workers_as_one_likes() -> None:
    once = studied(7)
    with ThreadPoolExecutor(3) as pool:
        for frames in (studied(7), studied(7, pool.map)):
            for name, frame in once.items():
                pd.testing.assert_frame_equal(frame, frames[name], check_exact=True)


def test_another_seed_moves_intervals_and_no_estimate() -> None:
    one, other = studied(7)["loadings"], studied(8)["loadings"]
    np.testing.assert_allclose(one["loading"], other["loading"], atol=1e-6)
    assert (one["lower"] != other["lower"]).any()
