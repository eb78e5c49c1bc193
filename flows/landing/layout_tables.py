"""The tables that a study's settings and headers are resolved to: their columns, DuckDB types, and frames of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

# Table of schema raw -> column -> DuckDB type. In layout_rules, labels_only is true where labels are numbers
# themselves (-3 stands for 1): a number that is no label is then no answer either.
LAYOUT_TABLES: dict[str, dict[str, str]] = {
    "study_settings": {"setting": "VARCHAR", "value": "VARCHAR"},
    "sites": {
        "site_id": "VARCHAR",
        "name": "VARCHAR",
        "expected_clients": "INTEGER",
        "expected_by": "DATE",
        "expected_every_days": "INTEGER",
        "max_clients_per_therapist": "INTEGER",
    },
    "site_instruments": {"site_id": "VARCHAR", "instrument_id": "VARCHAR", "rater": "VARCHAR"},
    "sessions": {
        "session_id": "VARCHAR",
        "session_order": "INTEGER",
        "label": "VARCHAR",
        "from_number": "DOUBLE",
        "to_number": "DOUBLE",
        "target_number": "DOUBLE",
        "from_day": "INTEGER",
        "to_day": "INTEGER",
    },
    "layout_blocks": {
        "block_id": "INTEGER",
        "delivery_number": "INTEGER",
        "site_id": "VARCHAR",
        "file_spec": "VARCHAR",
        "block_name": "VARCHAR",
        "instrument_id": "VARCHAR",
        "shape": "VARCHAR",
        "phase": "VARCHAR",
        "orientation": "VARCHAR",
        "rater": "VARCHAR",
        "rater_column": "INTEGER",
        "client_column": "INTEGER",
        "therapist_column": "INTEGER",
        "episode_column": "INTEGER",
        "session": "VARCHAR",
        "session_column": "INTEGER",
        "date_column": "INTEGER",
        "date_format": "VARCHAR",
        "filter_column": "INTEGER",
        "filter_values": "VARCHAR[]",
        "item_code_column": "INTEGER",
        "value_column": "INTEGER",
        "bound_columns": "INTEGER[]",
        "decimal_mark": "VARCHAR",
        "shift": "DOUBLE",
        "is_current": "BOOLEAN",
        "delivery_rank": "INTEGER",
    },
    "layout_bindings": {
        "block_id": "INTEGER",
        "column_number": "INTEGER",
        "item_number": "INTEGER",
        "scale_id": "VARCHAR",
        "rule_id": "INTEGER",
    },
    "layout_item_codes": {
        "block_id": "INTEGER",
        "item_code": "VARCHAR",
        "item_number": "INTEGER",
        "scale_id": "VARCHAR",
        "rule_id": "INTEGER",
    },
    "layout_rules": {
        "rule_id": "INTEGER",
        "instrument_id": "VARCHAR",
        "shift": "DOUBLE",
        "decimal_mark": "VARCHAR",
        "min_value": "DOUBLE",
        "max_value": "DOUBLE",
        "step": "DOUBLE",
        "case_sensitive": "BOOLEAN",
        "labels_only": "BOOLEAN",
    },
    "layout_labels": {"rule_id": "INTEGER", "label": "VARCHAR", "value": "DOUBLE"},
    "layout_missing": {"rule_id": "INTEGER", "code": "VARCHAR", "reason": "VARCHAR"},
    "layout_value_maps": {"block_id": "INTEGER", "role": "VARCHAR", "raw_value": "VARCHAR", "mapped": "VARCHAR"},
    "layout_columns": {
        "delivery_number": "INTEGER",
        "column_number": "INTEGER",
        "column_name": "VARCHAR",
        "role": "VARCHAR",
        "block_name": "VARCHAR",
        "instrument_id": "VARCHAR",
        "item_number": "INTEGER",
        "scale_id": "VARCHAR",
    },
}

# An empty or all-null column of objects would reach DuckDB as integers; these dtypes keep their type without values.
_DTYPES: dict[str, Any] = {
    "VARCHAR": "string",
    "INTEGER": "Int32",
    "DOUBLE": "Float64",
    "BOOLEAN": "boolean",
    "DATE": pd.ArrowDtype(pa.date32()),
    "INTEGER[]": pd.ArrowDtype(pa.list_(pa.int32())),
    "VARCHAR[]": pd.ArrowDtype(pa.list_(pa.string())),
}


def make_frame(table: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of one of `LAYOUT_TABLES` as a frame that DuckDB reads with the table's types; absent keys are null.

    Raises KeyError for a key that is no column of the table.
    """
    columns = LAYOUT_TABLES[table]
    held = list(rows)
    for row in held:
        for key in row:
            if key not in columns:
                raise KeyError(f"{table} has no column {key}")
    return pd.DataFrame(
        {column: pd.Series([row.get(column) for row in held], dtype=_DTYPES[kind]) for column, kind in columns.items()}
    )
