"""The reliability table of many sets: every set is a row, awkward ones with a reason."""

import numpy as np
import pytest

from analysis.components.omega import one_factor_omega
from analysis.components.reliability import item_statistics
from analysis.components.scale_reliability import component_sets, scale_reliability
from tests.unit.known_truth import draw, item_names, simple_population, solve


def test_table_agrees_with_the_single_functions() -> None:
    data = draw(*simple_population(2), 200, 1).mask(np.random.default_rng(0).random((200, 10)) < 0.1)
    sets = {"a": dict.fromkeys(data.columns[:5], 1), "b": dict.fromkeys(data.columns[5:], 1)}
    found = scale_reliability(data, sets)
    frame = found.to_frame().set_index(["name", "measure"])
    for name, keys in sets.items():
        alpha, _ = item_statistics(data, list(keys))
        omega = one_factor_omega(data[list(keys)].corr().to_numpy(), tuple(keys))
        assert frame.loc[(name, "alpha_raw"), "estimate"] == pytest.approx(alpha.raw)
        assert frame.loc[(name, "alpha_raw"), "lower"] == pytest.approx(alpha.lower)
        assert frame.loc[(name, "alpha_raw"), "method"] == "feldt"
        assert frame.loc[(name, "omega_model"), "estimate"] == pytest.approx(omega.model, abs=1e-6)
        assert frame.loc[(name, "omega_total"), "estimate"] == pytest.approx(omega.observed, abs=1e-6)
        assert frame.loc[(name, "omega_hierarchical"), "status"] == "too_few_items"
    assert len(found.items_frame()) == 10


def test_items_of_components_are_turned_by_their_loading() -> None:
    data = draw(*simple_population(2), 300, 1)
    data["i02"] *= -1
    solution = solve(data, 2)
    sets = component_sets(solution)
    home = next(name for name, keys in sets.items() if "i01" in keys)
    assert sets[home]["i02"] == -sets[home]["i01"]
    found = scale_reliability(data, sets).items_frame().set_index("item")
    assert (found["item_rest"] > 0.3).all()
    assert set(found.loc[["i01", "i02"], "key"]) == {1, -1}


def test_hierarchical_omega_finds_the_general_factor() -> None:
    pattern, phi = simple_population(3, each=4, r=0.5)
    data = draw(pattern, phi, 4000, 1)
    frame = scale_reliability(data, {"all": dict.fromkeys(data.columns, 1)}).to_frame().set_index("measure")
    total = pattern @ phi @ pattern.T
    variance = total.sum() + (1 - np.diag(total)).sum()
    assert frame.loc["omega_hierarchical", "estimate"] == pytest.approx(pattern.sum() ** 2 * 0.5 / variance, abs=0.03)
    assert frame.loc["omega_hierarchical", "estimate"] < frame.loc["omega_total", "estimate"]


def test_the_bootstrap_replaces_feldt_and_repeats() -> None:
    data = draw(*simple_population(1), 120, 1)
    sets = {"a": dict.fromkeys(data.columns, 1), "b": dict.fromkeys(data.columns[:4], 1)}
    first = scale_reliability(data, sets, clusters=np.arange(120) // 4, replicates=100, seed=5)
    again = scale_reliability(data, sets, clusters=np.arange(120) // 4, replicates=100, seed=5)
    assert first.to_frame().equals(again.to_frame())
    frame = first.to_frame().set_index(["name", "measure"])
    assert frame.loc[("a", "alpha_raw"), "method"] == "bootstrap"
    assert frame.loc[("a", "omega_total"), "lower"] < frame.loc[("a", "omega_total"), "estimate"]
    assert frame.loc[("a", "alpha_raw"), "n_clusters"] == 30
    alone = scale_reliability(data, {"a": sets["a"]}, clusters=np.arange(120) // 4, replicates=100, seed=5).to_frame()
    assert alone.equals(first.to_frame().iloc[:6])


def test_sets_that_cannot_be_judged_are_rows_with_a_reason() -> None:
    data = draw(*simple_population(2), 50, 1).assign(i09=3.0, i10=np.nan)
    found = scale_reliability(
        data,
        {
            "one": {"i01": 1},
            "none": {},
            "unknown": {"x": 1, "i01": 1},
            "constant": {"i01": 1, "i02": 1, "i09": 1},
            "unanswered": {"i01": 1, "i02": 1, "i10": 1},
            "fine": dict.fromkeys(item_names(5), 1),
        },
        replicates=20,
    )
    status = found.to_frame().groupby("name")["status"].first()
    assert status["one"] == status["none"] == "too_few_items"
    assert status["unknown"] == "unknown_name"
    assert status["constant"] == "constant"
    assert status["unanswered"] != "ok"
    assert status["fine"] == "ok"
    assert (found.to_frame().groupby("name").size() == 6).all()
    assert any("i09" in warning for warning in found.warnings)
    empty = scale_reliability(data, {})
    assert empty.status == "no_data"
    assert list(empty.to_frame()) == list(found.to_frame())
