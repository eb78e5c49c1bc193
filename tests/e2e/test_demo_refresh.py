"""The main job on the demo study: the real command, real dbt, real Great Expectations, a real Prefect server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from demo.finding import find_dirt
from tests.e2e.conftest import alliance

PUBLISHED = {
    "core": "sites therapists clients dyads instruments scales items forms item_responses scale_scores outcomes "
    "dyad_sessions dyad_items",
    "quality": "deliveries cell_accounting rejected_cells checks check_results orphan_forms response_patterns",
    "results": "analyses suitability retention components loadings component_correlations component_scores reliability "
    "congruence correspondence cfa_loadings cfa_correlations outcome_effects agreement emphasis site_effects",
    "meta": "refreshes changes data_dictionary",
}


@pytest.fixture
def warehouse(refreshed_demo: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(refreshed_demo / "warehouse" / "alliance.duckdb"), read_only=True)


def one(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    row = con.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_every_table_of_the_contract_is_published(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = {tuple(row) for row in warehouse.execute("select schema_name, table_name from duckdb_tables()").fetchall()}
    wanted = {(schema, table) for schema, tables in PUBLISHED.items() for table in tables.split()}
    assert wanted <= found
    assert {schema for schema, _ in found} == set(PUBLISHED)
    assert one(warehouse, "select count(*) from duckdb_views() where not internal") == 0


def test_every_table_has_a_key_a_grain_and_column_comments(warehouse: duckdb.DuckDBPyConnection) -> None:
    keyed = warehouse.execute(
        "select schema_name || '.' || table_name from duckdb_constraints() where constraint_type = 'PRIMARY KEY'"
    ).fetchall()
    tables = warehouse.execute("select schema_name || '.' || table_name, comment from duckdb_tables()").fetchall()
    assert {name for name, _ in tables} == {name for (name,) in keyed}
    assert [name for name, comment in tables if not (comment or "").startswith("One row per")] == []
    bare = warehouse.execute(
        "select table_name, column_name from duckdb_columns() where comment is null and not internal"
    )
    assert bare.fetchall() == []
    assert one(warehouse, "select count(*) from meta.data_dictionary where description is null") == 0


def test_no_number_is_none(warehouse: duckdb.DuckDBPyConnection) -> None:
    """What could not be computed is null with a reason; not-a-number and infinity pass every comparison unseen."""
    columns = warehouse.execute(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where data_type in ('DOUBLE', 'FLOAT') and database_name = 'alliance'"
    ).fetchall()
    assert len(columns) > 50
    found = [
        column
        for column in columns
        if one(warehouse, 'select count(*) from {}.{} where not isfinite("{}")'.format(*column))
    ]
    assert not found


def test_every_cell_is_accounted_for(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert one(warehouse, "select count(*) from quality.cell_accounting where unaccounted <> 0") == 0
    assert one(warehouse, "select sum(n_cells) from quality.cell_accounting") == one(
        warehouse, "select sum(n_cells) from quality.deliveries"
    )
    assert one(warehouse, "select count(*) from quality.cell_accounting") == one(
        warehouse, "select count(*) from quality.deliveries"
    )


def test_every_piece_of_dirt_is_in_its_table(refreshed_demo: Path) -> None:
    found = find_dirt(refreshed_demo, refreshed_demo / "warehouse" / "alliance.duckdb")
    missed = found[~found["is_found"]]
    assert missed.empty, missed.to_string()


def test_a_response_leads_back_to_its_cell(refreshed_demo: Path, warehouse: duckdb.DuckDBPyConnection) -> None:
    """From core to delivery, row and column, and there the very text that was delivered."""
    rows = warehouse.execute("""
        select deliveries.site_id, deliveries.file_name, responses.row_number, columns.column_name, responses.value
        from core.item_responses as responses
        inner join quality.deliveries as deliveries using (delivery_number)
        inner join quality.delivery_columns as columns using (delivery_number, column_number)
        where deliveries.site_id = 'lakeside' and responses.status = 'accepted'
        order by responses.response_id limit 200
    """).fetchall()
    assert rows
    for site_id, file_name, row_number, column_name, value in rows:
        lines = (refreshed_demo / "deliveries" / site_id / file_name).read_text(encoding="utf-8-sig").splitlines()
        header = lines[0].replace('"', "").split(",")
        cell = duckdb.sql(
            f"select * from read_csv('{refreshed_demo / 'deliveries' / site_id / file_name}', all_varchar = true)"
        ).fetchall()[row_number - 2][header.index(column_name)]
        assert float(cell) == value


def test_the_study_has_the_size_of_the_reference_study(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert one(warehouse, "select count(*) from core.sites") == 6
    assert one(warehouse, "select count(distinct client_id) from core.forms where rater = 'client'") == pytest.approx(
        176, abs=3
    )
    therapist_dyads = one(
        warehouse, "select count(distinct dyad_id) from core.forms where rater = 'therapist' and phase = 'therapy'"
    )
    assert therapist_dyads == pytest.approx(133, abs=3)


def test_no_raw_id_is_published_reported_or_logged(refreshed_demo: Path) -> None:
    """Local ids of three characters and more that are no plain numbers are looked for in all that leaves the study."""
    with duckdb.connect(str(refreshed_demo / "work" / "landing.duckdb"), read_only=True) as landing:
        ids = {row[0] for row in landing.execute("select distinct local_id from raw.pseudonyms").fetchall()}
    told = {text for text in ids if len(text) >= 4 and not text.isdigit()}
    assert len(told) > 50
    looked_at = [p for p in (refreshed_demo / "warehouse").rglob("*") if p.is_file()]
    looked_at += [p for p in (refreshed_demo / "work" / "logs").rglob("*") if p.is_file()]
    looked_at += [p for p in (refreshed_demo / "work" / "prefect").rglob("*") if p.is_file()]
    looked_at += [refreshed_demo / "work" / "last_refresh.json"]
    for path in looked_at:
        words = set(re.findall(r"[A-Za-z0-9_.-]{4,}", path.read_bytes().decode("latin-1")))
        assert not words & told, f"{path.name} holds {sorted(words & told)[:3]}"


def test_the_key_is_private_and_outside_the_warehouse(refreshed_demo: Path) -> None:
    key = refreshed_demo / "keys" / "pseudonym.key"
    assert key.stat().st_mode & 0o077 == 0
    assert key.parent.stat().st_mode & 0o077 == 0


def test_pseudonyms_are_keyed(refreshed_demo: Path) -> None:
    """Without the key nobody who knows the ids can tell who is who."""
    import hashlib
    import hmac

    key = bytes.fromhex((refreshed_demo / "keys" / "pseudonym.key").read_text().strip())
    with duckdb.connect(str(refreshed_demo / "work" / "landing.duckdb"), read_only=True) as landing:
        site, kind, local_id, pseudonym = landing.execute(
            "select site_id, kind, local_id, pseudonym from raw.pseudonyms where kind = 'client' limit 1"
        ).fetchone() or ("", "", "", "")
    message = "\x1f".join((site, kind, local_id)).encode()
    assert pseudonym[3:] == hmac.new(key, message, hashlib.sha256).hexdigest()[:16]
    assert pseudonym[3:] != hashlib.sha256(message).hexdigest()[:16]


def test_manifest_names_the_files_and_their_hashes(refreshed_demo: Path) -> None:
    import hashlib

    manifest = json.loads((refreshed_demo / "warehouse" / "manifest.json").read_text())
    published = refreshed_demo / "warehouse" / "alliance.duckdb"
    assert manifest["files"]["alliance.duckdb"]["sha256"] == hashlib.sha256(published.read_bytes()).hexdigest()
    assert manifest["tables"]["core.forms"] > 500


def test_status_and_query_answer(refreshed_demo: Path) -> None:
    status = json.loads(alliance("status", refreshed_demo, "--json").stdout)
    assert status["refresh"]["n_forms"] > 500
    assert {row["site_id"] for row in status["arrivals"]} >= {"north", "lakeside"}
    assert any(row["severity"] == "warning" for row in status["not_passed"])
    answer = alliance("query", "select count(*) as n from core.dyads", "-s", refreshed_demo, "--format", "json")
    assert json.loads(answer.stdout)[0]["n"] > 150
    table = alliance("query", "from core.sites order by site_id", "-s", refreshed_demo)
    assert "hillside" in table.stdout


def test_storage_is_readable_by_old_clients(warehouse: duckdb.DuckDBPyConnection) -> None:
    tags = one(warehouse, "select tags['storage_version'] from duckdb_databases() where database_name = 'alliance'")
    assert str(tags).startswith("v1.0")
