"""What is wrong with a delivery or a setting, said so that a person can act on it.

A problem names site, file, row, column and what to do next. It never holds what a cell contains, nor an id of a
client, therapist or episode: problems are published in ``quality.landing_problems``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class Problem:
    """One thing that was found wrong.

    Parameters
    ----------
    site_id
        The site concerned; empty when the study as a whole is.
    file_name
        The file relative to ``deliveries/<site_id>``; empty when no single file is concerned.
    row_number
        The record's number as a spreadsheet shows it (header rows counted); None when no single row is concerned.
    column_name
        The column as the header names it; None when no single column is concerned.
    problem
        Slug of the kind of problem, such as ``wrong_encoding``.
    message
        What was found, in plain words, without cell contents.
    action
        What to do about it.
    severity
        ``critical`` stops publishing, ``warning`` is loud, ``info`` is for the record.
    """

    site_id: str
    file_name: str
    row_number: int | None
    column_name: str | None
    problem: str
    message: str
    action: str
    severity: Severity

    @classmethod
    def of_file(
        cls, site_id: str, file_name: str, problem: str, message: str, action: str, severity: Severity = "warning"
    ) -> Problem:
        """A problem of a whole file, or of a whole site where ``file_name`` is empty."""
        return cls(site_id, file_name, None, None, problem, message, action, severity)

    def __str__(self) -> str:
        """Place, message and action on one line."""
        place = ", ".join(
            part
            for part in (
                f"site {self.site_id}" if self.site_id else "",
                f"file {self.file_name!r}" if self.file_name else "",
                f"row {self.row_number}" if self.row_number is not None else "",
                f"column {self.column_name!r}" if self.column_name is not None else "",
            )
            if part
        )
        said = f"{place}: {self.message}" if place else self.message
        return f"{said} {self.action}".strip()
