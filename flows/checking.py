"""What `alliance check` finds: a refresh's landing played through in memory, so that nothing is changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.errors import ExitCode
from flows.judgement import checks_of
from flows.landing.land import delivery_headers, land
from flows.landing.reading import Limits
from flows.landing.store import preview_store
from flows.landing.withdrawals import withdrawal_problems
from flows.layout_problems import listed
from flows.preview import SitePreview, preview
from flows.study import load_study


@dataclass(frozen=True)
class CheckedSite:
    """One site in words. ``forms`` are rows of file, instrument, rater, session and items found."""

    site_id: str
    name: str
    forms: list[tuple[str, str, str, str, str]]
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


def check_study(folder: Path) -> Checked:
    """Read settings and deliveries and say what a refresh would load, site by site.

    Raises
    ------
    ConfigurationError
        study.yml or the codebook cannot be used. A site file that cannot be used is told with its site.
    """
    study = load_study(folder, strict=False)
    checks_of(study.settings.thresholds)
    with preview_store(study.paths) as store:
        limits = Limits(max_cell_bytes=study.settings.max_cell_bytes)
        landed = land(study, study.paths, "check", store, limits=limits)
        found = preview(study, study.codebook, delivery_headers(store), landed.problems, landed.without_file)
    invalid = [problem for problem in study.problems if problem.site_id is not None]
    sites = [_in_words(site, [str(p) for p in invalid if p.site_id == site.site_id]) for site in found.values()]
    of_the_study = [*landed.problems, *withdrawal_problems(study, study.paths)]
    problems: list[tuple[str, str]] = [(each.severity, str(each)) for each in of_the_study if not each.site_id]
    severities = [severity for severity, _ in problems]
    severities += [severity for site in sites for severity, _ in site.problems]
    n_critical, n_warnings = severities.count("critical"), severities.count("warning")
    code = ExitCode.WRONG_USE if invalid else ExitCode.REFRESH_FAILED if n_critical else ExitCode.OK
    verdict = "a refresh would stop before publishing" if n_critical or invalid else "a refresh can go on"
    message = (
        f"{counted(len(sites), 'site')}, {counted(len(landed.new), 'new delivery', 'new deliveries')} "
        f"with {counted(landed.n_rows, 'record')}; "
        f"{counted(n_critical, 'critical problem')}, {counted(n_warnings, 'warning')}: {verdict}"
    )
    return Checked(problems, sites, message, int(code))


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 site``, ``2,800 records``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _in_words(site: SitePreview, invalid: list[str]) -> CheckedSite:
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
    return CheckedSite(site.site_id, site.name, forms, not_mapped, problems)
