"""Outcome, agreement and sites from rows of known truth: who belongs to whom, what is adjusted, what is withheld."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError, Status
from analysis.common.study_rows import KEYS, Rows, Whole
from analysis.outcome.outcome_study import OutcomeSettings, Predictors, matched, study_outcomes
from analysis.outcome.rating_choice import RatingRule
from analysis.outcome.regression import regress
from analysis.outcome.site_study import site_rows, study_sites
from analysis.two_views.two_views import PairSettings, study_scale_agreement

SETTINGS = OutcomeSettings(bootstrap=0, min_rows=20, level=0.95, seed=1)
N = 90


def keys(n: int = N) -> pd.DataFrame:
    frame = pd.DataFrame({"client_id": [f"cl_{row:03d}" for row in range(n)]})
    return frame.assign(
        unit_id=[f"dy_{row:03d}" for row in range(n)],
        dyad_id=[f"dy_{row:03d}" for row in range(n)],
        therapist_id=[f"th_{row // 5:03d}" for row in range(n)],
        site_id=[("a", "b", "c")[row % 3] for row in range(n)],
        session_id="last",
        form_date=pd.Timestamp(2024, 6, 1),
    )[list(KEYS)]


def measured(
    values: np.ndarray, phase: str = "post", rater: str = "client", outcome: str = "phq_9.total"
) -> pd.DataFrame:
    people = keys(len(values))[["unit_id", "client_id", "dyad_id"]]
    when = pd.Timestamp(2024, 12 if phase == "post" else 1, 1)
    return people.assign(outcome=outcome, rater=rater, phase=phase, benefit=values, form_date=when)


@pytest.fixture(scope="module")
def predictors() -> Predictors:
    values = pd.DataFrame(np.random.default_rng(2).standard_normal((N, 2)), columns=["component_1", "component_2"])
    return Predictors(values, Rows(values, keys()), "client", jointly=True)


def outcome_of(predictors: Predictors, slope: float = 0.6) -> np.ndarray:
    return slope * predictors.values["component_1"].to_numpy() + np.random.default_rng(3).standard_normal(N)


def test_slopes_are_those_of_the_regression_with_clusters(predictors: Predictors) -> None:
    y = outcome_of(predictors)
    effects = study_outcomes(predictors, measured(y), SETTINGS).frames["outcome_effects"]
    expected = regress(y, predictors.values, cluster=predictors.rows.clusters)
    slopes = effects.query("model == 'regression' and term == 'slope'").set_index("predictor")
    for name in predictors.values.columns:
        assert slopes.loc[name, "estimate"] == expected[name].beta
        assert slopes.loc[name, "p"] == expected[name].p
    assert effects.query("term == 'r_squared' and model == 'regression'")["estimate"].item() == expected.r2
    assert (slopes["p_holm"] >= slopes["p"]).all()
    key = ["outcome", "outcome_rater", "model", "predictor", "term", "interval_method", "overlap_left_out"]
    assert not effects.duplicated(key).any()


def test_the_same_measure_before_therapy_is_adjusted_for_first(predictors: Predictors) -> None:
    y = outcome_of(predictors)
    rng = np.random.default_rng(4)
    before = [
        measured(rng.standard_normal(N), "pre"),
        measured(rng.standard_normal(N), "pre", outcome="gad_7.total"),
        measured(rng.standard_normal(N), "pre", rater="therapist"),
    ]
    outcomes = pd.concat([measured(y), measured(y, outcome="global.total"), *before], ignore_index=True)
    effects = study_outcomes(predictors, outcomes, SETTINGS).frames["outcome_effects"]
    adjusted = effects[effects["model"] == "regression_adjusted"].drop_duplicates("outcome").set_index("outcome")
    assert adjusted.loc["phq_9.total", "covariates"] == ["pre_therapy.phq_9.total"]
    assert adjusted.loc["global.total", "covariates"] == ["pre_therapy.gad_7.total"]
    assert "partial_correlation" in set(effects["model"])


def test_an_outcome_of_few_is_a_row_with_its_status(predictors: Predictors) -> None:
    y = outcome_of(predictors)
    few = measured(y, outcome="rare.total").head(19)
    result = study_outcomes(predictors, pd.concat([measured(y), few], ignore_index=True), SETTINGS)
    row = result.frames["outcome_effects"].query("outcome == 'rare.total'")
    assert row["status"].item() == "too_few_rows"
    assert row["n_rows"].item() == 19
    with pytest.raises(AnalysisError) as refused:
        study_outcomes(predictors, few, SETTINGS)
    assert refused.value.status is Status.TOO_FEW_ROWS


def test_an_outcome_only_before_therapy_is_no_outcome(predictors: Predictors) -> None:
    with pytest.raises(AnalysisError, match="No outcome was measured after therapy"):
        study_outcomes(predictors, measured(outcome_of(predictors), "pre"), SETTINGS)


def test_a_constant_outcome_is_said_to_be_constant(predictors: Predictors) -> None:
    effects = study_outcomes(predictors, measured(np.full(N, 3.0)), SETTINGS).frames["outcome_effects"]
    assert set(effects["status"]) == {"constant"}
    assert effects["estimate"].isna().all()


def test_alliance_rated_after_the_outcome_is_refused_or_flagged(predictors: Predictors) -> None:
    early = measured(outcome_of(predictors))
    early.loc[:9, "form_date"] = pd.Timestamp(2024, 3, 1)
    refused = study_outcomes(predictors, early, SETTINGS)
    assert (refused.frames["outcome_effects"].query("model == 'regression'")["n_rows"] == N - 10).all()
    assert any("10 dyads have no rating of the alliance before it; a later one is left out" in text
               for text in refused.warnings)  # fmt: skip
    log = refused.frames["analysis_dyads"]
    assert log["is_used"].tolist() == [False] * 10 + [True] * (N - 10)
    assert set(log.loc[~log["is_used"], "note"]) == {"rated_after_outcome"}
    early.loc[1:9, "form_date"] = pd.Timestamp(2030, 1, 1)
    one = study_outcomes(predictors, early, SETTINGS).warnings
    assert any("1 dyad has no rating of the alliance before it" in text for text in one)
    early.loc[:9, "form_date"] = pd.Timestamp(2024, 3, 1)
    flagged = study_outcomes(replace(predictors, rule=RatingRule(after="flag")), early, SETTINGS)
    assert (flagged.frames["outcome_effects"].query("model == 'regression'")["n_rows"] == N).all()
    assert any("used all the same" in text for text in flagged.warnings)
    assert (flagged.frames["analysis_dyads"]["note"] == "used_though_rated_after_outcome").sum() == 10


def test_the_mixed_model_says_how_much_is_the_therapists(predictors: Predictors) -> None:
    therapist = np.repeat(np.random.default_rng(5).standard_normal(N // 5), 5)
    effects = study_outcomes(predictors, measured(outcome_of(predictors) + therapist), SETTINGS).frames[
        "outcome_effects"
    ]
    share = effects.query("model == 'mixed_empty' and term == 'therapist_share'")
    assert share["estimate"].item() > 0.2
    assert share["lower"].item() < share["estimate"].item() < share["upper"].item()
    slopes = effects.query("model == 'mixed' and term == 'slope'").set_index("predictor")
    assert slopes.loc["component_1", "p_holm"] < 0.01
    parts = effects.query("model == 'within_between' and predictor == 'component_1'").set_index("term")
    assert set(parts.index) == {"within", "between", "contextual"}
    gap = parts.loc["between", "estimate"] - parts.loc["within", "estimate"]
    assert parts.loc["contextual", "estimate"] == pytest.approx(gap)


def test_stepwise_is_a_replication_without_a_family(predictors: Predictors) -> None:
    result = study_outcomes(predictors, measured(outcome_of(predictors)), SETTINGS)
    chosen = result.frames["outcome_effects"].query("model == 'stepwise'")
    assert chosen.query("term == 'step' and estimate == 1")["predictor"].item() == "component_1"
    assert chosen["family"].isna().all()
    assert any("replicates older practice" in text for text in result.warnings)


def test_what_overlaps_with_outcome_is_left_out_and_the_difference_shown(predictors: Predictors) -> None:
    y = outcome_of(predictors)
    polluted = predictors.values.assign(component_2=predictors.values["component_2"] + y)
    given = replace(predictors, values=polluted, without_overlap=predictors.values, overlapping=("haq_i_04",))
    effects = study_outcomes(given, measured(y), SETTINGS).frames["outcome_effects"]
    slopes = effects.query("model == 'regression' and term == 'slope' and predictor == 'component_2'")
    with_all, without = (slopes[slopes["overlap_left_out"] == left].iloc[0] for left in (False, True))
    assert with_all["p"] < 0.001 < 0.05 < without["p"]
    change = effects.query("model == 'regression' and term == 'slope_change' and predictor == 'component_2'").iloc[0]
    assert change["estimate"] == pytest.approx(without["estimate"] - with_all["estimate"])
    assert change["upper"] < 0


def test_outcomes_are_matched_by_dyad_and_by_client_only_where_that_is_clear() -> None:
    rows = keys(4)
    rows.loc[1, "client_id"] = rows.loc[0, "client_id"]
    rows.loc[3, "dyad_id"] = None
    outcome = measured(np.array([1.0, 2.0, 3.0, 4.0]))
    outcome.loc[0, "dyad_id"] = None
    outcome.loc[2, "dyad_id"] = None
    found = matched(rows, outcome)["benefit"]
    # Row 0's client is in two rows, so an outcome without a dyad cannot be theirs for certain.
    assert np.isnan(found[0])
    assert found[1:].tolist() == [2.0, 3.0, 4.0]


def test_agreement_of_scales_has_every_statistic_and_a_row_for_what_is_missing() -> None:
    rng = np.random.default_rng(6)
    client = pd.DataFrame({"wai.total": rng.standard_normal(N), "haq.total": np.full(N, np.nan)})
    therapist = client.assign(**{"wai.total": client["wai.total"] - 0.5 + 0.5 * rng.standard_normal(N)})
    settings = PairSettings(bootstrap=20, min_rows=30, level=0.95, seed=3)
    frame = study_scale_agreement(keys(), client, therapist, settings).frames["agreement"]
    gap = frame.query("statistic == 'mean_difference' and interval_method == 'cluster_cr2'")
    assert gap["estimate"].item() == pytest.approx(0.5, abs=0.2)
    assert frame.query("subject == 'haq.total'")["status"].item() == "no_data"
    assert len(frame.query("interval_method == 'bootstrap_therapist'")) == 9
    with pytest.raises(AnalysisError):
        study_scale_agreement(keys(), client[["haq.total"]], therapist[["haq.total"]], settings)


def test_sites_are_pooled_and_weights_add_up() -> None:
    people = keys()
    x = np.random.default_rng(7).standard_normal(N)
    frame = site_rows("effect", "agreement", x, x + np.random.default_rng(8).standard_normal(N), people, 0.95)
    sites = frame.query("level == 'site'")
    assert sites["weight"].sum() == pytest.approx(1)
    assert len(frame.query("level == 'pooled'")) == 3
    assert len(frame.query("level == 'leave_one_out'")) == 3
    pooled = frame.query("method == 'reml_knapp_hartung' and level == 'pooled'").iloc[0]
    assert np.tanh(pooled["estimate"]) == pooled["estimate_shown"]
    assert pooled["estimate_shown"] == pytest.approx(np.corrcoef(x, x)[0, 1] * 0.7, abs=0.15)


def test_a_small_site_is_withheld_and_left_out_of_every_pooled_figure() -> None:
    people = keys()
    people.loc[people["site_id"] == "c", "site_id"] = "b"
    people.loc[:8, "site_id"] = "tiny"
    rng = np.random.default_rng(9)
    x, y = rng.standard_normal((2, N))
    with_tiny = site_rows("effect", "agreement", x, y, people, 0.95)
    tiny = with_tiny.query("site_id == 'tiny'")
    assert len(tiny) == 1
    # The next smallest site goes with it: less the others, the figures of all would tell of the tiny one.
    withheld = with_tiny.query("level == 'site' and is_suppressed")
    assert withheld["site_id"].tolist() == ["a", "tiny"]
    assert tiny["is_suppressed"].item()
    assert tiny[["estimate", "standard_error", "lower"]].isna().all(axis=None)
    assert "n_rows" not in tiny or tiny["n_rows"].isna().all()
    others = (people["site_id"] == "b").to_numpy()
    without = site_rows("effect", "agreement", x[others], y[others], people[others].reset_index(drop=True), 0.95)
    ours, theirs = (frame.query("level == 'pooled'")["estimate"].to_numpy() for frame in (with_tiny, without))
    assert ours == pytest.approx(theirs)


def test_what_counts_as_few_is_a_setting_and_two_withheld_sites_need_no_third() -> None:
    people = keys()
    people.loc[:8, "site_id"] = "tiny"
    people.loc[9:17, "site_id"] = "small"
    x, y = np.random.default_rng(9).standard_normal((2, N))
    usual = site_rows("effect", "agreement", x, y, people, 0.95).query("level == 'site' and is_suppressed")
    assert usual["site_id"].tolist() == ["small", "tiny"]
    open_to_all = site_rows("effect", "agreement", x, y, people, 0.95, (5, 1))
    assert not open_to_all.query("level == 'site'")["is_suppressed"].any()


def test_one_site_says_nothing_of_differences() -> None:
    people = keys().assign(site_id="only")
    x, y = np.random.default_rng(1).standard_normal((2, N))
    with pytest.raises(AnalysisError, match="One site only"):
        study_sites([site_rows("effect", "agreement", x, y, people, 0.95)])


def test_a_sample_of_rows_is_said_to_be_one(predictors: Predictors) -> None:
    whole = Whole({"n_rows": 125_000, "n_clients": 1, "n_therapists": 1, "n_sites": 1}, 90, "")
    of_many = replace(predictors, rows=replace(predictors.rows, whole=whole))
    said = "Of 125000 rows 90 were used, chosen by the hash of their pseudonyms."
    y = measured(outcome_of(predictors))
    assert said in study_outcomes(of_many, y, SETTINGS).warnings
    assert said not in study_outcomes(predictors, y, SETTINGS).warnings
