"""Rows out of a warehouse some at a time, held against the same rows read at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis.components.component_study import ComponentSettings
from benchmarks.large_warehouse import ITEM_IDS, write_warehouse
from flows.analysing import row_stream
from flows.analysing.row_stream import SiteRows
from flows.analysing.rows import read_rows
from flows.common.database import attach, connect

# A second session of every other dyad, with other answers; clients without therapist; a form with no answer to the
# first four items, one with nothing but, and two forms of one session and instrument, of which the later one counts.
AWKWARD = """
create temp table again as
select * replace (form_id + 7 as form_id, 's09' as session_id, '9' as occasion, form_date + 30 as form_date)
from alliance.core.forms where form_id % 2 = 0;
insert into alliance.core.forms from again;
insert into alliance.core.forms
select * replace (form_id + 1 as form_id, form_date + 1 as form_date) from again where form_id % 3 = 0;
insert into alliance.core.item_responses
select
    forms.form_id * 256 + item, forms.form_id, forms.site_id, enum_range(null::alliance.core.item_id)[item],
    1 + hash(forms.form_id, item) % 7
from alliance.core.forms, range(1, 13) as numbered(item)
where forms.form_id not in (select form_id from alliance.core.item_responses);
update alliance.core.forms set dyad_id = null, therapist_id = null where hash(client_id) % 5 = 0;
update alliance.core.item_responses set keyed_value = null
where (hash(form_id) % 10 = 0 and item_id < 'wai_s_05') or (hash(form_id) % 10 = 1 and item_id >= 'wai_s_05');
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warehouse")
    write_warehouse(folder / "rows.duckdb", 400, 3)
    with connect() as con:
        attach(con, folder / "rows.duckdb", "alliance")
        con.execute(AWKWARD)
    return folder / "rows.duckdb"


@pytest.fixture
def con(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    monkeypatch.setattr(row_stream, "CELLS_AT_ONCE", 300)
    with connect() as con:
        attach(con, warehouse, "alliance", read_only=True)
        yield con


def one_null(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), None)


@pytest.mark.parametrize("rule", ["last", "mean", "s05"])
@pytest.mark.parametrize("items", [ITEM_IDS, ITEM_IDS[3::-1]], ids=["all items", "four items backwards"])
@pytest.mark.parametrize("at_once", [10_000, 60], ids=["whole sites", "portions of sites"])
def test_a_stream_of_rows_is_the_rows_read_at_once(
    con: duckdb.DuckDBPyConnection,
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
    items: tuple[str, ...],
    at_once: int,
) -> None:
    monkeypatch.setattr(row_stream, "FORMS_AT_ONCE", at_once)
    asked = {"rater": "client", "items": items, "instruments": ("wai_s",), "session_rule": rule}
    stream = SiteRows(con, origin=np.full(len(items), 4.0), **asked)
    together = read_rows(con, **asked)
    whole = pd.concat([together.keys, together.answers], axis=1)
    whole = whole.sort_values(["site_id", "unit_id"], ignore_index=True)
    assert (len(whole) == len(set(whole["unit_id"])) == 400) is (len(items) == 12), "some answered no item of the four"
    parts = list(stream.rows())
    assert len(parts) > 3
    passing = pd.concat([pd.concat([part.keys, part.answers], axis=1) for part in parts], ignore_index=True)
    np.testing.assert_array_equal(np.vstack(list(stream.answers())), passing[list(items)].to_numpy(dtype=float))
    assert passing["site_id"].is_monotonic_increasing
    ordered = passing.sort_values(["site_id", "unit_id"], ignore_index=True)
    assert passing.equals(ordered) is (at_once > 400), "a large site comes in portions, each in the order of its units"
    pd.testing.assert_frame_equal(one_null(ordered[list(whole.columns)]), one_null(whole))
    assert stream.people() == {
        "n_rows": len(whole),
        "n_clients": whole["client_id"].nunique(),
        "n_therapists": whole["therapist_id"].nunique(),
        "n_sites": 3,
    }
    assert stream.first_pass(ComponentSettings()).answered.n_rows == len(whole)


def test_a_rater_who_answered_nothing_has_no_rows(con: duckdb.DuckDBPyConnection) -> None:
    stream = SiteRows(
        con,
        rater="therapist",
        items=ITEM_IDS,
        instruments=("wai_s",),
        session_rule="last",
        origin=np.full(len(ITEM_IDS), 4.0),
    )
    assert list(stream.answers()) == list(stream.rows()) == []
    assert stream.people() == {"n_rows": 0, "n_clients": 0, "n_therapists": 0, "n_sites": 0}


def test_passes_beside_each_other_do_not_meet(con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_stream, "FORMS_AT_ONCE", 60)
    asked = {"rater": "client", "items": ITEM_IDS, "instruments": ("wai_s",), "session_rule": "last"}
    stream = SiteRows(con, origin=np.full(len(ITEM_IDS), 4.0), **asked)
    alone = list(stream.answers())
    for here, (there, part) in zip(alone, zip(stream.answers(), stream.rows(), strict=True), strict=True):
        np.testing.assert_array_equal(here, there)
        np.testing.assert_array_equal(here, part.answers.to_numpy())


def test_rows_are_made_in_little_memory_which_is_given_back(con: duckdb.DuckDBPyConnection) -> None:
    def limit() -> str:
        return str(con.execute("select current_setting('memory_limit')").fetchall()[0][0])

    asked = {"rater": "client", "items": ITEM_IDS, "instruments": ("wai_s",), "session_rule": "last"}
    stream = SiteRows(con, origin=np.full(len(ITEM_IDS), 4.0), **asked)
    had = limit()
    during = {limit() for _ in stream.answers()}
    assert during == {"61.0 MiB"} and limit() == had == "953.6 MiB"
    con.execute("set memory_limit = '32MB'")
    assert {limit() for _ in stream.answers()} == {"30.5 MiB"}, "a study that allows less is not given more"


@pytest.mark.parametrize("rule", ["last", "mean"])
@pytest.mark.parametrize(("threads", "memory"), [(1, 8_000_000), (12, 16_000_000), (2, 500_000)])
def test_a_large_site_passes_in_little_memory(
    rule: str, threads: int, memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An average that the database makes in an order holds all of its answers, more than there is room for; and each
    of its threads needs room of its own. What does not do is done again in what the study allows."""
    monkeypatch.setattr(row_stream, "MEMORY", memory)
    monkeypatch.setattr(row_stream, "FORMS_AT_ONCE", 20_000)
    write_warehouse(tmp_path / "large.duckdb", 50_000, 1)
    with connect(temp=tmp_path / "temp", threads=threads) as con:
        attach(con, tmp_path / "large.duckdb", "alliance", read_only=True)
        asked = {"rater": "client", "items": ITEM_IDS, "instruments": ("wai_s",), "session_rule": rule}
        stream = SiteRows(con, origin=np.full(len(ITEM_IDS), 4.0), **asked)
        assert sum(len(chunk) for chunk in stream.answers()) == 50_000
        assert sum(len(part.keys) for part in stream.rows()) == 50_000


def test_means_of_many_dyads_are_made_in_little_memory(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "large.duckdb", 60_000, 2)
    with connect(temp=tmp_path / "temp", threads=1, memory_limit="96MB") as con:
        attach(con, tmp_path / "large.duckdb", "alliance", read_only=True)
        rows = read_rows(con, rater="client", items=ITEM_IDS, instruments=("wai_s",), session_rule="mean")
    assert len(rows.keys) == 60_000
