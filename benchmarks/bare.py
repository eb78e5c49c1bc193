"""The rival: the shortest DuckDB script that makes the same three tables from the same files.

One table of typed long responses, one of scale scores, one wide; no lineage, no checks, no reasons, no keys.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import duckdb

from benchmarks.large_study import HEADER

CODEBOOK = Path(__file__).resolve().parent.parent / "dbt_project" / "seeds" / "codebook"
PREFIX = {"wai_s": "WAI", "haq_i": "HAQ", "calpas": "CAL"}


def run(folder: Path, database: Path, memory_limit: str) -> None:
    """Read the deliveries of `folder` and write the three tables to `database`."""
    items = ", ".join(HEADER[5:])
    con = duckdb.connect(str(database), config={"memory_limit": memory_limit, "threads": 2})
    con.execute("create table keys (item varchar, scale varchar, reversed boolean, both_ends int)")
    con.executemany("insert into keys values (?, ?, ?, ?)", _keys())
    con.execute(f"""
        create table responses as
        select filename as file, client, therapist, rater, session, cast(date as date) as date, item,
            nullif(try_cast(answer as tinyint), 99) as value
        from (unpivot (from read_csv('{folder}/deliveries/*/*.csv', all_varchar = true, filename = true))
              on {items} into name item value answer)
    """)
    con.execute("""
        create table scale_scores as
        select file, client, therapist, rater, session, scale,
            avg(case when reversed then both_ends - value else value end) as score, count(value) as n_answered
        from responses join keys using (item)
        group by all
    """)
    con.execute(f"""
        create table wide as
        select filename as file, client, therapist, rater, session, cast(date as date) as date,
            nullif(try_cast(columns([{", ".join(f"'{name}'" for name in HEADER[5:])}]) as tinyint), 99)
        from read_csv('{folder}/deliveries/*/*.csv', all_varchar = true, filename = true)
    """)
    con.close()


def _keys() -> list[tuple[str, str, bool, int]]:
    def rows(name: str) -> list[dict[str, str]]:
        with (CODEBOOK / f"{name}.csv").open(encoding="utf-8") as handle:
            return list(csv.DictReader(handle))

    ends = {row["instrument_id"]: int(row["min_value"]) + int(row["max_value"]) for row in rows("instruments")}
    reverse = {(row["instrument_id"], row["item_number"]): row["reverse_keyed"] == "true" for row in rows("items")}
    return [
        (
            f"{PREFIX[row['instrument_id']]}{row['item_number']}",
            f"{row['instrument_id']}_{row['scale_id']}",
            reverse[row["instrument_id"], row["item_number"]],
            ends[row["instrument_id"]],
        )
        for row in rows("scale_items")
        if row["instrument_id"] in PREFIX
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("--memory-limit", default="2GB")
    options = parser.parse_args()
    run(options.folder, options.database, options.memory_limit)
