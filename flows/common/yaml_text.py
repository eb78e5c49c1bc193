"""YAML as text: every scalar as it is written, with the line it stands on.

YAML itself would read ``no`` as false, ``007`` as seven and ``2024-05-31`` as a date, all of which are perfectly good
column names, ids and labels. The settings' models know which keys hold numbers; here nothing is guessed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]

MAX_BYTES = 5_000_000
# Aliases of aliases make a small file unfold into a huge one.
MAX_NODES = 200_000

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_KINDS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "merge", "value")
)


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """Something in the file that is no usable YAML, with its line (counted from 1) where one can be named."""

    line: int | None
    key_path: KeyPath
    message: str
    next_step: str


@dataclass
class YamlText:
    """A YAML file as dicts, lists, text and None, with the line of every key and list entry."""

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[YamlProblem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of a key or list entry, or of the nearest one around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


class _TooLarge(Exception):
    """The file unfolds into more than MAX_NODES nodes."""


def read_yaml(path: Path) -> YamlText:
    """Reads one YAML file. Raises nothing: what cannot be read is in ``problems``, and ``data`` is then None."""
    found = YamlText()
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return _failed(found, None, "the file does not exist", "make it, or copy one from `alliance init`")
    except OSError as error:
        return _failed(found, None, f"the file cannot be read ({error.strerror})", "check its permissions")
    if len(raw) > MAX_BYTES:
        return _failed(found, None, "the file is larger than 5 MB, so it is no settings file", "check its name")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return _failed(found, line, "the file is not UTF-8 text", "save it again with the encoding UTF-8")
    return parse_yaml(text)


def parse_yaml(text: str) -> YamlText:
    """Reads YAML text as `read_yaml` does."""
    found = YamlText()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        return _failed(found, mark.line + 1 if mark else None, f"this is not YAML: {said}", _ADVICE)
    except yaml.YAMLError as error:
        return _failed(found, None, f"this is not YAML: {str(error).splitlines()[0]}", _ADVICE)
    except RecursionError:
        return _failed(found, None, "the file is nested too deeply", "settings need no more than ten levels")
    if node is None or node.tag == _NULL:
        return _failed(found, 1, "the file is empty", "write its settings, or copy them from `alliance init`")
    try:
        found.data = _Builder(found).build(node, (), ())
    except (_TooLarge, RecursionError):
        return _failed(found, None, "the file's aliases unfold without end", "write out what the aliases stand for")
    return found


_ADVICE = "check indentation, colons and quotes on and above this line; text with : # { [ or a leading * needs quotes"


def _failed(found: YamlText, line: int | None, message: str, next_step: str) -> YamlText:
    found.data = None
    found.problems.append(YamlProblem(line, (), message, next_step))
    return found


class _Builder:
    """Turns YAML's nodes into plain data and notes lines and problems on the way."""

    def __init__(self, found: YamlText) -> None:
        self._found = found
        self._count = 0

    def build(self, node: yaml.Node, path: KeyPath, around: tuple[int, ...]) -> Any:
        self._count += 1
        if self._count > MAX_NODES or id(node) in around:
            raise _TooLarge
        self._found.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _KINDS:
            self._note(node, path, f"the tag {node.tag} has no meaning here", "take it out")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*around, id(node)))
        if isinstance(node, yaml.SequenceNode):
            inner = (*around, id(node))
            return [self.build(each, (*path, index), inner) for index, each in enumerate(node.value)]
        return None if node.tag == _NULL else _composed(node.value)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, around: tuple[int, ...]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key, path, "a key must be a single word or text", "check for stray brackets or braces")
                continue
            name = _composed(key.value)
            if key.tag == _MERGE:
                merged.append(value)
            elif name in built:
                first = self._found.lines[(*path, name)]
                self._note(
                    key,
                    (*path, name),
                    f"the key {name!r} stands here and on line {first}",
                    "keep one of the two; YAML would silently take the last",
                )
            else:
                self._found.lines.setdefault((*path, name), key.start_mark.line + 1)
                built[name] = self.build(value, (*path, name), around)
        for source in merged:
            self._merge(source, built, path, around)
        return built

    def _merge(self, source: yaml.Node, built: dict[str, Any], path: KeyPath, around: tuple[int, ...]) -> None:
        for each in _merge_sources(source):
            if not isinstance(each, yaml.MappingNode):
                self._note(each, path, "`<<` takes in a map, and this is none", "name an anchor of a map")
                continue
            for key, value in self._mapping(each, path, (*around, id(each))).items():
                built.setdefault(key, value)

    def _note(self, node: yaml.Node, path: KeyPath, message: str, next_step: str) -> None:
        noted = YamlProblem(node.start_mark.line + 1, path, message, next_step)
        # An alias is built once for every place that uses it; its problems are the same ones.
        if not any((each.line, each.message) == (noted.line, noted.message) for each in self._found.problems):
            self._found.problems.append(noted)


def _composed(text: str) -> str:
    """Letters with accents as one sign, as the data are compared; some editors and systems write them as two."""
    return unicodedata.normalize("NFC", text)


def _merge_sources(source: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(source, yaml.SequenceNode):
        yield from source.value
    else:
        yield source
