"""What would be loaded, what is not mapped and what is wrong, site by site: the data behind ``alliance check``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.common.problems import Problem
from flows.layout.layout import Layout
from flows.settings.codebook import Codebook
from flows.settings.delivery_headers import DeliveryHeader
from flows.settings.settings_types import clean_column_name
from flows.settings.study import Study


@dataclass(frozen=True, slots=True)
class FormPreview:
    """One form that records of a file would hold.

    ``rater`` is ``client``, ``therapist`` or ``by column``; ``items`` are the numbers of the items bound, ``n_items``
    how many the instrument has, ``scores`` the scales delivered as such; ``session`` says where the session comes
    from; ``only_rows`` is true where not every record holds the form.
    """

    instrument_id: str
    rater: str
    phase: str
    session: str
    orientation: str
    items: tuple[int, ...]
    n_items: int
    scores: tuple[str, ...]
    only_rows: bool


@dataclass(frozen=True, slots=True)
class FilePreview:
    """One delivery. ``is_current`` is false for an export that a newer full one replaces."""

    file_spec: str
    file_name: str
    delivery_number: int
    is_current: bool
    forms: tuple[FormPreview, ...]
    columns_unmapped: tuple[str, ...]
    columns_ignored: tuple[str, ...]
    columns_free_text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SitePreview:
    """One site; ``without_delivery`` names entries under ``files`` for which nothing has been delivered.

    ``usable`` is false where the site file cannot be used; the site's deliveries are then not previewed.
    """

    site_id: str
    name: str
    usable: bool
    files: tuple[FilePreview, ...]
    without_delivery: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def n_columns_unmapped(self) -> int:
        """Columns not mapped, over all files."""
        return sum(len(file.columns_unmapped) for file in self.files)


def preview(
    study: Study, codebook: Codebook, layout: Layout, landing_problems: Iterable[Problem] = ()
) -> dict[str, SitePreview]:
    """What each site's deliveries would become, by site in alphabetical order.

    ``landing_problems`` are what the readers found; they are shown beside the layout's own. Nothing is changed.
    """
    problems = [*layout.problems, *landing_problems]
    site_ids = sorted({*study.sites, *study.invalid_sites, *(each.site_id for each in problems if each.site_id)})
    tables = _take_apart(layout)
    return {site_id: _preview_site(site_id, study, codebook, layout, tables, problems) for site_id in site_ids}


@dataclass(frozen=True)
class _Tables:
    """The layout's tables by delivery and by block, taken apart once."""

    columns: dict[int, list[Any]]
    blocks: dict[int, list[Any]]
    bound: dict[int, list[Any]]


def _take_apart(layout: Layout) -> _Tables:
    found = _Tables(defaultdict(list), defaultdict(list), defaultdict(list))
    by_key: tuple[tuple[str, str, dict[int, list[Any]]], ...] = (
        ("layout_columns", "delivery_number", found.columns),
        ("layout_blocks", "delivery_number", found.blocks),
        ("layout_bindings", "block_id", found.bound),
        ("layout_item_codes", "block_id", found.bound),
    )
    for table, key, rows in by_key:
        for row in layout.frames[table].itertuples():
            rows[getattr(row, key)].append(row)
    return found


def _preview_site(
    site_id: str, study: Study, codebook: Codebook, layout: Layout, tables: _Tables, problems: Sequence[Problem]
) -> SitePreview:
    site = study.sites.get(site_id)
    own = [each for each in layout.deliveries if each.header.site_id == site_id]
    files = tuple(
        _preview_file(each.header, each.file.name, each.is_current, codebook, tables)
        for each in sorted(own, key=lambda delivery: (delivery.file.name, delivery.delivery_rank))
    )
    files += tuple(
        _preview_file(header, header.file_spec, False, codebook, tables)
        for header in layout.uncovered
        if header.site_id == site_id and site is not None
    )
    arrived = {each.file.name for each in own}
    return SitePreview(
        site_id,
        site.name if site is not None else site_id,
        site is not None,
        files,
        tuple(file.name for file in site.files if file.name not in arrived) if site is not None else (),
        tuple(each for each in problems if each.site_id == site_id),
    )


def _preview_file(
    header: DeliveryHeader, file_spec: str, is_current: bool, codebook: Codebook, tables: _Tables
) -> FilePreview:
    named: dict[str, list[str]] = {"unmapped": [], "ignored": [], "free_text": []}
    for column in tables.columns[header.delivery_number]:
        if column.role in named:
            name = clean_column_name(str(column.column_name))
            named[column.role].append(name or f"column {column.column_number} without a name")
    return FilePreview(
        file_spec,
        header.file_name,
        header.delivery_number,
        is_current,
        tuple(_preview_form(block, codebook, tables) for block in tables.blocks[header.delivery_number]),
        tuple(named["unmapped"]),
        tuple(named["ignored"]),
        tuple(named["free_text"]),
    )


def _preview_form(block: Any, codebook: Codebook, tables: _Tables) -> FormPreview:
    bound = tables.bound[block.block_id]
    return FormPreview(
        block.instrument_id,
        "by column" if pd.isna(block.rater) else block.rater,
        block.phase,
        _session(block),
        block.orientation,
        tuple(sorted(int(each.item_number) for each in bound if pd.notna(each.item_number))),
        len(codebook.items(block.instrument_id)),
        tuple(sorted(each.scale_id for each in bound if pd.notna(each.scale_id))),
        bool(pd.notna(block.filter_column)),
    )


def _session(block: Any) -> str:
    if pd.notna(block.session):
        return str(block.session)
    if pd.notna(block.session_column):
        return "by column"
    return "by date" if block.phase == "therapy" else str(block.phase)
