"""YAML as text: nothing guessed, lines kept, duplicates told, nothing that explodes."""

from __future__ import annotations

import unicodedata
from functools import partial
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.common.yaml_text import MAX_BYTES, parse_yaml, read_yaml


def test_scalars_are_text() -> None:
    text = "a: no\nb: 007\nc: 2024-05-31\nd: 1e3\ne: '~'\nf: ~\ng:\nyes: NA\n"
    assert parse_yaml(text).data == {
        "a": "no", "b": "007", "c": "2024-05-31", "d": "1e3", "e": "~", "f": None, "g": None, "yes": "NA",
    }  # fmt: skip


def test_lines() -> None:
    found = parse_yaml("a:\n  - x: 1\n    y: 2\n  - z\n")
    assert found.line_of(("a", 0, "y")) == 3
    assert found.line_of(("a", 1)) == 4
    assert found.line_of(("a", 0, "missing")) == 2


def test_duplicate_key_is_a_problem_with_both_lines() -> None:
    found = parse_yaml("a: 1\nb: 2\na: 3\n")
    [problem] = found.problems
    assert problem.line == 3
    assert "line 1" in problem.message
    assert found.data == {"a": "1", "b": "2"}


def test_merge_keeps_own_keys_and_lines() -> None:
    found = parse_yaml("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n")
    assert found.data["y"] == {"b": "3", "a": "1"}
    assert found.line_of(("y", "b")) == 4


def test_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = parse_yaml("\n".join(lines))
    assert found.data is None
    assert "aliases" in found.problems[0].message


def test_alias_to_itself_is_refused() -> None:
    for text in ("a: &a [*a]", "a: &a {<<: *a, b: 1}"):
        assert parse_yaml(text).data is None


def test_deep_nesting_is_refused() -> None:
    found = parse_yaml("[" * 5000)
    assert found.data is None
    assert found.problems


def test_python_tags_have_no_effect() -> None:
    found = parse_yaml("a: !!python/object/apply:os.system ['true']\nb: !own x\n")
    assert len(found.problems) == 2
    assert found.data == {"a": None, "b": None}


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"", "empty"), (b"# only a comment\n", "empty"), (b"a: \xff\n", "UTF-8"), (b"a: [1,\n", "not YAML"),
     (b"a\x00b", "not YAML"), (b" " * (MAX_BYTES + 1), "5 MB")],
)  # fmt: skip
def test_files_that_cannot_be_read(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "x.yml").write_bytes(raw)
    [problem] = read_yaml(tmp_path / "x.yml").problems
    assert words in problem.message


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "does not exist" in read_yaml(tmp_path / "x.yml").problems[0].message
    assert "cannot be read" in read_yaml(tmp_path).problems[0].message


def test_letters_with_accents_are_one_sign(tmp_path: Path) -> None:
    assert parse_yaml(unicodedata.normalize("NFD", "é: è\n")).data == {"é": "è"}
    [problem] = parse_yaml("é: 1\n" + unicodedata.normalize("NFD", "é: 2\n")).problems
    assert "stands here and on line 1" in problem.message


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "x.yml").data == {"a": "1"}


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), min_size=1, max_size=12)
_TEXT = _TEXT.map(partial(unicodedata.normalize, "NFC"))


@settings(deadline=None)
@given(st.dictionaries(_TEXT, st.dictionaries(_TEXT, st.lists(_TEXT, max_size=3), max_size=3), max_size=4))
def test_what_yaml_writes_is_read_back(value: dict[str, dict[str, list[str]]]) -> None:
    found = parse_yaml(yaml.safe_dump(value, allow_unicode=True))
    assert found.problems == []
    assert found.data == value
