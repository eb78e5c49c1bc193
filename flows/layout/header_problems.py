"""What can be wrong between a site's settings and the header of a delivery, as rows of ``raw.landing_problems``."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.common.wording import several
from flows.common.problems import Problem, Severity
from flows.settings.delivery_headers import DeliveryHeader, NotFound

_SHOWN = 60
_LISTED = 12


def short(name: str) -> str:
    """A column's name as messages show it; a header may hold a whole page."""
    return name if len(name) <= _SHOWN else name[:_SHOWN] + "..."


def listed(names: Iterable[str]) -> str:
    """Some names in a sentence: the first dozen, and how many more there are."""
    every = [repr(short(name)) for name in names]
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + more


class HeaderProblems:
    """Collects the problems of one delivery; what several forms run into is told once."""

    def __init__(self, header: DeliveryHeader, site_file: str) -> None:
        self._header = header
        self._site_file = site_file
        self._found: dict[tuple[str, str | None, str], Problem] = {}

    @property
    def found(self) -> list[Problem]:
        """The problems so far, in the order in which they were met."""
        return list(self._found.values())

    def note(self, problem: str, message: str, action: str, severity: Severity, column: str | None = None) -> None:
        """Notes a problem of the header."""
        name = None if column is None else short(column)
        self._found.setdefault(
            (problem, name, message),
            Problem(self._header.site_id, self._header.file_name, None, name, problem, message, action, severity),
        )

    def key_column(self, missing: NotFound, role: str, form: str, severity: Severity, *, left_out: bool) -> None:
        """A column of ids, session, date, rater or row choice that is not there or there more than once."""
        state = "is not in the header" if missing.reason == "missing" else "is in the header more than once"
        result = "the forms that need it are left out" if left_out else "the forms are read without it"
        self.note(
            "column_missing" if missing.reason == "missing" else "duplicate_column",
            _joined(f"The column of the {role} {state}; {result}.", missing.hint),
            f"Correct the name in {self._site_file}, or have the site deliver the file with it.",
            severity,
            missing.name,
        )

    def bound_twice(self, missing: list[NotFound], form: str, severity: Severity) -> None:
        """Item or score columns whose name the header repeats."""
        for each in missing:
            self.note(
                "duplicate_column",
                f"The column is bound to {form} and is in the header more than once; the form is left out. {each.hint}",
                "Have the site deliver the file with one column of this name.",
                severity,
                each.name,
            )

    def no_match(self, pattern: str, missing: list[NotFound], form: str, severity: Severity) -> None:
        """None of a form's columns is there."""
        hint = next((each.hint for each in missing if each.hint), "")
        self.note(
            "no_column_matches",
            _joined(f"No column of the file is one of those of {form} ({short(pattern)}); the form is left out.", hint),
            f"Compare `items` in {self._site_file} with the file's header.",
            severity,
        )

    def some_missing(self, missing: list[NotFound], items: str, form: str) -> None:
        """Some of a form's columns are not there."""
        hint = next((each.hint for each in missing if each.hint), "")
        self.note(
            "columns_missing",
            _joined(f"{items} of {form} have no column: {listed(each.name for each in missing)} not found.", hint),
            f"Compare `items` in {self._site_file} with the header, or write null for items that were not asked.",
            "warning",
        )

    def unmapped(self, names: list[str]) -> None:
        """Columns that the settings do not mention."""
        if names:
            count = several(len(names), "column is", "columns are")
            self.note(
                "columns_not_mapped",
                f"{count} not mapped: {listed(names)}.",
                f"Map them in {self._site_file}, or name them under `ignore` or `free_text`.",
                "info",
            )


def _joined(message: str, hint: str) -> str:
    return f"{message} {hint}".strip()
