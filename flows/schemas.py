"""JSON Schemas of study.yml and sites/*.yml for editors: ``python -m flows.schemas`` writes them into the docs."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from flows.settings.site_models import SiteSettings
from flows.settings.study_models import StudySettings

SCHEMA_DIR = Path(__file__).resolve().parent.parent / "docs" / "reference" / "schema"
SCHEMAS: dict[str, type[BaseModel]] = {"study.schema.json": StudySettings, "site.schema.json": SiteSettings}


def schema_text(model: type[BaseModel]) -> str:
    """The JSON Schema (2020-12) of a settings model as it is written to its file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode="validation")}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path = SCHEMA_DIR) -> list[Path]:
    """Writes all schemas into ``folder`` and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, model in SCHEMAS.items():
        path = folder / name
        path.write_text(schema_text(model), encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for each in write_schemas():
        print(each.name)
