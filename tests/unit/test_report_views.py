"""What the sections on both views, dyads, items and sites say, with data, without, and with few people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from report import words
from report.build import build_report
from tests.unit.report_page import read_page
from tests.unit.report_results import analysis, results
from tests.unit.report_views import agreement, effect, results_and_views
from tests.unit.report_warehouses import Rows, make_warehouse, study
from tests.unit.test_report_sections import Reader, page

__all__ = ["page"]


def test_own_and_other_view_stand_side_by_side(page: Reader) -> None:
    text = page(study() | results_and_views()).text_of("both")
    assert "wai_s.total client own view (actor) 0.47 0.27 to 0.67 0.004 0.030 90 30 ok" in text
    assert "wai_s.total therapist other's view (partner) −0.03 −0.23 to 0.17" in text
    assert "n = up to 90 dyads with 30 therapists" in text
    # The interval of a ratio is the bootstrap's where there is one: the other one pretends that a ratio is normal.
    assert "wai_s.total 0.31 – 0.26 (−0.20 to 0.70) – 0.210" in text


def test_a_surface_says_what_it_shows_and_what_could_not_be_estimated(page: Reader) -> None:
    text = page(study() | results_and_views()).text_of("both")
    assert "Of 2 surfaces (outcome by scale), the slope of agreement (a1) is clear of zero in 2" in text
    assert "the slope of disagreement (a3) in 0" in text
    assert "poorer the further the two are apart (a4 below zero) in 2" in text
    assert "wai_s.total a4: curvature where they differ −0.60 −1.10 to −0.10 0.010 0.020 90 30 ok" in text
    assert "wai_s.total 0.44 0.350" in text
    assert (
        "phq_9.total, client-rated: too few rows: 22 dyads have the outcome and both views; the study asks for at "
        "least 50 (calpas.total and wai_s.total)." in text
    )


def test_a_surface_bent_upwards_is_not_told_as_poorer_outcome(page: Reader) -> None:
    rows = study() | results_and_views()
    for row in rows["results.outcome_effects"]:
        if row["term"] == "a4":
            row["estimate"] = 0.6
    assert "poorer the further the two are apart (a4 below zero) in 0" in page(rows).text_of("both")


def test_a_surface_is_drawn_over_the_ratings_it_was_estimated_from(page: Reader) -> None:
    """Without the ratings of known sessions there is no figure, for then nothing says how far it may be drawn."""
    rows = study() | results_and_views()
    assert not any("surface-" in (svg["aria-labelledby"] or "") for svg in page(rows).all("svg"))


def test_curves_end_where_nine_tenths_of_the_dyads_end(tmp_path: Path) -> None:
    rows = study() | results_and_views()
    key = {"analysis_id": "outcome_both", "outcome": "global_rating.total", "outcome_rater": "client"}
    rows["results.analysis_dyads"] = [
        key | {"unit_id": f"dy_{n}", "dyad_id": f"dy_{n}", "session_id": "last", "is_used": n < 21} for n in range(22)
    ]
    # The last dyad is not used: its ratings, far from all others, must not widen the figure.
    rows["core.dyad_sessions"] = [
        {"dyad_session_id": n, "dyad_id": f"dy_{n}", "session_id": "last", "instrument_id": "wai_s"}
        | {"scale_id": "total", "client_score": 4 + n / 10 + (n == 21) * 90, "therapist_score": 4 + n / 10}
        for n in range(22)
    ]
    html = build_report(make_warehouse(tmp_path / "a.duckdb", rows), tmp_path / "report").read_text(encoding="utf-8")
    drawing = next(svg for svg in re.findall(r"<svg.*?</svg>", html, re.S) if "surface-1-title" in svg)
    labels = {float(text.replace("−", "-")) for text in re.findall(r">([−\d.]+)</text>", drawing)}
    # Level runs from -0.9 to 0.9 around its centre; outcome there from 4.5 to 6.7.
    assert max(labels) <= 7
    assert min(labels) == -1


def test_parts_of_the_variance_have_shares_intervals_and_n(page: Reader) -> None:
    text = page(study() | results_and_views()).text_of("dyads")
    parts = "15.0 %; 0.060 (0.030 to 0.120) 50.0 %; 0.200 (0.100 to 0.400) 35.0 %; 0.140 (0.070 to 0.280)"
    assert f"wai_s.total client {parts} 170 90 30 ok" in text
    assert "therapists rated high by clients rate clients high 0.55 −0.20 to 0.90 0.090 0.090 90 30 ok" in text
    assert "cannot be told apart, since a client has one therapist" in text


def test_with_one_session_error_is_in_the_part_of_the_dyad(page: Reader) -> None:
    rows = study() | results_and_views()
    rows["results.agreement"] = [row for row in rows["results.agreement"] if not row["statistic"].startswith("error_")]
    text = page(rows).text_of("dyads")
    assert "Client, relationship and error" in text
    assert "Session and error" not in text


def test_bias_and_what_is_not_identified(page: Reader) -> None:
    text = page(study() | results_and_views()).text_of("dyads")
    assert "wai_s.total client 0.40 (0.30 to 0.50) 0.45 (0.30 to 0.50) – – 170 90 30" in text
    assert (
        "Not estimated. underidentified: Fewer than two dyads have three sessions or more that differ (tracking sd)."
        in text
    )


def test_a_variance_that_cannot_be_split_leaves_its_reason_and_no_figure(page: Reader) -> None:
    rows = study() | results_and_views()
    why = "Each therapist has one client."
    rows["results.agreement"] = [
        agreement("therapist_variance", "", None, status="underidentified", reason=why),
        agreement("directional_bias", "client", 0.4, lower=0.1, upper=0.7, interval_method="cluster_cr2"),
    ]
    made = page(rows)
    assert "underidentified: Each therapist has one client (wai_s.total)." in made.text_of("dyads")
    assert not any("variance-shares" in (svg["aria-labelledby"] or "") for svg in made.all("svg"))


def test_gaps_are_told_of_all_dyads_and_never_of_one(page: Reader) -> None:
    made = page(study() | results_and_views())
    text = made.text_of("dyads")
    # 24 gaps from -8 to 15: three of them, all above zero, are beyond error.
    assert "last bond 3.5 7.1 −2.2 to 9.2 3.5 12.5 % 0.0 % 24 6" in text
    assert "n = 24 dyads with up to 6 therapists" in text
    assert "dy_" not in made.text
    assert "withheld" not in text


@pytest.mark.parametrize(
    ("limits", "withheld"),
    [({"few_dyads": 25, "few_therapists": 3}, 2), ({"few_dyads": 10, "few_therapists": 7}, 2), ({"few_dyads": 24}, 0)],
)
def test_gaps_of_few_people_are_withheld_by_the_study_s_own_limits(
    page: Reader, limits: dict[str, int], withheld: int
) -> None:
    rows = study() | results_and_views()
    rows["meta.refreshes"][0]["settings"] = json.dumps({"study": {"study": "x", "title": "t", "analyses": limits}})
    text = page(rows).text_of("dyads")
    assert ("last bond" in text) == (withheld == 0)
    assert (f"{withheld} themes of sessions are withheld" in text) == (withheld > 0)


def test_nine_dyads_are_few_without_a_word_in_the_settings(page: Reader) -> None:
    rows = study() | results_and_views()
    rows["core.dyad_gaps"] = [row for row in rows["core.dyad_gaps"] if row["dyad_id"] < "dy_09"]
    text = page(rows).text_of("dyads")
    assert "2 themes of sessions are withheld: fewer than 10 dyads or 3 therapists." in text
    assert "last bond" not in text


def test_items_and_their_correlations_have_n(page: Reader) -> None:
    made = page(study() | results_and_views())
    text = made.text_of("components")
    assert "wai_s_03 a topic 5.25 1.50 −0.40 0.10 0.80 – 116 1.7 %" in text
    assert "n = 110 to 114 rows behind a pair" in text
    assert "Pairs of items that stand out, of 15 pairs" in text
    assert "wai_s_01 wai_s_02 highest 0.71 0.00 110 ok" in text
    assert "wai_s_05 wai_s_06 lowest 0.31 0.00 114 ok" in text
    assert sum("item-correlations-" in (svg["aria-labelledby"] or "") for svg in made.all("svg")) == 1


@pytest.mark.parametrize("few", [{"n_rows": 9}, {"n_therapists": 2}])
def test_items_of_few_people_are_withheld(page: Reader, few: dict[str, int]) -> None:
    """Mean and standard deviation of two answers are the answers."""
    rows = study() | results_and_views()
    for row in rows["results.analyses"]:
        row |= few if row["analysis_id"] == "components_joint_client" else {}
    made = page(rows)
    assert "Figures of single items are withheld: fewer than 10 dyads or 3 therapists." in made.text_of("components")
    assert "5.25" not in made.text_of("components")
    assert not any("item-correlations-" in (svg["aria-labelledby"] or "") for svg in made.all("svg"))


def test_clients_without_known_therapists_are_no_few_therapists(page: Reader) -> None:
    rows = study() | results_and_views()
    for row in rows["results.analyses"]:
        row |= {"n_therapists": 0} if row["analysis_id"] == "components_joint_client" else {}
    assert "wai_s_03 a topic 5.25" in page(rows).text_of("components")


def test_a_suitability_that_is_not_known_is_no_row_of_dashes(page: Reader) -> None:
    rows = study() | results_and_views()
    for row in rows["results.suitability"]:
        row |= {"kmo": None, "bartlett_chi_square": None}
    text = page(rows).text_of("components")
    assert "Suitability of the items cannot be told." in text
    assert "χ²(–)" not in text


@pytest.mark.parametrize(("df", "said"), [(0, "as many parameters as"), (-2, "more parameters than")])
def test_a_model_without_degrees_of_freedom_is_not_said_to_fit(page: Reader, df: int, said: str) -> None:
    rows = study() | results_and_views()
    fit = {"analysis_id": "components_joint_client", "model": "components", "chi_square": 0.0, "df": float(df)}
    rows["results.model_fit"] = [fit | {"rmsr": 1e-10, "status": "ok"}]
    text = page(rows).text_of("components")
    assert f"Fit: nothing to test; with {said} correlations ({words.count(df)} df)" in text
    assert f"χ²({words.count(df)})" not in text


def test_a_set_of_very_many_items_has_its_table_and_no_figure(page: Reader) -> None:
    rows = study() | results_and_views()
    key = {"analysis_id": "components_joint_client", "item_id": "a", "correlation": 0.1, "n_rows": 99, "status": "ok"}
    rows["results.item_correlations"] = [key | {"other_item_id": f"b{n:02d}"} for n in range(90)]
    made = page(rows)
    assert not any("item-correlations-" in (svg["aria-labelledby"] or "") for svg in made.all("svg"))
    assert "of 90 pairs" in made.text_of("components")


def test_sites_are_compared_where_they_are_large_enough(page: Reader) -> None:
    text = page(study() | results_and_views()).text_of("components")
    assert (
        "All instruments joined, client 1 1 1 0 1 too few rows: site_02 (30 rows; at least 50 are needed on either "
        "side)." in text
    )
    assert "site_01 2 as found 0.62 0.52 to 0.72 different 6 71 ok" in text
    assert "n = 71 rows a site" in text


def test_sites_that_cannot_be_compared_have_no_zero_counts(page: Reader) -> None:
    rows = study() | results_and_views()
    rows["results.congruence"] = rows["results.congruence"][-1:]
    text = page(rows).text_of("components")
    assert "All instruments joined, client 0 1 – – – too few rows: site_02" in text


@pytest.mark.parametrize(
    ("kind", "name", "section"),
    [("outcome", "outcome_both", "both"), ("agreement", "agreement_variance", "dyads")]
    + [("site_congruence", "site_congruence_x", "components")],
)
def test_an_analysis_of_both_that_could_not_run_says_why(page: Reader, kind: str, name: str, section: str) -> None:
    rows = study() | results()
    rows["results.analyses"].append(
        analysis(name, kind, "both", status="no_data", reason="No outcome was measured after therapy.")
    )
    assert "no data: No outcome was measured after therapy." in page(rows).text_of(section)


def test_without_dyads_both_sections_say_so(page: Reader) -> None:
    made = page(study())
    assert "No model of both raters' views and an outcome has run" in made.text_of("both")
    assert "No dyad was rated by both in the same session" in made.text_of("dyads")


def test_paths_of_an_outcome_with_too_few_dyads_are_told_once(page: Reader) -> None:
    rows: Rows = study() | results()
    few = {"status": "too_few_rows", "reason": "12 dyads are too few.", "outcome_rater": "both", "interval_method": ""}
    rows["results.outcome_effects"] = [
        effect("actor_partner", "equal_paths", None, predictor=scale, **few) for scale in ("wai_s.total", "haq_i.total")
    ]
    text = page(rows).text_of("both")
    assert text.count("12 dyads are too few (") == 1
    assert "global_rating.total: too few rows: 12 dyads are too few (haq_i.total and wai_s.total)." in text


def test_names_of_scales_and_themes_are_text_whatever_they_hold(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>`\"'"
    rows = study() | results_and_views()
    for table, column in (("results.outcome_effects", "predictor"), ("results.agreement", "subject")):
        for row in rows[table]:
            row[column] = hostile
    for row in rows["core.dyad_gaps"]:
        row["theme"] = hostile
    html = build_report(make_warehouse(tmp_path / "a.duckdb", rows), tmp_path / "report").read_text(encoding="utf-8")
    made = read_page(html)
    assert made.all("script") == []
    assert "<script>alert(1)</script>" in made.text_of("dyads")
    assert "<script>alert(1)</script>" in made.text_of("both")
