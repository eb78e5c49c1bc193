"""The examples in the docstrings of analysis/, and those of the documentation, give what they say.

ruff asks for the docstrings, mypy for the types; here is what neither can ask for: an example of every function that
hands back a result, and a word on the exceptions of every function that raises some itself.
"""

import ast
import doctest
import importlib
import pkgutil
from collections.abc import Iterator
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


def public_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for name in MODULES:
        source = Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield name, node


def results() -> set[str]:
    """Names of the classes that have a tidy frame."""
    classes = [vars(importlib.import_module(name)).values() for name in MODULES]
    return {each.__name__ for own in classes for each in own if isinstance(each, type) and hasattr(each, "to_frame")}


def test_every_function_that_hands_back_a_result_has_an_example() -> None:
    kinds = results()
    made = [
        (f"{module}.{node.name}", ast.get_docstring(node) or "")
        for module, node in public_functions()
        # What assembles an analysis of a study is no function for a notebook: it takes the study's settings.
        if not module.endswith(("_study", "_stream"))
        and node.returns is not None
        and ast.unparse(node.returns) in kinds
    ]
    assert len(made) > 30
    assert [name for name, said in made if ">>> " not in said] == []


def test_every_function_that_raises_says_so() -> None:
    silent = [
        f"{module}.{node.name}"
        for module, node in public_functions()
        if any(isinstance(part, ast.Raise) and "AnalysisError" in ast.unparse(part) for part in ast.walk(node))
        and "AnalysisError" not in (ast.get_docstring(node) or "")
    ]
    assert silent == []
