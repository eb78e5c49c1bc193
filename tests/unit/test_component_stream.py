"""Rows as a stream: sums that merge, and the same tables as from rows that are held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import AnalysisError, Status
from analysis.common.study_rows import Rows, Whole
from analysis.components.component_stream import Streamed, first_pass, study_component_stream
from analysis.components.component_study import ComponentSettings, study_components
from analysis.components.component_tables import describe
from analysis.components.scale_reliability import reliability_of_sums, scale_reliability
from analysis.correlations.item_sums import ItemSums, sum_rows
from tests.unit.known_truth import item_names
from tests.unit.test_component_study import FACTS, ITEMS, answers, rows_of


def seven_point(n: int = 400, seed: int = 3, share_missing: float = 0.05) -> pd.DataFrame:
    data = np.clip(np.round(1.2 * answers(n, seed) + 4), 1, 7)
    return data.mask(np.random.default_rng(seed).random(data.shape) < share_missing)


class Held:
    """A stream over rows that are held, in chunks of ``size``."""

    def __init__(self, rows: Rows, size: int = 70) -> None:
        self.items = tuple(rows.answers.columns)
        self.origin = np.full(len(self.items), 4.0)
        self._rows, self._size = rows, size

    def answers(self) -> Iterator[np.ndarray]:
        for part in self.rows():
            yield part.answers.to_numpy()

    def rows(self) -> Iterator[Rows]:
        for start in range(0, len(self._rows.answers), self._size):
            part = slice(start, start + self._size)
            yield Rows(
                self._rows.answers.iloc[part].reset_index(drop=True), self._rows.keys.iloc[part].reset_index(drop=True)
            )


def streamed(rows: Rows, options: ComponentSettings, **more: bool) -> Streamed:
    stream = Held(rows)
    sums = first_pass(stream, options)
    part = Rows(
        rows.answers.head(100), rows.keys.head(100), Whole(rows.counts(), rows.n_complete, sums.answered.digest())
    )
    return Streamed(stream, sums, part, **more)


@pytest.mark.parametrize(
    "options",
    [
        ComponentSettings(n_components=3, parallel_samples=30),
        ComponentSettings(parallel_samples=30, missing="complete", rotation="promax"),
        ComponentSettings(n_components=3, correlation="polychoric", parallel_samples=30),
        ComponentSettings(n_components=3, correlation="polychoric", missing="complete", parallel_samples=30),
        ComponentSettings(n_components=3, scores="unit_weighted", parallel_samples=30),
    ],
    ids=["pairwise", "complete", "polychoric", "polychoric complete", "unit weighted"],
)
def test_a_stream_gives_the_tables_of_held_rows(options: ComponentSettings) -> None:
    rows = rows_of(seven_point())
    held, _ = study_components(rows, options, FACTS, seed=5)
    passing, found = study_component_stream(streamed(rows, options), options, FACTS, seed=5)
    assert found is not None
    assert passing.status == held.status
    for table in ("loadings", "components", "component_correlations", "model_fit", "item_correlations", "suitability"):
        pd.testing.assert_frame_equal(passing.frames[table], held.frames[table], atol=1e-8, rtol=1e-8, obj=table)
    retention = held.frames["retention"]
    normal = retention[~retention["variant"].str.contains("permuted")].reset_index(drop=True)
    pd.testing.assert_frame_equal(passing.frames["retention"], normal, atol=1e-9)
    scores = pd.concat(passing.streams["component_scores"], ignore_index=True)
    pd.testing.assert_frame_equal(scores, held.frames["component_scores"], atol=1e-8)
    both = ["subject", "coefficient", "item_id"]
    ours, theirs = (frame.frames["reliability"].set_index(both).sort_index() for frame in (passing, held))
    assert ours.index.equals(theirs.index)
    if options.missing == "pairwise":
        assert ours["estimate"].to_numpy() == pytest.approx(theirs["estimate"].to_numpy(), abs=1e-9, nan_ok=True)
    assert (ours["n_clients"] == 400).all()


def test_complete_rows_are_summed_apart() -> None:
    options = ComponentSettings(n_components=3, missing="complete", parallel_samples=30)
    sums = first_pass(Held(rows_of(seven_point())), options)
    complete = seven_point().dropna()
    assert sums.correlated.n_rows == sums.correlated.n_complete == sums.answered.n_complete == len(complete)
    assert sums.answered.n_rows == 400
    assert sums.correlated.describe()["mean"].to_numpy() == pytest.approx(complete.mean().to_numpy())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 399), max_size=6))
def test_sums_do_not_depend_on_how_the_rows_are_cut(seed: int, cuts: list[int]) -> None:
    values = seven_point(seed=seed, share_missing=0.2).to_numpy()
    origin = np.full(15, 4.0)
    together = sum_rows([values], ITEMS, origin=origin, counted=True)
    shuffled = np.random.default_rng(seed).permutation(values)
    cut = sum_rows(np.split(shuffled, sorted(cuts)), ITEMS, origin=origin, counted=True)
    assert cut.digest() == together.digest()


def test_description_is_that_of_the_rows() -> None:
    data = seven_point(share_missing=0.3).assign(i04=2.0)
    sums = sum_rows([part.to_numpy() for part in (data[:10], data[10:300], data[300:])], ITEMS)
    pd.testing.assert_frame_equal(sums.describe(), describe(data), check_dtype=False, atol=1e-10)
    assert sums.n_complete == data.notna().all(axis=1).sum()


def test_sums_about_different_origins_are_refused() -> None:
    one = ItemSums.from_rows(np.array([[1.0, 2.0]]), ("a", "b"))
    other = ItemSums.from_rows(np.array([[6.0, 7.0]]), ("a", "b"))
    with pytest.raises(AnalysisError, match="different origins"):
        one + other


def test_reliability_from_sums_is_that_of_the_rows() -> None:
    data = seven_point()
    sets = {"first": dict.fromkeys(ITEMS[:5], 1), "turned": {ITEMS[5]: 1, ITEMS[6]: -1}, "none": {}}
    sums = sum_rows([data.to_numpy()], ITEMS)
    ours, theirs = reliability_of_sums(sums.products, sets), scale_reliability(data, sets)
    columns = ["name", "measure", "estimate", "lower", "upper", "status", "reason"]
    pd.testing.assert_frame_equal(ours.to_frame()[columns], theirs.to_frame()[columns], atol=1e-3)
    assert ours.to_frame()["estimate"].to_numpy() == pytest.approx(
        theirs.to_frame()["estimate"].to_numpy(), abs=1e-10, nan_ok=True
    )


def test_too_few_rows_and_em_are_told() -> None:
    few = rows_of(seven_point(40))
    options = ComponentSettings(n_components=3)
    with pytest.raises(AnalysisError) as told:
        study_component_stream(streamed(few, options), options, FACTS, seed=1)
    assert told.value.status is Status.TOO_FEW_ROWS
    with pytest.raises(AnalysisError) as told:
        first_pass(Held(few), ComponentSettings(missing="em"))
    assert told.value.status is Status.NOT_APPLICABLE
    with pytest.raises(AnalysisError) as told:
        sum_rows([], item_names(3))
    assert told.value.status is Status.NO_DATA


def test_without_scores_of_all_only_the_sample_has_them_and_it_is_said() -> None:
    options = ComponentSettings(n_components=3, parallel_samples=30)
    passing, _ = study_component_stream(streamed(rows_of(seven_point()), options, scored=False), options, FACTS, 5)
    assert sum(len(part) for part in passing.streams["component_scores"]) == 300
    assert any("score_weight" in sentence for sentence in passing.warnings)


def test_score_weights_score_a_complete_row() -> None:
    data = seven_point(share_missing=0.0)
    held, found = study_components(rows_of(data), ComponentSettings(n_components=3, parallel_samples=30), FACTS, 5)
    assert found is not None
    described = held.frames["suitability"].set_index("item_id").loc[ITEMS]
    weights = held.frames["loadings"].pivot(index="item_id", columns="component", values="score_weight").loc[ITEMS]
    standard = (data - described["mean"]) / described["sd"]
    assert standard.to_numpy() @ weights.to_numpy() == pytest.approx(found.scores.scores, abs=1e-9)
