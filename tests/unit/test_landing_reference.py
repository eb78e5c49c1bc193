"""docs/reference/formats.md lists every problem that landing can tell, and none that it cannot."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TELLERS = {"FileRefused", "Problem", "of_file", "Listing", "problem", "_tell", "_refuse", "_Refusal", "_told"}
OTHER_WORDS = {"warning", "info", "critical"}


def told_in_code() -> Iterator[str]:
    for path in (ROOT / "flows" / "landing").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in TELLERS:
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                yield from (
                    text
                    for text in texts
                    if isinstance(text, str) and re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", text) and text not in OTHER_WORDS
                )


def test_every_problem_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "formats.md").read_text()
    documented = re.findall(r"^\| `([a-z_0-9]+)` \| (?:info|warning|critical) \|", page, re.MULTILINE)
    assert documented == sorted(documented)
    assert set(documented) == set(told_in_code())
