"""The words of the settings, and that each leads to what it says: variants of rotation, extraction and retention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError
from analysis.components.component_study import RULES, ComponentSettings, study_components
from analysis.components.components import find_components
from analysis.components.extraction import EXTRACTIONS
from analysis.components.item_facts import ItemFacts
from analysis.components.refit import refit_stack
from analysis.components.rotation_names import ALIASES, ROTATIONS
from analysis.components.rotation_target import scale_target, target_scales
from analysis.components.scores import SCORE_METHODS
from flows.analysing.registry import plan
from flows.settings.analysis_settings import AnalysisSettings, RetentionRule, RotationWord
from tests.unit.known_truth import draw, item_names, simple_population
from tests.unit.test_component_study import FACTS, ITEMS, SCALES, answers, rows_of


def allowed(key: str) -> set[str]:
    return set(get_args(AnalysisSettings.model_fields[key].annotation))


def test_the_words_of_the_settings_are_those_of_the_analyses() -> None:
    assert set(get_args(RotationWord)) == set(ROTATIONS) | set(ALIASES)
    assert set(get_args(RetentionRule)) == set(RULES)
    assert allowed("extraction") == set(EXTRACTIONS)
    assert allowed("scores") == {*SCORE_METHODS, "unit_weighted"}


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_every_rotation_of_the_settings_is_resampled(rotation: str) -> None:
    settings = ComponentSettings(n_components=3, rotation=rotation, bootstrap=6, parallel_samples=20)
    result, found = study_components(rows_of(answers()), settings, FACTS, seed=4)
    assert found is not None, result.reason
    assert found.stability is not None
    assert found.stability.n_failed == 0
    assert result.facts["rotation"] == rotation
    if rotation not in ("none", "geomin_orthogonal", "quartimax", "quartimax_kaiser"):
        assert found.stability.congruence.min() > 0.9


def test_constants_of_a_rotation_are_those_of_its_resamples() -> None:
    pattern, phi = simple_population(3, 5)
    correlation = draw(pattern, phi, 400, 5).corr()
    for rotation, constants in (
        ("oblimin", {"gamma": -2.0}),
        ("promax", {"power": 2.0}),
        ("geomin", {"delta": 0.3}),
    ):
        solution = find_components(correlation, 400, n_components=3, rotation=rotation, **constants)
        again = refit_stack(solution.correlation[None], solution)
        plain = find_components(correlation, 400, n_components=3, rotation=rotation)
        found = np.sort(np.abs(again.phi[0][np.triu_indices(3, 1)]))
        assert found == pytest.approx(np.sort(np.abs(solution.phi[np.triu_indices(3, 1)])), abs=1e-4)
        assert np.abs(plain.phi - solution.phi).max() > 0.01, rotation


def test_lower_gamma_is_less_oblique() -> None:
    correlation = draw(*simple_population(3, 5), 500, 2).corr()
    off = [
        np.abs(find_components(correlation, 500, n_components=3, gamma=gamma).phi[np.triu_indices(3, 1)]).mean()
        for gamma in (-4.0, -1.0, 0.0)
    ]
    assert off[0] < off[1] < off[2]


def test_principal_axes_stop_where_the_programs_do() -> None:
    correlation = draw(*simple_population(3, 5), 300, 2).corr()
    settled = find_components(correlation, 300, n_components=3, extraction="paf")
    early = {
        name: find_components(correlation, 300, n_components=3, extraction=name) for name in ("paf_psych", "paf_spss")
    }
    for name, solution in early.items():
        assert solution.diagnostics["extraction_gradient"] <= 1e-3, name
        assert 1e-5 < np.abs(solution.communality - settled.communality).max() < 0.02, name
        assert solution.diagnostics["extraction_iterations"] < settled.diagnostics["extraction_iterations"]
    minres = find_components(correlation, 300, n_components=3, extraction="minres")
    assert settled.communality == pytest.approx(minres.communality, abs=1e-6)


def test_targets_come_from_the_declared_scales() -> None:
    free = scale_target(ITEMS, SCALES, free=True)
    assert target_scales(ITEMS, SCALES) == ("alpha.a", "alpha.b", "alpha.c")
    assert np.isnan(free[0]).tolist() == [True, False, False]
    full = scale_target([*ITEMS, "other"], SCALES, free=False)
    assert full[-1].tolist() == [0, 0, 0]
    assert full.sum() == 15
    with pytest.raises(AnalysisError, match="two scales or more"):
        scale_target(ITEMS[:5], SCALES, free=True)


def test_a_target_rotation_keeps_the_order_of_the_scales() -> None:
    shuffled = answers()[[*ITEMS[10:], *ITEMS[:10]]]
    settings = ComponentSettings(n_components=3, rotation="target_oblique", parallel_samples=20)
    result, found = study_components(rows_of(shuffled), settings, FACTS, seed=4)
    assert found is not None
    strongest = result.frames["loadings"].query("is_strongest").set_index("item_id")["component"]
    assert strongest[ITEMS[10:]].eq(1).all()
    assert strongest[ITEMS[:5]].eq(2).all()
    wrong, nothing = study_components(
        rows_of(shuffled), ComponentSettings(n_components=2, rotation="procrustes"), FACTS, seed=4
    )
    assert nothing is None
    assert wrong.status == "not_applicable"
    assert "3 of these items (alpha.c, alpha.a, alpha.b), and not 2" in str(wrong.reason)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_decides(rule: str) -> None:
    result, found = study_components(
        rows_of(answers()), ComponentSettings(n_components=rule, parallel_samples=60), FACTS, seed=2
    )
    assert found is not None
    chosen = result.frames["retention"].query("is_chosen")
    assert chosen[["method", "variant"]].drop_duplicates().shape == (1, 2)
    assert set(chosen["n_suggested"]) == {found.solution.n_components} == {3}


def test_another_percentile_is_named_in_the_variant() -> None:
    result, _ = study_components(
        rows_of(answers()), ComponentSettings(parallel_percentile=99, parallel_samples=60), FACTS, seed=2
    )
    assert "normal_99" in set(result.frames["retention"]["variant"])


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({}, ""),
        ({"rotation": "promax", "promax_power": 3.0}, "_promax_promax_power_3"),
        ({"oblimin_gamma": -0.5}, "_oblimin_gamma_minus_0_5"),
        ({"extraction": "paf_spss", "correlation": "polychoric"}, "_polychoric_paf_spss"),
        ({"polychoric_thresholds": "psych"}, "_psych"),
        ({"seed": 5, "bootstrap": 0, "parallel_samples": 10, "rotation_starts": 0, "extraction_starts": 0}, ""),
    ],
)
def test_ids_name_what_is_not_usual(changes: dict[str, Any], ending: str) -> None:
    made = plan("components", AnalysisSettings(**changes), item_set="joint", rater="client")
    assert made.analysis_id == f"components_joint_client{ending}"


def test_thresholds_and_extraction_starts_are_the_study_s() -> None:
    rng = np.random.default_rng(5)
    latent = rng.standard_normal((70, 1)) + 0.6 * rng.standard_normal((70, 6))
    data = pd.DataFrame(np.clip(np.round(latent + 3), 1, 5), columns=item_names(6))
    data.iloc[:, 0] = data.iloc[:, 0].clip(upper=4)
    made = ComponentSettings(n_components=2, correlation="polychoric", empty_cell=0.5, parallel_samples=20)
    settings = {
        "usual": made,
        "psych": replace(made, polychoric_thresholds="psych"),
        "one start": replace(made, extraction_starts=0),
    }
    found = {name: study_components(rows_of(data), each, ItemFacts(), seed=1) for name, each in settings.items()}
    r = {name: result.frames["item_correlations"]["correlation"] for name, (result, _) in found.items()}
    assert np.abs(r["usual"] - r["psych"]).max() > 0.01
    starts = {name: one.solution.diagnostics["extraction_starts"] for name, (_, one) in found.items() if one}
    assert starts == {"usual": 7, "psych": 7, "one start": 1}


def test_empty_cells_are_filled_when_asked() -> None:
    rng = np.random.default_rng(3)
    latent = rng.standard_normal((80, 1)) + 0.6 * rng.standard_normal((80, 6))
    data = pd.DataFrame(np.clip(np.round(latent + 3), 1, 5), columns=item_names(6))
    found = [
        study_components(
            rows_of(data),
            ComponentSettings(n_components=1, correlation="polychoric", empty_cell=added, parallel_samples=20),
            ItemFacts(),
            seed=1,
        )[0].frames["item_correlations"]
        for added in (0.0, 0.5)
    ]
    assert (found[0]["n_empty_cells"] > 0).any()
    assert np.abs(found[0]["correlation"] - found[1]["correlation"]).max() > 0.01
    assert found[0]["standard_error"].notna().all()
