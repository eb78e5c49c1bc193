"""Says in plain words what pydantic found wrong in a settings file, where, and what to do."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from flows.common.errors import ConfigurationProblem
from flows.common.yaml_text import KeyPath, YamlText
from flows.settings.settings_types import SLUG_PATTERN

_SHOWN_CHARACTERS = 60


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` with a leading blank, or nothing where no known word is near."""
    words = sorted(known)
    folded = {each.casefold(): each for each in words}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""


def use_an_instrument(known: Iterable[str]) -> str:
    """What to do about an instrument that does not exist: the ones that do, and the way to add one."""
    return f"use one of {', '.join(sorted(known))}, or declare this one in the study's codebook folder"


def show(value: Any) -> str:
    """A value of a settings file as messages show it: quoted and not too long."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def key_path(path: KeyPath) -> str:
    """``('files', 0, 'forms', 2)`` as ``files[0].forms[2]``, list entries counted from 0."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def explain(
    error: ValidationError, model: type[BaseModel], source: YamlText, file: str, site_id: str | None
) -> Iterator[ConfigurationProblem]:
    """Every problem of one file that pydantic found, in its order of lines."""
    found = []
    for each in error.errors(include_url=False):
        if each["type"] == "too_short" and each["ctx"]["actual_length"] < each["ctx"]["min_length"] <= _length(each):
            continue  # its entries are there, and what is wrong with them is told already
        path = _path_in_file(each["loc"], source)
        message, next_step = _say(each, path, model)
        found.append(ConfigurationProblem(file, source.line_of(path), key_path(path), message, next_step, site_id))
    yield from sorted(found, key=lambda problem: (problem.line or 0, problem.key_path))


def _length(error: Any) -> int:
    value = error.get("input")
    return len(value) if isinstance(value, list | tuple | dict) else 0


def _path_in_file(loc: tuple[int | str, ...], source: YamlText) -> KeyPath:
    # Pydantic's location also names union members and keys that a shorthand left out; the file has neither.
    path: KeyPath = ()
    value = source.data
    for part in loc:
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if in_list or (isinstance(value, dict) and part in value):
            value = value[part]
            path = (*path, part)
    return path


def _say(error: Any, path: KeyPath, model: type[BaseModel]) -> tuple[str, str]:
    kind, context, value = error["type"], error.get("ctx", {}), error.get("input")
    if "next_step" in context:
        return context["message"], context["next_step"]
    last = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        known = sorted(_keys_at(model, error["loc"][:-1]))
        return f"the key {last!r} does not exist.{did_you_mean(last, known)}", f"use one of {', '.join(known)}"
    if kind == "missing":
        return f"the key {last!r} is missing", f"add `{last}:` here"
    if kind in ("literal_error", "enum"):
        allowed = context.get("expected", "").replace("'", "").replace(" or ", ", ").split(", ")
        return (
            f"{show(value)} is not allowed here.{did_you_mean(str(value), allowed)}",
            f"use one of {', '.join(allowed)}",
        )
    if kind == "string_pattern_mismatch" and context.get("pattern") == SLUG_PATTERN:
        return (
            f"{show(value)} is not a plain id",
            "use a lower-case letter, then lower-case letters, digits and _ (40 characters at most)",
        )
    said = _KINDS.get(kind)
    if said is not None:
        message, next_step = said
        return message.format(value=show(value), **context), next_step.format(**context)
    return (
        f"{show(value)}: {error['msg'][:1].lower()}{error['msg'][1:]}",
        "see docs/reference/study.md for what goes here",
    )


_NUMBER = ("{value} is not a number", "write a number with a decimal point, without quotes")
_WHOLE = ("{value} is not a whole number", "write a whole number, such as 5")
_MAP = ("{value} stands where keys with values belong", "write `key: value` lines, indented below this key")
_DATE = ("{value} is not a date", "write it as 2024-05-31")
_KINDS: dict[str, tuple[str, str]] = {
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_parsing": ("{value} is neither true nor false", "write true or false"),
    "bool_type": ("{value} is neither true nor false", "write true or false"),
    "string_type": ("{value} stands where a text belongs", "write a text"),
    "string_too_short": ("a text is missing here", "write a text of at least {min_length} character"),
    "string_too_long": ("{value} is too long", "write at most {max_length} character"),
    "model_type": _MAP,
    "model_attributes_type": _MAP,
    "dict_type": _MAP,
    "tuple_type": ("{value} stands where a list belongs", "write a list: [a, b] or lines that begin with -"),
    "list_type": ("{value} stands where a list belongs", "write a list: [a, b] or lines that begin with -"),
    "too_short": ("at least {min_length} entry is needed here", "add one"),
    "too_long": ("at most {max_length} entries are allowed here", "take the others out"),
    "items_shape": (
        "{value} is not a pattern, a list of columns in item order, or a map of column to item number",
        'write one of these, for example "WAI_{{item}}"',
    ),
    "greater_than": ("{value} is too small", "write a number greater than {gt}"),
    "greater_than_equal": ("{value} is too small", "write a number of at least {ge}"),
    "less_than": ("{value} is too large", "write a number smaller than {lt}"),
    "less_than_equal": ("{value} is too large", "write a number of at most {le}"),
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "date_type": _DATE,
}


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """The keys allowed at a location, found by walking the models' annotations."""
    kinds: list[Any] = [model]
    for part in loc:
        kinds = [inner for kind in kinds for inner in _step(kind, part)] or kinds
    return {key for kind in kinds if _is_model(kind) for key in kind.model_fields}


def _step(kind: Any, part: int | str) -> Iterator[Any]:
    if _is_model(kind):
        if part in kind.model_fields:
            yield from _members(kind.model_fields[part].annotation)
        return
    arguments = get_args(kind)
    if isinstance(part, int) and get_origin(kind) is tuple and arguments:
        yield from _members(arguments[0])
    elif get_origin(kind) is dict:
        yield from _members(arguments[1])


def _members(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
