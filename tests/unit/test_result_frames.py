"""Frames of results: one kind of value per column, the same columns in difficult cases, and whole after a trip through
Parquet and DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis.common.pooling import leave_one_out, pool
from analysis.components.cfa import cfa
from analysis.components.components import find_components
from analysis.components.congruence import Sample, bootstrap_congruence, congruence
from analysis.components.correspondence import correspondence, correspondence_intervals, wording_check
from analysis.components.general_factor import schmid_leiman
from analysis.components.omega import omega, one_factor_omega
from analysis.components.parallel_analysis import parallel_analysis
from analysis.components.reliability import alpha, bootstrap_reliability, item_statistics
from analysis.components.retention import retention
from analysis.components.rotation import rotate
from analysis.components.salience import salience
from analysis.components.scale_reliability import component_sets, scale_reliability
from analysis.components.scores import component_scores, score_weights, unit_weighted_scores
from analysis.components.solution import Solution
from analysis.components.stability import Stability, bootstrap_solution
from analysis.components.suitability import suitability
from analysis.correlations.correlation import Correlations, correlate
from analysis.correlations.missing import ml_moments
from tests.unit.test_components_bad_input import likert
from tests.unit.test_notebook_input import CLUSTERS, DATA, ITEMS, RANGES, SCALES, SOLUTION, STABILITY, R

INDEFINITE = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1.0]])
SOLUTIONS = {
    "ok": SOLUTION,
    "one component, unknown n": find_components(R, None, n_components=1),
    "too few rows, singular": find_components(correlate(likert(6)), n_components=2),
    "indefinite": find_components(INDEFINITE, 100, n_components=1),
    "orthogonal": find_components(R, 200, n_components=2, rotation="varimax"),
}
CORRELATED = {
    "ok": correlate(DATA),
    "polychoric": correlate(DATA, method="polychoric"),
    "too few rows": correlate(likert(5)),
    "items left out": correlate(DATA.assign(i01=1, i02=DATA["i03"])),
    "two items": correlate(DATA[["i01", "i02"]]),
}
STABILITIES = {
    "ok": STABILITY,
    "one replicate": bootstrap_solution(DATA, SOLUTION, seed=1, clusters=CLUSTERS, replicates=1),
    "two clusters": bootstrap_solution(DATA, SOLUTION, seed=1, clusters=["a", "b"] * 100, replicates=3),
}
ROWS = {
    "numbered": DATA,
    "none": DATA.iloc[:0],
    "unanswered": DATA * np.nan,
    "words": DATA.set_axis([f"r{row}" for row in range(200)]),
    "words and numbers": DATA.set_axis([row if row % 2 else f"r{row}" for row in range(200)]),
    "two levels": DATA.set_axis(pd.MultiIndex.from_product([range(20), list("abcdefghij")])),
    "periods": DATA.set_axis(pd.period_range("2020", periods=200)),
    "dates": DATA.set_axis(pd.date_range("2020", periods=200)),
}
SETS = {
    "ok": {scale: {item: 1 for item, of in SCALES.items() if of == scale} for scale in ("bond", "task")},
    "none": {},
    "empty": {"a": {}},
    "some that cannot be judged": {"a": {}, "b": {"i01": 1, "zz": 1}, "c": {"i01": 1, "i02": -1}},
    "nothing salient": component_sets(SOLUTION, 0.99),
}
Frames = Iterator[tuple[str, pd.DataFrame]]


def of_correlations(found: Correlations) -> Frames:
    yield "pairs", found.to_frame()
    yield "left out", found.left_out_frame()


def of_solution(solution: Solution) -> Frames:
    yield "solution", solution.to_frame()
    yield "components", solution.components_frame()
    yield "component correlations", solution.correlations_frame()
    yield "fit", solution.fit.to_frame()
    yield "salience", salience(solution).to_frame()
    yield "suitability", suitability(solution.correlation, solution.n, solution.items).to_frame()
    rules = retention(solution.correlation, solution.n, replicates=4)
    yield "retention", rules.to_frame()
    yield "counts", rules.counts_frame()
    weights = score_weights(solution)
    yield "weights", weights.to_frame()
    yield "weighted components", weights.components_frame()
    for names in (
        {item: "ab"[place % 2] for place, item in enumerate(solution.items)},
        dict.fromkeys(solution.items, "a"),
    ):
        compared = correspondence(solution, names)
        yield "correspondence", compared.to_frame()
        yield "cross-table", compared.cross_table_frame()
        yield "scales", compared.scales_frame()
    yield "wording", wording_check(solution, solution.items[:2]).to_frame()
    yield "no wording", wording_check(solution, []).to_frame()
    alike = congruence(solution, SOLUTIONS["ok"]) if solution.items[0] == "i01" else congruence(solution, solution)
    yield "congruence", alike.to_frame()
    yield "congruence table", alike.table_frame()
    yield "congruent items", alike.items_frame()
    if solution.rotation != "varimax":
        yield "omega", omega(solution).to_frame()
        yield "omega groups", omega(solution).groups
        yield "general", schmid_leiman(solution).to_frame()


def of_stability(stability: Stability) -> Frames:
    yield "loadings", stability.to_frame()
    yield "phi", stability.correlations_frame()
    yield "components", stability.components_frame()
    yield "correspondence", correspondence_intervals(stability, SCALES)


def of_rows(rows: pd.DataFrame) -> Frames:
    yield "scores", component_scores(rows, SOLUTION, mean=np.full(8, 4.0), deviation=np.ones(8)).to_frame()
    yield "unit scores", unit_weighted_scores(rows, SOLUTION, ranges=RANGES).to_frame()


def of_sets(sets: dict[str, dict[str, int]]) -> Frames:
    for replicates in (0, 2):
        found = scale_reliability(DATA, sets, replicates=replicates)
        yield "measures", found.to_frame()
        yield "items", found.items_frame()


def of_others(_: None) -> Frames:
    for matrix in (R, pd.DataFrame(np.eye(8), ITEMS, ITEMS)):
        model = cfa(matrix, 200, ITEMS, SCALES)
        yield "cfa", model.to_frame()
        yield "cfa factors", model.factors_frame()
        yield "cfa fit", model.fit.to_frame()
    yield "cfa fit", cfa(R, 200, ITEMS[:3], dict.fromkeys(ITEMS[:3], "a")).fit.to_frame()
    for items, n in ((ITEMS, 200), (ITEMS[:2], None)):
        yield "alpha", alpha(R, n, items).to_frame()
        yield "alpha items", alpha(R, n, items).items_frame()
        yield "alpha intervals", bootstrap_reliability(DATA, items, seed=1, replicates=2).to_frame()
    yield "item statistics", item_statistics(DATA, ITEMS)[1]
    yield "item statistics", item_statistics(DATA.assign(i01=1), ITEMS)[1]
    yield "one-factor omega", one_factor_omega(R, tuple(ITEMS)).to_frame()
    two = Sample(SOLUTION, DATA), Sample(SOLUTIONS["one component, unknown n"], DATA)
    for replicates in (1, 3):
        yield "congruence intervals", bootstrap_congruence(*two, seed=1, replicates=replicates).to_frame()
    for effects in ([0.1, 0.2, 0.4], [0.1], []):
        yield "pooled", pool(effects, [0.1] * len(effects)).to_frame()
        yield "left out", leave_one_out(effects, [0.1] * len(effects), list("abc")[: len(effects)]).to_frame()
    yield "random data", parallel_analysis(50, 3, replicates=4)[0].to_frame()
    yield "rotated", rotate(SOLUTION.pattern, "varimax").to_frame()
    yield "moments", ml_moments(DATA.to_numpy()).to_frame()


CASES: dict[str, tuple[Callable[..., Frames], dict[str, object]]] = {
    "correlations": (of_correlations, dict(CORRELATED)),
    "solutions": (of_solution, dict(SOLUTIONS)),
    "stability": (of_stability, dict(STABILITIES)),
    "rows": (of_rows, dict(ROWS)),
    "sets": (of_sets, dict(SETS)),
    "others": (of_others, {"all": None}),
}


@pytest.mark.parametrize("case", CASES)
def test_frames_are_whole_after_parquet_and_duckdb(case: str, tmp_path: Path) -> None:
    make, given = CASES[case]
    for name, one in given.items():
        for what, frame in make(one):
            said = f"{what} of {name}"
            assert len(frame.columns), said
            assert frame.columns.is_unique, said
            for column in frame.columns:
                kinds = {type(value) for value in frame[column] if not pd.isna(value)}
                assert frame[column].dtype != object or kinds <= {str}, f"{said}: {column} holds {kinds}"
                assert frame[column].dtype.kind != "f" or not np.isinf(frame[column]).any(), f"{said}: {column}"
            file = tmp_path / "frame.parquet"
            frame.to_parquet(file)
            for back in (pd.read_parquet(file), duckdb.sql(f"from '{file}'").df(), duckdb.sql("from frame").df()):
                assert list(back.columns) == list(frame.columns), said
                for column in frame.columns:
                    assert_same_values(frame[column], back[column], f"{said}: {column}")


def assert_same_values(before: pd.Series, after: pd.Series, said: str) -> None:
    assert len(before) == len(after), said
    assert (before.isna().to_numpy() == after.isna().to_numpy()).all(), said
    there = before.notna().to_numpy()
    if before.dtype.kind in "ifub":
        assert np.array_equal(before[there].to_numpy(float), after[there].to_numpy(float)), said
    else:
        assert before[there].astype(str).tolist() == after[there].astype(str).tolist(), said


@pytest.mark.parametrize("case", ["correlations", "solutions", "stability", "sets", "others"])
def test_a_column_is_of_one_kind_however_difficult_the_case(case: str) -> None:
    make, given = CASES[case]
    kinds: dict[tuple[str, str], set[str]] = {}
    for one in given.values():
        for what, frame in make(one):
            for column in frame.columns:
                word = pd.api.types.is_string_dtype(frame[column].dtype) or frame[column].dtype == object
                kinds.setdefault((what, column), set()).add("words" if word else str(frame[column].dtype))
    assert {where: kind for where, kind in kinds.items() if len(kind) > 1} == {}


def test_no_rows_have_no_scores_and_no_error() -> None:
    for scored in (
        component_scores(DATA.iloc[:0], SOLUTION, mean=np.zeros(8), deviation=np.ones(8)),
        unit_weighted_scores(DATA.iloc[:0], SOLUTION),
    ):
        assert scored.scores.shape == (0, 2)
        assert scored.to_frame().empty
