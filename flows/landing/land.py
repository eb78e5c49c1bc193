"""Land the new deliveries of a study: find, hash, read, store. What cannot be read is told and left out.

The same bytes are never loaded twice for a site. They are read again, in place of what was stored, only when the
settings that decide how they are read have changed (another delimiter, another column of free text).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb

from flows.common.errors import LandingError
from flows.common.paths import StudyPaths
from flows.common.problems import Problem, Severity
from flows.landing.came_again import CameAgain
from flows.landing.discover import Discovery, FoundFile, discover, matches
from flows.landing.file_names import hidden_part
from flows.landing.private_copy import ChangedWhileReading, NotRegular, content_hash, copy_private, private_folder
from flows.landing.readers import reader_of
from flows.landing.reading import FileRefused, Limits, Reading, Source
from flows.landing.records import PackingSink
from flows.landing.store import Known, LandingStore, NewDelivery
from flows.settings.codebook import Codebook
from flows.settings.delivery_headers import free_text_columns
from flows.settings.form_sources import form_sources
from flows.settings.site_models import FileSettings
from flows.settings.study import Study

# Raise it when a reader reads the same bytes otherwise than before; every delivery is then read again.
READERS_VERSION = 2


class _Refusal(NamedTuple):
    problem: str
    message: str
    action: str


# What is said of a file that could not be opened or copied.
_NOT_READ: dict[type[Exception], _Refusal] = {
    ChangedWhileReading: _Refusal(
        "changed_while_reading",
        "The file changed while it was read.",
        "Nothing, if it was still being delivered: the next refresh reads it.",
    ),
    NotRegular: _Refusal("not_a_file", "It is no regular file.", "Put a regular file in its place."),
    PermissionError: _Refusal(
        "not_readable",
        "The rights of the file do not allow reading it.",
        "Give the refresh's user the right to read it.",
    ),
    FileNotFoundError: _Refusal(
        "gone", "The file was removed while the refresh ran.", "Nothing, if that was on purpose."
    ),
}


@dataclass(frozen=True)
class Landed:
    """What landing did.

    Parameters
    ----------
    new, read_again
        Delivery numbers: landed for the first time; read again because their settings changed.
    n_refused
        Files that could not be loaded; ``problems`` say why.
    n_rows, n_cells
        Records and cells of ``new`` and ``read_again``.
    problems
        What was found in this refresh, in order of sites and files.
    without_file
        Numbers of earlier deliveries whose file was taken away or holds other bytes now.
    of_reading
        Those of ``problems`` that only the refresh tells that reads the file; the others come again until mended.
    """

    new: tuple[int, ...]
    read_again: tuple[int, ...]
    n_refused: int
    n_rows: int
    n_cells: int
    problems: tuple[Problem, ...]
    without_file: frozenset[int] = frozenset()
    of_reading: tuple[Problem, ...] = ()


@dataclass
class _Tally:
    new: list[int] = field(default_factory=list)
    read_again: list[int] = field(default_factory=list)
    n_refused: int = 0
    n_rows: int = 0
    n_cells: int = 0
    problems: list[Problem] = field(default_factory=list)
    of_reading: list[Problem] = field(default_factory=list)

    def count(self, number: int, reading: Reading, cut: Sequence[Problem], *, is_new: bool) -> None:
        """Add a delivery that was read, with what its reader and the store (``cut``) had to say."""
        (self.new if is_new else self.read_again).append(number)
        self.n_rows += reading.n_rows
        self.n_cells += reading.n_cells
        self.problems += [*reading.problems, *cut]
        self.of_reading += [*reading.problems, *cut]


def land(
    study: Study,
    paths: StudyPaths,
    refresh_id: str,
    store: LandingStore,
    *,
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda sentence: None,
) -> Landed:
    """Land all new deliveries of ``study`` into ``store`` and append the problems to ``raw.landing_problems``.

    Parameters
    ----------
    store
        From `flows.landing.opening.open_store`, or `preview_store` to see what would be landed.
    progress
        Called with a short sentence for each file that is read.

    Raises
    ------
    LandingError
        The store itself fails (disk full, no rights). A file at fault is a problem, never an exception.
    """
    landing = _Landing(study, paths, refresh_id, store, limits or Limits(), progress)
    try:
        return landing.run()
    except duckdb.Error as error:
        # DuckDB's messages may quote values.
        raise LandingError(
            "the landing store failed",
            cause=type(error).__name__,
            next_step="check the free disk space and `memory_limit` in study.yml; the published warehouse is as it was",
        ) from None


class _Landing:
    def __init__(
        self,
        study: Study,
        paths: StudyPaths,
        refresh_id: str,
        store: LandingStore,
        limits: Limits,
        progress: Callable[[str], None],
    ) -> None:
        self.study, self.paths, self.refresh_id, self.store = study, paths, refresh_id, store
        self.limits, self.progress = limits, progress
        self.tally = _Tally()
        self.known = store.known()
        self._present: set[tuple[str, str]] = set()
        self._again = CameAgain(store, self.known)

    def run(self) -> Landed:
        found = discover(self.study, self.paths)
        self._present = {(file.site_id, file.file_name) for file in found.files}
        self.tally.problems += found.problems
        self._reassign()
        seen: set[int] = set()
        with private_folder(self.paths.work_dir) as folder:
            for place, file in enumerate(found.files, start=1):
                # Of a name nobody knows yet whether it holds an id, and progress ends up in logs.
                in_words = f"site {file.site_id}: reading {file.file.name}, file {place} of {len(found.files)}"
                number = self._land_file(file, found, folder, in_words)
                if number is not None:
                    seen.add(number)
        self._without_file(seen)
        self.store.add_problems(self.refresh_id, self.tally.problems)
        tally = self.tally
        return Landed(
            tuple(tally.new),
            tuple(tally.read_again),
            tally.n_refused,
            tally.n_rows,
            tally.n_cells,
            tuple(tally.problems),
            frozenset(known.delivery_number for known in self.known.values()) - seen,
            tuple(tally.of_reading),
        )

    def _land_file(self, found: FoundFile, discovery: Discovery, folder: Path, in_words: str) -> int | None:
        """Load one file when its bytes are new or its settings changed; returns the number of its delivery.

        ``in_words`` is what progress says when it is read.
        """
        try:
            return self._land_bytes(found, discovery, folder, in_words)
        except tuple(_NOT_READ) as error:
            self._refuse(found, *next(said for kind, said in _NOT_READ.items() if isinstance(error, kind)))
        return None

    def _land_bytes(self, found: FoundFile, discovery: Discovery, folder: Path, in_words: str) -> int | None:
        """As `_land_file`; raises what `_NOT_READ` has words for."""
        digest, size = content_hash(found.path)
        known = self.known.get((found.site_id, digest))
        if known is not None and known.file_name == found.file_name:
            restored = self._again.restored(found, digest)
            told = [restored] if restored is not None else []
            self.tally.problems += told
            self.tally.of_reading += told
        elif known is not None and self._is_there(known, found.site_id):
            self.tally.problems.append(self._again.same_bytes(found, known))
            return known.delivery_number
        companions = self._copy_companions(found, discovery, folder)
        settings = self._reader_settings(found.file, companions)
        if known is not None and known.reader_settings == settings:
            return known.delivery_number
        self.progress(in_words)
        copy = folder / "delivery"
        copy_private(found.path, copy, digest)
        delivery = NewDelivery(
            found.site_id,
            found.file.name,
            found.file_name,
            digest,
            size,
            found.file.format,
            found.delivered_on,
            self.refresh_id,
            settings,
        )
        try:
            return self._read(found, delivery, copy, companions, known)
        finally:
            copy.unlink(missing_ok=True)

    def _read(
        self, found: FoundFile, delivery: NewDelivery, copy: Path, companions: dict[str, Path], known: Known | None
    ) -> int | None:
        """Store what the reader makes of ``copy``; returns its delivery's number, or that of what stays."""
        reader = reader_of(found.file.format)
        used = used_columns(found.file, self.study.codebook)
        source = Source(copy, found.site_id, found.file_name, found.file, self.limits, companions, used)
        replaces = known.delivery_number if known is not None else None
        try:
            number, reading, cut = self.store.land(
                delivery, partial(PackingSink, source), partial(reader.read, source), replaces=replaces
            )
        except FileRefused as refused:
            self._refuse(
                found,
                refused.problem,
                f"{refused.message} {'What was read of it before stays.' if known else 'The file was not loaded.'}",
                refused.action,
                row_number=refused.row_number,
                column_name=refused.column_name,
                hidden=refused.hidden,
            )
            return replaces
        except (LandingError, duckdb.Error, MemoryError):
            raise
        except Exception as error:
            # A parser that falls over a broken file may raise anything, and quote the file in it.
            self._refuse(
                found,
                "not_readable",
                f"The {found.file.format} reader failed ({type(error).__name__}). The file was not loaded.",
                "Open it with the program it came from, export it again, and report this if it fails again.",
            )
            return replaces
        self.tally.count(number, reading, cut, is_new=known is None)
        if known is not None:
            what = "The same bytes were read again, because their settings changed."
            self._tell(found, "read_again", what, "Nothing.", severity="info")
        order = known.order if known is not None else number
        self.known[found.site_id, delivery.content_hash] = Known(
            number, delivery.file_spec, delivery.file_name, delivery.delivered_on, delivery.reader_settings, order
        )
        return number

    def _copy_companions(self, found: FoundFile, discovery: Discovery, folder: Path) -> dict[str, Path]:
        copies = {}
        for pattern in reader_of(found.file.format).companions(found.file):
            path = discovery.companions.get((found.site_id, pattern))
            if path is not None:
                digest, _ = content_hash(path)
                copy = folder / f"companion-{digest}"
                if not copy.exists():
                    copy_private(path, copy, digest)
                copies[pattern] = copy
        return copies

    def _reader_settings(self, file: FileSettings, companions: dict[str, Path]) -> str:
        """All that decides what is read from the same bytes, in one spelling."""
        said = {
            "readers_version": READERS_VERSION,
            "format": file.format,
            **reader_of(file.format).settings(file),
            "free_text": sorted(file.free_text),
            "max_cell_bytes": self.limits.max_cell_bytes,
        }
        if reader_of(file.format).companions(file):
            # What such a reader hides depends on the columns that are used.
            used = sorted(used_columns(file, self.study.codebook))
            said["companions"] = {name: path.name.removeprefix("companion-") for name, path in companions.items()}
            said["used_columns"] = hashlib.sha256("\n".join(used).encode()).hexdigest()
        return json.dumps(said, sort_keys=True, ensure_ascii=False)

    def _reassign(self) -> None:
        """Let deliveries follow their file settings when these are renamed or their patterns change."""
        for key, known in list(self.known.items()):
            site = self.study.sites.get(key[0])
            fitting = [file for file in site.files if matches(file.pattern, known.file_name)] if site else []
            if len(fitting) != 1:
                continue
            delivered_on = fitting[0].date_of(known.file_name)
            if (known.file_spec, known.delivered_on) != (fitting[0].name, delivered_on):
                self.store.assign(known.delivery_number, fitting[0].name, delivered_on)
                self.known[key] = replace(known, file_spec=fitting[0].name, delivered_on=delivered_on)

    def _without_file(self, seen: set[int]) -> None:
        """Deliveries whose file is gone cannot be read again; new columns of free text are blanked all the same."""
        headers = {header.delivery_number: header for header in self.store.headers()}
        for (site_id, _), known in self.known.items():
            site = self.study.sites.get(site_id)
            file = next((file for file in site.files if file.name == known.file_spec), None) if site else None
            if known.delivery_number in seen or file is None:
                continue
            said = json.loads(known.reader_settings)
            hidden = set(free_text_columns(file, headers[known.delivery_number].columns))
            if hidden and sorted(file.free_text) != said.get("free_text"):
                said["free_text"] = sorted(file.free_text)
                settings = json.dumps(said, sort_keys=True, ensure_ascii=False)
                self.store.blank_columns(known.delivery_number, hidden, settings)
                self.tally.read_again.append(known.delivery_number)

    def _is_there(self, known: Known, site_id: str) -> bool:
        """Whether the file a delivery came from still lies in its place; else it was renamed."""
        return (site_id, known.file_name) in self._present

    def _refuse(
        self,
        found: FoundFile,
        problem: str,
        message: str,
        action: str,
        *,
        row_number: int | None = None,
        column_name: str | None = None,
        hidden: str = "",
    ) -> None:
        self.tally.n_refused += 1
        if hidden:
            found = replace(found, file_name=hidden_part(found.file_name, hidden))
        self._tell(found, problem, message, action, row_number=row_number, column_name=column_name)

    def _tell(
        self,
        found: FoundFile,
        problem: str,
        message: str,
        action: str,
        *,
        row_number: int | None = None,
        column_name: str | None = None,
        severity: Severity = "warning",
    ) -> None:
        self.tally.problems.append(
            Problem(found.site_id, found.file_name, row_number, column_name, problem, message, action, severity)
        )


def used_columns(file: FileSettings, codebook: Codebook) -> frozenset[str]:
    """Names of all columns that a file's settings use for something; item codes of the long shape are no columns."""
    names = {name for name in (file.item_code, file.value) if name is not None}
    for sources in form_sources(file):
        names |= {name for _, name, _ in sources.key_columns()}
        if file.shape == "wide":
            names |= {target.name for target in sources.targets(codebook)}
    return frozenset(names)
