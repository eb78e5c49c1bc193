"""`alliance components` on a published warehouse: the same numbers, other settings, and nothing published."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from flows.commands import components_run, components_text
from flows.common.errors import NothingPublished, UsageError
from flows.publishing.publish import Resources
from flows.refreshing import analyses
from flows.settings.study import Study
from tests.integration.small_build import SmallStudy, loaded_study, make_build

SETTINGS = {"n_components": 2, "bootstrap": 20}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = loaded_study(tmp_path_factory.mktemp("study"), **SETTINGS)
    file = study.paths.published_file
    file.parent.mkdir()
    make_build(file, SmallStudy())
    analyses.run(file, study=study, code_version="test", resources=Resources("1GB", 1), progress=lambda sentence: None)
    file.chmod(0o440)
    return study


def test_without_a_change_the_numbers_are_the_published_ones(published: Study) -> None:
    before = hashlib.sha256(published.paths.published_file.read_bytes()).hexdigest()
    ran = components_run.run(published, published.settings.analyses, sets=["joint"])
    assert set(ran.against_published) == set(ran.tables["analyses"]["analysis_id"])
    # Of all instruments together the declared scales are judged by the command alone.
    assert {name for name, said in ran.against_published.items() if said != "same"} == {
        "reliability_joint_client", "reliability_joint_therapist"
    }  # fmt: skip
    assert hashlib.sha256(published.paths.published_file.read_bytes()).hexdigest() == before


def test_other_settings_are_new_and_another_seed_differs(published: Study) -> None:
    changed = components_run.changed_settings(published, {"rotation": "varimax", "bootstrap": 0})
    ran = components_run.run(published, changed, sets=["wai_s"])
    assert set(ran.against_published.values()) == {"new"} | {"same", "different"} & set(ran.against_published.values())
    assert ran.against_published["components_wai_s_client_varimax_2_components"] == "new"
    reseeded = components_run.changed_settings(published, {"seed": 77})
    ran = components_run.run(published, reseeded, sets=["wai_s"])
    assert ran.against_published["components_wai_s_client_2_components"] == "different"


def test_the_summary_shows_every_part_in_order(published: Study) -> None:
    ran = components_run.run(published, published.settings.analyses, sets=["joint"])
    lines = list(components_text.summary(ran))
    text = "\n".join(lines)
    headings = [
        "Components of joint, client", "Suitability: KMO", "How many components?", "Pattern, items by component",
        "Components  (labels", "Phi, correlations", "Fit: chi2", "Correspondence with the declared scales",
        "CFA of the declared scales", "Reliability of the declared scales", "Components of joint, therapist",
        "Congruence of client and therapist components, joint", "Emphasis, joint",
        "Congruence of each site's components with the others', joint, client",
    ]  # fmt: skip
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    begin = next(place for place, line in enumerate(lines) if line.startswith("item "))
    items = [line.split()[0] for line in lines[begin + 1 : begin + 24]]
    loadings = ran.tables["loadings"].query("analysis_id == 'components_joint_client_2_components' and is_strongest")
    salient = loadings[loadings["is_salient"].astype(bool)]
    ordered = salient.assign(size=-salient["loading"].abs()).sort_values(["component", "size"])["item_id"].tolist()
    assert items[: len(ordered)] == ordered
    assert lines[begin + 1].count("*") == 1
    assert not re.search(r"\bnan\b|\bNone\b", text)


def test_results_can_be_kept_in_a_file_of_their_own(published: Study, tmp_path: Path) -> None:
    file = tmp_path / "kept.duckdb"
    changed = components_run.changed_settings(published, {"n_components": "1", "bootstrap": 0})
    components_run.run(published, changed, sets=["haq_i"], save=file)
    with duckdb.connect(str(file), read_only=True) as con:
        assert con.execute("select count(distinct component) from results.loadings").fetchone() == (1,)
        assert con.execute("select count(*) from results.component_scores").fetchone() == (240,)
    with pytest.raises(UsageError, match="is there already"):
        components_run.run(published, changed, sets=["haq_i"], save=file)


def test_items_of_ones_own_choice_are_a_set(published: Study) -> None:
    sets = components_run.with_sets(published.settings.analyses, ["wai_s", "haq_i_01"], published)
    changed = components_run.changed_settings(published, {**sets, "bootstrap": 0})
    ran = components_run.run(published, changed)
    assert set(ran.tables["analyses"]["item_set"]) == {"chosen"}
    assert ran.tables["loadings"]["item_id"].nunique() == 13


def test_machines_get_rows_without_values_that_json_lacks(published: Study) -> None:
    changed = components_run.changed_settings(published, {"bootstrap": 0})
    told = components_run.run(published, changed, sets=["wai_s"]).to_dict()
    again = json.loads(json.dumps(told, allow_nan=False, default=str))
    assert again["loadings"][0]["lower"] is None
    assert again["against_published"]["components_wai_s_client_2_components"] == "different"
    kaiser = [row for row in again["retention"] if row["method"] == "kaiser" and row["reference"] == 1.0]
    assert len(kaiser) == 24


def test_correlations_in_the_results_are_those_of_the_rows(published: Study) -> None:
    ran = components_run.run(published, published.settings.analyses, sets=["wai_s"])
    rows = ran.tables["item_correlations"].query("analysis_id == 'components_wai_s_client_2_components'")
    assert len(rows) == 66
    with duckdb.connect(str(published.paths.published_file), read_only=True) as con:
        answers = con.execute(
            "pivot (select form_id, item_id, keyed_value from core.item_responses join core.forms using (form_id) "
            "where rater = 'client' and session_id = 'last' and instrument_id = 'wai_s') "
            "on item_id using first(keyed_value)"
        ).df()
    expected = answers.drop(columns="form_id").astype(float)
    for _, row in rows.iterrows():
        pair = expected[[row["item_id"], row["other_item_id"]]].dropna()
        assert row["n_rows"] == len(pair)
        assert row["correlation"] == pytest.approx(np.corrcoef(pair.to_numpy().T)[0, 1], abs=1e-12)
    loadings = ran.tables["loadings"].query("analysis_id == 'components_wai_s_client_2_components'")
    assert pd.notna(rows["residual"]).all()
    assert rows["residual"].abs().max() < 0.3
    assert loadings["general_loading"].notna().all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rotation": "obliminn"}, "Did you mean 'oblimin'"),
        ({"n_components": "0"}, "too small"),
        ({"n_components": "many"}, "not allowed here"),
        ({"session_rule": "s99"}, "there is no session 's99'"),
        ({"colour": "red"}, "the key 'colour' does not exist"),
        ({"raters": ["nurse"]}, "not allowed here"),
        ({"salience": "nan"}, "salience"),
        ({"oblimin_gamma": "inf"}, "oblimin_gamma"),
        ({"correlation": "polychoric", "missing": "em"}, "polychoric correlations have no EM variant"),
    ],
)
def test_settings_that_cannot_be_are_told(published: Study, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as told:
        components_run.changed_settings(published, changes)
    assert said in str(told.value)


def test_components_are_compared_with_those_of_an_earlier_version(published: Study, tmp_path: Path) -> None:
    earlier = published.paths.version_dir("20250101T000000Z")
    earlier.mkdir(parents=True)
    (earlier / "manifest.json").write_text("{}")
    file = earlier / "alliance.duckdb"
    make_build(file, SmallStudy(seed=8))
    quick = published.settings.analyses.model_copy(update={"bootstrap": 0})
    before = loaded_study(tmp_path, n_components=2, bootstrap=0)
    analyses.run(file, study=before, code_version="test", resources=Resources("1GB", 1), progress=lambda line: None)
    ran = components_run.run(published, quick, sets=["joint"], against="20250101T000000Z")
    assert ran.against_version is not None
    assert len(ran.against_version) == 4
    assert (ran.against_version["congruence"] > 0.95).all()
    assert any("version 20250101T000000Z" in line for line in components_text.summary(ran))
    with pytest.raises(UsageError, match="use one that is kept"):
        components_run.run(published, quick, sets=["joint"], against="20000101T000000Z")


def test_unknown_sets_items_and_unpublished_studies_are_told(published: Study, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'wai_s'"):
        components_run.run(published, published.settings.analyses, sets=["wai"])
    sets = components_run.with_sets(published.settings.analyses, ["wai_s_99"], published)
    with pytest.raises(UsageError, match="no item 'wai_s_99'"):
        components_run.changed_settings(published, sets)
    with pytest.raises(NothingPublished):
        components_run.run(loaded_study(tmp_path), published.settings.analyses)


def test_items_and_a_set_are_both_analysed(published: Study) -> None:
    sets = components_run.with_sets(published.settings.analyses, ["wai_s_01", "wai_s_02", "wai_s_03"], published)
    settings = components_run.changed_settings(published, {"bootstrap": 0, "n_components": 1} | dict(sets))
    ran = components_run.run(published, settings, sets=["haq_i"])
    assert set(ran.tables["analyses"]["item_set"]) == {"chosen", "haq_i"}


def test_a_run_that_cannot_be_leaves_no_file_and_says_what_to_do(published: Study, tmp_path: Path) -> None:
    settings = published.settings.analyses
    kept = tmp_path / "kept.duckdb"
    with pytest.raises(UsageError, match="no item set"):
        components_run.run(published, settings, sets=["wai"], save=kept)
    assert not kept.exists()
    with pytest.raises(UsageError, match="there is no folder"):
        components_run.run(published, settings, sets=["wai_s"], save=tmp_path / "nowhere" / "kept.duckdb")


def test_options_that_would_be_ignored_are_refused() -> None:
    for options, others, said in (
        ({}, ["item_sets=wai_s"], "not chosen by --with"),
        ({"n_components": "3"}, ["n_components=2"], "n_components is asked for twice"),
        ({}, ["seed=1", " seed = 2"], "seed is asked for twice"),
        ({"raters": ["client"]}, ["raters=[client]"], "raters is asked for twice"),
        ({}, ["seed"], "says no value"),
        ({}, ["=3"], "says no key"),
    ):
        with pytest.raises(UsageError, match=said):
            components_run.all_changes(options, others)
    for nothing in ("", ",", " , "):
        with pytest.raises(UsageError, match="names no item"):
            components_run.items_asked(nothing)
    assert components_run.all_changes({"seed": None, "bootstrap": 0}, ["min_rows= 9"]) == {
        "bootstrap": 0,
        "min_rows": "9",
    }
    assert components_run.items_asked(" wai_s , haq_i_01,") == ["wai_s", "haq_i_01"]
    assert components_run.items_asked(None) == []
