"""Designs that are normal in small studies: a status and a sentence, whatever is still estimable, never a failure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.publishing.publish import Resources
from flows.refreshing import analyses
from tests.integration.small_build import SmallStudy, loaded_study, make_build

ALIKE = (
    "update core.item_responses set value = 4, keyed_value = 4",
    "update core.scale_scores set score = 4",
    "update core.dyad_sessions set client_score = 4, therapist_score = 4, difference = 0",
)
UNANSWERED = (
    "update core.item_responses set value = null, keyed_value = null, status = 'blank'",
    "update core.forms set n_answered = 0",
    "delete from core.scale_scores",
    "delete from core.dyad_sessions",
)
ONE_SITE = tuple(f"update core.{table} set site_id = 'south'" for table in ("forms", "dyads", "outcomes"))
THREE_IN_NORTH = tuple(
    f"update core.{table} set site_id = 'north' where client_id in ('cl_0000', 'cl_0001', 'cl_0002')"
    for table in ("forms", "dyads", "outcomes")
)
COLLINEAR = (
    "update core.item_responses as r set value = s.value, keyed_value = s.keyed_value from core.item_responses as s"
    " where s.form_id = r.form_id and s.item_id = 'wai_s_01' and r.item_id = 'wai_s_02'",
)
DESIGNS: dict[str, tuple[dict[str, Any], Sequence[str]]] = {
    "constant_outcome": ({}, ("update core.outcomes set score = 3, benefit = -3",)),
    "identical_items": ({}, COLLINEAR),
    "everyone_alike": ({}, ALIKE),
    "nothing_answered": ({}, UNANSWERED),
    "one_therapist": ({"per_therapist": 1000}, ()),
    "two_therapists": ({"per_therapist": 25}, ()),
    "one_client_per_therapist": ({"per_therapist": 1}, ()),
    "no_therapist_known": ({"per_therapist": 0}, ()),
    "clients_only": ({"raters": ("client",)}, ()),
    "therapists_only": ({"raters": ("therapist",)}, ()),
    "outcome_before_therapy_only": ({"outcome": False}, ()),
    "outcome_before_the_alliance": ({}, ("update core.outcomes set form_date = '2020-01-01'",)),
    "two_dyads": ({"n_dyads": 2}, ()),
    "thirty_dyads": ({"n_dyads": 30}, ()),
    "one_site": ({}, ONE_SITE),
    "a_site_of_three": ({}, (*ONE_SITE, *THREE_IN_NORTH)),
}
ESTIMATES = {
    "outcome_effects": "estimate",
    "agreement": "estimate",
    "site_effects": "estimate",
    "reliability": "estimate",
    "emphasis": "difference",
}


@pytest.fixture(params=list(DESIGNS))
def analysed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The name of a design and a build of it that was analysed."""
    design, statements = DESIGNS[request.param]
    file = tmp_path / "alliance.duckdb"
    make_build(file, SmallStudy(**({"n_dyads": 50} | design)))
    with duckdb.connect(str(file)) as con:
        for statement in statements:
            con.execute(statement)
    study = loaded_study(tmp_path, min_rows=20, bootstrap=4, item_sets=["joint"])
    analyses.run(file, study=study, code_version="test", resources=Resources("1GB", 1), progress=lambda _: None)
    return request.param, file


def test_every_analysis_ends_with_a_status_and_every_estimate_that_is_missing_with_a_reason(
    analysed: tuple[str, Path],
) -> None:
    name, file = analysed
    with duckdb.connect(str(file), read_only=True) as con:
        ended = con.execute("select analysis_id, status, reason from results.analyses").fetchall()
        assert len(ended) > 10
        assert [row for row in ended if row[1] == "failed" or (row[1] != "ok" and not row[2])] == [], name
        for table, estimate in ESTIMATES.items():
            untold = con.execute(
                f"select * from results.{table} where status = 'ok' and ({estimate} is null or isnan({estimate}))"
                + (" and term <> 'all_predictors_zero'" if table == "outcome_effects" else "")
            ).fetchall()
            assert untold == [], (name, table)
        lines = con.execute("select count(*), count(*) filter (where sentence is null) from results.findings")
        assert lines.fetchone()[1] == 0, name


def test_a_constant_outcome_supports_no_finding_about_it(tmp_path: Path) -> None:
    make_build(tmp_path / "alliance.duckdb", SmallStudy(n_dyads=50))
    with duckdb.connect(str(tmp_path / "alliance.duckdb")) as con:
        con.execute("update core.outcomes set score = 3, benefit = -3")
    study = loaded_study(tmp_path, min_rows=20, bootstrap=0, item_sets=["joint"])
    resources = Resources("1GB", 1)
    file = tmp_path / "alliance.duckdb"
    analyses.run(file, study=study, code_version="test", resources=resources, progress=lambda _: None)
    with duckdb.connect(str(file), read_only=True) as con:
        said = con.execute("select distinct status from results.findings where question = 'outcome'").fetchall()
        sentences = con.execute("select sentence from results.findings").fetchall()
        both = con.execute("select status, reason from results.analyses where analysis_id = 'outcome_both'").fetchone()
    assert said == [("cannot_tell",)]
    # The reason stands where the number would, and is that the outcome is constant, not that dyads are too few.
    assert [sentence for (sentence,) in sentences if "beta not known" in sentence or "R2 not known" in sentence] == []
    assert both is not None
    assert both[0] == "constant"
    assert "All dyads have the same value of: outcome" in both[1]
