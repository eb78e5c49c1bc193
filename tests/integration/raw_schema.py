"""The tables of landing.duckdb as dbt reads them, for tests and benchmarks that need no files to land."""

from __future__ import annotations

import duckdb

RAW_TABLES: dict[str, str] = {
    "deliveries": """delivery_number INTEGER PRIMARY KEY, site_id VARCHAR, file_spec VARCHAR, file_name VARCHAR,
        content_hash VARCHAR, size_bytes BIGINT, format VARCHAR, n_rows BIGINT, n_columns INTEGER, n_cells BIGINT,
        delivered_on DATE, landed_at TIMESTAMP, refresh_id VARCHAR, reader_settings VARCHAR""",
    "delivery_columns": """delivery_number INTEGER, column_number INTEGER, column_name VARCHAR, value_labels VARCHAR,
        missing_values VARCHAR, PRIMARY KEY (delivery_number, column_number)""",
    "records": "delivery_number INTEGER, row_number INTEGER, cells VARCHAR[]",
    "pseudonyms": """site_id VARCHAR, kind VARCHAR, local_id VARCHAR, pseudonym VARCHAR,
        PRIMARY KEY (site_id, kind, local_id)""",
    "landing_problems": """refresh_id VARCHAR, site_id VARCHAR, file_name VARCHAR, row_number INTEGER,
        column_name VARCHAR, problem VARCHAR, message VARCHAR, action VARCHAR, severity VARCHAR, noted_at TIMESTAMP""",
    "study_settings": "setting VARCHAR PRIMARY KEY, value VARCHAR",
    "sites": """site_id VARCHAR PRIMARY KEY, name VARCHAR, expected_clients INTEGER, expected_by DATE,
        expected_every_days INTEGER, max_clients_per_therapist INTEGER""",
    "site_instruments": "site_id VARCHAR, instrument_id VARCHAR, rater VARCHAR",
    "sessions": """session_id VARCHAR PRIMARY KEY, session_order INTEGER, label VARCHAR, from_number DOUBLE,
        to_number DOUBLE, target_number DOUBLE, from_day INTEGER, to_day INTEGER""",
    "codebook_instruments": """instrument_id VARCHAR, name VARCHAR, version VARCHAR, domain VARCHAR, min_value DOUBLE,
        max_value DOUBLE, step DOUBLE, higher_is VARCHAR, raters VARCHAR, status VARCHAR, source VARCHAR,
        note VARCHAR, origin VARCHAR""",
    "codebook_scales": """instrument_id VARCHAR, scale_id VARCHAR, scale_number INTEGER, name VARCHAR, method VARCHAR,
        kind VARCHAR, status VARCHAR, note VARCHAR, origin VARCHAR""",
    "codebook_items": """instrument_id VARCHAR, item_number INTEGER, item_id VARCHAR, reverse_keyed BOOLEAN,
        topic VARCHAR, theme VARCHAR, overlaps_outcome BOOLEAN, min_value DOUBLE, max_value DOUBLE, origin VARCHAR""",
    "codebook_scale_items": "instrument_id VARCHAR, scale_id VARCHAR, item_number INTEGER, origin VARCHAR",
    "codebook_themes": "theme_id VARCHAR, name VARCHAR, description VARCHAR, origin VARCHAR",
    "changed_sites": "site_id VARCHAR PRIMARY KEY",
    "site_states": "site_id VARCHAR PRIMARY KEY, fingerprint VARCHAR",
    "withdrawals": "site_id VARCHAR, client_id VARCHAR, reason VARCHAR",
    "layout_blocks": """block_id INTEGER PRIMARY KEY, delivery_number INTEGER, site_id VARCHAR, file_spec VARCHAR,
        block_name VARCHAR, instrument_id VARCHAR, shape VARCHAR, phase VARCHAR, orientation VARCHAR, rater VARCHAR,
        rater_column INTEGER, client_column INTEGER, therapist_column INTEGER, episode_column INTEGER,
        session VARCHAR, session_column INTEGER, date_column INTEGER, date_format VARCHAR, filter_column INTEGER,
        filter_values VARCHAR[], item_code_column INTEGER, value_column INTEGER, bound_columns INTEGER[],
        decimal_mark VARCHAR, shift DOUBLE, is_current BOOLEAN, delivery_rank INTEGER""",
    "layout_bindings": """block_id INTEGER, column_number INTEGER, item_number INTEGER, scale_id VARCHAR,
        rule_id INTEGER, PRIMARY KEY (block_id, column_number)""",
    "layout_item_codes": """block_id INTEGER, item_code VARCHAR, item_number INTEGER, scale_id VARCHAR,
        rule_id INTEGER, PRIMARY KEY (block_id, item_code)""",
    "layout_rules": """rule_id INTEGER PRIMARY KEY, instrument_id VARCHAR, shift DOUBLE, decimal_mark VARCHAR,
        min_value DOUBLE, max_value DOUBLE, step DOUBLE, case_sensitive BOOLEAN, labels_only BOOLEAN""",
    "layout_labels": "rule_id INTEGER, label VARCHAR, value DOUBLE",
    "layout_missing": "rule_id INTEGER, code VARCHAR, reason VARCHAR",
    "layout_value_maps": "block_id INTEGER, role VARCHAR, raw_value VARCHAR, mapped VARCHAR",
    "layout_columns": """delivery_number INTEGER, column_number INTEGER, column_name VARCHAR, role VARCHAR,
        block_name VARCHAR, instrument_id VARCHAR, item_number INTEGER, scale_id VARCHAR""",
}


def create_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates schema raw with every table, empty, in the connection's default database."""
    connection.execute("CREATE SCHEMA raw")
    for table, columns in RAW_TABLES.items():
        connection.execute(f"CREATE TABLE raw.{table} ({columns})")
