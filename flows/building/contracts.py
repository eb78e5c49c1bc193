"""Columns and keys of the published tables, as the dbt contracts declare them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

MARTS = Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "marts"


@dataclass(frozen=True)
class Contract:
    """One published table: ``columns`` by name with their type, in order, and the columns of its primary ``key``."""

    columns: dict[str, str]
    key: tuple[str, ...]


@lru_cache(maxsize=8)
def contracts(schema: str) -> dict[str, Contract]:
    """The tables of a published schema by their published names; raises ``OSError`` when the project is not there."""
    found = {}
    for path in sorted((MARTS / schema).glob("_*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            columns = {column["name"]: column["data_type"].upper() for column in model["columns"]}
            found[published_name(path.parent / f"{model['name']}.sql")] = Contract(columns, _key(model))
    return found


def _key(model: dict[str, Any]) -> tuple[str, ...]:
    return next(tuple(each["columns"]) for each in model["constraints"] if each["type"] == "primary_key")


def published_name(model: Path) -> str:
    """The name under which the model in the file ``model`` is published."""
    # A model whose name another schema has as well carries its schema's name and an alias.
    alias = re.search(r"alias\s*=\s*[\"'](\w+)[\"']", model.read_text(encoding="utf-8"))
    return alias.group(1) if alias else model.stem
