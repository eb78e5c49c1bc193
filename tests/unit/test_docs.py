"""The documentation holds together: links lead somewhere, examples are studies that `alliance check` accepts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from flows.commands.checking import check_study
from flows.common.errors import ExitCode
from flows.landing.reading import FileRefused
from tests.e2e.doc_queries import ROOT, pages
from tests.unit.landing_studies import parsed, read

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"^```(?:yaml|csv) (\S*[./]\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CHECKED = re.compile(r"^1 site, .*: a refresh can go on$", re.MULTILINE)


def _prose(page: Path) -> str:
    """A page without its code: a link in an example is no link."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        to = (page.parent / target).resolve() if target else page
        if not to.exists() or (anchor and anchor not in _anchors(to)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(_prose(index))}
    assert [_name(page) for page in pages() if page != index and page.resolve() not in linked] == []


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_no_page_names_a_machine_or_a_registry(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w>])/(?:work|root|tmp|home)/|pypi\.|localhost:\d|cran\.", text) == []


STUDIES = [page for page in pages() if _FILE.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", STUDIES, ids=_name)
def test_a_study_on_a_page_is_right_and_check_says_what_the_page_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name, content in _FILE.findall(text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    checked = check_study(tmp_path)
    assert checked.exit_code == ExitCode.OK
    assert [site.problems for site in checked.sites if site.problems] == []
    assert _CHECKED.findall(text) == [checked.message]


def test_there_are_studies_to_check() -> None:
    assert {"bring-your-own-study.md", "declare-an-instrument.md"} <= {page.name for page in STUDIES}


def test_the_reader_of_the_guide_reads_and_refuses(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-file-format.md").read_text(encoding="utf-8")
    source = next(code for code in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    module: dict[str, Any] = {"__name__": "json_lines"}
    exec(compile(source, "json_lines.py", "exec"), module)
    reader = module["JsonLinesReader"]()
    file = tmp_path / "a.jsonl"
    file.write_text('{"client": "007", "q1": 4, "remarks": "x"}\n{"client": "NA", "q1": null}\n', encoding="utf-8")
    got = read(reader, file, parsed("parquet", free_text=["remarks"]))
    assert got.names == ["client", "q1", "remarks"]
    assert {number: cells[:2] for number, cells in got.records.items()} == {1: ["007", "4"], 2: ["NA", ""]}
    assert (got.reading.n_rows, got.reading.n_cells) == (2, 6)
    for content, problem in (("", "empty_file"), ("[1]\n", "damaged_file"), ('{"a": 1}\n{"b": 1}\n', "damaged_file")):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(FileRefused) as refused:
            read(reader, file, parsed("parquet"))
        assert refused.value.problem == problem
