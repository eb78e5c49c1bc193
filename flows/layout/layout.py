"""From a study's settings and the headers of its deliveries to the tables that dbt reads instead of settings.

Every rule of a site file is data after this: which column holds which item of which form, and how its texts become
numbers. The tables are described in `flows.landing.layout_tables`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from flows.common.problems import Problem, Severity
from flows.landing.discover import matches
from flows.landing.layout_tables import LAYOUT_TABLES, make_frame
from flows.layout.blocks import Delivery, LayoutRows, leave_unmapped, resolve_delivery
from flows.settings.codebook import Codebook
from flows.settings.delivery_headers import DeliveredColumn, DeliveryHeader, free_text_columns
from flows.settings.site_models import FileSettings, SiteSettings
from flows.settings.study import Study

__all__ = [
    "DeliveredColumn",
    "DeliveryHeader",
    "Layout",
    "free_text_columns",
    "resolve_layout",
]


@dataclass(frozen=True)
class Layout:
    """The resolved layout.

    ``frames`` holds one frame for each table of `LAYOUT_TABLES`, by its name without the schema. ``problems`` are
    rows of ``raw.landing_problems``. ``deliveries`` are those that settings cover, by site and rank; ``uncovered``
    are the others, whose columns are all unmapped.
    """

    frames: dict[str, pd.DataFrame]
    problems: tuple[Problem, ...]
    deliveries: tuple[Delivery, ...]
    uncovered: tuple[DeliveryHeader, ...] = ()


def resolve_layout(
    study: Study,
    codebook: Codebook,
    deliveries: Sequence[DeliveryHeader],
    refresh_settings: Mapping[str, str] | None = None,
    without_file: Collection[int] = (),
) -> Layout:
    """Resolves settings and headers to the layout tables.

    ``refresh_settings`` are rows of ``study_settings`` that only the refresh knows: refresh_id, refreshed_at,
    code_version, today. ``without_file`` are numbers of deliveries whose file was taken away or replaced by another:
    what of these cannot be used is set aside, so that one wrong delivery does not stop every later refresh.

    Nothing raises for a header that does not fit: the forms concerned are left out and ``Layout.problems`` says so. A
    delivery whose file entry is gone from its site file has ``unmapped`` columns only; landing has moved it to another
    entry before, where one fits its name; so has one that its entry's ``leave_out`` names.
    """
    rows = LayoutRows()
    _add_study(study, refresh_settings or {}, rows)
    left_out = _left_out(study, deliveries, rows)
    deliveries = [each for each in deliveries if each.delivery_number not in left_out]
    set_aside = _to_set_aside(study, codebook, deliveries, without_file)
    covered, uncovered = _cover(study, [each for each in deliveries if each.delivery_number not in set_aside])
    uncovered += [each for each in deliveries if each.delivery_number in set_aside]
    for delivery in covered:
        site_file = _site_file(delivery.header.site_id, study)
        _note_name(delivery, site_file, rows)
        resolve_delivery(delivery, codebook, rows, site_file)
    for header in uncovered:
        leave_unmapped(header, rows)
        if header.delivery_number in set_aside:
            rows.problems.append(_set_aside(header))
        elif header.site_id in study.sites:
            rows.problems.append(_not_covered(header, study))
    for header in left_out.values():
        leave_unmapped(header, rows, "ignored")
        rows.problems.append(_told_left_out(header, study))
    uncovered += left_out.values()
    rows.problems += _settings_problems(study)
    tables = {**rows.tables, **rows.rules.rows()}
    frames = {table: make_frame(table, tables.get(table, [])) for table in LAYOUT_TABLES}
    return Layout(frames, tuple(rows.problems), tuple(covered), tuple(uncovered))


def _add_study(study: Study, refresh_settings: Mapping[str, str], rows: LayoutRows) -> None:
    settings = study.settings
    values = {
        "study_id": settings.study,
        "title": settings.title,
        "min_share_answered": f"{settings.min_share_answered:.15g}",
        "pairing_max_days": "" if settings.pairing_max_days is None else str(settings.pairing_max_days),
        **refresh_settings,
    }
    for setting, value in values.items():
        rows.add("study_settings", setting=setting, value=value)
    for order, window in enumerate(settings.sessions, start=1):
        numbers, days = window.numbers or (None, None), window.days or (None, None)
        rows.add(
            "sessions",
            session_id=window.session,
            session_order=order,
            label=window.label or window.session,
            from_number=numbers[0],
            to_number=numbers[1],
            target_number=window.target,
            from_day=days[0],
            to_day=days[1],
        )
    for site in study.sites.values():
        rows.add(
            "sites",
            site_id=site.site,
            name=site.name,
            expected_clients=site.expected.clients,
            expected_by=site.expected.by,
            expected_every_days=site.expected.every_days,
            max_clients_per_therapist=site.expected.max_clients_per_therapist,
        )
        declared = {
            (form.instrument, rater) for file in site.files for form in file.forms for rater in form.rater.raters
        }
        for instrument_id, rater in sorted(declared):
            rows.add("site_instruments", site_id=site.site, instrument_id=instrument_id, rater=rater)


def _cover(study: Study, deliveries: Sequence[DeliveryHeader]) -> tuple[list[Delivery], list[DeliveryHeader]]:
    found: list[tuple[DeliveryHeader, FileSettings]] = []
    uncovered: list[DeliveryHeader] = []
    for header in deliveries:
        site = study.sites.get(header.site_id)
        file = None if site is None else _file_of(header, site)
        if file is None:
            uncovered.append(header)
        else:
            found.append((header, file))
    found.sort(key=lambda pair: (pair[0].site_id, _delivered_on(*pair) or dt.date.min, pair[0].order))
    newest = {(header.site_id, file.name): header.delivery_number for header, file in found}
    ranks: dict[str, int] = {}
    covered = []
    for header, file in found:
        rank = ranks[header.site_id] = ranks.get(header.site_id, 0) + 1
        current = file.deliveries != "full" or newest[header.site_id, file.name] == header.delivery_number
        covered.append(Delivery(header, file, current, rank))
    return covered, sorted(uncovered, key=lambda header: header.delivery_number)


def _left_out(study: Study, deliveries: Sequence[DeliveryHeader], rows: LayoutRows) -> dict[int, DeliveryHeader]:
    """Deliveries that were taken back, by number; a pattern that fits none is told."""
    found: dict[int, DeliveryHeader] = {}
    for site in study.sites.values():
        for file in site.files:
            of_entry = [each for each in deliveries if (each.site_id, each.file_spec) == (site.site, file.name)]
            for pattern in file.leave_out:
                fitting = {each.delivery_number: each for each in of_entry if matches(pattern, each.file_name)}
                found |= fitting
                if not fitting:
                    rows.problems.append(_told_leaves_nothing_out(site, file, pattern))
    return dict(sorted(found.items()))


def _to_set_aside(
    study: Study, codebook: Codebook, deliveries: Sequence[DeliveryHeader], without_file: Collection[int]
) -> set[int]:
    """Numbers of deliveries that cannot be used as they are, and whose file nobody stands by any more."""
    covered, _ = _cover(study, [each for each in deliveries if each.delivery_number in set(without_file)])
    found = set()
    for delivery in covered:
        alone = LayoutRows()
        resolve_delivery(replace(delivery, is_current=True), codebook, alone, "")
        if any(problem.severity == "critical" for problem in alone.problems):
            found.add(delivery.header.delivery_number)
    return found


def _delivered_on(header: DeliveryHeader, file: FileSettings) -> dt.date | None:
    # The setting may have come after the delivery was landed, so the name is read again.
    return file.date_of(header.file_name) if file.date_in_name else header.delivered_on


def _file_of(header: DeliveryHeader, site: SiteSettings) -> FileSettings | None:
    return next((file for file in site.files if file.name == header.file_spec), None)


def _note_name(delivery: Delivery, site_file: str, rows: LayoutRows) -> None:
    header, file = delivery.header, delivery.file
    if file.date_in_name is not None and file.date_of(header.file_name) is None:
        rows.problems.append(
            _told(
                header,
                "date_in_name_not_found",
                f"The file's name has no date as `date_in_name` says ({file.date_in_name}); it counts as the oldest.",
                f"Rename the file, or correct `date_in_name` in {site_file}.",
                "warning",
            )
        )


def _told(header: DeliveryHeader, problem: str, message: str, action: str, severity: Severity) -> Problem:
    return Problem.of_file(header.site_id, header.file_name, problem, message, action, severity)


def _site_file(site_id: str, study: Study) -> str:
    return study.paths.relative(study.paths.site_file(site_id))


def _not_covered(header: DeliveryHeader, study: Study) -> Problem:
    return _told(
        header,
        "file_entry_gone",
        f"The delivery was landed for the file entry {header.file_spec!r}, which "
        f"{_site_file(header.site_id, study)} no longer has; none of its cells is mapped.",
        "Bring the entry back, or give another entry a pattern that fits the file's name.",
        "warning",
    )


def _told_left_out(header: DeliveryHeader, study: Study) -> Problem:
    return _told(
        header,
        "left_out",
        f"Delivery {header.delivery_number} of this name is taken back by `leave_out` in "
        f"{_site_file(header.site_id, study)}; none of its cells is mapped.",
        "Nothing, if that was on purpose; else take it off the list.",
        "info",
    )


def _told_leaves_nothing_out(site: SiteSettings, file: FileSettings, pattern: str) -> Problem:
    return Problem.of_file(
        site.site,
        "",
        "leave_out_not_found",
        f"No delivery of {file.name!r} has a name that fits {pattern!r} under `leave_out`.",
        "Correct the name, or take it off the list.",
    )


def _set_aside(header: DeliveryHeader) -> Problem:
    return _told(
        header,
        "set_aside",
        f"Delivery {header.delivery_number} of this name could not be used, and its file has been taken away or "
        "replaced; none of its cells is mapped.",
        "Nothing, if that was on purpose; else put the file back.",
        "info",
    )


def _settings_problems(study: Study) -> list[Problem]:
    return [
        Problem.of_file(
            each.site_id or "",
            "",
            "site_file_invalid",
            f"{each.file}{'' if each.line is None else f', line {each.line}'}"
            f"{f', {each.key_path}' if each.key_path else ''}: {each.message.rstrip('.')}; the site is left out.",
            f"{each.next_step[:1].upper()}{each.next_step[1:]}.",
            "critical",
        )
        for each in study.problems
    ]
