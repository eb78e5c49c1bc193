"""Every query of the documentation runs on the demo study and says what the page says it says."""

from __future__ import annotations

from pathlib import Path

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
