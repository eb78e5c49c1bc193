"""Every query of the documentation runs on the demo study and says what the page says it says."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.e2e.doc_queries import DocQuery, pages, printed, queries_of

QUERIES = [pytest.param(query, id=query.name) for page in pages() for query in queries_of(page)]


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_the_documentation(query: DocQuery, refreshed_demo: Path) -> None:
    said = printed(refreshed_demo, query.sql)
    assert len(said.splitlines()) > 1, f"{query.name} finds no row on the demo study"
    if query.answer is not None:
        assert said == query.answer, "run `python -m tests.e2e.doc_queries <a refreshed demo study>`"


def test_the_documentation_has_queries_with_answers() -> None:
    found = [query for page in pages() for query in queries_of(page)]
    assert {query.page.name for query in found} >= {"README.md", "tutorial.md"}
    assert sum(query.answer is not None for query in found) >= 5


def test_the_one_documented_query_leads_every_finding_to_its_rows_and_dyads(refreshed_demo: Path) -> None:
    page = next(page for page in pages() if page.name == "follow-a-finding.md")
    query = next(query.sql for query in queries_of(page) if "with line as" in query.sql)
    one_line = "    where finding_id = 'outcome.joint.client.component_2.client.global_rating.total'\n"
    assert one_line in query
    of_all = query.replace(one_line, "").replace("select\n    keys.role,", "select\n    line.finding_id, keys.role,")
    with duckdb.connect(str(refreshed_demo / "warehouse" / "alliance.duckdb"), read_only=True) as con:
        untraced = con.execute(
            f"with traced as ({of_all}) select findings.finding_id from results.findings as findings"
            " left join traced using (finding_id) group by all having count(traced.role) = 0 or count(traced.used) = 0"
        ).fetchall()
        rows = con.execute(f"select count(*) from ({of_all})").fetchone()
        keys = con.execute("select count(*) from results.finding_rows").fetchone()
    assert untraced == []
    assert rows == keys
