"""What the linters cannot ask for: an exception to one of their rules says why it is one."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("analysis", "benchmarks", "demo", "expectations", "flows", "report", "tests")
EXCEPTION = re.compile(r"#\s*(noqa: [A-Z0-9, ]*[0-9]|type: ignore\[[a-z, -]+\])(.*)")


def exceptions(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, rule and reason of every comment that sets a rule of ruff or mypy aside."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        found = EXCEPTION.match(token.string) if token.type == tokenize.COMMENT else None
        if found is not None:
            yield token.start[0], found[1], found[2].strip(" -#()")


def test_every_exception_to_a_rule_has_its_reason_beside_it() -> None:
    unexplained = [
        f"{path.relative_to(ROOT)}, line {line}: {rule}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, rule, reason in exceptions(path.read_text(encoding="utf-8"))
        if len(reason.split()) < 2
    ]
    assert unexplained == []


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("x = 1  # noqa: E402, F401", ""),
        ("x = 1  # noqa: E402 - after the paths are set", "after the paths are set"),
        ("x = 1  # type: ignore[arg-type]  # the stubs are wrong", "the stubs are wrong"),
    ],
)
def test_reasons_are_what_follows_the_rule(comment: str, reason: str) -> None:
    assert [found for _, _, found in exceptions(comment)] == [reason]
