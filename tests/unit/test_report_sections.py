"""What each section says, with data, without, and with much of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from report.analyses import Registry, best_interval
from report.build import build_report
from tests.unit.report_page import Page, read_page
from tests.unit.report_results import analysis, results
from tests.unit.report_warehouses import REFRESH, Rows, check_result, make_warehouse, refresh_row, study

Reader: TypeAlias = Callable[[Rows], Page]


@pytest.fixture
def page(tmp_path: Path) -> Reader:
    """Build the report of rows and read it back."""

    def made(rows: Rows) -> Page:
        database = make_warehouse(tmp_path / "alliance.duckdb", rows)
        return read_page(build_report(database, tmp_path / "report").read_text(encoding="utf-8"))

    return made


def test_the_first_section_says_which_refresh_it_was(page: Reader) -> None:
    text = page(study()).text_of("refresh")
    assert f"Refresh {REFRESH}" in text
    assert "2026-03-01 12:00 UTC" in text
    assert "Took 1 min 15 s" in text
    assert "This refresh was full (every site was built anew). It is the first one." in text
    assert "Code version 0.1.0" in text
    assert "All 200 cells that sites delivered are accounted for" in text
    assert "No check has judged this build." in text


def test_a_later_refresh_names_the_one_before_it(page: Reader) -> None:
    rows = study()
    rows["meta.refreshes"].append(refresh_row("20260302T120000Z", "incremental"))
    text = page(rows).text_of("refresh")
    assert "20260302T120000Z" in text
    assert f"only changed sites were built anew). The refresh before it was {REFRESH}." in text


def test_arrivals_are_counted_by_site_instrument_and_rater(page: Reader) -> None:
    rows = study()
    rows["core.dyad_sessions"] = [
        {"dyad_session_id": n, "site_id": "site_01", "client_form_id": 111, "therapist_form_id": 112, "scale_id": scale}
        for n, scale in enumerate(("total", "bond"), start=1)
    ] + [{"dyad_session_id": 3, "site_id": "site_01", "client_form_id": 121, "therapist_form_id": None}]
    rows["quality.orphan_forms"] = [{"form_id": 121, "site_id": "site_01", "reason": "no_therapist_form"}]
    text = page(rows).text_of("arrivals")
    # Two scales of one pair are one pair; a form without counterpart is none.
    assert "site_01 Clinic 1 1 2026-03-01 12 / 20 3 12 4 1 site_02" in text
    assert "All sites 2 2026-03-01 24 6 24 8 1" in text
    assert "calpas during therapy client 2 2 of 2 1 1" in text
    assert "no therapist form client form without a therapist form of the same session 1 1" in text


def test_a_site_without_deliveries_is_named(page: Reader) -> None:
    rows = study()
    rows["quality.deliveries"] = rows["quality.deliveries"][:1]
    assert "Nothing has arrived yet from site_02." in page(rows).text_of("arrivals")


def test_cells_that_are_not_accounted_for_are_said_aloud(page: Reader) -> None:
    rows = study()
    rows["quality.cell_accounting"][0] |= {"unaccounted": 3, "accepted": 77}
    text = page(rows).text_of("cells")
    assert "3 cells of 200 are not accounted for; such a build must not be used." in text
    assert "site_01 100 77 10 1 2 3 0 4 3" in text
    assert "All sites 200 157 20 2 4 6 0 8 3" in text


def test_checks_that_did_not_pass_say_where_how_much_and_why(page: Reader) -> None:
    rows = study()
    rows["quality.check_results"] = [
        check_result(1, "site_01", "warn"),
        check_result(2, "site_02", "pass"),
        check_result(3, "site_02", "not_applicable", denominator=0.0, measured=None),
        check_result(
            4, "", "fail", check_id="odd", severity="critical", instrument_id="", rater="", reason="It broke."
        ),
        check_result(5, "site_02", "warn", check_id="sign", numerator=-12.5, denominator=50.0, measured=-0.25),
    ]
    made = page(rows)
    text = made.text_of("checks")
    assert "1 of 4 judged results passed; 1 result had too little to judge." in text
    assert "Critical: 1 result of 1 check did not pass." in text
    assert "odd: not so in 1 place" in text
    assert "the whole study 30 of 100 (0.30)" in text
    assert "It broke." in text
    assert "Most items are answered: not so in 1 place" in text
    assert "Threshold: at most 0.2. Why: Above one in five results depend on the treatment." in text
    assert "site_01, wai_s, client 30 of 100 (0.30) at most 0.2 cl_0123456789abcdef" in text
    # A correlation is no count: it is given with its n.
    assert "−0.25 (n = 50)" in text
    assert text.index("Critical") < text.index("Warnings")
    glance = made.text_of("refresh")
    assert "1 critical check result did not hold." in glance
    assert "2 checks of 3 warned" in glance


def test_a_check_that_fails_everywhere_is_shortened(page: Reader) -> None:
    rows = study()
    rows["quality.check_results"] = [check_result(n, f"site_{n:03d}", "warn") for n in range(1, 101)]
    made = page(rows)
    assert "not so in 100 places" in made.text_of("checks")
    assert "60 more are in quality.check_results" in made.text_of("checks")
    assert "site_040" in made.text_of("checks")
    assert "site_041" not in made.text_of("checks")


def test_changes_of_this_refresh_alone_are_shown(page: Reader) -> None:
    rows = study()
    rows["meta.refreshes"].append(refresh_row("20260302T120000Z", "incremental"))
    rows["meta.changes"] = [
        change(1, REFRESH, "new", 999),
        change(2, "20260302T120000Z", "corrected", 12),
        change(3, "20260302T120000Z", "vanished", 6, form_id=111),
        change(4, "20260302T120000Z", "vanished", 6, form_id=112),
        change(5, "20260302T120000Z", "finding_status", None, note="was supported: Component 2 predicts it."),
        change(6, "20260302T120000Z", "finding_gone", None, finding_id="views.joint", note="was: 2 of 4."),
    ]
    text = page(rows).text_of("changes")
    assert "999" not in text
    assert "Corrected answers 12 1" in text
    assert "Answers that vanished 12 1" in text
    assert "2 forms" in text
    assert "another status was supported: Component 2 predicts it." in text
    assert "views.joint gone was: 2 of 4." in text


def test_findings_are_told_by_question_with_what_changed(page: Reader) -> None:
    rows = study()
    one = {"analysis_id": "outcome_joint_client", "question": "outcome"}
    rows["results.findings"] = [
        one | {"finding_id": "a", "finding_number": 1, "sentence": "It predicts.", "status": "supported"},
        one
        | {"finding_id": "b", "finding_number": 2, "sentence": "It may.", "status": "cannot_tell", "reason": "Few."},
    ]
    rows["meta.changes"] = [change(1, REFRESH, "finding_status", None, finding_id="b", note="was supported: It may.")]
    text = page(rows).text_of("findings")
    assert "2 findings: 1 supported, 0 not supported, 1 cannot be told" in text
    assert "It predicts. supported" in text
    assert "It may. cannot tell Few. changed" in text


def change(number: int, refresh_id: str, kind: str, n: int | None, **more: Any) -> dict[str, Any]:
    row = {"change_id": number, "refresh_id": refresh_id, "kind": kind, "site_id": "site_01", "n": n}
    return row | {"instrument_id": "wai_s", "rater": "client"} | more


def test_problems_of_this_refresh_come_before_earlier_ones(page: Reader) -> None:
    rows = study()
    rows["meta.refreshes"].append(refresh_row("20260302T120000Z", "incremental"))
    both = {"site_id": "site_01", "file_name": "a.csv", "problem": "p", "severity": "warning", "action": "Look."}
    rows["quality.landing_problems"] = [
        both | {"problem_number": 1, "refresh_id": REFRESH, "message": "Met twice."},
        both | {"problem_number": 2, "refresh_id": "20260302T120000Z", "message": "Met twice."},
        both | {"problem_number": 3, "refresh_id": REFRESH, "message": "Met once.", "row_number": 7},
    ]
    text = page(rows).text_of("problems")
    assert text.count("Met twice.") == 1
    assert text.index("Met twice.") < text.index("Met in earlier refreshes") < text.index("Met once.")
    assert "row 7" in text


def test_rejected_cells_are_told_by_reason_and_place(page: Reader) -> None:
    rows = study()
    rows["quality.delivery_columns"] = [
        {"delivery_number": 1, "column_number": 4, "column_name": "WAI_4", "role": "item"},
    ]
    cell = {"delivery_number": 1, "column_number": 4, "site_id": "site_01", "item_id": "wai_s_04"}
    rows["quality.rejected_cells"] = [
        cell | {"row_number": n, "reason": "out_of_range", "value_class": "number"} for n in (5, 9)
    ]
    text = page(rows).text_of("rejected")
    meaning = "a number outside the item's range, or none of the numbers declared as labels"
    assert f"out of range {meaning} number 2 1 1 1" in text
    assert "site_01 ratings_1.csv WAI_4 out of range 2 5" in text


def test_missing_rates_are_shares_of_items_asked(page: Reader) -> None:
    text = page(study()).text_of("missing")
    assert "site_01 wai_s client 10 10 1 0 0 10.0 %" in text
    assert "n = 80 items of forms" in text
    assert "Forms with signs of careless responding (4 of 8)" in text


def test_an_unverified_key_is_named(page: Reader) -> None:
    text = page(study()).text_of("instruments")
    assert "The scoring key of calpas has not been held against the published form (unverified)" in text
    assert (
        "California Psychotherapy Alliance Scales; test version alliance 1 to 7 client and therapist 4 2 unverified"
        in text
    )


def test_a_component_solution_is_shown_whole(page: Reader) -> None:
    text = page(study() | results()).text_of("components")
    assert "All instruments joined, client 2 parallel 120 118 40 6" in text
    assert "KMO 0.87; Bartlett's χ²(15) = 512.3, p <0.001; 20.0 rows per item" in text
    assert "n = 120 rows of 118 clients with 40 therapists at 2 sites" in text
    assert "parallel analysis of components, normal data, 95th percentile 2 yes ok" in text
    assert "1 Bond (suggested) 30.0 % (10.0 to 40.0) 3 0.0 % 0.88 (0.80 to 0.92)" in text
    assert "2 Negative sign 0.27 (0.10 to 0.40)" in text
    assert "Adjusted Rand index (1 alike, 0 as by chance) 0.31 6" in text
    assert "wai_s.total 3 2 1" in text


def test_loadings_are_sorted_by_component_and_size(page: Reader) -> None:
    rows = study() | results()
    for row in rows["results.loadings"]:
        if row["item_id"] == "wai_s_03" and row["component"] == 1:
            row["loading"] = 0.95
    text = page(rows).text_of("components")
    items = [f"wai_s_0{n} a topic" for n in (3, 1, 2, 4, 5, 6)]
    places = [text.index(item) for item in items]
    assert places == sorted(places)


def test_effects_come_with_the_interval_that_respects_therapists(page: Reader) -> None:
    text = page(study() | results()).text_of("outcome")
    assert "client 1 Bond same rater Correlation 0.36 0.14 to 0.55 0.004 0.008" in text
    assert "therapist 2 Negative sign other rater All components at once 0.21 −0.02 to 0.44 0.070" in text
    assert "0.19 to 0.51" not in text
    assert "client components together: R² 0.18 (n = 120)" in text
    assert "95 % intervals that allow for clients of one therapist being alike" in text
    assert "show no cause" in text


def test_the_words_of_results_never_claim_a_cause(page: Reader) -> None:
    text = page(study() | results()).text.lower()
    for claim in ("causes ", "leads to", "effect of ", "due to", "improves ", "influence"):
        assert claim not in text, claim


def test_agreement_of_components_and_scales(page: Reader) -> None:
    text = page(study() | results()).text_of("views")
    assert "1 Bond 1 Bond 0.31 −0.10 to 0.45" in text
    assert (
        "wai_s.total 0.42 (0.22 to 0.62) – 0.37 (0.17 to 0.57) 0.41 (0.21 to 0.61) – 0.43 (0.23 to 0.63) 120 40 ok"
        in text
    )
    assert "n = 120 dyads with 40 therapists" in text


@pytest.mark.parametrize(
    "kind", ["components", "outcome", "agreement", "emphasis", "congruence", "reliability", "sites"]
)
def test_an_analysis_that_could_not_run_says_why_where_it_is_looked_for(page: Reader, kind: str) -> None:
    rows = study() | results()
    rows["results.analyses"].append(
        analysis("odd", kind, "both", n_rows=12, status="too_few_rows", reason="12 rows; at least 50 are asked for.")
    )
    made = page(rows)
    assert "odd 12 too few rows 12 rows; at least 50 are asked for." in made.text_of("analyses")
    section = {"components": "components", "reliability": "components", "outcome": "outcome", "sites": "outcome"}
    assert "too few rows: 12 rows; at least 50 are asked for." in made.text_of(section.get(kind, "views"))
    assert "1 of 7 analyses ended with another status than ok" in made.text_of("refresh")


def test_an_effect_without_estimate_leaves_a_sentence_and_no_figure(page: Reader) -> None:
    rows = study() | results()
    rows["results.outcome_effects"] = [
        {
            "analysis_id": "outcome_joint_client",
            "outcome": "phq_9.total",
            "outcome_rater": "client",
            "model": "correlation",
            "predictor": "",
            "term": "",
            "interval_method": "",
            "predictor_rater": "client",
            "status": "too_few_rows",
            "reason": "30 rows; the study asks for at least 50.",
        }
    ]
    made = page(rows)
    assert "Not estimated. All instruments joined, client, correlation: too few rows: 30 rows" in made.text_of(
        "outcome"
    )
    assert not [svg for svg in made.all("svg") if "forest" in (svg["aria-labelledby"] or "")]


def test_figures_of_single_sites_are_not_shown(page: Reader) -> None:
    rows = study() | results()
    one = {"analysis_id": "sites", "effect": "client.component_1", "effect_table": "outcome_effects", "status": "ok"}
    rows["results.site_effects"] = [
        one | {"level": "pooled", "site_id": "", "method": "reml", "estimate_shown": 0.11, "n_sites": 2},
        one | {"level": "pooled", "site_id": "", "method": "reml_knapp_hartung", "estimate_shown": 0.33, "i2": 0.25},
        one | {"level": "site", "site_id": "site_01", "method": "", "estimate_shown": 0.7654, "is_suppressed": True},
        one | {"effect": "of_a_site", "level": "site", "site_id": "site_01", "method": "", "estimate_shown": 0.5},
    ]
    text = page(rows).text_of("outcome")
    assert "client.component_1 outcome effects 0.33 – – 25.0 %" in text
    assert "0.77" not in text
    assert "of_a_site" not in text
    assert "1 figure of single sites" in text


def test_an_empty_warehouse_reads_well(page: Reader) -> None:
    made = page({})
    assert made.all("svg") == []
    for section, said in {
        "refresh": "The file does not say which refresh made it.",
        "arrivals": "No site is configured yet.",
        "cells": "No cell has been delivered yet",
        "checks": "No check has judged this build.",
        "changes": "No answer and no finding changed",
        "problems": "Landing met no problem",
        "rejected": "No cell was rejected.",
        "missing": "there is nothing to be missing",
        "instruments": "No instrument has forms yet.",
        "components": "No component analysis has run",
        "outcome": "No analysis of outcome has run",
        "views": "No comparison of the two raters has run",
        "analyses": "No analysis has run.",
    }.items():
        assert said in made.text_of(section), section
    assert "None" not in made.text
    assert "nan" not in made.text.lower().split()


def test_a_study_without_therapists_and_with_one_site(page: Reader) -> None:
    made = page(study(1, therapists=0))
    text = made.text_of("arrivals")
    assert "site_01 Clinic 1 1 2026-03-01 12 / 20 0 0 4 0" in text
    assert "All sites" not in text
    assert "All 100 cells" in made.text_of("cells")
    assert "No comparison of the two raters" in made.text_of("views")


def test_sixty_sites_fold_and_figures_take_those_that_matter(page: Reader) -> None:
    rows = study(60)
    rows["quality.cell_accounting"][41] |= {"accepted": 5, "blank": 85}
    for row in rows["quality.item_measures"]:
        if row["site_id"] == "site_43":
            row["n_answered"] = 2
    made = page(rows)
    assert "Arrivals by site (61 rows)" in made.text_of("arrivals")
    assert "The 20 of 60 sites with the smallest accepted share are drawn." in made.text_of("cells")
    assert "5.0 % at site_42" in made.text_of("cells")
    assert "The 20 of 60 sites with the highest rate are drawn." in made.text_of("missing")
    assert "80.0 percent at site_43" in made.text_of("missing")


def test_the_preferred_interval_is_the_one_that_respects_therapists() -> None:
    def row(method: str, lower: float | None = 0.1) -> dict[str, object]:
        return {"interval_method": method, "lower": lower}

    assert best_interval([row("fisher_z"), row("bootstrap_therapist")])["interval_method"] == "bootstrap_therapist"
    assert best_interval([row("bootstrap_therapist"), row("cluster_cr2")])["interval_method"] == "cluster_cr2"
    assert best_interval([row("fisher_z", None), row("student_t")])["interval_method"] == "student_t"


def test_components_are_named_after_the_solution_an_analysis_rests_on(page: Reader, tmp_path: Path) -> None:
    rows = study() | results()
    other = analysis("components_own_client", "components", "client", item_set="own", n_components=1)
    rows["results.analyses"] = [other, *rows["results.analyses"]]
    rows["results.components"].append(
        {"analysis_id": "components_own_client", "component": 1, "suggested_label": "Another", "status": "ok"}
    )
    assert "client 1 Bond same rater" in page(rows).text_of("outcome")
    assert Registry((), {}).label("none", 3) == "3"
