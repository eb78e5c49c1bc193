"""Which files lie in the sites' folders, and which file settings each belongs to. Nothing is opened here."""

from __future__ import annotations

import datetime as dt
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from flows.common.paths import StudyPaths
from flows.common.problems import Problem, Severity
from flows.landing.readers import reader_of
from flows.settings.settings_types import SLUG_PATTERN
from flows.settings.site_models import FileSettings, SiteSettings
from flows.settings.study import Study

_LEFT_BY_TOOLS = re.compile(
    r"^(~\$|\.)|(~|\.tmp|\.part|\.crdownload|\.filepart|\.swp)$|^(thumbs\.db|desktop\.ini)$", re.I
)
# These say nothing about a delivery and lie in nearly every folder.
_NEVER_TOLD = {".gitkeep", ".gitignore", ".DS_Store"}


@dataclass(frozen=True)
class FoundFile:
    """A regular file that belongs to exactly one of its site's file settings.

    ``file_name`` is relative to the site's folder and printable; ``path`` is the file itself.
    """

    site_id: str
    file: FileSettings
    file_name: str
    path: Path
    delivered_on: dt.date | None


@dataclass(frozen=True)
class Discovery:
    """All files that can be landed, in landing order, the readers' further files, and what was wrong."""

    files: tuple[FoundFile, ...]
    companions: dict[tuple[str, str], Path]
    problems: tuple[Problem, ...]


def discover(study: Study, paths: StudyPaths) -> Discovery:
    """Find the deliveries of every site.

    Files come by site, then by the date in their names, then by name with numbers in their natural order. Links,
    pipes and devices are refused, hidden and temporary files ignored; each is a problem that names it.
    """
    files: list[FoundFile] = []
    companions: dict[tuple[str, str], Path] = {}
    problems: list[Problem] = []
    for site in study.sites.values():
        found = list(_regular_files(site.site, paths.site_deliveries_dir(site.site), problems))
        taken = _companions(site, found, companions, problems)
        files += sorted(_matched(site, [each for each in found if each[0] not in taken], problems), key=landing_order)
    problems += _unknown_folders(study, paths)
    return Discovery(tuple(files), companions, tuple(problems))


def landing_order(found: FoundFile) -> tuple[dt.date, list[tuple[int, int, str]]]:
    """Sort key of a site's files: date in the name (undated ones first), then natural order of names."""
    return found.delivered_on or dt.date.min, natural_order(found.file_name)


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``w2`` before ``w10``."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part.casefold()) for part in parts]


def matches(pattern: str, file_name: str) -> bool:
    """Whether a path below the site's folder follows a glob: ``*`` within one folder, ``**`` over any number."""
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    return _parts_match(parts, tuple(unicodedata.normalize("NFC", file_name).split("/")))


def _parts_match(pattern: tuple[str, ...], name: tuple[str, ...]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(_parts_match(pattern[1:], name[start:]) for start in range(len(name) + 1))
    return bool(name) and fnmatchcase(name[0], pattern[0]) and _parts_match(pattern[1:], name[1:])


def _regular_files(site_id: str, folder: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    obstacle = _folder_obstacle(site_id, folder)
    if obstacle is not None:
        problems.append(obstacle)
        return
    for path in _walk(site_id, folder, folder, problems):
        if path.name in _NEVER_TOLD:
            continue
        name = printable(path.relative_to(folder).as_posix())
        refused = _not_a_delivery(site_id, name, path)
        if refused is not None:
            problems.append(refused)
        else:
            yield name, path


def _folder_obstacle(site_id: str, folder: Path) -> Problem | None:
    """What keeps a site's folder from being looked into."""
    if folder.is_symlink():
        return _told(
            site_id,
            "",
            "symbolic_link",
            f"deliveries/{site_id} is a symbolic link, and links are not followed.",
            "Put the folder itself in its place.",
        )
    if not folder.is_dir():
        return _told(
            site_id,
            "",
            "no_deliveries_folder",
            f"There is no folder deliveries/{site_id}.",
            "Make it and put the site's files there.",
        )
    return None


def _not_a_delivery(site_id: str, name: str, path: Path) -> Problem | None:
    """Why what lies at ``path`` is no delivery: left behind by a tool, or no regular file."""
    if _LEFT_BY_TOOLS.search(path.name):
        return _told(
            site_id,
            name,
            "ignored_file",
            "Hidden and temporary files are not read.",
            "Remove it, or give it an ordinary name.",
            "info",
        )
    kind = path.lstat().st_mode
    if stat.S_ISLNK(kind):
        return _told(
            site_id,
            name,
            "symbolic_link",
            "Symbolic links are not followed.",
            "Put the file itself into the site's folder.",
        )
    if not stat.S_ISREG(kind):
        return _told(
            site_id,
            name,
            "not_a_file",
            "It is a pipe, socket or device, not a file.",
            "Put a regular file into the site's folder.",
        )
    return None


def _walk(site_id: str, root: Path, folder: Path, problems: list[Problem]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        problems.append(
            _told(
                site_id,
                printable(folder.relative_to(root).as_posix()),
                "not_readable",
                "The folder cannot be listed.",
                "Give the refresh's user the right to read it.",
            )
        )
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(site_id, root, Path(entry.path), problems)
        else:
            yield Path(entry.path)


def _companions(
    site: SiteSettings,
    found: list[tuple[str, Path]],
    companions: dict[tuple[str, str], Path],
    problems: list[Problem],
) -> set[str]:
    """Names of all files that readers need beside a delivery; the newest by name is used."""
    taken: set[str] = set()
    for file in site.files:
        for pattern in reader_of(file.format).companions(file):
            names = {name: path for name, path in found if matches(pattern, name)}
            taken |= set(names)
            if names:
                companions[site.site, pattern] = names[max(names, key=natural_order)]
            else:
                problems.append(
                    _told(
                        site.site,
                        pattern,
                        "companion_missing",
                        f"There is no such file, which the settings of {file.name!r} name.",
                        "Put it into the site's folder, or correct the site's settings.",
                    )
                )
    return taken


def _matched(site: SiteSettings, found: Iterable[tuple[str, Path]], problems: list[Problem]) -> Iterator[FoundFile]:
    seen: set[str] = set()
    for name, path in found:
        settings = [file for file in site.files if matches(file.pattern, name)]
        seen |= {file.name for file in settings}
        if len(settings) == 1:
            yield FoundFile(site.site, settings[0], name, path, settings[0].date_of(name))
        elif settings:
            both = " and ".join(repr(file.name) for file in settings)
            problems.append(
                _told(
                    site.site,
                    name,
                    "two_file_settings",
                    f"It follows the patterns of {both}.",
                    "Make the patterns in the site's settings exclude each other.",
                )
            )
        else:
            problems.append(
                _told(
                    site.site,
                    name,
                    "no_file_settings",
                    "No pattern of the site's settings fits it.",
                    "Correct a `pattern`, or add the file to the site's settings.",
                )
            )
    for file in site.files:
        if file.name not in seen:
            problems.append(
                _told(
                    site.site,
                    "",
                    "nothing_delivered",
                    f"No file follows the pattern {file.pattern!r} of {file.name!r}.",
                    "Nothing, if the site has not delivered yet; else correct the pattern.",
                    "info",
                )
            )


def _unknown_folders(study: Study, paths: StudyPaths) -> Iterator[Problem]:
    if not paths.deliveries_dir.is_dir():
        return
    for path in sorted(paths.deliveries_dir.iterdir()):
        known = path.name in study.sites or path.name in study.invalid_sites or path.name in _NEVER_TOLD
        if not known and not path.name.startswith(".") and not _is_empty_folder(path):
            name = printable(path.name)
            yield _told(
                "",
                name,
                "unknown_site",
                f"deliveries/{name} belongs to no site, and nothing of it is read.",
                _what_to_do(path, name, study),
            )


def _what_to_do(path: Path, name: str, study: Study) -> str:
    if not path.is_dir():
        return "Move it into the folder of the site that delivered it."
    meant = next((site for site in (*study.sites, *study.invalid_sites) if site == name.lower()), None)
    if meant is not None:
        return f"Rename it to {meant}, as the site is written."
    if re.fullmatch(SLUG_PATTERN, name):
        return f"Add sites/{name}.yml, or move it away."
    return "Give it the id of its site as name (small letters, digits and _), or move it away."


def _is_empty_folder(path: Path) -> bool:
    # What is left of an example or of a site that was renamed holds no delivery that could be missed.
    try:
        return path.is_dir() and not any(path.iterdir())
    except OSError:
        return False


def printable(name: str) -> str:
    """A file's name as text that can be stored: bytes that are no utf-8 and control characters are written out."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _told(site_id: str, name: str, problem: str, message: str, action: str, severity: Severity = "warning") -> Problem:
    return Problem.of_file(site_id, name, problem, message, action, severity)
