"""The analyse step on a build with known truth: what must be found, and what must be said when there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.analysing import row_stream, study_analyses, work
from flows.common.database import attach, connect
from flows.publishing.publish import Resources
from flows.refreshing import analyses
from tests.integration.small_build import SmallStudy, loaded_study, make_build, results

RESOURCES = Resources(memory_limit="1GB", threads=1)
RULE_OF_TWO = {"n_components": {"exceptions": [{"item_set": "joint", "n": 2}]}}


def run(file: Path, **settings: object) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    said: list[str] = []
    study = loaded_study(file.parent, **settings)
    findings = analyses.run(file, study=study, code_version="test", resources=RESOURCES, progress=said.append)
    assert said == [*findings, said[-1]]
    assert said[-1].endswith(" findings")
    return results(file), findings


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("build") / "alliance.duckdb"
    make_build(file, SmallStudy())
    return file


@pytest.fixture(scope="module")
def found(build: Path) -> dict[str, pd.DataFrame]:
    return run(build, **RULE_OF_TWO)[0]


def test_every_analysis_asked_for_is_in_the_registry(found: dict[str, pd.DataFrame]) -> None:
    registry = found["analyses"].set_index("analysis_id")
    sets = ("wai_s", "haq_i", "joint")
    wanted = {f"{kind}_{name}_{rater}" for kind in ("components", "correspondence", "site_congruence")
              for name in sets
              for rater in ("client", "therapist")}  # fmt: skip
    wanted |= {f"{kind}_{name}" for kind in ("congruence", "emphasis") for name in sets}
    wanted |= {f"reliability_{name}_{rater}" for name in sets[:2] for rater in ("client", "therapist")}
    wanted |= {f"outcome_{what}_{rater}" for what in ("joint", "scales") for rater in ("client", "therapist")}
    wanted |= {"agreement_joint", "agreement_scales", "agreement_variance", "outcome_both", "sites_joint"}
    assert {name.removesuffix("_2_components") for name in registry.index} == wanted
    assert set(registry["kind"]) == {
        "components", "correspondence", "congruence", "site_congruence", "emphasis", "reliability", "outcome",
        "agreement", "sites",
    }  # fmt: skip
    assert "failed" not in set(registry["status"])


def test_the_registry_counts_the_people_behind_an_analysis(found: dict[str, pd.DataFrame]) -> None:
    row = found["analyses"].set_index("analysis_id").loc["components_joint_client_2_components"]
    assert (row["n_rows"], row["n_clients"], row["n_therapists"], row["n_sites"]) == (120, 120, 30, 2)
    assert row["n_items"] == 23
    assert row["n_components"] == 2
    assert row["n_components_rule"] == "number"
    assert len(row["fingerprint"]) == 64
    assert json.loads(row["settings"])["n_components"] == 2


def test_components_gather_the_items_that_were_made_together(found: dict[str, pd.DataFrame]) -> None:
    loadings = found["loadings"].query("analysis_id == 'components_joint_client_2_components' and is_strongest")
    by_instrument = loadings.groupby(loadings["item_id"].str.slice(0, 5))["component"].agg(set)
    assert [len(components) for components in by_instrument] == [1, 1]
    assert by_instrument.iloc[0] != by_instrument.iloc[1]
    assert loadings["lower"].notna().all()
    assert (loadings["lower"] <= loadings["loading"]).mean() > 0.9


def test_scores_have_one_row_per_dyad_and_component_of_the_last_session(found: dict[str, pd.DataFrame]) -> None:
    scores = found["component_scores"].query("analysis_id == 'components_joint_client_2_components'")
    assert len(scores) == 240
    assert set(scores["session_id"]) == {"last"}
    assert scores["score"].std() == pytest.approx(1, abs=0.15)


def test_outcome_follows_the_component_it_was_made_from(found: dict[str, pd.DataFrame]) -> None:
    loadings = found["loadings"].query("analysis_id == 'components_joint_client_2_components' and is_strongest")
    made_from = int(loadings.query("item_id == 'wai_s_01'")["component"].item())
    effects = found["outcome_effects"]
    own = effects[effects["analysis_id"].str.startswith("outcome_joint_client")]
    own = own.query("not overlap_left_out")
    slopes = own.query("model == 'regression' and term == 'slope'")
    made = slopes["predictor"] == f"component_{made_from}"
    assert slopes.loc[made, "p_holm"].item() < 0.001
    assert slopes.loc[made, "estimate"].item() > 0.3
    assert slopes.loc[~made, "p"].item() > 0.01
    assert set(slopes["interval_method"]) == {"cluster_cr2"}
    adjusted = own.query("model == 'regression_adjusted' and term == 'r_squared_added'")
    assert adjusted["estimate"].item() > 0.05
    assert json.loads(adjusted["covariates"].item()) == ["pre_therapy.phq_9.total"]


def test_adjusted_p_values_stay_within_their_family(found: dict[str, pd.DataFrame]) -> None:
    effects = found["outcome_effects"]
    tests = effects.query("model == 'regression' and term == 'slope'")
    for _, family in tests.groupby("family"):
        assert family["p_holm"].min() == pytest.approx(min(1, family["p"].min() * len(family)))
    assert effects.loc[effects["family"].isna(), "p_holm"].isna().all()


def test_raters_agree_as_they_were_made_to(found: dict[str, pd.DataFrame]) -> None:
    agreement = found["agreement"]
    components = agreement.query("scope == 'component' and interval_method == 'cluster_jackknife'")
    assert len(components) == 4
    assert (components["estimate"].nlargest(2) > 0.35).all()
    assert (components["estimate"].nsmallest(2).abs() < 0.3).all()
    totals = agreement.query("analysis_id == 'agreement_scales' and subject == 'wai_s.total'")
    assert set(totals["statistic"]) == {
        "pearson", "mean_difference", "d_pooled", "d_differences", "icc_a1", "icc_c1", "ccc", "limit_low", "limit_high"
    }  # fmt: skip
    assert (totals["n_dyads"] == 120).all()


def test_congruence_matches_the_raters_components(found: dict[str, pd.DataFrame]) -> None:
    joint = found["congruence"].query("analysis_id == 'congruence_joint' and alignment == 'as_rotated'")
    assert (joint.loc[joint["is_matched"], "congruence"].abs() > 0.9).all()
    assert set(joint["other_analysis_id"]) == {"components_joint_therapist_2_components"}


def test_each_site_is_compared_with_the_others(found: dict[str, pd.DataFrame]) -> None:
    sites = found["congruence"].query("comparison == 'sites' and analysis_id == 'site_congruence_joint_client'")
    assert set(sites["site_id"]) == {"north", "south"}
    turned = sites.query("alignment == 'target'")
    assert len(turned) == 4
    assert (turned["congruence"] > 0.95).all()
    assert (turned["lower"] < turned["congruence"]).all()
    assert set(sites["other_analysis_id"]) == {"components_joint_client_2_components"}
    assert sites.groupby("site_id")["n_rows"].first().sum() == 120
    raters = found["congruence"].query("comparison == 'raters'")
    assert set(raters["site_id"]) == {""}


def test_sites_are_pooled_for_every_effect(found: dict[str, pd.DataFrame]) -> None:
    sites = found["site_effects"]
    assert set(sites["level"]) == {"site", "pooled"}
    per_effect = sites.query("level == 'site'").groupby("effect")["weight"].sum()
    assert np.allclose(per_effect, 1)


def test_every_row_belongs_to_an_analysis_of_the_registry(found: dict[str, pd.DataFrame]) -> None:
    known = set(found["analyses"]["analysis_id"])
    for table, frame in found.items():
        assert set(frame["analysis_id"].dropna()) <= known, table
    for based_on in found["analyses"]["settings"].map(lambda text: json.loads(text).get("based_on", [])):
        assert set(based_on) <= known
    assert set(found["congruence"]["other_analysis_id"]) <= known


def test_no_row_gives_a_reason_without_a_status(found: dict[str, pd.DataFrame]) -> None:
    for table, frame in found.items():
        if "reason" in frame and table != "findings":
            assert frame.loc[frame["status"] == "ok", "reason"].isna().all(), table
            assert frame.loc[frame["status"] != "ok", "reason"].notna().all(), table


def test_the_same_input_gives_the_same_rows_whatever_else_runs(build: Path, found: dict[str, pd.DataFrame]) -> None:
    again, _ = run(build, item_sets=["joint"], **RULE_OF_TWO)
    both = set(found["analyses"]["analysis_id"]) & set(again["analyses"]["analysis_id"])
    assert len(both) == 17
    for table, frame in again.items():
        if table in ("findings", "finding_rows"):
            continue  # numbered over all analyses
        same, before = (one[one["analysis_id"].isin(both)].reset_index(drop=True) for one in (frame, found[table]))
        assert len(same), table
        pd.testing.assert_frame_equal(before, same, check_exact=True)


def test_another_seed_changes_intervals_but_no_estimate(build: Path, found: dict[str, pd.DataFrame]) -> None:
    other, _ = run(build, seed=99, item_sets=["joint"], **RULE_OF_TWO)
    rows = {name: frame["loadings"].query("analysis_id == 'components_joint_client_2_components'")
            for name, frame in (("one", found), ("other", other))}  # fmt: skip
    assert np.allclose(rows["one"]["loading"], rows["other"]["loading"], atol=1e-5)
    assert not np.allclose(rows["one"]["lower"], rows["other"]["lower"])


def test_a_session_can_be_named_or_averaged(tmp_path: Path) -> None:
    make_build(file := tmp_path / "alliance.duckdb", SmallStudy(n_dyads=60))
    early, _ = run(file, session_rule="s05", bootstrap=0, item_sets=["joint"], raters=["client"])
    assert set(early["component_scores"]["session_id"]) == {"s05"}
    names = set(early["analyses"]["analysis_id"]) - {"agreement_variance"}  # it takes all sessions
    assert all(name.endswith("_s05") for name in names)
    mean, _ = run(file, session_rule="mean", bootstrap=0, item_sets=["joint"], raters=["client"])
    assert set(mean["component_scores"]["session_id"]) == {""}
    assert (mean["analyses"].query("kind == 'components'")["n_rows"] == 60).all()


def test_without_bootstrap_there_are_estimates_and_no_intervals(tmp_path: Path) -> None:
    make_build(file := tmp_path / "alliance.duckdb", SmallStudy(n_dyads=60))
    tables, _ = run(file, bootstrap=0, item_sets=["joint"], n_components=2)
    assert tables["loadings"]["lower"].isna().all()
    assert tables["emphasis"]["difference"].notna().all()
    drawn = tables["emphasis"]["measure"].isin(["mean_loading", "loading", "share_of_common_variance"])
    assert tables["emphasis"].loc[drawn, "p"].isna().all()
    assert tables["emphasis"].loc[~drawn, "p"].notna().all()
    assert "bootstrap_therapist" not in set(tables["outcome_effects"]["interval_method"])


def test_the_uncertainty_of_components_can_be_carried_through(tmp_path: Path) -> None:
    make_build(file := tmp_path / "alliance.duckdb", SmallStudy(n_dyads=60))
    tables, _ = run(file, bootstrap=40, item_sets=["joint"], n_components=2, component_uncertainty=True)
    for table, name in (("outcome_effects", "predictor"), ("agreement", "subject")):
        carried = tables[table].query("interval_method == 'bootstrap_components'")
        assert carried[["lower", "upper"]].notna().all(axis=None), table
        assert (carried["lower"] < carried["upper"]).all()
        assert carried[name].nunique() == 2
    assert set(tables["outcome_effects"].query("interval_method == 'bootstrap_components'")["term"]) == {"r", "slope"}


def test_clients_are_the_rows_where_no_therapist_is_known(tmp_path: Path) -> None:
    make_build(file := tmp_path / "alliance.duckdb", SmallStudy(n_dyads=80, per_therapist=0, raters=("client",)))
    tables, _ = run(file, raters=["client"], n_components=2, bootstrap=20, item_sets=["joint"])
    row = tables["analyses"].set_index("analysis_id").loc["components_joint_client_2_components"]
    assert (row["status"], row["n_rows"], row["n_therapists"]) == ("ok", 80, 0)
    assert set(tables["component_scores"]["dyad_id"]) == {""}
    compared = tables["analyses"].query("rater == 'both' and kind != 'sites'")
    assert set(compared["status"]) == {"not_applicable"}
    assert set(compared["reason"]) == {"The study asks for one rater only."}
    slopes = tables["outcome_effects"].query("model == 'regression' and term == 'slope'")
    assert slopes["p"].min() < 0.01


def test_too_few_rows_and_no_outcome_are_rows_with_a_reason(tmp_path: Path) -> None:
    make_build(file := tmp_path / "alliance.duckdb", SmallStudy(n_dyads=40, outcome=False))
    tables, findings = run(file, min_rows=41)
    registry = tables["analyses"]
    components = registry[registry["kind"] == "components"]
    assert set(components["status"]) == {"too_few_rows"}
    assert components["reason"].str.contains("40 rows; the study asks for at least 41").all()
    assert (components["n_rows"] == 40).all()
    assert len(findings) == len(registry)
    outcome, _ = run(file, bootstrap=0, item_sets=["joint"], raters=["client"])
    statuses = outcome["analyses"].set_index("analysis_id")["status"]
    assert statuses["outcome_joint_client"] == "no_data"


def test_an_empty_build_is_described_and_nothing_raises(tmp_path: Path) -> None:
    make_build(file := tmp_path / "alliance.duckdb", SmallStudy(n_dyads=40))
    with connect() as con:
        attach(con, file, "alliance")
        for table in ("forms", "item_responses", "scale_scores", "outcomes", "dyad_sessions"):
            con.execute(f"delete from alliance.core.{table}")
    tables, findings = run(file)
    assert "ok" not in set(tables["analyses"]["status"])
    assert "failed" not in set(tables["analyses"]["status"])
    assert all(len(frame) == 0 for table, frame in tables.items() if table not in ("analyses", "findings"))
    assert set(tables["findings"]["status"]) == {"cannot_tell"}
    assert all("not run" in line for line in findings)


def test_findings_say_what_was_found_and_lead_to_its_rows(found: dict[str, pd.DataFrame]) -> None:
    findings = found["findings"].set_index("finding_id")
    effects = found["outcome_effects"].query("analysis_id == 'outcome_joint_client_2_components'")
    slopes = effects.query("model == 'regression' and term == 'slope' and not overlap_left_out").set_index("predictor")
    for component, slope in slopes.iterrows():
        line = findings.loc[f"outcome.joint.client.{component}.client.phq_9.total"]
        assert line["estimate"] == slope["estimate"]
        assert (line["status"] == "supported") == (slope["p_holm"] < 0.05)
        number = f"{slope['estimate']:.2f}".replace("0.", ".", 1)
        assert f"client-rated phq_9.total: beta {number}, 95 % CI" in line["sentence"]
    scales = found["outcome_effects"].query("analysis_id == 'outcome_scales_client' and model == 'correlation'")
    tests = scales.query("interval_method == 'cluster_jackknife' and term == 'r' and not overlap_left_out")
    total = tests.set_index("predictor").loc["wai_s.total"]
    line = findings.loc["scale_outcome.client.wai_s.total.client.phq_9.total"]
    assert [line["estimate"], line["p_adjusted"]] == [total["estimate"], total["p_holm"]]
    shown = findings.index[findings.index.str.startswith("scale_outcome.client.") & findings["estimate"].notna()]
    assert all(".total.client." in name for name in shown), shown
    keys = {
        "outcome_effects": ["outcome", "outcome_rater", "model", "predictor", "term", "interval_method",
                            "overlap_left_out"],
        "agreement": ["scope", "subject", "other_subject", "rater", "statistic", "interval_method"],
        "emphasis": ["level", "subject", "measure"],
        "site_effects": ["effect", "level", "site_id", "method"],
        "components": ["component"],
        "correspondence": ["instrument_id", "scale_id", "component", "measure"],
    }  # fmt: skip
    rests = found["finding_rows"]
    assert set(rests["finding_id"]) <= set(findings.index)
    for table, own in rests.groupby("table_name"):
        texts = found[table][keys[table]].astype(str).replace({"True": "true", "False": "false"})
        known = set(zip(found[table]["analysis_id"], texts.agg("/".join, axis=1), strict=True))
        assert set(zip(own["analysis_id"], own["row_key"], strict=True)) <= known, table


def test_confirmatory_models_are_stored_wherever_one_was_fitted(found: dict[str, pd.DataFrame]) -> None:
    fits = found["model_fit"].query("model == 'a_priori'").set_index("analysis_id")
    fitted = set(fits.index[fits["chi_square"].notna()])
    assert {"correspondence_joint_client", "correspondence_joint_therapist"} <= fitted
    loadings = found["cfa_loadings"]
    assert set(loadings["analysis_id"]) == fitted
    assert loadings.groupby("analysis_id")["status"].first().to_dict() == fits.loc[sorted(fitted), "status"].to_dict()
    scales = loadings.groupby("analysis_id").apply(lambda own: len(set(own["instrument_id"] + own["scale_id"])))
    pairs = found["cfa_correlations"].groupby("analysis_id").size()
    assert (scales * (scales - 1) // 2).loc[pairs.index].tolist() == pairs.tolist()


def test_both_views_have_their_models(found: dict[str, pd.DataFrame]) -> None:
    surface = found["outcome_effects"].query("analysis_id == 'outcome_both' and model == 'response_surface'")
    assert {"a1", "a2", "a3", "a4"} <= set(surface["term"])
    # The outcome follows the client's component 1, which is wai_s: level along agreement counts.
    assert surface.query("predictor == 'wai_s.total' and term == 'a1'")["estimate"].item() > 0
    assert "No actor-partner model" in found["analyses"].set_index("analysis_id").loc["outcome_both", "warnings"]
    parts = found["agreement"].query("analysis_id == 'agreement_variance' and subject == 'wai_s.total'")
    shares = parts[parts["statistic"].str.endswith("_share")].groupby("rater")["estimate"].sum()
    assert shares.to_numpy() == pytest.approx([1, 1])
    assert {"directional_bias", "tracking_within", "tracking_between"} <= set(parts["statistic"])
    untold = parts.query("statistic == 'assumed_similarity_within'")
    assert set(untold["status"]) == {"underidentified"}


def test_emphasis_is_told_by_theme_and_item(found: dict[str, pd.DataFrame]) -> None:
    joint = found["emphasis"].query("analysis_id == 'emphasis_joint'")
    assert set(joint.query("level == 'item'")["measure"]) == {
        "share_of_common_variance", "loading", "mean_rating", "rank"
    }  # fmt: skip
    assert set(joint.query("level == 'theme'")["measure"]) == {
        "share_of_common_variance", "mean_loading", "mean_rating", "rank"
    }  # fmt: skip
    assert joint.query("level == 'item' and measure == 'rank'")["p_holm"].notna().all()
    paired = joint["measure"].isin(["mean_rating", "rank"])
    assert joint.loc[paired, "n_dyads"].between(1, 120).all()
    assert joint.loc[~paired, "n_dyads"].isna().all() and (joint.loc[~paired, "n_rows"] == 120).all()
    said = found["findings"].set_index("finding_id")["sentence"].filter(like="emphasis.joint.")
    both = said.index.str.endswith((".mean_rating", ".rank"))
    assert both.any() and said[both].str.contains(r"\d+ dyads with both\.$").all()
    assert (~both).any() and said[~both].str.endswith(", 120 dyads of one rater or both.").all()


def broken(*_: object, **__: object) -> None:
    raise ValueError("answer 6 of client Mary")


def test_an_unforeseen_error_is_a_row_without_any_value_of_the_data(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_analyses, "study_emphasis", broken)
    tables, findings = run(build, item_sets=["joint"], n_components=2, bootstrap=0)
    row = tables["analyses"].query("kind == 'emphasis'").iloc[0]
    assert row["status"] == "failed"
    assert "ValueError in test_analyses.py" in row["reason"]
    assert "Mary" not in row["reason"] + " ".join(findings)
    assert (tables["analyses"].query("kind == 'congruence'")["status"] == "ok").all()


def test_too_many_rows_drop_the_bootstrap_and_say_so(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_ROWS_BOOTSTRAPPED", 100)
    tables, _ = run(build, item_sets=["joint"], n_components=2)
    row = tables["analyses"].query("kind == 'components'").iloc[0]
    assert row["n_bootstrap"] == 0
    assert "No bootstrap" in row["warnings"]
    assert tables["loadings"]["lower"].isna().all()


def test_results_of_an_earlier_refresh_are_replaced(build: Path) -> None:
    first, _ = run(build, item_sets=["joint"], n_components=2, bootstrap=0)
    second, _ = run(build, item_sets=[{"name": "bonds", "instruments": ["wai_s"]}], n_components=1, bootstrap=0)
    assert "joint" in set(first["analyses"]["item_set"])
    assert set(second["analyses"]["item_set"].dropna()) == {"bonds"}
    assert set(second["loadings"]["item_id"].str.slice(0, 5)) == {"wai_s"}


def test_a_study_of_more_rows_than_are_held_is_read_as_a_stream(
    build: Path, found: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_stream, "MOST_ROWS_HELD", 80)
    monkeypatch.setattr(row_stream, "CELLS_AT_ONCE", 384)
    monkeypatch.setattr(work, "MOST_ROWS_BOOTSTRAPPED", 100)
    streamed, _ = run(build, **RULE_OF_TWO)
    assert "failed" not in set(streamed["analyses"]["status"]), streamed["analyses"].reason.dropna().tolist()
    held = {name: frame.set_index(list(frame.columns[:1])) for name, frame in found.items()}
    for table, columns in {
        "loadings": ["item_id", "component", "loading", "communality", "group_loading"],
        "suitability": ["item_id", "kmo", "n_answered", "mean", "sd", "skewness", "kurtosis"],
        "item_correlations": ["item_id", "other_item_id", "correlation", "n_rows", "residual"],
        "component_scores": ["client_id", "component", "session_id", "score", "n_answered"],
    }.items():
        ours, theirs = (
            frame[columns].reset_index().sort_values(["analysis_id", *columns[:2]], ignore_index=True)
            for frame in (streamed[table].set_index("analysis_id"), held[table])
        )
        assert len(ours), table
        pd.testing.assert_frame_equal(ours, theirs, atol=1e-7, obj=table)
    row, before = (
        tables["analyses"].set_index("analysis_id").loc["components_joint_client_2_components"]
        for tables in (streamed, found)
    )
    counted = ["n_rows", "n_clients", "n_therapists", "n_sites", "n_rows_complete", "n_components", "n_items"]
    assert row[counted].tolist() == before[counted].tolist()
    assert "were read once and not held" in row["warnings"]
    assert row["fingerprint"] != before["fingerprint"]
    outcome = streamed["analyses"].query("kind == 'outcome' and item_set == 'joint' and rater == 'client'").iloc[0]
    assert 50 < outcome["n_rows"] < 110
    of_people = streamed["analyses"].query("item_set == 'joint' and status == 'ok'")
    of_people = of_people[of_people["kind"].isin(["outcome", "agreement", "emphasis", "sites", "site_congruence"])]
    assert {"outcome", "agreement", "emphasis"} <= set(of_people["kind"])
    assert of_people["warnings"].str.contains("were used, chosen by the hash of their pseudonyms").all()
    again, _ = run(build, **RULE_OF_TWO)
    for table, frame in again.items():
        pd.testing.assert_frame_equal(frame, streamed[table], check_exact=True, obj=table)
