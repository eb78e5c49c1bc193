"""REDCap raw export and its data dictionary.

The export is delimited text with the raw codes; event, arm, repeating instrument and instance stand in columns of
their own (``redcap_event_name``, ``redcap_repeat_instrument``, ``redcap_repeat_instance``) and are mapped like any
other column. The dictionary says which fields may hold free text or identify a person: notes fields, and fields
flagged as identifiers that the settings do not use, are never loaded. It also gives the choices' labels, and what it
does not know, or the export lacks, is told.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from analysis.common.wording import several
from flows.common.problems import Problem
from flows.landing.readers.delimited import Dialect, Header, Rows, read_delimited
from flows.landing.reading import FileRefused, Reading, Sink, Source, named_columns
from flows.settings.delivery_headers import DeliveredColumn
from flows.settings.settings_types import clean_column_name
from flows.settings.site_models import FileSettings

# REDCap adds these to the fields of the dictionary.
_ADDED = re.compile(
    r"redcap_(event_name|repeat_instrument|repeat_instance|data_access_group|survey_identifier)"
    r"|.+_(timestamp|complete|return_code)"
)
_CHECKBOX = re.compile(r"(?P<field>.+?)___(?P<code>.*)")
# Not exported: no data of their own.
_WITHOUT_DATA = {"descriptive"}
_WITH_CHOICES = {"radio", "dropdown", "checkbox", "truefalse", "yesno"}
_FIELD, _TYPE, _CHOICES, _IDENTIFIER, _VALIDATION = (
    # What the heading begins with in REDCap's own download, and its name in the API's.
    ("variable / field name", "field_name"),
    ("field type", "field_type"),
    ("choices", "select_choices_or_calculations"),
    ("identifier?", "identifier"),
    ("text validation type", "text_validation_type_or_show_slider_number"),
)
_MAX_NAMED = 10


@dataclass(frozen=True)
class _Field:
    kind: str
    choices: dict[str, str]
    is_identifier: bool
    is_open: bool


class RedcapReader:
    """Format ``redcap``."""

    format = "redcap"

    def settings(self, file: FileSettings) -> dict[str, Any]:
        """Encoding, delimiter and the dictionary's place (its contents count as well)."""
        return {**asdict(_dialect(file)), "dictionary": file.redcap_options.dictionary}

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        """The data dictionary."""
        dictionary = file.redcap_options.dictionary
        return (dictionary,) if dictionary else ()

    def read(self, source: Source, sink: Sink) -> Reading:
        """See the module."""
        dictionary = self._dictionary(source)

        def header(rows: Rows) -> Header:
            columns = named_columns(source, rows.take())
            declared = source.free_text(columns)
            if dictionary is None:
                return Header(columns, declared, (_without_dictionary(source),))
            labelled = tuple(_with_labels(column, dictionary) for column in columns)
            hidden = _never_loaded(source, columns, dictionary) - declared
            problems = _mismatches(source, columns, dictionary)
            if hidden:
                problems.append(_hidden(source, columns, hidden))
            return Header(labelled, declared | hidden, tuple(problems))

        return read_delimited(source, sink, _dialect(source.file), header)

    def _dictionary(self, source: Source) -> dict[str, _Field] | None:
        name = source.file.redcap_options.dictionary
        if name is None:
            return None
        path = source.companions.get(name)
        if path is None:
            # Which fields are free text cannot be known without it.
            raise FileRefused(
                "companion_missing",
                f"The data dictionary {name!r} is not in the site's folder.",
                "Put it there, or correct `dictionary` in the site's settings.",
            )
        return _read_dictionary(path, _dialect(source.file))


def _dialect(file: FileSettings) -> Dialect:
    options = file.redcap_options
    return Dialect(options.encoding, options.delimiter)


def _read_dictionary(path: Path, dialect: Dialect) -> dict[str, _Field]:
    """Fields by name. The dictionary is comma-separated, whatever the export is."""
    try:
        with path.open(encoding=dialect.codec, newline="") as text:
            rows = list(csv.reader(text))
    except (UnicodeError, csv.Error):
        rows = []
    names = [clean_column_name(name).lower() for name in rows[0]] if rows else []
    places = {
        key: next((place for place, name in enumerate(names) if name.startswith(key[0]) or name == key[1]), None)
        for key in (_FIELD, _TYPE, _CHOICES, _IDENTIFIER, _VALIDATION)
    }
    if places[_FIELD] is None or places[_TYPE] is None:
        raise FileRefused(
            "dictionary_not_readable",
            "The data dictionary has no columns for the field's name and type.",
            "Download it from REDCap's project setup as CSV and put it beside the export unchanged.",
        )

    def cell(row: Sequence[str], key: tuple[str, str]) -> str:
        place = places[key]
        return row[place].strip() if place is not None and place < len(row) else ""

    return {
        cell(row, _FIELD): _Field(
            cell(row, _TYPE).lower(),
            _choices(cell(row, _TYPE).lower(), cell(row, _CHOICES)),
            cell(row, _IDENTIFIER).lower() in ("y", "yes", "1"),
            cell(row, _TYPE).lower() == "text" and not cell(row, _VALIDATION),
        )
        for row in rows[1:]
        if cell(row, _FIELD)
    }


def _choices(kind: str, text: str) -> dict[str, str]:
    """Code to label, from ``1, Never | 2, Rarely``."""
    if kind == "yesno":
        return {"1": "Yes", "0": "No"}
    if kind == "truefalse":
        return {"1": "True", "0": "False"}
    if kind not in _WITH_CHOICES:
        return {}
    pairs = (choice.partition(",") for choice in text.split("|"))
    return {code.strip(): label.strip() for code, comma, label in pairs if comma}


def _field_of(name: str, dictionary: dict[str, _Field]) -> _Field | None:
    if name in dictionary:
        return dictionary[name]
    checkbox = _CHECKBOX.fullmatch(name)
    if checkbox is None:
        return None
    field = dictionary.get(checkbox["field"])
    return field if field is not None and field.kind == "checkbox" else None


def _with_labels(column: DeliveredColumn, dictionary: dict[str, _Field]) -> DeliveredColumn:
    field = _field_of(column.name, dictionary)
    if field is None or not field.choices:
        return column
    if field.kind == "checkbox":
        return replace(column, value_labels={"0": "Unchecked", "1": "Checked"})
    return replace(column, value_labels=field.choices)


def _never_loaded(source: Source, columns: Sequence[DeliveredColumn], dictionary: dict[str, _Field]) -> frozenset[int]:
    numbers = set()
    for column in columns:
        field = _field_of(column.name, dictionary)
        # A name the dictionary gives to nothing is loaded only when the settings use it.
        unknown = field is None and _ADDED.fullmatch(column.name) is None
        unwanted = unknown or (field is not None and (field.is_identifier or field.is_open or field.kind == "file"))
        is_notes = field is not None and field.kind == "notes"
        used = clean_column_name(column.name) in source.used_columns
        if is_notes or (unwanted and not used) or column.name == "redcap_survey_identifier":
            numbers.add(column.number)
    return frozenset(numbers)


def _hidden(source: Source, columns: Sequence[DeliveredColumn], hidden: frozenset[int]) -> Problem:
    return source.problem(
        "free_text_not_loaded",
        "Notes fields are never loaded, nor identifiers, open text and unknown fields that the settings do not use: "
        f"{_some([column.name for column in columns if column.number in hidden])}.",
        "Nothing; use the field in the site's settings if it is needed and is no free text.",
        severity="info",
    )


def _without_dictionary(source: Source) -> Problem:
    return source.problem(
        "no_dictionary",
        "Without the data dictionary it is not known which fields are free text.",
        "Name it in the site's settings under `redcap: dictionary:`, or list such fields under `free_text`.",
    )


def _mismatches(source: Source, columns: Sequence[DeliveredColumn], dictionary: dict[str, _Field]) -> list[Problem]:
    names = [column.name for column in columns]
    problems = []
    unknown = [name for name in names if _field_of(name, dictionary) is None and not _ADDED.fullmatch(name)]
    if unknown:
        problems.append(
            source.problem(
                "not_in_dictionary",
                f"{several(len(unknown), 'column')} of the export not in the data dictionary: {_some(unknown)}.",
                "Download the dictionary again, together with the export; check that the export is raw, not labelled.",
            )
        )
    exported = set(names) | {found["field"] for name in names if (found := _CHECKBOX.fullmatch(name))}
    absent = [name for name, field in dictionary.items() if name not in exported and field.kind not in _WITHOUT_DATA]
    if absent:
        problems.append(
            source.problem(
                "not_in_export",
                f"{len(absent)} fields of the data dictionary are not in the export: {_some(absent)}.",
                "Nothing, if they were left out on purpose.",
                severity="info",
            )
        )
    without_codes = [
        name
        for name in names
        if (found := _CHECKBOX.fullmatch(name))
        and (field := _field_of(name, dictionary)) is not None
        and field.choices
        and found["code"] not in {re.sub(r"[^a-z0-9]", "_", code.lower()) for code in field.choices}
    ]
    if without_codes:
        problems.append(
            source.problem(
                "checkbox_not_in_dictionary",
                f"Checkbox columns without such a choice in the dictionary: {_some(without_codes)}.",
                "Nothing, if they are the project's missing-data codes; else download the dictionary again.",
                severity="info",
            )
        )
    return problems


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_MAX_NAMED])
    return shown if len(names) <= _MAX_NAMED else f"{shown} and {len(names) - _MAX_NAMED} more"
