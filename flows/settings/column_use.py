"""What each column of a file is used for, and where two uses cannot go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flows.common.yaml_text import KeyPath
from flows.settings.codebook import Codebook
from flows.settings.delivery_headers import DeliveredColumn, matching_columns
from flows.settings.form_sources import FormSources, form_sources
from flows.settings.site_models import FileSettings

_ROLE_WORDS = {
    "client": "the client's id",
    "therapist": "the therapist's id",
    "episode": "the episode",
    "rater": "the rater",
    "session": "the session",
    "date": "the date",
    "filter": "the choice of rows",
    "item_code": "the item's code",
    "value": "the answer",
}
# These may share a column: REDCap's event name says session, rater and which rows hold a form.
_SHARING = {"episode", "rater", "session", "date", "filter"}
# One id may name the pair, as a couple's or a case's number does; it becomes a client and a therapist of its own.
_NAMING_THE_PAIR = {"client", "therapist"}


@dataclass(frozen=True)
class _Use:
    role: str
    what: str
    path: KeyPath
    sources: FormSources | None = None


def column_problems(file: FileSettings, codebook: Codebook) -> Iterator[tuple[KeyPath, str, str]]:
    """Columns (or item codes) of a file that are used for two things at once: place, message, next step.

    The instruments of all forms must be known to the codebook.
    """
    resolved = form_sources(file)
    columns: dict[str, list[_Use]] = {}
    codes: dict[str, list[_Use]] = {}
    for role, name in (("item_code", file.item_code), ("value", file.value)):
        if name is not None:
            columns.setdefault(name, []).append(_Use(role, _ROLE_WORDS[role], (role,)))
    for sources in resolved:
        path: KeyPath = ("forms", sources.index)
        for role, name, _ in sources.key_columns():
            columns.setdefault(name, []).append(_Use(role, _ROLE_WORDS[role], path, sources))
        bound = codes if file.shape == "long" else columns
        for target in sources.targets(codebook):
            item = f"item {target.item_number}" if target.scale_id is None else f"scale {target.scale_id}"
            place = (*path, "items" if target.scale_id is None else "scores")
            bound.setdefault(target.name, []).append(
                _Use("bound", f"{item} of {sources.instrument_id} (forms[{sources.index}])", place, sources)
            )
    yield from _clashes("column", columns)
    yield from _clashes("item code", codes)
    yield from _hidden(file, columns)


def _clashes(kind: str, used: dict[str, list[_Use]]) -> Iterator[tuple[KeyPath, str, str]]:
    # Two patterns that meet clash for every item: one problem for the pair, not one for each column. Two keys of the
    # file that meet clash in every form: one problem for the column, not one for each pair of forms.
    told: dict[tuple[object, ...], list[tuple[str, _Use, _Use]]] = {}
    for name, uses in used.items():
        for index, later in enumerate(uses):
            for earlier in uses[:index]:
                if not _go_together(earlier, later):
                    pair: tuple[object, ...] = (earlier.path, later.path, earlier.role, later.role)
                    if "bound" not in (earlier.role, later.role):
                        pair = (name, frozenset((earlier.role, later.role)))
                    told.setdefault(pair, []).append((name, earlier, later))
    for clashes in told.values():
        name, earlier, later = clashes[0]
        others = len({name for name, _, _ in clashes}) - 1
        more = f" (and {others} more like it)" if others else ""
        apart = earlier.role == later.role == "bound" and earlier.sources is not later.sources
        yield (
            later.path,
            f"the {kind} {name!r} is bound twice: to {earlier.what} and to {later.what}{more}",
            "bind it once, or give both forms `only_rows` on the same column with different values"
            if apart
            else "bind it to one of them",
        )


def _go_together(first: _Use, second: _Use) -> bool:
    if first.role == second.role == "bound":
        if first.sources is None or second.sources is None or first.sources is second.sources:
            return False
        return first.sources.never_meets(second.sources)
    if first.role == second.role or {first.role, second.role} == _NAMING_THE_PAIR:
        return True
    return first.role in _SHARING and second.role in _SHARING


def _hidden(file: FileSettings, columns: dict[str, list[_Use]]) -> Iterator[tuple[KeyPath, str, str]]:
    named = [DeliveredColumn(number, name) for number, name in enumerate(columns)]
    for key, patterns in (("free_text", file.free_text), ("ignore", file.ignore)):
        for index, pattern in enumerate(patterns):
            if key == "ignore" and "*" in pattern:
                continue
            for number in matching_columns([pattern], named):
                name = named[number].name
                use = columns[name][0]
                yield (
                    (key, index),
                    f"the column {name!r} is named in `{key}` and used for {use.what}",
                    "take it out of one of the two",
                )
    for index, pattern in enumerate(file.ignore):
        if pattern in file.free_text:
            yield (
                ("ignore", index),
                f"the column {pattern!r} is also named in `free_text`",
                "keep it in `free_text` only",
            )
