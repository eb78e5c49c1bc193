"""The component study: every table, what is left out, what stops it, and the suggestions of names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError, Status
from analysis.common.study_rows import KEYS, Rows, StudyResult, verdict
from analysis.components.component_labels import suggested_label, theme_counts
from analysis.components.component_study import ComponentSettings, FoundComponents, study_components
from analysis.components.correspondence import correspondence_intervals
from analysis.components.correspondence_bootstrap import adjusted_rand, correspondence_with_intervals
from analysis.components.correspondence_study import study_correspondence
from analysis.components.item_facts import ItemFacts
from analysis.components.stability import bootstrap_solution
from analysis.outcome.rescoring import rescored
from flows.analysing.catalogue import Catalogue
from tests.unit.known_truth import draw, item_names, simple_population, solve

ITEMS = item_names(15)
SCALES = {item: f"alpha.{'abc'[place // 5]}" for place, item in enumerate(ITEMS)}
FACTS = ItemFacts(
    themes={item: ("bond", "goals", "tasks")[place // 5] for place, item in enumerate(ITEMS)},
    scales=SCALES,
    ranges=dict.fromkeys(ITEMS, (-9.0, 9.0)),
    reversed_items=frozenset(ITEMS[:5]),
    theme_names={"bond": "Bond"},
)
SETTINGS = ComponentSettings(n_components=3, bootstrap=30, min_rows=50)


def rows_of(answers: pd.DataFrame, per_therapist: int = 4) -> Rows:
    n = len(answers)
    keys = pd.DataFrame(
        {
            "unit_id": [f"dy_{row:04d}" for row in range(n)],
            "client_id": [f"cl_{row:04d}" for row in range(n)],
            "dyad_id": [f"dy_{row:04d}" for row in range(n)],
            "therapist_id": [f"th_{row // per_therapist:04d}" for row in range(n)],
            "site_id": ["north" if row % 2 else "south" for row in range(n)],
            "session_id": "last",
            "form_date": pd.Timestamp(2024, 1, 1),
        }
    )
    return Rows(answers, keys[list(KEYS)])


def answers(n: int = 200, seed: int = 3) -> pd.DataFrame:
    return draw(*simple_population(3, 5), n, seed)


@pytest.fixture(scope="module")
def studied() -> tuple[StudyResult, FoundComponents]:
    result, found = study_components(rows_of(answers()), SETTINGS, FACTS, seed=11)
    assert found is not None
    return result, found


def test_all_tables_of_the_solution_are_made(studied: tuple[StudyResult, FoundComponents]) -> None:
    result, _ = studied
    assert result.status == "ok"
    sizes = {table: len(frame) for table, frame in result.frames.items()}
    assert sizes["suitability"] == 16
    assert sizes["components"] == 3
    assert sizes["loadings"] == 45
    assert sizes["component_correlations"] == 9
    assert sizes["component_scores"] == 600
    assert sizes["model_fit"] == 1
    assert set(result.frames["retention"]["method"]) == {
        "kaiser", "parallel_components", "parallel_factors", "map_1976", "map_2000", "empirical_kaiser"
    }  # fmt: skip


def test_loadings_and_their_tables_say_the_same(studied: tuple[StudyResult, FoundComponents]) -> None:
    result, found = studied
    loadings = result.frames["loadings"]
    strongest = loadings[loadings["is_strongest"]]
    assert strongest["item_id"].tolist() == ITEMS
    assert (strongest["gap_to_next"] > 0.3).all()
    smallest = loadings.groupby("item_id")["gap_to_next"].apply(lambda gaps: gaps.isna().sum())
    assert (smallest == 1).all()
    assert loadings["communality"].to_numpy() == pytest.approx(np.repeat(found.solution.communality, 3))
    components = result.frames["components"]
    assert components["variance"].sum() == pytest.approx(found.solution.communality.sum())
    assert (components["n_salient_items"] == 5).all()
    inside = components["variance_share"].between(
        components["variance_share_lower"], components["variance_share_upper"]
    )
    assert inside.all()


def test_a_component_of_reversed_items_is_named_and_warned_of(studied: tuple[StudyResult, FoundComponents]) -> None:
    result, _ = studied
    components = result.frames["components"]
    of_reversed = components[components["share_reverse_keyed"] == 1]
    assert len(of_reversed) == 1
    assert of_reversed["suggested_label"].item() == "Bond (mostly alpha.a; reverse-keyed items; suggested)"
    assert any("gathers reverse-keyed items" in sentence for sentence in result.warnings)


def test_scores_follow_the_components_they_estimate() -> None:
    pattern, phi = simple_population(3, 5)
    rng = np.random.default_rng(8)
    true = rng.standard_normal((400, 3)) @ np.linalg.cholesky(phi).T
    noise = rng.standard_normal((400, 15)) * np.sqrt(1 - np.diag(pattern @ phi @ pattern.T))
    data = pd.DataFrame(true @ pattern.T + noise, columns=ITEMS)
    _, found = study_components(rows_of(data), ComponentSettings(n_components=3), FACTS, seed=1)
    assert found is not None
    between = np.corrcoef(found.scores.scores.T, true.T)[:3, 3:]
    assert np.sort(np.abs(between).max(axis=1)) == pytest.approx(np.full(3, 0.9), abs=0.06)


def test_complete_rows_are_scored_as_if_there_were_no_others() -> None:
    """As SPSS saves them after listwise deletion; rows with missing answers are on the same scale."""
    data = answers()
    data.iloc[:40, 0] = np.nan
    data.iloc[:40, 1:] += 1.0
    settings = ComponentSettings(n_components=3, missing="complete")
    _, found = study_components(rows_of(data), settings, FACTS, seed=1)
    _, alone = study_components(rows_of(data.iloc[40:]), settings, FACTS, seed=1)
    assert found is not None
    assert alone is not None
    np.testing.assert_allclose(found.scores.scores[40:], alone.scores.scores, atol=1e-10)
    again = rescored(found, data, salience=0.4, ranges=FACTS.ranges)
    np.testing.assert_allclose(again.to_numpy(), found.scores.scores, atol=1e-10)


def test_the_rule_of_the_study_decides_and_is_marked() -> None:
    rows = rows_of(answers())
    for rule, method in (("parallel", "parallel_components"), ("map", "map_1976"), ("kaiser", "kaiser")):
        result, _ = study_components(rows, ComponentSettings(n_components=rule), FACTS, seed=2)
        chosen = result.frames["retention"].query("is_chosen")
        assert set(chosen["method"]) == {method}
        assert set(chosen["n_suggested"]) == {result.facts["n_components"]} == {3}
    result, _ = study_components(rows, ComponentSettings(n_components=2), FACTS, seed=2)
    assert not result.frames["retention"]["is_chosen"].any()


def test_nothing_in_common_keeps_no_component_and_says_so() -> None:
    noise = pd.DataFrame(np.random.default_rng(1).standard_normal((300, 6)), columns=ITEMS[:6])
    result, found = study_components(rows_of(noise), ComponentSettings(n_components="map"), FACTS, seed=1)
    assert found is None
    assert result.status == "not_applicable"
    assert result.reason is not None
    assert "keeps no component" in result.reason
    assert set(result.frames) == {"suitability", "retention", "item_correlations"}


def test_items_without_variance_are_left_out_and_named() -> None:
    data = answers().assign(i03=4.0, i07=lambda frame: frame["i08"])
    result, found = study_components(rows_of(data), SETTINGS, FACTS, seed=1)
    assert found is not None
    assert set(result.facts["items_left_out"]) == {"i03", "i08"}
    left_out = result.frames["suitability"].query("is_left_out").set_index("item_id")
    assert left_out["status"].to_dict() == {"i03": "constant", "i08": "duplicate"}
    assert len(result.frames["loadings"]) == 13 * 3


def test_no_row_is_refused() -> None:
    with pytest.raises(AnalysisError) as refused:
        study_components(rows_of(answers().head(0)), SETTINGS, FACTS, seed=1)
    assert refused.value.status is Status.NO_DATA


@pytest.mark.parametrize("n", [1, 2, 49])
def test_too_few_rows_describe_the_items_and_no_more(n: int) -> None:
    result, found = study_components(rows_of(answers().head(n)), SETTINGS, FACTS, seed=1)
    assert found is None
    assert (result.status, result.reason) == (
        "too_few_rows",
        f"{n} {'row' if n == 1 else 'rows'}; the study asks for at least 50 for an analysis.",
    )
    assert set(result.frames) == {"suitability"}
    items = result.frames["suitability"].query("item_id != ''")
    assert items["item_id"].tolist() == ITEMS
    assert (items["n_answered"] == n).all()
    assert items["mean"].notna().all()
    assert set(result.frames["suitability"]["status"]) == {"too_few_rows"}


def test_more_components_than_items_allow_leave_the_tables_before_them() -> None:
    result, found = study_components(rows_of(answers()[ITEMS[:5]]), ComponentSettings(n_components=6), FACTS, seed=1)
    assert found is None
    assert result.status == "too_many_components"
    assert set(result.frames) == {"suitability", "retention", "item_correlations"}


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        (ComponentSettings(n_components=3, scores="unit_weighted"), "unit"),
        (ComponentSettings(n_components=3, scores="ten_berge"), "ten_berge"),
        (ComponentSettings(n_components=3, missing="em"), "regression"),
        (ComponentSettings(n_components=3, missing="complete", extraction="ml", rotation="varimax"), "regression"),
        (ComponentSettings(n_components=3, extraction="components", rotation="promax"), "regression"),
    ],
)
def test_every_setting_leads_to_a_solution(settings: ComponentSettings, method: str) -> None:
    data = answers()
    data = data.mask(np.random.default_rng(5).random(data.shape) < 0.03)
    result, found = study_components(rows_of(data), settings, FACTS, seed=1)
    assert found is not None
    scores = result.frames["component_scores"]
    assert set(scores["method"]) == {method}
    assert scores["score"].notna().mean() > 0.95
    assert scores["standard_error"].notna().any() == (method == "regression")


def test_em_is_resampled_from_the_rows() -> None:
    data = answers(60)
    data = data.mask(np.random.default_rng(5).random(data.shape) < 0.03)
    settings = ComponentSettings(n_components=3, missing="em", bootstrap=4)
    result, found = study_components(rows_of(data), settings, FACTS, seed=1)
    assert found is not None
    assert found.stability is not None
    assert result.frames["loadings"]["lower"].notna().all()


def test_confirmatory_model_is_stored_item_by_item_and_scale_by_scale(
    studied: tuple[StudyResult, FoundComponents],
) -> None:
    result = study_correspondence(studied[1], FACTS, SETTINGS)
    loadings, correlations = result.frames["cfa_loadings"], result.frames["cfa_correlations"]
    assert loadings["item_id"].tolist() == list(ITEMS)
    assert (loadings["instrument_id"] + "." + loadings["scale_id"]).tolist() == [FACTS.scales[item] for item in ITEMS]
    assert (loadings["lower"] < loadings["loading"]).all()
    assert loadings["r_squared"].to_numpy() == pytest.approx(loadings["loading"].to_numpy() ** 2)
    assert len(correlations) == 3
    assert (correlations["scale_id"] != correlations["other_scale_id"]).all()
    wider = study_correspondence(studied[1], FACTS, replace(SETTINGS, level=0.99)).frames["cfa_loadings"]
    assert (wider["upper"] > loadings["upper"]).all()


def test_an_instrument_with_a_total_only_is_one_scale(studied: tuple[StudyResult, FoundComponents]) -> None:
    facts = replace(FACTS, scales={}, only_scales=dict.fromkeys(ITEMS, "haq_ii.total"))
    result = study_correspondence(studied[1], facts, SETTINGS)
    assert result.status == "not_applicable"
    assert set(result.frames["cfa_loadings"]["scale_id"]) == {"total"}
    assert result.frames["model_fit"].iloc[0]["df"] == len(ITEMS) * (len(ITEMS) - 3) / 2
    # Beside subscales of other instruments it stays what it is: no scale to be told apart.
    beside = replace(facts, scales={item: FACTS.scales[item] for item in ITEMS[:4]})
    assert len(study_correspondence(studied[1], beside, SETTINGS).frames["cfa_loadings"]) == 4


def test_the_only_scale_of_an_instrument_is_known_from_the_codebook() -> None:
    items = pd.DataFrame(
        {"instrument_id": ["a", "a", "b"], "theme": None, "min_value": 1, "max_value": 5, "reverse_keyed": False},
        index=["a_01", "a_02", "b_01"],
    )
    scales = pd.DataFrame(
        [("a", "bond", "subscale", "a_01"), ("a", "total", "total", "a_01"), ("b", "total", "total", "b_01")],
        columns=["instrument_id", "scale_id", "kind", "item_id"],
    )
    facts = Catalogue(items, scales, {}, frozenset(), {}).item_facts()
    assert (facts.scales, facts.only_scales) == ({"a_01": "a.bond"}, {"b_01": "b.total"})


def test_confirmatory_model_that_cannot_be_fitted_has_no_rows_and_says_why(
    studied: tuple[StudyResult, FoundComponents],
) -> None:
    two = {item: scale for item, scale in FACTS.scales.items() if item in ITEMS[:2]}
    result = study_correspondence(studied[1], replace(FACTS, scales=two), SETTINGS)
    assert not {"cfa_loadings", "cfa_correlations"} & set(result.frames)
    assert result.frames["model_fit"].iloc[0]["status"] == "underidentified"


def test_correspondence_of_a_clean_structure_is_perfect(studied: tuple[StudyResult, FoundComponents]) -> None:
    result = study_correspondence(studied[1], FACTS, SETTINGS)
    frame = result.frames["correspondence"]
    whole = frame.query("scale_id == '' and component == 0").set_index("measure")["estimate"]
    assert whole["adjusted_rand_index"] == 1
    assert whole["share_with_own_majority"] == 1
    assert set(frame["instrument_id"]) == {"alpha"}
    counts = frame.query("measure == 'n_items'")
    assert counts["estimate"].sum() == 15
    model = result.frames["model_fit"].iloc[0]
    assert model["model"] == "a_priori"
    assert model["cfi"] > 0.97
    assert not frame.duplicated(["instrument_id", "scale_id", "component", "measure"]).any()


def test_intervals_at_once_are_those_of_one_refit_after_the_other() -> None:
    data = answers(120, seed=9)
    stability = bootstrap_solution(data, solve(data, 2), seed=4, replicates=25)
    full, at_once = correspondence_with_intervals(stability, SCALES)
    one_by_one = correspondence_intervals(stability, SCALES)
    pd.testing.assert_frame_equal(at_once[one_by_one.columns], one_by_one, rtol=1e-10)
    assert full.scales == ("alpha.a", "alpha.b", "alpha.c")


def test_rand_index_of_trivial_partitions() -> None:
    one_cell = np.array([[[5.0]]])
    nothing = np.zeros((1, 2, 2))
    assert adjusted_rand(one_cell).tolist() == [1.0]
    assert np.isnan(adjusted_rand(nothing)).all()


def test_labels_name_two_themes_where_none_leads() -> None:
    themes = {"a": "bond", "b": "bond", "c": "goals", "d": "goals", "e": "other"}
    assert theme_counts(list("abcde"), themes) == {"bond": 0.4, "goals": 0.4, "other": 0.2}
    assert suggested_label(list("abcde"), themes, {}, [], {}) == "Bond, goals (suggested)"
    assert suggested_label([], themes, {}, [], {}) is None
    assert suggested_label(["x"], {}, {}, [], {}) == "Items without a theme (suggested)"


def test_the_most_serious_part_gives_status_and_reason() -> None:
    fine = StudyResult({}, "ok", None, ("Only a remark.",))
    bad = StudyResult({}, "heywood", None, ("A uniqueness is zero.",))
    assert verdict([fine, bad]) == ("heywood", "A uniqueness is zero.", ("Only a remark.", "A uniqueness is zero."))
    assert verdict([fine]) == ("ok", None, ("Only a remark.",))
