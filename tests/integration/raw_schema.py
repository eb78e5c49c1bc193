"""The tables of landing.duckdb, empty, for tests and benchmarks that need no files to land."""

from __future__ import annotations

import duckdb

from flows.landing.schema import LASTING, REWRITTEN, columns_sql


def create_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates schema raw with every table that dbt reads, empty, in the connection's default database.

    ``raw.records`` is a table here, where landing keeps a view over its packed records; dbt sees the same columns.
    """
    connection.execute("CREATE SCHEMA raw")
    for table, columns in LASTING.items():
        if table != "stored_records":
            connection.execute(f"CREATE TABLE raw.{table} ({columns})")
    connection.execute("CREATE TABLE raw.records (delivery_number INTEGER, row_number INTEGER, cells VARCHAR[])")
    for table in REWRITTEN:
        connection.execute(f"CREATE TABLE raw.{table} ({columns_sql(table)})")
