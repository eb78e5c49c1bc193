"""The page as a whole: self-contained, safe against what sites write, the same each time, and its errors."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import altair as alt
import pytest

from report.build import build_report
from report.page import policy
from report.svg import figure, rows_named
from report.warehouse import ReportError
from tests.unit.report_page import read_page
from tests.unit.report_results import results
from tests.unit.report_views import results_and_views
from tests.unit.report_warehouses import Rows, check_result, make_warehouse, study

ROOT = Path(__file__).parents[2]

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&`\x07\u202e</style></svg>"


def hostile_rows() -> Rows:
    """A study in which everything a site or study may name holds markup."""
    rows = study(name=HOSTILE + "{}", file_name=HOSTILE + "{}.csv") | results(label=HOSTILE)
    rows["meta.refreshes"][0]["settings"] = '{"study": {"study": "x", "title": "<b onclick=alert(1)>bold</b>"}}'
    rows["meta.changes"] = [
        {"change_id": 1, "refresh_id": rows["meta.refreshes"][0]["refresh_id"], "kind": "finding", "note": HOSTILE}
    ]
    rows["core.instruments"][0] |= {"name": HOSTILE, "note": HOSTILE, "source": HOSTILE}
    rows["core.items"][0]["topic"] = HOSTILE
    rows["quality.check_results"] = [check_result(1, "site_01", "warn", subject=HOSTILE, reason=HOSTILE)]
    rows["quality.landing_problems"] = [
        {
            "problem_number": 1,
            "refresh_id": rows["meta.refreshes"][0]["refresh_id"],
            "site_id": "site_01",
            "file_name": HOSTILE,
            "column_name": HOSTILE,
            "problem": "columns_not_mapped",
            "message": HOSTILE,
            "action": HOSTILE,
            "severity": "warning",
        }
    ]
    rows["quality.delivery_columns"] = [
        {"delivery_number": 1, "column_number": 1, "column_name": HOSTILE, "role": "item"}
    ]
    rows["quality.rejected_cells"] = [
        {"delivery_number": 1, "row_number": 2, "column_number": 1, "site_id": "site_01", "reason": HOSTILE}
        | {"value_class": "text"}
    ]
    rows["results.analyses"][0] |= {"warnings": f'["{HOSTILE[:25]}"]', "status": "heywood", "reason": HOSTILE}
    return rows


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    database = make_warehouse(folder / "alliance.duckdb", hostile_rows())
    return build_report(database, folder / "report").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("full")
    rows = study() | results_and_views()
    rows["quality.check_results"] = [check_result(1, "site_01", "warn"), check_result(2, "site_02", "pass")]
    return build_report(make_warehouse(folder / "alliance.duckdb", rows), folder / "report").read_text(encoding="utf-8")


@pytest.mark.parametrize("which", ["hostile", "full"])
def test_the_page_holds_no_script_no_style_attribute_and_no_address(which: str, request: pytest.FixtureRequest) -> None:
    page = read_page(request.getfixturevalue(which))
    assert page.wrong == []
    assert page.open_tags == []
    allowed = {"script", "img", "iframe", "object", "embed", "link", "base", "form", "input", "foreignobject", "image"}
    assert not allowed & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"style", "src", "srcset", "action", "background"}, (tag, name)
            if name in {"href", "xlink:href"}:
                assert (value or "").startswith("#"), (tag, value)
            elif not name.startswith("xmlns") and name != "content":
                assert "://" not in (value or ""), (tag, name, value)


def test_what_sites_write_is_shown_as_text(hostile: str) -> None:
    page = read_page(hostile)
    shown = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    for section in ("arrivals", "changes", "checks", "problems", "rejected", "instruments", "components"):
        assert shown in page.text_of(section), section
    assert "<b onclick=alert(1)>bold</b>" in page.text
    assert "\x07" not in hostile
    assert "\u202e" not in hostile


def test_the_policy_allows_the_page_s_own_style_alone(full: str) -> None:
    page = read_page(full)
    policies = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", full, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert policies == [policy(style[1])]
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_every_figure_says_what_it_shows(full: str) -> None:
    page = read_page(full)
    figures = page.all("svg")
    # Cells, missing, two screes, two heat maps of loadings, a forest, component correlations, agreement; of items,
    # sites, paths, variance shares and gaps one each.
    assert len(figures) == 14
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for svg in figures:
        assert svg["role"] == "img"
        assert all(name in ids for name in (svg["aria-labelledby"] or "").split())
        assert svg["viewbox"]
    assert len(page.all("figcaption")) == len(figures)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", full, re.S)
    assert all("n = " in caption for caption in captions)
    assert len(page.all("title")) == len(figures) + 1
    assert len(page.all("desc")) == len(figures)


def test_references_inside_drawings_lead_to_themselves(full: str) -> None:
    for drawing in re.findall(r"<svg.*?</svg>", full, re.S):
        own = set(re.findall(r'\bid="([^"]+)"', drawing))
        assert set(re.findall(r"url\(#([^)]+)\)", drawing)) <= own


def test_sections_and_their_links_match(full: str) -> None:
    page = read_page(full)
    sections = [section["id"] for section in page.all("section")]
    links = [link["href"] for link in page.all("a") if link.get("class") != "skip"]
    assert links == [f"#{section}" for section in sections]
    assert page.all("html")[0]["lang"] == "en"
    assert sum(tag == "h1" for tag, _ in page.elements) == 1


def test_tables_name_their_columns_rows_and_content(full: str) -> None:
    page = read_page(full)
    tables = page.all("table")
    assert len(tables) >= 12
    assert len(page.all("caption")) == len(tables)
    assert {head.get("scope") for head in page.all("th")} == {"col", "row"}


def test_the_report_writes_one_file_and_leaves_the_warehouse_alone(tmp_path: Path) -> None:
    database = make_warehouse(tmp_path / "alliance.duckdb", study())
    before = database.read_bytes()
    page = build_report(database, tmp_path / "made" / "report")
    assert page == tmp_path / "made" / "report" / "index.html"
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"alliance.duckdb", "made/report/index.html"}
    assert database.read_bytes() == before


def test_the_same_warehouse_gives_the_same_bytes(tmp_path: Path) -> None:
    database = make_warehouse(tmp_path / "alliance.duckdb", study(25) | results_and_views())
    program = (
        "import pathlib, sys; from report.build import build_report; build_report(*map(pathlib.Path, sys.argv[1:]))"
    )
    pages = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", program, database, folder], check=True, env=environment, cwd=ROOT)
        pages.append((folder / "index.html").read_bytes())
    assert pages[0] == pages[1]


def test_a_warehouse_that_lacks_a_table_is_named_with_what_to_do(tmp_path: Path) -> None:
    database = make_warehouse(tmp_path / "alliance.duckdb", study(), without=("quality.cell_accounting",))
    with pytest.raises(ReportError, match=r"alliance\.duckdb lacks .*cell_accounting.*--full"):
        build_report(database, tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_a_file_that_is_no_warehouse_is_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    database = tmp_path / "alliance.duckdb"
    if content is not None:
        database.write_bytes(content)
    with pytest.raises(ReportError, match=r"alliance\.duckdb .*refresh"):
        build_report(database, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_drawing_with_a_link_is_refused() -> None:
    chart = alt.Chart(rows_named()).mark_point().encode(x="x:Q", href="address:N")
    with pytest.raises(ValueError, match="does not allow"):
        figure("f", chart, {"rows": [{"x": 1, "address": "#a"}]}, title="t", description="d", caption="c")


def test_labels_in_drawings_are_text_whatever_they_hold() -> None:
    chart = alt.Chart(rows_named()).mark_bar().encode(x="x:Q", y="name:N")
    rows = [{"x": 1, "name": "</svg><script>alert(1)</script> & \"quoted\" 'too'"}]
    made = figure("f", chart, {"rows": rows}, title="<t>", description="<d> & d", caption="c")
    page = read_page(str(made.svg))
    assert {"script"} & {tag for tag, _ in page.elements} == set()
    assert "<script>alert(1)</script> & \"quoted\" 'too'" in page.text
    assert "<t>" in page.text
