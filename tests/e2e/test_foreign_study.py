"""Every number of a study that nobody made for this software, held against what was written into its files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.commands.checking import check_study
from flows.refreshing import steps
from tests.e2e.conftest import alliance
from tests.e2e.foreign_study import BLANK, ITEMS, RANGES, REVERSED, Foreign, Form, make

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    study = make(tmp_path_factory.mktemp("foreign") / "study")
    assert alliance("check", study.folder).returncode == 0
    steps.carry_out(study.folder)
    return study


def ask(study: Foreign, sql: str) -> Rows:
    """Rows of the published warehouse, with the sites' own ids beside it as ``ids``."""
    with duckdb.connect() as con:
        con.execute(f"attach '{study.folder / 'work' / 'landing.duckdb'}' as landing (read_only)")
        con.execute(f"attach '{study.folder / 'warehouse' / 'alliance.duckdb'}' as alliance (read_only)")
        con.execute("create temp view ids as select pseudonym, local_id from landing.raw.pseudonyms")
        con.execute("use alliance")
        return con.execute(sql).fetchall()


FORMS = """
    select
        forms.form_id, site_id, clients.local_id, therapists.local_id, episodes.local_id, instrument_id, rater, phase,
        occasion, form_date
    from core.forms as forms
    join ids as clients on forms.client_id = clients.pseudonym
    left join ids as therapists on forms.therapist_id = therapists.pseudonym
    left join ids as episodes on forms.episode_id = episodes.pseudonym
"""


def key_of(form: Form) -> tuple[Any, ...]:
    return (
        form.site, form.client, form.therapist, form.episode, form.instrument, form.rater, form.phase, form.occasion,
        form.date,
    )  # fmt: skip


@pytest.fixture(scope="module")
def form_ids(foreign: Foreign) -> dict[int, Form]:
    found = ask(foreign, FORMS)
    expected = {key_of(form): form for form in foreign.forms}
    assert len(expected) == len(foreign.forms)
    assert sorted(map(repr, expected)) == sorted(repr(row[1:]) for row in found)
    return {row[0]: expected[row[1:]] for row in found}


def test_every_answer_is_what_the_file_says(foreign: Foreign, form_ids: dict[int, Form]) -> None:
    rows = ask(
        foreign,
        "select form_id, cast(right(item_id, 2) as integer), status, value, keyed_value from core.item_responses",
    )
    assert len(rows) == sum(len(form.answers) for form in foreign.forms) > 2_000
    for form_id, item, status, value, keyed in rows:
        form = form_ids[form_id]
        given = form.answers[item]
        if isinstance(given, str):
            assert (status, value, keyed) == (given, None, None), (form, item)
        else:
            assert (status, value) == ("accepted", given), (form, item)
            assert keyed == pytest.approx(form.keyed(item), abs=1e-12), (form, item)


def test_every_total_follows_the_rule(foreign: Foreign, form_ids: dict[int, Form]) -> None:
    rows = ask(foreign, "select form_id, score, n_answered from core.scale_scores where scale_id in ('total', 'gsi')")
    assert len(rows) == len(foreign.forms)
    for form_id, score, n_answered in rows:
        form = form_ids[form_id]
        expected = form.scores["gsi"] if form.instrument == "scl_90_r" else form.total()
        assert n_answered == sum(not isinstance(each, str) for each in form.answers.values())
        assert (score is None) == (expected is None), form
        assert expected is None or math.isclose(score, expected, abs_tol=1e-9), form


def test_outcomes_are_the_scores_of_outcome_measures_better_upwards(
    foreign: Foreign, form_ids: dict[int, Form]
) -> None:
    rows = ask(foreign, "select form_id, score, benefit, phase, occasion from core.outcomes where scale_id = 'total'")
    measures = {"oq_45", "core_om", "phq_9", "gad_7", "verlauf", "target_complaints"}
    assert len(rows) == sum(form.instrument in measures for form in foreign.forms)
    for form_id, score, benefit, phase, occasion in rows:
        form = form_ids[form_id]
        assert (phase, occasion) == (form.phase, form.occasion)
        assert benefit is None if score is None else benefit == -score


def test_pairs_are_those_of_one_dyad_and_window_and_near_enough(foreign: Foreign) -> None:
    rows = ask(
        foreign,
        "select local_id, client_score, therapist_score from core.dyad_sessions as pairs "
        "join core.dyads using (dyad_id) join ids on client_id = pseudonym "
        "where pairs.instrument_id = 'haq_ii' order by 1",
    )
    by_rater = {(form.client, form.rater): form.total() for form in foreign.forms if form.instrument == "haq_ii"}
    assert len(rows) == 8
    for client, own, other in rows:
        assert own == pytest.approx(by_rater[client, "client"])
        # P6's therapist answered 40 days later, and the study compares forms of 20 days at most
        assert other == (None if client == "P6" else pytest.approx(by_rater[client, "therapist"]))


def test_cells_add_up_to_what_the_files_hold(foreign: Foreign) -> None:
    assert ask(foreign, "select count(*), sum(abs(unaccounted)) from quality.cell_accounting") == [(10, 0)]
    totals = ask(
        foreign,
        "select status, count(*) from core.item_responses group by 1 union all "
        "select 'in files', count(*) from quality.rejected_cells",
    )
    given = [answer for form in foreign.forms for answer in form.answers.values()]
    words = {word: given.count(word) for word in {each for each in given if isinstance(each, str)}}
    assert dict(totals) == {
        **words, "accepted": sum(not isinstance(each, str) for each in given), "in files": words["rejected"],
    }  # fmt: skip
    assert words[BLANK] > 10


def test_a_check_said_what_the_refresh_did(foreign: Foreign) -> None:
    accounts = ask(
        foreign,
        "select file_name, declared_missing, blank, rejected, superseded, withdrawn from quality.cell_accounting "
        "join quality.deliveries using (site_id, delivery_number)",
    )
    told = {file.file_name: file for site in check_study(foreign.folder).sites for file in site.cells}
    for name, declared_missing, blank, rejected, superseded, withdrawn in accounts:
        file = told[name]
        # blanks of columns without answers are counted in the accounts only
        assert file.blank <= blank
        assert (file.declared_missing, file.rejected) == (declared_missing, rejected), name
        assert file.superseded == superseded, name
        # in the accounts ids and other keys of a withdrawn record are withdrawn, too
        assert file.withdrawn <= withdrawn <= file.withdrawn + 3, name
    assert sum(file.accepted for file in told.values()) == sum(
        not isinstance(each, str) for form in foreign.forms for each in form.answers.values()
    ) + sum(len(form.scores) for form in foreign.forms)


def test_lineage_leads_back_to_the_cell(foreign: Foreign) -> None:
    rows = ask(
        foreign,
        "select site_id, file_name, columns.column_name, row_number from core.item_responses as responses "
        "join quality.deliveries using (site_id, delivery_number) "
        "join quality.delivery_columns as columns using (delivery_number, column_number) "
        "where responses.status = 'rejected' order by all",
    )
    assert rows == [
        ("kassel", "2024/mai/bögen.csv", "Kl_01", 9),
        ("kassel", "2024/mai/bögen.csv", "Kl_02", 9),
        ("lund", "u.csv", "QID5_9", 5),
        ("utrecht", "gegevens.xlsx", "n3", 5),
    ]


def test_the_codebook_says_of_these_instruments_what_is_published(foreign: Foreign) -> None:
    rows = ask(
        foreign,
        "select instrument_id, list(item_number order by item_number) filter (reverse_keyed), count(*), "
        "min(min_value), max(max_value) from core.items group by all",
    )
    held = {row[0]: row[1:] for row in rows if row[0] in ITEMS}
    assert held == {
        name: (sorted(REVERSED[name]) if name in REVERSED else None, n, *RANGES[name]) for name, n in ITEMS.items()
    }


def test_no_raw_id_is_published(foreign: Foreign) -> None:
    secrets = [str(2**53 + 1 + k).encode() for k in range(7)] + [f"K-{k:03d}".encode() for k in range(10)]
    for file in Path(foreign.folder / "warehouse" / "versions").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(secret in content for secret in secrets), file.name
