"""Small warehouses for tests of the report, with the columns that the published contracts declare."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import yaml

MARTS = Path(__file__).parents[2] / "dbt_project" / "models" / "marts"
REFRESH = "20260301T120000Z"
NOW = dt.datetime(2026, 3, 1, 12, 0)

Rows = dict[str, list[dict[str, Any]]]


def contracts() -> dict[str, dict[str, str]]:
    """Columns with types of every published table, by schema and name."""
    found = {}
    for file in sorted(MARTS.glob("*/*.yml")):
        for model in yaml.safe_load(file.read_text()).get("models") or []:
            name = model["name"].removeprefix("core_")
            # the lists of names that some columns are limited to come with a build's codebook
            columns = {
                column["name"]: "varchar" if column["data_type"].startswith("alliance.") else column["data_type"]
                for column in model["columns"]
            }
            found[f"{file.parent.name}.{name}"] = columns
    return found


def make_warehouse(path: Path, rows: Rows, *, without: tuple[str, ...] = ()) -> Path:
    """A file with all published tables, filled with ``rows`` by column name; ``without`` leaves tables out."""
    with duckdb.connect(str(path)) as con:
        for schema in ("core", "quality", "results", "meta"):
            con.execute(f"create schema {schema}")
        for table, columns in contracts().items():
            if table in without:
                continue
            con.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
            for row in rows.get(table, []):
                names = ", ".join(row)
                con.execute(f"insert into {table} ({names}) values ({', '.join('?' * len(row))})", list(row.values()))
    return path


def refresh_row(refresh_id: str = REFRESH, kind: str = "full", title: str = "A study of alliance") -> dict[str, Any]:
    """A row of meta.refreshes."""
    return {
        "refresh_id": refresh_id,
        "started_at": NOW,
        "finished_at": NOW,
        "kind": kind,
        "status": "published",
        "n_new_deliveries": 2,
        "n_forms": 8,
        "n_responses": 1234,
        "code_version": "0.1.0",
        "settings": json.dumps({"study": {"study": "trial", "title": title}}),
        "duration_seconds": 75.0,
    }


def study(sites: int = 2, *, name: str = "Clinic {}", file_name: str = "ratings_{}.csv", therapists: int = 3) -> Rows:
    """A study with deliveries, forms and checks of ``sites`` sites, and no analysis."""
    ids = [f"site_{number:02d}" for number in range(1, sites + 1)]
    rows: Rows = {
        "meta.refreshes": [refresh_row()],
        "core.sites": [
            {
                "site_id": site,
                "name": name.format(place),
                "expected_clients": 20 if place == 1 else None,
                "n_clients": 12,
                "n_therapists": therapists,
                "n_dyads": 12 if therapists else 0,
                "n_forms": 4,
            }
            for place, site in enumerate(ids, start=1)
        ],
        "core.instruments": [
            instrument("wai_s", "Working Alliance Inventory", "alliance", "confirmed"),
            instrument("calpas", "California Psychotherapy Alliance Scales", "alliance", "unverified"),
        ],
        "core.items": [item(f"wai_s_{n:02d}", "wai_s", n) for n in range(1, 7)],
        "core.scales": [{"instrument_id": "wai_s", "scale_id": "total", "name": "Total"}],
        "quality.checks": [
            {
                "check_id": "missing_rate",
                "name": "Most items are answered.",
                "description": "Items of forms without an answer.",
                "severity": "warning",
                "direction": "at_most",
                "threshold": 0.2,
                "threshold_reason": "Above one in five results depend on the treatment.",
            }
        ],
    }
    for place, site in enumerate(ids, start=1):
        for table, row in _of_site(place, site, file_name.format(place), therapists):
            rows.setdefault(table, []).append(row)
    return rows


def instrument(instrument_id: str, name: str, domain: str, status: str) -> dict[str, Any]:
    """A row of core.instruments."""
    return {
        "instrument_id": instrument_id,
        "name": name,
        "version": "test version",
        "domain": domain,
        "status": status,
        "min_value": 1.0,
        "max_value": 7.0,
        "source": "A source",
        "origin": "built_in",
    }


def item(item_id: str, instrument_id: str, number: int, topic: str = "a topic") -> dict[str, Any]:
    """A row of core.items."""
    return {"item_id": item_id, "instrument_id": instrument_id, "item_number": number, "topic": topic}


def _of_site(place: int, site: str, file_name: str, therapists: int) -> list[tuple[str, dict[str, Any]]]:
    delivery = {"delivery_number": place, "site_id": site}
    made: list[tuple[str, dict[str, Any]]] = [
        (
            "quality.deliveries",
            delivery | {"file_spec": "ratings", "file_name": file_name, "n_cells": 100, "landed_at": NOW},
        ),
        (
            "quality.cell_accounting",
            delivery
            | {"n_cells": 100, "accepted": 80, "blank": 10, "declared_missing": 1, "rejected": 2}
            | {"superseded": 3, "withdrawn": 0, "not_mapped": 4, "unaccounted": 0},
        ),
    ]
    raters = ("client", "therapist") if therapists else ("client",)
    for number, instrument_id in enumerate(("wai_s", "calpas"), start=1):
        for turn, rater in enumerate(raters, start=1):
            form = {
                "form_id": place * 100 + number * 10 + turn,
                "site_id": site,
                "instrument_id": instrument_id,
                "rater": rater,
            }
            made.append(("core.forms", form | {"phase": "therapy", "session_id": "s05"}))
            made.append(("quality.response_patterns", form | {"n_answered": 6, "flagged": number == 1}))
            counts = {"item_id": f"{instrument_id}_01", "n_forms": 10, "n_answered": 9}
            others = {"n_blank": 1, "n_declared_missing": 0, "n_rejected": 0}
            key = {"site_id": site, "instrument_id": instrument_id, "rater": rater}
            made.append(("quality.item_measures", key | counts | others))
    return made


def check_result(number: int, site: str, status: str, **more: Any) -> dict[str, Any]:
    """A row of quality.check_results: 30 of 100 where at most 0.2 is expected."""
    row = {
        "check_result_id": number,
        "refresh_id": REFRESH,
        "check_id": "missing_rate",
        "site_id": site,
        "instrument_id": "wai_s",
        "rater": "client",
        "subject": "",
        "status": status,
        "severity": "warning",
        "numerator": 30.0,
        "denominator": 100.0,
        "measured": 0.3,
        "threshold": 0.2,
        "threshold_reason": "Above one in five results depend on the treatment.",
        "reason": None if status == "pass" else "measured 0.3 (30 of 100), expected at most 0.2",
        "failing_keys": json.dumps(["cl_0123456789abcdef"]),
    }
    return row | more
