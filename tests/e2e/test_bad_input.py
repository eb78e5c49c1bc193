"""Everything bad that can go together in one refresh of one small study, and where each piece must be seen."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
import yaml

from flows.commands.checking import check_study
from flows.common.errors import AllianceError
from flows.refreshing import steps
from flows.refreshing.refresh import Ended
from tests.e2e.conftest import alliance

# Quotes and a hash sign in the study's own path, too.
NAME = "O'Brien's \"alliance\" & <b> study #1 ü"
SECRETS = ("K001xq", "K002xq", "K003xq", "T1zq", "S3cretText")
STUDY = {
    "study": "hostile",
    "title": "<script>alert(1)</script> 'study'",
    "sessions": [{"session": "s05", "numbers": [3, 7], "target": 5}, {"session": "last"}],
    "analyses": {"bootstrap": 0, "min_rows": 100_000},
}
CODEBOOK = {
    "instruments.csv": "instrument_id,min_value,max_value\nmini,1,5\n",
    "items.csv": "instrument_id,item_number,reverse_keyed\nmini,1,false\nmini,2,true\nmini,3,false\n",
    "scales.csv": "instrument_id,scale_id\nmini,total\n",
    "scale_items.csv": "instrument_id,scale_id,item_number\nmini,total,1\nmini,total,2\nmini,total,3\n",
}
CLIENT = {"instrument": "mini", "rater": "client", "items": "c{item}"}
THERAPIST = {"instrument": "mini", "rater": "therapist", "items": "t{item}"}
HEADER = "id,th,session,c1,c2,c3,t1,t2,t3\n"
GOOD = HEADER + "K001xq,T1zq,5,1,2,3,4,5,1\nK002xq,T1zq,5,2,2,3,4,5,1\nK003xq,T1zq,5,3,1,3,4,5,1\n"


def file_of(**changes: Any) -> dict[str, Any]:
    usual = {"name": "ratings", "pattern": "*.csv", "format": "csv", "client": "id", "therapist": "th"}
    return {**usual, "session": "session", "forms": [CLIENT, THERAPIST], **changes}


class Folder:
    """A study folder that is filled piece by piece."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "sites").mkdir(parents=True)
        (path / "codebook").mkdir()
        (path / "study.yml").write_text(yaml.safe_dump(STUDY))
        for name, text in CODEBOOK.items():
            (path / "codebook" / name).write_text(text)

    def site(self, site: str, *files: dict[str, Any]) -> None:
        (self.path / "deliveries" / site).mkdir(parents=True)
        settings = {"site": site, "name": f"<i>{site}</i>", "files": list(files) or [file_of()]}
        (self.path / "sites" / f"{site}.yml").write_text(yaml.safe_dump(settings))

    def put(self, site: str, name: str, content: str | bytes) -> None:
        content = content.encode() if isinstance(content, str) else content
        (self.path / "deliveries" / site / name).write_bytes(content)


def fill(folder: Folder) -> None:
    """A study of everything that goes wrong, beside one site in order."""
    folder.site("good")
    folder.put("good", "a.csv", GOOD)
    broken_files(folder)
    hostile_words(folder)
    hostile_values(folder)
    hostile_shapes(folder)


def broken_files(folder: Folder) -> None:
    folder.site("broken", file_of(), file_of(name="excel", pattern="*.xlsx", format="excel"))
    folder.put("broken", "cut.csv", GOOD[:-7])
    folder.put("broken", "zero.csv", "")
    folder.put("broken", "header.csv", HEADER)
    folder.put("broken", "blank.csv", HEADER + ",,,,,,,,\n" * 3)
    folder.put("broken", "no_header.csv", GOOD.removeprefix(HEADER))
    folder.put("broken", "delimiter.csv", GOOD.replace(",", ";"))
    folder.put("broken", "latin.csv", GOOD.replace("K001xq", "Küxq").encode("latin-1"))
    folder.put("broken", "damaged.xlsx", b"PK\x03\x04 S3cretText")
    folder.put("broken", "unknown.txt", "S3cretText")
    folder.put("broken", "export_K002xq.csv", GOOD.replace("T1zq", "T2"))
    folder.put("broken", "long.csv", GOOD + f"K004xq,T1zq,5,1,{'S3cretText' * 200_000},3,1,1,1\n")
    (folder.path / "deliveries" / "broken" / "link.csv").symlink_to(folder.path / "study.yml")


def hostile_words(folder: Folder) -> None:
    words = ["order", "<script>alert(1)</script>", 'say "x"']
    folder.site(
        "words", file_of(client="select", therapist="from", session="where", forms=[{**CLIENT, "items": words}])
    )
    folder.put(
        "words",
        "<img src=x onerror=alert(1)>'; drop table x.csv",
        'select,from,where,order,<script>alert(1)</script>,"say ""x""","new\nline"\n'
        '"K001xq\'; drop schema core; --",T1zq,5,1,2,3,S3cretText\n'
        "K002xq,T1zq,5,1,<b>S3cretText</b>,\"=cmd|'x'\",\n",
    )


def hostile_values(folder: Folder) -> None:
    folder.site("ids")
    folder.put(
        "ids", "a.csv", HEADER + " K001xq ,T1zq,5,1,2,3,1,2,3\nK001xq,T1zq,5,1,2,3,1,2,3\n ,T1zq,5,1,1,1,1,1,1\n"
    )
    folder.site("dates", file_of(date={"column": "date", "format": "%d.%m.%Y"}))
    dates = ["31.12.9999", "31.02.2024", "soon S3cretText", "", "01.03.2024"]
    folder.put(
        "dates",
        "a.csv",
        HEADER.replace("session", "session,date")
        + "".join(f"K{n:03d}xq,T1zq,5,{date},1,2,3,1,2,3\n" for n, date in enumerate(dates)),
    )
    folder.site("two", file_of(name="a", pattern="a*.csv"), file_of(name="b", pattern="b*.csv"))
    folder.put("two", "a.csv", GOOD)
    folder.put("two", "b.csv", GOOD.replace("5,1,2", "5,5,2"))


def hostile_shapes(folder: Folder) -> None:
    folder.site("twice")
    folder.put("twice", "a.csv", GOOD.replace("c3", "c2"))
    folder.site("wide")
    names = ",".join(f"x{n}" for n in range(2_000))
    folder.put("wide", "a.csv", f"{HEADER.strip()},{names}\nK001xq,T1zq,5,1,2,3,4,5,1,{'9,' * 1_999}9\n")
    folder.site("silent")
    workbook = openpyxl.Workbook()
    workbook.active.append(HEADER.strip().split(","))
    workbook.active.append([7.0, "T1zq", 5.0, 1.0, 2, 3, "#N/A", "2024-05-01", 6])
    saved = io.BytesIO()
    workbook.save(saved)
    folder.site("sheet", file_of(pattern="*.xlsx", format="excel"))
    folder.put("sheet", "a.xlsx", saved.getvalue())
    (folder.path / "deliveries" / "nobody").mkdir()
    (folder.path / "deliveries" / "nobody" / "a.csv").write_text(GOOD)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Folder(tmp_path_factory.mktemp("bad") / NAME)
    fill(folder)
    checked = alliance("check", folder.path)
    for secret in SECRETS:
        assert secret not in checked.stdout + checked.stderr, secret
    refresh(folder.path)
    return folder.path


def refresh(study: Path) -> Ended:
    """The steps in one process, without Prefect's server."""
    return steps.carry_out(study)


def ask(study: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_every_bad_file_is_told_with_what_to_do(hostile: Path) -> None:
    told = ask(hostile, "select site_id, file_name, problem, action from quality.landing_problems")
    assert all(action for *_, action in told)
    found = {(site, name, problem) for site, name, problem, _ in told}
    assert found >= {
        ("broken", "cut.csv", "perhaps_cut_off"),
        ("broken", "zero.csv", "empty_file"),
        ("broken", "header.csv", "no_records"),
        ("broken", "blank.csv", "no_records"),
        ("broken", "no_header.csv", "wrong_header"),
        ("broken", "delimiter.csv", "wrong_delimiter"),
        ("broken", "latin.csv", "wrong_encoding"),
        ("broken", "damaged.xlsx", "damaged_workbook"),
        ("broken", "unknown.txt", "no_file_settings"),
        ("broken", "export_***.csv", "id_in_file_name"),
        ("broken", "long.csv", "cell_too_long"),
        ("broken", "link.csv", "symbolic_link"),
        ("twice", "a.csv", "duplicate_column"),
        ("wide", "a.csv", "columns_not_mapped"),
        ("silent", "", "nothing_delivered"),
        ("", "nobody", "unknown_site"),
    }


def test_the_rest_goes_on_and_every_cell_is_accounted_for(hostile: Path) -> None:
    assert ask(hostile, "select count(*), sum(abs(unaccounted)) from quality.cell_accounting") == [(11, 0)]
    forms = dict(ask(hostile, "select site_id, count(*) from core.forms group by all"))
    assert forms == {
        "good": 6, "broken": 8, "words": 2, "ids": 2, "dates": 10, "two": 6, "twice": 3, "wide": 2, "sheet": 2
    }  # fmt: skip


def test_bad_cells_are_rejected_with_their_reason(hostile: Path) -> None:
    rejected = ask(hostile, "select distinct site_id, reason, value_class from quality.rejected_cells")
    assert set(rejected) >= {
        ("ids", "client_id_blank", "number"),
        ("dates", "date_not_readable", "date"),
        ("dates", "date_not_readable", "text"),
        ("two", "conflict", "number"),
        ("words", "not_a_number", "text"),
        ("sheet", "spreadsheet_error", "spreadsheet_error"),
        ("sheet", "date_in_value", "date"),
        ("sheet", "out_of_range", "number"),
    }
    alone = ask(hostile, "select distinct site_id, reason from quality.orphan_forms")
    assert ("twice", "no_client_form") in alone


def told_by_check(study: Path) -> dict[tuple[str, ...], int]:
    """Cells that `alliance check` says would be rejected, by site, file, reason and kind."""
    return {
        (site.site_id, file.file_name, each.reason, each.value_class): each.n_cells
        for site in check_study(study).sites
        for file in site.cells
        for each in file.rejections
    }


def test_a_check_says_before_what_a_refresh_rejects(hostile: Path) -> None:
    rejected = ask(
        hostile,
        "select site_id, file_name, reason, value_class, count(*) from quality.rejected_cells "
        "join quality.deliveries using (site_id, delivery_number) group by all",
    )
    assert told_by_check(hostile) == {tuple(row[:4]): row[4] for row in rejected}
    accounted = "select sum(rejected), sum(superseded) from quality.cell_accounting"
    told = [file for site in check_study(hostile).sites for file in site.cells]
    assert ask(hostile, accounted) == [(sum(f.rejected for f in told), sum(f.superseded for f in told))]


def test_ids_that_differ_by_blanks_are_one_client_and_ids_of_two_sites_are_two(hostile: Path) -> None:
    assert ask(hostile, "select count(*) from core.clients where site_id = 'ids'") == [(1,)]
    assert ask(hostile, "select count(distinct client_id) = count(*) from core.clients") == [(True,)]


def test_nothing_that_readers_or_logs_hold_shows_an_id_or_a_cell(hostile: Path) -> None:
    places = [hostile / "warehouse" / "versions", hostile / "work" / "logs", hostile / "work" / "dbt_target"]
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    assert any(file.suffix == ".duckdb" for file in files) and any(file.suffix == ".html" for file in files)
    for file in [*files, hostile / "work" / "last_refresh.json"]:
        content = file.read_bytes()
        for secret in SECRETS:
            assert secret.encode() not in content, (file.name, secret)


def test_the_report_shows_names_as_text(hostile: Path) -> None:
    for page in (hostile / "warehouse" / "report").rglob("*.html"):
        text = page.read_text()
        assert not re.search(r"<script>alert|<img src=x|<i>good</i>", text), page.name


def test_a_broken_file_alone_reaches_quality_and_leaves_when_mended(hostile: Path) -> None:
    late = hostile / "deliveries" / "good" / "late.csv"
    late.write_bytes(b"")
    answers = "select sum(hash(response_id, value)) from core.item_responses"
    before = ask(hostile, answers)
    assert refresh(hostile).kind == "incremental"
    assert ask(hostile, answers) == before
    count = "select count(*) from quality.landing_problems where file_name = 'late.csv' and refresh_id = "
    newest = "(select max(refresh_id) from meta.refreshes)"
    assert ask(hostile, count + newest) == [(1,)]
    late.unlink()
    refresh(hostile)
    assert ask(hostile, count + newest) == [(0,)]
    assert refresh(hostile).status == "nothing_new"


def test_a_wrong_delivery_stops_publishing_until_it_is_delivered_again(hostile: Path) -> None:
    delivery = hostile / "deliveries" / "good" / "b.csv"
    delivery.write_text(GOOD.replace("id,", "code,", 1).replace("K00", "K10"))
    with pytest.raises(AllianceError, match="critical"):
        refresh(hostile)
    assert ask(hostile, "select count(*) from core.clients where site_id = 'good'") == [(3,)]
    delivery.write_text(GOOD.replace("K00", "K10"))
    refresh(hostile)
    assert ask(hostile, "select count(*) from core.clients where site_id = 'good'") == [(6,)]
    assert ask(hostile, "select sum(abs(unaccounted)) from quality.cell_accounting") == [(0,)]
