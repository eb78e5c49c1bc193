"""Makes a large landing.duckdb straight in SQL, so that the dbt build can be timed without landing any file.

    python benchmarks/make_landing.py landing.duckdb --sites 50 --records 10000

Each site has one wide delivery of `records` records (12 + 11 + 24 items of WAI-S, HAq-I and CALPAS). Half of the
records are the clients' and half the therapists' of the same dyads, at four sessions; about 2 % of the cells are blank,
one in a thousand is out of range.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flows.landing.records import SEPARATOR
from flows.landing.schema import LASTING, RECORDS_VIEW, codebook_frames
from flows.settings.codebook import load_codebook
from tests.integration.raw_schema import create_raw_tables

INSTRUMENTS = ("wai_s", "haq_i", "calpas")
KEY_COLUMNS = ("client", "therapist", "rater", "session", "date")
SESSIONS_PER_DYAD = 4
DYADS_PER_THERAPIST = 8


def insert_codebook(connection: duckdb.DuckDBPyConnection) -> None:
    """Fills raw.codebook_* with the shipped codebook, by column name."""
    for table, frame in codebook_frames(load_codebook()).items():
        connection.register("frame", frame)
        columns = ", ".join(frame.columns)
        connection.execute(f"INSERT INTO raw.{table} ({columns}) SELECT {columns} FROM frame")
        connection.unregister("frame")


def insert_configuration(connection: duckdb.DuckDBPyConnection, n_sites: int) -> None:
    """Fills the settings, sites and sessions of a study of `n_sites` sites, all of them changed."""
    connection.execute("""
        INSERT INTO raw.study_settings VALUES ('study_id', 'large'), ('title', 'Large study'),
            ('min_share_answered', '0.8'), ('refresh_id', 'r0001'), ('refreshed_at', '2024-07-01T00:00:00'),
            ('code_version', 'benchmark'), ('today', '2024-07-01'), ('pairing_max_days', '14')""")
    connection.execute(
        "INSERT INTO raw.sites SELECT 'site_' || lpad(range::VARCHAR, 2, '0'), 'Site ' || range, NULL, NULL, NULL, NULL"
        " FROM range(1, ? + 1)",
        [n_sites],
    )
    connection.execute("INSERT INTO raw.changed_sites SELECT site_id FROM raw.sites")
    connection.execute("INSERT INTO raw.site_states SELECT site_id, 'x' FROM raw.sites")
    connection.execute(
        "INSERT INTO raw.site_instruments SELECT site_id, i, r FROM raw.sites, unnest(?) t(i),"
        " unnest(['client', 'therapist']) u(r)",
        [list(INSTRUMENTS)],
    )
    connection.execute("""
        INSERT INTO raw.sessions VALUES ('early', 1, 'Session 3', 2, 4, 3, NULL, NULL),
            ('s05', 2, 'Session 5', 5, 8, 5, NULL, NULL), ('late', 3, 'Session 12', 9, 14, 12, NULL, NULL),
            ('last', 4, 'Last session', NULL, NULL, NULL, NULL, NULL)""")


def insert_layout(connection: duckdb.DuckDBPyConnection, n_sites: int) -> int:
    """Fills the layout: per site one delivery of three blocks. Returns the number of columns of a delivery."""
    counts = {i: len(load_codebook().items(i)) for i in INSTRUMENTS}
    n_columns = len(KEY_COLUMNS) + sum(counts.values())
    for rule, instrument in enumerate(INSTRUMENTS, start=1):
        connection.execute(
            "INSERT INTO raw.layout_rules SELECT ?, instrument_id, 0, '.', min_value, max_value, step, FALSE, FALSE"
            " FROM raw.codebook_instruments WHERE instrument_id = ?",
            [rule, instrument],
        )
        connection.execute("INSERT INTO raw.layout_missing VALUES (?, 'n/a', 'no answer')", [rule])
    for site in range(1, n_sites + 1):
        first = len(KEY_COLUMNS) + 1
        for offset, instrument in enumerate(INSTRUMENTS):
            block, columns = (site - 1) * 3 + offset + 1, list(range(first, first + counts[instrument]))
            first += counts[instrument]
            connection.execute(
                "INSERT INTO raw.layout_blocks SELECT ?, ?, 'site_' || lpad(?::VARCHAR, 2, '0'), 'ratings', ?, ?,"
                " 'wide', 'therapy', 'as_administered', NULL, 3, 1, 2, NULL, NULL, 4, 5, 'iso', NULL, NULL, NULL, NULL,"
                " ?, '.', 0, TRUE, ?",
                [block, site, site, instrument, instrument, columns, site],
            )
            connection.executemany(
                "INSERT INTO raw.layout_bindings VALUES (?, ?, ?, NULL, ?)",
                [[block, column, number, offset + 1] for number, column in enumerate(columns, start=1)],
            )
            connection.execute(
                "INSERT INTO raw.layout_value_maps VALUES (?, 'rater', 'c', 'client'), (?, 'rater', 't', 'therapist')",
                [block, block],
            )
    connection.execute("""
        INSERT INTO raw.layout_columns
        SELECT delivery_number, column_number, instrument_id || item_number, 'item', block_name, instrument_id,
            item_number, NULL
        FROM raw.layout_bindings JOIN raw.layout_blocks USING (block_id)""")
    connection.execute(
        "INSERT INTO raw.layout_columns SELECT s, k, name, name, NULL, NULL, NULL, NULL FROM range(1, ? + 1) a(s),"
        " (SELECT unnest(?) AS name, generate_subscripts(?, 1) AS k)",
        [n_sites, list(KEY_COLUMNS), list(KEY_COLUMNS)],
    )
    connection.execute(
        "INSERT INTO raw.delivery_columns SELECT delivery_number, column_number, column_name, NULL, NULL"
        " FROM raw.layout_columns"
    )
    return n_columns


def insert_records(connection: duckdb.DuckDBPyConnection, n_sites: int, n_records: int, n_columns: int) -> None:
    """Fills records and pseudonyms site by site; the answers follow from a hash and so are the same in every run."""
    n_items = n_columns - len(KEY_COLUMNS)
    connection.execute("DROP TABLE raw.records")
    connection.execute(f"CREATE TABLE raw.stored_records ({LASTING['stored_records']})")
    connection.execute(RECORDS_VIEW)
    for site in range(1, n_sites + 1):
        connection.execute(f"""
            INSERT INTO raw.stored_records
            SELECT {site}, r + 2, array_to_string(list_concat(
                ['c' || dyad, 't' || (dyad // {DYADS_PER_THERAPIST}), if(r % 2 = 0, 'C', 'T'),
                 (ARRAY['3', '5', '12', 'last'])[s + 1],
                 ((DATE '2023-01-01' + ((dyad % 200) + 30 * s)::INTEGER)::DATE)::VARCHAR],
                list_transform(range(1, {n_items} + 1), lambda i: CASE
                    WHEN hash(r, i, {site}) % 50 = 0 THEN ''
                    WHEN hash(i, r, {site}) % 1000 = 0 THEN '9'
                    ELSE (1 + hash({site}, dyad, i, r % 2, s) % if(i BETWEEN 13 AND 23, 6, 7))::VARCHAR END)),
                chr({ord(SEPARATOR)})), NULL
            FROM (SELECT range AS r, range // {2 * SESSIONS_PER_DYAD} AS dyad, (range // 2) % {SESSIONS_PER_DYAD} AS s
                  FROM range({n_records}))""")
        connection.execute(f"""
            INSERT INTO raw.deliveries VALUES ({site}, 'site_' || lpad('{site}', 2, '0'), 'ratings', 'ratings.csv',
                md5('{site}'), 0, 'csv', {n_records}, {n_columns}, {n_records * n_columns}, NULL,
                TIMESTAMP '2024-07-01 00:00:00', 'r0001', '{{}}')""")
    connection.execute("""
        INSERT INTO raw.pseudonyms
        SELECT DISTINCT site_id, 'client', cells[1], 'cl_' || left(md5(site_id || 'c' || cells[1]), 16)
        FROM raw.records JOIN raw.deliveries USING (delivery_number)
        UNION ALL
        SELECT DISTINCT site_id, 'therapist', cells[2], 'th_' || left(md5(site_id || 't' || cells[2]), 16)
        FROM raw.records JOIN raw.deliveries USING (delivery_number)""")


def make_landing(path: Path, n_sites: int, n_records: int) -> None:
    """Writes landing.duckdb to `path`, which must not exist yet."""
    with duckdb.connect(str(path)) as connection:
        create_raw_tables(connection)
        insert_codebook(connection)
        insert_configuration(connection, n_sites)
        n_columns = insert_layout(connection, n_sites)
        insert_records(connection, n_sites, n_records, n_columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--records", type=int, default=10_000)
    arguments = parser.parse_args()
    make_landing(arguments.path, arguments.sites, arguments.records)
