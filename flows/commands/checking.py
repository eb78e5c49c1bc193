"""What `alliance check` finds: a refresh's landing played through in memory, so that nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from flows.building.judgement import checks_of
from flows.commands.cells_preview import CellsPreview, Rejection, preview_cells
from flows.commands.preview import SitePreview, preview
from flows.common.errors import AllianceError, ExitCode
from flows.landing.land import land
from flows.landing.opening import preview_store
from flows.landing.private_copy import private_folder
from flows.landing.reading import Limits
from flows.landing.store import LandingStore
from flows.landing.withdrawals import withdrawal_problems
from flows.layout.header_problems import listed
from flows.layout.layout import Layout, resolve_layout
from flows.settings.study import Study, load_study
from report.words import REASONS


@dataclass(frozen=True)
class CheckedCells:
    """What would become of the cells of one file's mapped columns.

    ``unknown_codes`` counts records of a long file whose item code no form names.
    """

    file_name: str
    accepted: int
    declared_missing: int
    blank: int
    rejected: int
    superseded: int
    withdrawn: int
    unknown_codes: int
    rejections: list[Rejection]


@dataclass(frozen=True)
class CheckedSite:
    """One site in words. ``forms`` are rows of file, instrument, rater, session and items found."""

    site_id: str
    name: str
    forms: list[tuple[str, str, str, str, str]]
    cells: list[CheckedCells]
    not_mapped: list[str]
    problems: list[tuple[str, str]]


@dataclass(frozen=True)
class Checked:
    """What a refresh would do with a study. ``problems`` are those of no site: severity and sentence."""

    problems: list[tuple[str, str]]
    sites: list[CheckedSite]
    message: str
    exit_code: int

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def check_study(folder: Path, *, progress: Callable[[str], None] = lambda sentence: None) -> Checked:
    """Read settings and deliveries and say what a refresh would load, site by site.

    Raises
    ------
    ConfigurationError
        study.yml or the codebook cannot be used. A site file that cannot be used is told with its site.
    """
    study = load_study(folder, strict=False)
    settings = study.settings
    checks_of(settings.thresholds)
    with (
        private_folder(study.paths.work_dir) as temp,
        preview_store(study.paths, memory_limit=settings.memory_limit, threads=settings.threads, temp=temp) as store,
    ):
        limits = Limits(max_cell_bytes=settings.max_cell_bytes)
        landed = land(study, study.paths, "check", store, limits=limits, progress=progress)
        layout = resolve_layout(study, study.codebook, store.headers(), without_file=landed.without_file)
        found = preview(study, study.codebook, layout, landed.problems)
        of_the_study = [*landed.problems, *withdrawal_problems(study, study.paths, store)]
        progress("decoding the answers")
        cells = _cells(study, store, layout)
    invalid = [problem for problem in study.problems if problem.site_id is not None]
    sites = [_in_words(site, [str(p) for p in invalid if p.site_id == site.site_id], cells) for site in found.values()]
    problems: list[tuple[str, str]] = [(each.severity, str(each)) for each in of_the_study if not each.site_id]
    severities = [severity for severity, _ in problems]
    severities += [severity for site in sites for severity, _ in site.problems]
    n_critical, n_warnings = severities.count("critical"), severities.count("warning")
    code = ExitCode.WRONG_USE if invalid else ExitCode.REFRESH_FAILED if n_critical else ExitCode.OK
    n_rejected = sum(file.rejected for site in sites for file in site.cells)
    verdict = "a refresh would stop before publishing" if n_critical or invalid else "a refresh can go on"
    message = (
        f"{counted(len(sites), 'site')}, {counted(len(landed.new), 'new delivery', 'new deliveries')} "
        f"with {counted(landed.n_rows, 'record')}; "
        f"{counted(n_critical, 'critical problem')}, {counted(n_warnings, 'warning')}, "
        f"{counted(n_rejected, 'rejected cell')}: {verdict}"
    )
    return Checked(problems, sites, message, int(code))


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 site``, ``2,800 records``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def in_words(rejection: Rejection) -> str:
    """A rejection as a sentence of kinds, counts and places: no value."""
    n = counted(rejection.n_cells, "cell")
    why = REASONS.get(rejection.reason, rejection.reason)
    kind = rejection.value_class.replace("_", " ")
    return f"{n}, {kind}: {why} ({rejection.reason}), from row {rejection.first_row} on in {listed(rejection.columns)}"


def _cells(study: Study, store: LandingStore, layout: Layout) -> dict[int, CellsPreview]:
    try:
        return preview_cells(study, store, layout)
    except duckdb.Error as error:
        # DuckDB's messages may quote values.
        raise AllianceError(
            "the answers could not be looked at",
            cause=type(error).__name__,
            next_step="raise `memory_limit` in study.yml, or make room on the disk; if that does not help, report this",
        ) from None


def _in_words(site: SitePreview, invalid: list[str], cells: dict[int, CellsPreview]) -> CheckedSite:
    forms = [
        (
            file.file_name,
            form.instrument_id,
            form.rater,
            form.session,
            f"{len(form.items)} of {form.n_items}" if form.items else f"scores {', '.join(form.scores)}",
        )
        for file in site.files
        for form in file.forms
    ]
    not_mapped = [f"{file.file_name}: {listed(file.columns_unmapped)}" for file in site.files if file.columns_unmapped]
    problems = [("critical", sentence) for sentence in invalid]
    problems += [(each.severity, str(each)) for each in site.problems if each.problem != "site_file_invalid"]
    problems += [("info", f"nothing delivered yet for the file entry {name}") for name in site.without_delivery]
    looked_at = [
        CheckedCells(
            file.file_name,
            found.n_accepted,
            found.n_declared_missing,
            found.n_blank,
            found.n_rejected,
            found.n_superseded,
            found.n_withdrawn,
            found.n_unknown_codes,
            list(found.rejections),
        )
        for file in site.files
        if (found := cells.get(file.delivery_number)) is not None
    ]
    return CheckedSite(site.site_id, site.name, forms, looked_at, not_mapped, problems)
