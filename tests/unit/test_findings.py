"""Findings: how an answer is judged, how its numbers are written, and what a refresh is said to have changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from flows.analysing.answered import Finding, interval, judged, number, p_value, people, row_key
from flows.analysing.answered_scales import scale_findings, totals
from flows.analysing.answered_tables import Results
from flows.analysing.answered_views import view_findings
from flows.cli import app
from flows.commands.findings_list import read_findings
from flows.common.database import attach, connect
from flows.publishing.finding_changes import record_finding_changes
from tests.unit.report_warehouses import make_warehouse, refresh_row

OK = {"status": "ok", "reason": None, "estimate": 0.24, "lower": 0.08, "upper": 0.39, "p_holm": 0.012}


def test_a_scale_that_one_rater_alone_answered_is_told_as_not_comparable(tmp_path: Path) -> None:
    row = {
        "analysis_id": "agreement_scales", "scope": "scale", "subject": "own.total", "other_subject": "own.total",
        "rater": "", "statistic": "pearson", "interval_method": "", "n_dyads": 0, "status": "no_data",
        "reason": "0 dyads; the study asks for at least 20.",
    }  # fmt: skip
    database = make_warehouse(tmp_path / "alliance.duckdb", {"results.agreement": [row]})
    with duckdb.connect() as con:
        con.execute(f"attach '{database}' as alliance (read_only)")
        found = list(view_findings(Results(con)))
    assert [(each.status, each.sentence) for each in found if each.finding_id == "level.own.total"] == [
        (
            "cannot_tell",
            "It cannot be told whether client and therapist rate own.total alike: 0 dyads; the study asks for at "
            "least 20.",
        )
    ]


def test_a_correlation_at_its_limit_is_told_as_such(tmp_path: Path) -> None:
    row = {
        "analysis_id": "agreement_variance", "scope": "scale", "subject": "own.total", "other_subject": "own.total",
        "rater": "", "statistic": "therapist_reciprocity", "interval_method": "fisher_z", "estimate": 1.0,
        "p_holm": 0.04, "family": "f", "n_dyads": 120, "n_therapists": 40, "status": "boundary", "reason": "Singular.",
    }  # fmt: skip
    database = make_warehouse(tmp_path / "alliance.duckdb", {"results.agreement": [row]})
    with duckdb.connect() as con:
        con.execute(f"attach '{database}' as alliance (read_only)")
        found = [each.sentence for each in view_findings(Results(con)) if each.finding_id.startswith("mirror")]
    assert found == [
        "Therapists whom clients rate higher on own.total rate their clients higher themselves: r 1.00, at its limit "
        "and without an interval, adjusted p .040, 120 dyads of 40 therapists."
    ]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"n_rows": 133, "n_therapists": 58, "n_sites": 6}, ", 133 dyads of 58 therapists, 6 sites"),
        ({"n_rows": 1, "n_therapists": 1, "n_sites": 1}, ", 1 dyad of 1 therapist, 1 site"),
        # Where no therapist is known, none is counted.
        ({"n_rows": 60, "n_therapists": 0, "n_sites": 2}, ", 60 dyads, 2 sites"),
        ({"n_rows": 60, "n_therapists": None, "n_sites": 2}, ", 60 dyads, 2 sites"),
        ({"n_rows": None}, ""),
    ],
)
def test_people_are_counted_in_words(counts: dict[str, Any], said: str) -> None:
    assert people(counts) == said


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, "supported"),
        ({"p_holm": 0.05, "lower": -0.1, "upper": 0.2}, "not_supported"),
        # Not significant, but the interval still holds a medium effect: the data are too few to say.
        ({"p_holm": 0.2, "lower": -0.1, "upper": 0.45}, "cannot_tell"),
        ({"p_holm": 0.2, "lower": -0.45, "upper": 0.1}, "cannot_tell"),
        ({"p_holm": None}, "cannot_tell"),
        ({"estimate": None}, "cannot_tell"),
        ({"status": "too_few_rows", "reason": "29 rows."}, "cannot_tell"),
        ({"status": "boundary"}, "supported"),
    ],
)
def test_an_answer_is_judged_by_adjusted_p_and_interval(changed: dict[str, Any], status: str) -> None:
    found, reason = judged(OK | changed)
    assert found == status
    assert (reason is not None) == (status == "cannot_tell")


def test_numbers_are_written_as_the_field_writes_them() -> None:
    assert [number(value) for value in (0.243, -0.076, 1.5, -0.001, 10.04, None)] == [
        ".24", "-.08", "1.50", ".00", "10.04", "not known"
    ]  # fmt: skip
    assert [p_value(value) for value in (0.0123, 0.00002, 1.0, None)] == [".012", "< .001", "1.000", "not known"]
    assert interval({"lower": 0.08, "upper": 0.391}) == ", 95 % CI .08 to .39"
    assert interval({"lower": None, "upper": 0.391}) == ""


def test_a_row_key_is_what_duckdb_writes() -> None:
    row = {
        "analysis_id": "x", "outcome": "phq_9.total", "outcome_rater": "client", "model": "regression",
        "predictor": "component_1", "term": "slope", "interval_method": "", "overlap_left_out": False,
    }  # fmt: skip
    written = duckdb.execute(
        "select concat_ws('/', 'phq_9.total', 'client', 'regression', 'component_1', 'slope', '', false)"
    ).fetchall()[0][0]
    assert row_key("outcome_effects", row, "estimate").key == written


def finding(name: str, sentence: str, status: str = "supported", number: int = 1) -> dict[str, Any]:
    return {
        "finding_id": name, "finding_number": number, "question": "outcome", "sentence": sentence, "status": status,
        "analysis_id": "outcome_joint_client",
    }  # fmt: skip


@pytest.fixture
def study_with_changes(tmp_path: Path) -> Path:
    """A study whose published file was made by a second refresh that changed findings of the first."""
    (tmp_path / "study.yml").write_text("study: a\ntitle: A\n")
    rows = {"meta.refreshes": [refresh_row()]}
    before = [
        finding("same", "As it was."),
        finding("turns", "It predicts.", number=2),
        finding("moves", "beta .24", number=3),
        finding("goes", "It was asked.", number=4),
    ]
    after = [
        finding("same", "As it was."),
        finding("turns", "It may.", "cannot_tell", 2),
        finding("moves", "beta .25", number=3),
        finding("comes", "Asked now.", number=4),
    ]
    earlier = make_warehouse(tmp_path / "earlier.duckdb", rows | {"results.findings": before})
    (tmp_path / "warehouse").mkdir()
    now = make_warehouse(tmp_path / "warehouse" / "alliance.duckdb", rows | {"results.findings": after})
    with connect() as con:
        attach(con, now, "alliance")
        record_finding_changes(con, published=earlier, refresh_id=refresh_row()["refresh_id"])
    return tmp_path


def test_changed_findings_are_marked(study_with_changes: Path) -> None:
    found = read_findings(study_with_changes / "warehouse" / "alliance.duckdb")
    assert {row["finding_id"]: row["change"] for row in found["findings"]} == {
        "same": None, "turns": "finding_status", "moves": "finding_numbers", "comes": "finding_new"
    }  # fmt: skip
    assert [row["finding_id"] for row in found["gone"]] == ["goes"]
    turned = next(row for row in found["findings"] if row["finding_id"] == "turns")
    assert turned["change_note"] == "was supported: It predicts."


def test_the_command_prints_findings_and_marks(study_with_changes: Path) -> None:
    printed = CliRunner().invoke(app, ["findings", str(study_with_changes)])
    assert printed.exit_code == 0, printed.output
    assert "4 findings: 3 supported, 0 not supported, 1 cannot be told; 4 changed" in printed.output
    assert "? It may." in printed.output
    as_json = CliRunner().invoke(app, ["findings", str(study_with_changes), "--json"])
    assert {row["finding_id"] for row in json.loads(as_json.output)["findings"]} == {"same", "turns", "moves", "comes"}


def test_a_first_refresh_marks_nothing(tmp_path: Path) -> None:
    now = make_warehouse(tmp_path / "a.duckdb", {"results.findings": [finding("same", "As it was.")]})
    without = make_warehouse(tmp_path / "b.duckdb", {}, without=("results.findings",))
    with connect() as con:
        attach(con, now, "alliance")
        for published in (None, without):
            record_finding_changes(con, published=published, refresh_id="r")
        assert con.execute("select count(*) from alliance.meta.changes").fetchall() == [(0,)]


def effect(predictor: str, **changed: Any) -> dict[str, Any]:
    """A row of results.outcome_effects of the client's scales."""
    return {
        "analysis_id": "outcome_scales_client", "outcome": "phq_9.total", "outcome_rater": "client",
        "model": "correlation", "predictor": predictor, "predictor_rater": "client", "term": "r",
        "interval_method": "cluster_jackknife", "overlap_left_out": False, "estimate": 0.3, "lower": 0.1, "upper": 0.5,
        "p_holm": 0.01, "status": "ok", "n_rows": 133, "n_clients": 133, "n_therapists": 1, "n_sites": 6,
    } | changed  # fmt: skip


def scale_lines(tmp_path: Path, effects: list[dict[str, Any]], **analysis: Any) -> dict[str, Finding]:
    registered = {
        "analysis_id": "outcome_scales_client", "kind": "outcome", "rater": "client", "status": "ok"
    } | analysis  # fmt: skip
    components = {"analysis_id": "outcome_joint_client", "kind": "outcome", "rater": "client", "item_set": "joint"}
    rows = {"results.analyses": [registered, components], "results.outcome_effects": effects}
    with connect() as con:
        attach(con, make_warehouse(tmp_path / "a.duckdb", rows), "alliance")
        return {found.finding_id: found for found in scale_findings(Results(con))}


def test_totals_of_declared_scales_have_a_line_each_and_their_family_one(tmp_path: Path) -> None:
    effects = [
        effect("wai_s.total"),
        effect("wai_s.total", model="partial_correlation", estimate=0.25),
        effect("wai_s.total", overlap_left_out=True, estimate=0.2),
        # Neither the change nor another interval is the correlation without overlapping items.
        effect("wai_s.total", overlap_left_out=True, term="r_change", estimate=0.1),
        effect("wai_s.total", interval_method="fisher_z", p_holm=0.9),
        effect("wai_s.bond", estimate=-0.1, p_holm=0.5, lower=-0.2, upper=0.1),
        effect("haq_i.total", estimate=0.2, p_holm=0.3, lower=-0.1, upper=0.5),
        effect("haq_i.total", overlap_left_out=True, term="r_change", estimate=0.0),
    ]
    found = scale_lines(tmp_path, effects)
    family, place = "scale_outcome.client.client.phq_9.total", "client.phq_9.total"
    assert list(found) == [family, *(f"scale_outcome.client.{name}.total.{place}" for name in ("haq_i", "wai_s"))]
    assert found[family].sentence == (
        "1 of 3 client-rated scales predicts client-rated phq_9.total (1 cannot be told): r -.10 to .30, "
        "133 dyads of 1 therapist, 6 sites."
    )
    line = found[f"scale_outcome.client.wai_s.total.{place}"]
    assert line.sentence == (
        "Client-rated wai_s.total predicts client-rated phq_9.total: r .30, 95 % CI .10 to .50, adjusted p .010; "
        "with severity before therapy held constant .25; without items that ask about improvement .20; "
        "133 dyads of 1 therapist, 6 sites; one rater gave both."
    )
    assert "without items" not in found[f"scale_outcome.client.haq_i.total.{place}"].sentence
    assert [key.role for key in line.rests_on] == ["estimate", "adjusted", "without_overlap"]
    assert {name: one.status for name, one in found.items()} == dict(
        zip(found, ("supported", "cannot_tell", "supported"), strict=True)
    )


def test_scales_without_a_result_say_why(tmp_path: Path) -> None:
    few = {"model": "", "term": "", "estimate": None, "status": "too_few_rows", "reason": "29 rows.", "n_rows": 29}
    found = scale_lines(tmp_path, [effect("", **few)])["scale_outcome.client.client.phq_9.total"]
    assert (found.status, found.reason) == ("cannot_tell", "29 rows.")
    (tmp_path / "a.duckdb").unlink()
    found = scale_lines(tmp_path, [], reason="No outcome was measured after therapy.")["scale_outcome.client"]
    assert found.sentence == (
        "It cannot be told which client-rated scales predict outcome: No outcome was measured after therapy."
    )


def test_where_no_instrument_has_a_total_all_its_scales_are_told() -> None:
    assert totals(["a.total", "a.bond", "b.total"]) == ["a.total", "b.total"]
    assert totals(["view.other", "view.self"]) == ["view.other", "view.self"]


def test_an_interval_of_one_value_is_not_told_as_certainty() -> None:
    assert interval({"lower": 0.21, "upper": 0.21}) == ", the same in nearly all resamples"
    assert interval({"lower": 0.21, "upper": 0.2101}) == ", 95 % CI .21 to .21"
