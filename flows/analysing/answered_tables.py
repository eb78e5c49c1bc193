"""What findings are made from: rows of the results tables of this refresh, with their keys, and components' names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import duckdb

from flows.analysing.answered import Row


@dataclass(frozen=True, eq=False)
class Results:
    """The results tables of the attached database ``alliance``, as rows in the order of their keys."""

    con: duckdb.DuckDBPyConnection

    def rows(self, table: str, where: str = "true") -> list[Row]:
        """Rows of one table; ``table`` and ``where`` are words of this package."""
        cursor = self.con.execute(f"from alliance.results.{table} where {where} order by all")
        columns = [column[0] for column in cursor.description or []]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    @cached_property
    def analyses(self) -> dict[str, Row]:
        """The registry by id."""
        return {row["analysis_id"]: row for row in self.rows("analyses")}

    @cached_property
    def labels(self) -> dict[tuple[str, int], str]:
        """Suggested label of each component, without the brackets that say where it comes from."""
        return {
            (row["analysis_id"], row["component"]): (row["suggested_label"] or "").split(" (")[0]
            for row in self.rows("components")
        }

    def of_kind(self, kind: str, rater: str | None = None) -> Iterator[Row]:
        """Analyses of a kind that rest on all items of a rater together, or on a set the study named."""
        query = "select instrument_id from alliance.core.instruments"
        alone = {row[0] for row in self.con.execute(query).fetchall()} | {None}
        for row in self.analyses.values():
            if row["kind"] == kind and row["item_set"] not in alone and rater in (None, row["rater"]):
                yield row

    def component(self, rater: str, number: int, item_set: str) -> str:
        """`Client component 2 (Productive work)`."""
        for analysis in self.of_kind("components", rater):
            label = self.labels.get((analysis["analysis_id"], number))
            if analysis["item_set"] == item_set and label:
                return f"{rater.capitalize()} component {number} ({label})"
        return f"{rater.capitalize()} component {number}"
