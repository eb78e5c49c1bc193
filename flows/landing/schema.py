"""Tables of ``work/landing.duckdb``, schema ``raw``: names, columns and types.

What lasts (deliveries and all that was read of them, pseudonyms, problems) is only ever added to, or replaced by
reading the same bytes again. The layout is written anew by each refresh.
"""

from __future__ import annotations

import pandas as pd

from flows.landing.layout_tables import LAYOUT_TABLES
from flows.landing.records import SEPARATOR
from flows.settings.codebook import Codebook

LASTING: dict[str, str] = {
    "deliveries": """
        delivery_number integer primary key, site_id varchar not null, file_spec varchar not null,
        file_name varchar not null, content_hash varchar not null, size_bytes bigint, format varchar,
        n_rows bigint, n_columns integer, n_cells bigint, delivered_on date, landed_at timestamp,
        refresh_id varchar, reader_settings varchar, order_number integer, unique (site_id, content_hash)""",
    "delivery_columns": """
        delivery_number integer, column_number integer, column_name varchar, value_labels varchar,
        missing_values varchar, primary key (delivery_number, column_number)""",
    # No index: a file lands whole or not at all, and an index over every record would cost more than the records.
    "stored_records": "delivery_number integer, row_number integer, packed varchar, listed varchar[]",
    # Unique by (site_id, kind, local_id): only ids that are not there are added. An index would double the time.
    "pseudonyms": "site_id varchar, kind varchar, local_id varchar, pseudonym varchar not null",
    "landing_problems": """
        refresh_id varchar, site_id varchar, file_name varchar, row_number integer, column_name varchar,
        problem varchar, message varchar, action varchar, severity varchar, noted_at timestamp""",
}

RECORDS_VIEW = f"""
    create or replace view raw.records as
    select delivery_number, row_number,
        case when packed is not null then string_split(packed, chr({ord(SEPARATOR)})) else listed end as cells
    from raw.stored_records
"""

# Rewritten by each refresh, beside the layout's own tables.
_OTHERS: dict[str, dict[str, str]] = {
    "codebook_instruments": {
        "instrument_id": "VARCHAR",
        "name": "VARCHAR",
        "version": "VARCHAR",
        "domain": "VARCHAR",
        "min_value": "DOUBLE",
        "max_value": "DOUBLE",
        "step": "DOUBLE",
        "higher_is": "VARCHAR",
        "raters": "VARCHAR",
        "status": "VARCHAR",
        "source": "VARCHAR",
        "note": "VARCHAR",
        "origin": "VARCHAR",
    },
    "codebook_scales": {
        "instrument_id": "VARCHAR",
        "scale_id": "VARCHAR",
        "scale_number": "INTEGER",
        "name": "VARCHAR",
        "method": "VARCHAR",
        "kind": "VARCHAR",
        "status": "VARCHAR",
        "note": "VARCHAR",
        "origin": "VARCHAR",
    },
    "codebook_items": {
        "instrument_id": "VARCHAR",
        "item_number": "INTEGER",
        "item_id": "VARCHAR",
        "reverse_keyed": "BOOLEAN",
        "topic": "VARCHAR",
        "theme": "VARCHAR",
        "overlaps_outcome": "BOOLEAN",
        "min_value": "DOUBLE",
        "max_value": "DOUBLE",
        "origin": "VARCHAR",
    },
    "codebook_scale_items": {
        "instrument_id": "VARCHAR",
        "scale_id": "VARCHAR",
        "item_number": "INTEGER",
        "origin": "VARCHAR",
    },
    "codebook_themes": {"theme_id": "VARCHAR", "name": "VARCHAR", "description": "VARCHAR", "origin": "VARCHAR"},
    "changed_sites": {"site_id": "VARCHAR"},
    "site_states": {"site_id": "VARCHAR", "fingerprint": "VARCHAR"},
    "withdrawals": {"site_id": "VARCHAR", "client_id": "VARCHAR", "reason": "VARCHAR"},
}

REWRITTEN: dict[str, dict[str, str]] = {**LAYOUT_TABLES, **_OTHERS}


def columns_sql(table: str) -> str:
    """The column list of a rewritten table."""
    return ", ".join(f"{name} {kind}" for name, kind in REWRITTEN[table].items())


def codebook_frames(codebook: Codebook) -> dict[str, pd.DataFrame]:
    """The codebook's frames by the names they have in ``raw``, scales numbered from 1 within their instrument."""
    frames = {f"codebook_{name}": frame for name, frame in codebook.frames().items()}
    scales = frames["codebook_scales"]
    frames["codebook_scales"] = scales.assign(scale_number=scales.groupby("instrument_id").cumcount() + 1)
    return frames
