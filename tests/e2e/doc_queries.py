"""SQL of the documentation and its printed answers: ``python -m tests.e2e.doc_queries <refreshed demo study>``.

Every fenced ``sql`` block of the README and of docs/ is a query on the demo study. A ``text`` block right below it is
its answer as `alliance query` prints it; run as a program, this module writes these answers anew. Answers that hold
pseudonyms, times or hashes differ from study to study and stand in ``console`` blocks, which nobody compares.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```sql\n(?P<sql>.*?)^```\n(?:\n```text\n(?P<answer>.*?)^```\n)?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class DocQuery:
    """A query on a page; ``answer`` is None where none is printed below it."""

    page: Path
    line: int
    sql: str
    answer: str | None

    @property
    def name(self) -> str:
        """Page and line, for messages."""
        return f"{self.page.relative_to(ROOT).as_posix()}-line-{self.line}"


def pages() -> list[Path]:
    """Every page of the documentation."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "GLOSSARY.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md"))]


def queries_of(page: Path) -> list[DocQuery]:
    """The queries of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [
        DocQuery(page, text.count("\n", 0, found.start()) + 2, found["sql"].strip(), found["answer"])
        for found in _BLOCK.finditer(text)
    ]


def printed(study: Path, sql: str) -> str:
    """What `alliance query` prints, without blanks at line ends."""
    call = subprocess.run(
        [sys.executable, "-m", "flows.cli", "query", "--study", str(study), sql], capture_output=True, text=True
    )
    if call.returncode != 0:
        raise ValueError(call.stderr)
    return "".join(line.rstrip() + "\n" for line in call.stdout.splitlines())


def rewrite(page: Path, study: Path) -> bool:
    """Write the answers on a page anew; whether any changed."""
    text = page.read_text(encoding="utf-8")

    def answered(found: re.Match[str]) -> str:
        if found["answer"] is None:
            return found.group()
        return f"```sql\n{found['sql']}```\n\n```text\n{printed(study, found['sql'].strip())}```\n"

    fresh = _BLOCK.sub(answered, text)
    if fresh != text:
        page.write_text(fresh, encoding="utf-8")
    return fresh != text


if __name__ == "__main__":
    for each in pages():
        if rewrite(each, Path(sys.argv[1])):
            print(each.relative_to(ROOT))
