"""What a site file must also hold true: against the codebook, study.yml, and between its own keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analysis.common.wording import several
from flows.common.numbers import as_number
from flows.common.yaml_text import KeyPath
from flows.settings.codebook import Codebook
from flows.settings.column_use import column_problems
from flows.settings.form_sources import FormSources, form_sources
from flows.settings.settings_problems import did_you_mean, use_an_instrument
from flows.settings.site_models import FileSettings, SiteSettings
from flows.settings.study_models import StudySettings


@dataclass(frozen=True, slots=True)
class Found:
    """A problem with its place in the site file."""

    path: KeyPath
    message: str
    next_step: str


def check_site(site: SiteSettings, study: StudySettings | None, codebook: Codebook | None) -> Iterator[Found]:
    """Every problem of one site file that its models alone cannot see.

    Without ``study`` or ``codebook`` (when those cannot be read themselves) what needs them is left unchecked.
    """
    for key in ("name", "pattern"):
        for index, value, first in _repeated(getattr(file, key) for file in site.files):
            yield Found(
                ("files", index, key),
                f"files[{first}] has the {key} {value!r} already",
                "give each kind of file its own" if key == "name" else "put both files' forms under one entry",
            )
    for index, file in enumerate(site.files):
        path: KeyPath = ("files", index)
        yield from _check_file(file, path)
        for sources in form_sources(file):
            form_path = (*path, "forms", sources.index)
            if sources.client is None:
                yield Found(
                    form_path, "nothing says which column holds the client's id", "add `client:` here or to the file"
                )
            yield from _check_session(sources, study, form_path, path)
            yield from _check_maps(sources, form_path)
            if codebook is not None:
                yield from _check_instrument(sources, codebook, form_path)
        if codebook is not None and all(form.instrument in codebook.instruments for form in file.forms):
            for where, message, next_step in column_problems(file, codebook):
                yield Found((*path, *where), message, next_step)


def _repeated(values: Iterable[str]) -> Iterator[tuple[int, str, int]]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if value in first:
            yield index, value, first[value]
        first.setdefault(value, index)


def _check_file(file: FileSettings, path: KeyPath) -> Iterator[Found]:
    for key in ("csv", "excel", "redcap", "qualtrics"):
        if key != file.format and getattr(file, key) is not None:
            yield Found((*path, key), f"`{key}` is of no use to a file of format {file.format}", "take it out")
    for key, needed in (("item_code", "the column with the item's code"), ("value", "the column with the answer")):
        given = getattr(file, key) is not None
        if file.shape == "long" and not given:
            yield Found(path, f"a file of shape long needs `{key}`", f"add `{key}:` with {needed}")
        if file.shape == "wide" and given:
            yield Found((*path, key), f"`{key}` belongs to files of shape long", "add `shape: long`, or take it out")
    yield from _codes_once(file.missing, (*path, "missing"))


def _codes_once(codes: dict[str, str], path: KeyPath) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for code, reason in codes.items():
        compared = code.strip().lower()
        if seen.setdefault(compared, reason) != reason:
            yield Found(
                (*path, code),
                f"the missing code {code!r} has two reasons",
                "codes do not differ by case: keep one reason",
            )


def _check_session(
    sources: FormSources, study: StudySettings | None, path: KeyPath, file_path: KeyPath
) -> Iterator[Found]:
    session = sources.session
    if sources.phase != "therapy" or study is None:
        return
    known = [each.session for each in study.sessions]
    if session is None:
        if not (study.has_day_windows and sources.date is not None):
            yield Found(
                path,
                "nothing says which session this form belongs to",
                "add `session:` here or to the file, or set `phase: pre` or `phase: post`",
            )
        return
    place: KeyPath = (*(path if sources.form.session is not None else file_path), "session")
    given: dict[KeyPath, str] = {("value",): session.value} if session.value is not None else {}
    given.update({("map", text): mapped for text, mapped in session.map.items()})
    for where, mapped in given.items():
        if mapped not in known and as_number(mapped) is None:
            yield Found(
                (*place, *where),
                f"{mapped!r} is neither a number nor a session of study.yml.{did_you_mean(mapped, known)}",
                f"write a number, or one of {', '.join(known)}"
                if known
                else "write a number, or declare it in study.yml",
            )


def _check_maps(sources: FormSources, path: KeyPath) -> Iterator[Found]:
    maps: tuple[tuple[KeyPath, dict[str, str]], ...] = (
        (("rater", "map"), {key: str(value) for key, value in sources.rater.map.items()}),
        (("session", "map"), dict(sources.session.map) if sources.session else {}),
        (("episode", "map"), dict(sources.episode.map) if sources.episode else {}),
    )
    for where, entries in maps:
        seen: dict[str, str] = {}
        for text, mapped in entries.items():
            if seen.setdefault(text.strip().lower(), mapped) != mapped:
                yield Found((*path, *where, text), f"{text!r} is mapped twice", "maps do not differ by case: keep one")
    yield from _codes_once(sources.form.missing, (*path, "missing"))


def _check_instrument(sources: FormSources, codebook: Codebook, path: KeyPath) -> Iterator[Found]:
    form, instrument = sources.form, codebook.instruments.get(sources.instrument_id)
    if instrument is None:
        yield Found(
            (*path, "instrument"),
            f"the codebook has no instrument {form.instrument!r}.{did_you_mean(form.instrument, codebook.instruments)}",
            use_an_instrument(codebook.instruments),
        )
        return
    for rater in sources.raters:
        if rater not in instrument.raters:
            yield Found(
                (*path, "rater"),
                f"{form.instrument} is not answered by the {rater}",
                f"its raters are {', '.join(instrument.raters)}; another version goes into the study's codebook folder",
            )
    if form.items is None and not form.scores:
        yield Found(path, "the form holds neither items nor scores", "add `items:` or `scores:`")
    yield from _check_items(sources, codebook, (*path, "items"))
    scales = [scale.scale_id for scale in codebook.scales(form.instrument)]
    for scale_id in form.scores:
        if scale_id not in scales:
            yield Found(
                (*path, "scores", scale_id),
                f"{form.instrument} has no scale {scale_id!r}.{did_you_mean(scale_id, scales)}",
                f"use one of {', '.join(scales)}" if scales else "declare the scale in the study's codebook folder",
            )
    if isinstance(form.labels, dict):
        yield from _check_labels(sources, codebook, (*path, "labels"))


def _check_items(sources: FormSources, codebook: Codebook, path: KeyPath) -> Iterator[Found]:
    items, instrument_id = sources.form.items, sources.instrument_id
    if items is None:
        return
    known = [item.item_number for item in codebook.items(instrument_id)]
    if isinstance(items, tuple):
        if len(items) != len(known):
            yield Found(
                path,
                f"{several(len(items), 'column')} in the list, and {instrument_id} has {several(len(known), 'item')}",
                "name one column for each item in item order, with null for an item that was not asked",
            )
        elif all(each is None for each in items):
            yield Found(path, "the list names no column", "name the columns, or take the form out")
    elif isinstance(items, dict):
        for name, number in items.items():
            if number not in known:
                yield Found(
                    (*path, name),
                    f"{instrument_id} has no item {number}",
                    f"its items are {known[0]} to {known[-1]}",
                )
        for number, times in Counter(items.values()).items():
            if times > 1:
                names = [name for name, each in items.items() if each == number]
                yield Found(
                    (*path, names[-1]),
                    f"item {number} is bound to {times} columns: {', '.join(map(repr, names))}",
                    "bind each item to one column",
                )


def _check_labels(sources: FormSources, codebook: Codebook, path: KeyPath) -> Iterator[Found]:
    form = sources.form
    assert isinstance(form.labels, dict)
    ranges = [codebook.item_range(item) for item in codebook.items(form.instrument)]
    low, high = min(each[0] for each in ranges), max(each[1] for each in ranges)
    seen: dict[str, str] = {}
    by_number: dict[float, list[str]] = {}
    for label, number in form.labels.items():
        compared = label if form.case_sensitive else label.lower()
        if compared in seen:
            yield Found(
                (*path, label),
                f"the label {label!r} stands twice",
                "keep one, or set `case_sensitive: true` where labels differ by case",
            )
            continue
        seen[compared] = label
        by_number.setdefault(number, []).append(label)
        if label.lower() in sources.missing:
            yield Found((*path, label), f"{label!r} is a label and a missing code", "keep it in one of the two")
        if not low <= number + form.shift <= high:
            shifted = f" with shift {form.shift:g}" if form.shift else ""
            yield Found(
                (*path, label),
                f"the label {label!r} stands for {number:g}{shifted}, outside {low:g} to {high:g} of {form.instrument}",
                "correct the number or the shift",
            )
    for number, labels in by_number.items():
        if len(labels) > 1 and not form.labels_many_to_one:
            yield Found(
                (*path, labels[-1]),
                f"the labels {' and '.join(map(repr, labels))} stand for the same number {number:g}",
                "give each label its own number, or say `labels_many_to_one: true`",
            )
