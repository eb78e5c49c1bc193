"""Every example of docs/reference/study.md is read as the kind of settings it says it is."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from flows.schemas import SCHEMA_DIR, SCHEMAS, schema_text
from flows.settings.codebook import load_codebook
from flows.settings.study import parse_site_settings, parse_study_settings
from flows.settings.study_models import AnalysisSettings, FileSettings, FormSettings, SiteSettings, StudySettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "study.md"
EXAMPLES = [
    pytest.param(kind, text, id=f"{kind}-line-{PAGE.read_text()[: found.start()].count(chr(10)) + 1}")
    for found in re.finditer(r"^```yaml ?(\w*)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for kind, text in [found.groups()]
]
STUDY = "study: s\ntitle: S\nsessions: [{session: s05, numbers: [3, 7]}, {session: last}]\n"


def _list_entry(text: str, indent: str) -> str:
    return textwrap.indent("- " + textwrap.indent(text, "  ").lstrip(), indent)


def _site_with(kind: str, text: str) -> str:
    if kind == "site":
        return text
    if kind == "form":
        head = "name: f\npattern: f.csv\nformat: csv\nclient: id\nsession: session\nforms:\n"
        text = head + _list_entry(text, "  ")
    return "site: north\nname: North\nfiles:\n" + _list_entry(text, "  ")


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_example_is_valid(kind: str, text: str) -> None:
    if kind == "study":
        settings, problems = parse_study_settings(text)
        assert settings is not None
    else:
        assert kind in ("site", "file", "form"), "name the kind of settings after ```yaml"
        settings, _ = parse_study_settings(STUDY)
        site, problems = parse_site_settings(_site_with(kind, text), settings, load_codebook())
        assert site is not None, problems
    assert [str(each) for each in problems] == []


def test_page_shows_every_key() -> None:
    page = PAGE.read_text()
    for model in (StudySettings, AnalysisSettings, SiteSettings, FileSettings, FormSettings):
        for key in model.model_fields:
            assert re.search(rf"`{key}`|\b{key}:", page), f"{model.__name__}.{key} is not on the page"


def test_page_gives_the_defaults_of_the_models() -> None:
    page = PAGE.read_text()
    for model in (StudySettings, AnalysisSettings):
        for key, field in model.model_fields.items():
            if isinstance(field.default, str | int | float) and not isinstance(field.default, bool):
                row = re.search(rf"^\| `{key}` \| `?([^|`]+)`? \|", page, re.MULTILINE)
                assert row is not None, f"{key} has no row in a table"
                shown = row.group(1).strip()
                same = shown == field.default if isinstance(field.default, str) else float(shown) == field.default
                assert same, f"{key}: the page says {shown}, the model {field.default}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_written_schema_is_fresh(name: str) -> None:
    written = (SCHEMA_DIR / name).read_text(encoding="utf-8")
    assert written == schema_text(SCHEMAS[name]), "run `python -m flows.schemas`"


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_forbids_unknown_keys_and_accepts_shorthands(name: str) -> None:
    schema = json.loads(schema_text(SCHEMAS[name]))
    assert schema["additionalProperties"] is False
    assert all(each.get("additionalProperties") is False for each in schema["$defs"].values() if "properties" in each)
    if name == "site.schema.json":
        client = schema["$defs"]["FormSettings"]["properties"]["client"]
        assert {"type": "string"} in client["anyOf"]
