"""Resolves one delivery: its header and its file's settings become blocks, bindings and the role of every column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from flows.common.problems import Problem, Severity
from flows.layout.column_rules import LabelTrouble, rule_of_target
from flows.layout.decoding_rules import RuleBook
from flows.layout.header_problems import HeaderProblems
from flows.settings.codebook import Codebook
from flows.settings.delivery_headers import (
    ColumnFinder,
    DeliveredColumn,
    DeliveryHeader,
    NotFound,
    free_text_columns,
    matching_columns,
)
from flows.settings.form_sources import FormSources, Target, form_sources
from flows.settings.settings_types import clean_column_name
from flows.settings.site_models import FileSettings

_KEY_ROLES = ("client", "therapist", "episode", "rater", "session", "date")
_ROLE_ORDER = (*_KEY_ROLES, "item", "score", "item_code", "value", "filter")


@dataclass(frozen=True)
class Delivery:
    """A delivery with the settings that cover it and its place among the site's deliveries."""

    header: DeliveryHeader
    file: FileSettings
    is_current: bool
    delivery_rank: int


@dataclass
class LayoutRows:
    """Rows of the layout tables while they are made; block and rule numbers run over all deliveries."""

    rules: RuleBook = field(default_factory=RuleBook)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, table: str, **row: Any) -> None:
        """Adds a row to a table."""
        self.tables.setdefault(table, []).append(row)

    def next_block(self) -> int:
        """The number of the block to be added next."""
        return len(self.tables.get("layout_blocks", [])) + 1


@dataclass
class _ColumnUse:
    role: str
    block_name: str | None = None
    instrument_id: str | None = None
    item_number: int | None = None
    scale_id: str | None = None


def resolve_delivery(delivery: Delivery, codebook: Codebook, rows: LayoutRows, site_file: str) -> None:
    """Adds all rows and problems of one delivery to ``rows``."""
    _DeliveryResolver(delivery, codebook, rows, site_file).resolve()


def leave_unmapped(header: DeliveryHeader, rows: LayoutRows, role: Literal["unmapped", "ignored"] = "unmapped") -> None:
    """Adds every column of a delivery that no settings cover as ``unmapped``, or as ``ignored`` where that is meant."""
    for column in header.columns:
        rows.add(
            "layout_columns",
            delivery_number=header.delivery_number,
            column_number=column.number,
            column_name=column.name,
            role=role,
        )


class _DeliveryResolver:
    def __init__(self, delivery: Delivery, codebook: Codebook, rows: LayoutRows, site_file: str) -> None:
        self._delivery = delivery
        self._header, self._file = delivery.header, delivery.file
        self._codebook = codebook
        self._rows = rows
        self._finder = ColumnFinder(delivery.header.columns)
        self._problems = HeaderProblems(delivery.header, site_file)
        self._uses: dict[int, list[_ColumnUse]] = {}
        # A form left out of a full export would make its earlier answers vanish; elsewhere they stay.
        self._left_out: Severity = "critical" if self._file.deliveries == "full" and delivery.is_current else "warning"

    def resolve(self) -> None:
        for sources in form_sources(self._file):
            self._resolve_form(sources)
        self._write_columns()
        self._rows.problems += self._problems.found

    def _resolve_form(self, sources: FormSources) -> None:
        keys = self._find_keys(sources)
        if keys is None:
            return
        if sources.shape == "long":
            self._add_long(sources, keys)
        else:
            self._add_wide(sources, keys)

    def _find_keys(self, sources: FormSources) -> dict[str, int] | None:
        wanted = list(sources.key_columns())
        if sources.shape == "long":
            both = (("item_code", self._file.item_code), ("value", self._file.value))
            wanted += [(role, name, True) for role, name in both if name is not None]
        found: dict[str, int] = {}
        usable = True
        for role, name, needed in wanted:
            column = self._finder.find(name)
            if isinstance(column, DeliveredColumn):
                found[role] = column.number
            else:
                self._problems.key_column(
                    column, _ROLE_WORDS[role], _form(sources), "critical" if needed else "warning", left_out=needed
                )
                usable = usable and not needed
        return found if usable and "client" in found else None

    def _add_wide(self, sources: FormSources, keys: dict[str, int]) -> None:
        bound: list[tuple[Target, DeliveredColumn]] = []
        absent: list[tuple[Target, NotFound]] = []
        for target in sources.targets(self._codebook):
            column = self._finder.find(target.name)
            if isinstance(column, DeliveredColumn):
                bound.append((target, column))
            else:
                absent.append((target, column))
        repeated = [each for _, each in absent if each.reason == "duplicate"]
        missing = [(target, each) for target, each in absent if each.reason == "missing"]
        if repeated:
            self._problems.bound_twice(repeated, _form(sources), self._left_out)
            return
        if not bound:
            self._problems.no_match(_pattern(sources), [each for _, each in missing], _form(sources), self._left_out)
            return
        if missing:
            named = _named([target for target, _ in missing])
            self._problems.some_missing([each for _, each in missing], named, _form(sources))
        block_id = self._add_block(sources, keys, [column.number for _, column in bound])
        trouble = LabelTrouble()
        for target, column in bound:
            rule = rule_of_target(sources, target, column, self._codebook, self._file.decimal_mark, trouble)
            self._rows.add(
                "layout_bindings",
                block_id=block_id,
                column_number=column.number,
                item_number=target.item_number,
                scale_id=target.scale_id,
                rule_id=self._rows.rules.number(rule),
            )
            self._use(column.number, _target_use(sources, target))
        self._note_labels(trouble)

    def _add_long(self, sources: FormSources, keys: dict[str, int]) -> None:
        block_id = self._add_block(sources, keys, [])
        value = next(column for column in self._header.columns if column.number == keys["value"])
        trouble = LabelTrouble()
        for target in sources.targets(self._codebook):
            rule = rule_of_target(sources, target, value, self._codebook, self._file.decimal_mark, trouble)
            self._rows.add(
                "layout_item_codes",
                block_id=block_id,
                item_code=target.name,
                item_number=target.item_number,
                scale_id=target.scale_id,
                rule_id=self._rows.rules.number(rule),
            )
        self._note_labels(trouble)

    def _add_block(self, sources: FormSources, keys: dict[str, int], bound: list[int]) -> int:
        block_id = self._rows.next_block()
        session, only_rows = sources.session, sources.only_rows
        self._rows.add(
            "layout_blocks",
            block_id=block_id,
            delivery_number=self._header.delivery_number,
            site_id=self._header.site_id,
            file_spec=self._file.name,
            block_name=sources.block_name,
            instrument_id=sources.instrument_id,
            shape=sources.shape,
            phase=sources.phase,
            orientation=sources.form.orientation,
            rater=sources.rater.value,
            rater_column=keys.get("rater"),
            client_column=keys["client"],
            therapist_column=keys.get("therapist"),
            episode_column=keys.get("episode"),
            session=session.value if session else None,
            session_column=keys.get("session"),
            date_column=keys.get("date"),
            date_format=sources.date.format if sources.date and "date" in keys else None,
            filter_column=keys.get("filter"),
            filter_values=[value.strip() for value in only_rows.values] if only_rows else None,
            item_code_column=keys.get("item_code"),
            value_column=keys.get("value"),
            bound_columns=bound,
            decimal_mark=self._file.decimal_mark,
            shift=sources.form.shift,
            is_current=self._delivery.is_current,
            delivery_rank=self._delivery.delivery_rank,
        )
        for role, raw_value, mapped in _value_maps(sources):
            self._rows.add("layout_value_maps", block_id=block_id, role=role, raw_value=raw_value, mapped=mapped)
        for role, number in keys.items():
            self._use(number, _ColumnUse(role))
        return block_id

    def _use(self, column_number: int, use: _ColumnUse) -> None:
        self._uses.setdefault(column_number, []).append(use)

    def _note_labels(self, trouble: LabelTrouble) -> None:
        told: tuple[tuple[str, list[str], str], ...] = (
            (
                "value_labels_missing",
                trouble.without_labels,
                "no value labels are in the file; numbers are read as such",
            ),
            ("value_labels_ambiguous", trouble.label_twice, "one label stands for two codes; it is not used"),
            ("value_labels_out_of_range", trouble.out_of_range, "a value label stands for a code outside the range"),
        )
        for problem, names, said in told:
            for name in dict.fromkeys(names):
                action = "Give the form its own `labels`, or correct `missing` and `shift`."
                self._problems.note(problem, f"For this column {said}.", action, "warning", name)

    def _write_columns(self) -> None:
        free_text = set(free_text_columns(self._file, self._header.columns))
        ignored = set(matching_columns(self._file.ignore, self._header.columns))
        unmapped = []
        for column in self._header.columns:
            use = _one_use(self._uses.get(column.number, []))
            if use is None:
                left = (
                    "free_text" if column.number in free_text else "ignored" if column.number in ignored else "unmapped"
                )
                use = _ColumnUse(left)
                if left == "unmapped":
                    unmapped.append(clean_column_name(column.name) or f"column {column.number} without a name")
            self._rows.add(
                "layout_columns",
                delivery_number=self._header.delivery_number,
                column_number=column.number,
                column_name=column.name,
                **vars(use),
            )
        self._problems.unmapped(unmapped)


_ROLE_WORDS = {
    "client": "client",
    "therapist": "therapist",
    "episode": "episode",
    "rater": "rater",
    "session": "session",
    "date": "date",
    "filter": "choice of rows",
    "item_code": "item code",
    "value": "answer",
}


def _form(sources: FormSources) -> str:
    rater = sources.rater.value or "either rater"
    return f"{sources.instrument_id}, {rater}, phase {sources.phase}"


def _pattern(sources: FormSources) -> str:
    items = sources.form.items
    if isinstance(items, str):
        return f"pattern {items}"
    return "the columns listed" if items is not None else "the columns of scores"


def _named(targets: list[Target]) -> str:
    items = [str(each.item_number) for each in targets if each.scale_id is None]
    scales = [each.scale_id for each in targets if each.scale_id is not None]
    parts = [f"items {', '.join(items)}"] if items else []
    parts += [f"scales {', '.join(scales)}"] if scales else []
    text = " and ".join(parts)
    return text[:1].upper() + text[1:]


def _target_use(sources: FormSources, target: Target) -> _ColumnUse:
    role = "item" if target.scale_id is None else "score"
    return _ColumnUse(role, sources.block_name, sources.instrument_id, target.item_number, target.scale_id)


def _value_maps(sources: FormSources) -> Iterator[tuple[str, str, str]]:
    rater: dict[str, str] = {key: str(value) for key, value in sources.rater.map.items()}
    if sources.rater.column is not None and not rater:
        rater = {"client": "client", "therapist": "therapist"}
    maps = (
        ("rater", rater),
        ("session", sources.session.map if sources.session else {}),
        ("episode", sources.episode.map if sources.episode else {}),
    )
    for role, entries in maps:
        for raw_value, mapped in {key.strip().lower(): value for key, value in entries.items()}.items():
            yield role, raw_value, mapped


def _one_use(uses: list[_ColumnUse]) -> _ColumnUse | None:
    """The role a column is shown with; what the forms that share it do not agree on stays open."""
    if not uses:
        return None
    if len(uses) == 1:
        return uses[0]
    first = min(uses, key=lambda use: _ROLE_ORDER.index(use.role))
    same = [use for use in uses if use.role == first.role]
    shown = _ColumnUse(first.role)
    for name in ("block_name", "instrument_id", "item_number", "scale_id"):
        values = {getattr(use, name) for use in same}
        if len(values) == 1:
            setattr(shown, name, values.pop())
    return shown
