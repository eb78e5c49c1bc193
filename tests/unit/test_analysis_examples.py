"""The examples in the docstrings of analysis/, and those of the documentation, give what they say."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import analysis
from tests.e2e.doc_queries import pages

MODULES = [module.name for module in pkgutil.walk_packages(analysis.__path__, "analysis.")]

PAGES = [page for page in pages() if ">>> " in page.read_text(encoding="utf-8")]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=OPTIONS).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_the_page(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS, encoding="utf-8")
    assert found.attempted > 0
    assert found.failed == 0


def test_a_page_has_examples() -> None:
    assert "use-the-analyses-in-python.md" in [page.name for page in PAGES]
