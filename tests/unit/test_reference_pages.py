"""The generated reference pages are those that the code of today makes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from flows.cli import app
from flows.reference_pages import PAGES, REFERENCE_DIR


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_is_fresh(name: str) -> None:
    written = (REFERENCE_DIR / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run `python -m flows.reference_pages` and commit what it writes"


def test_every_published_table_has_a_section_with_its_grain() -> None:
    sections = PAGES["warehouse.md"]().split("\n### ")[1:]
    assert len(sections) == len({section.splitlines()[0] for section in sections}) >= 45
    assert [
        section.splitlines()[0] for section in sections if not section.splitlines()[2].startswith("One row per")
    ] == []
    assert [section.splitlines()[0] for section in sections if "| **`" not in section] == []


def test_every_command_and_option_is_named() -> None:
    page = PAGES["cli.md"]()
    for words in ("## alliance refresh", "`--json`", "`--study`, `-s`", "`table` or `csv` or `json`", "| `sql` |"):
        assert words in page


def test_the_options_named_are_those_that_the_commands_take() -> None:
    sections = {each.split("\n")[0]: each for each in PAGES["cli.md"]().split("\n## alliance ")[1:]}
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    assert set(sections) == set(commands)
    for name, command in commands.items():
        taken = {option for each in command.params for option in each.opts if option.startswith("-")}
        cells = re.findall(r"^\| (`-.*?) \|", sections[name], re.MULTILINE)
        assert set(re.findall(r"`(-[^`]+)`", " ".join(cells))) == taken - {"--help"}, name
