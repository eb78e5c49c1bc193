"""Whether a file is named after a person in it: readers of the warehouse see the names of files.

A site that exports one file for each client often names it by the client's id. Only parts of a name that look like an
id are held against the file's own ids, so that a year or a word in a name is never taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from flows.landing.reading import FileRefused, Source
from flows.settings.delivery_headers import DeliveredColumn
from flows.settings.form_sources import form_sources
from flows.settings.settings_types import clean_column_name

_LEAST_CHARACTERS = 4
_LEAST_DIGITS = 5


def parts_like_ids(file_name: str) -> frozenset[str]:
    """Parts of a file's name and folders that may be an id: four characters with a digit, or five digits, or more.

    In small letters. A part is what stands between separators, or a whole name without its ending.
    """
    wholes = [re.sub(r"\.[^.]{1,5}$", "", each) for each in file_name.split("/")]
    parts = {part.casefold() for whole in wholes for part in (whole, *re.split(r"[\W_]+", whole), *whole.split("_"))}
    return frozenset(part for part in parts if _is_like_id(part))


def hidden_part(file_name: str, part: str) -> str:
    """A file's name for messages, with ``part`` taken out."""
    return re.sub(re.escape(part), "***", file_name, flags=re.IGNORECASE)


def _is_like_id(part: str) -> bool:
    n_digits = sum(letter.isdigit() for letter in part)
    has_letter = any(letter.isalpha() for letter in part)
    return len(part) >= _LEAST_CHARACTERS and (n_digits >= _LEAST_DIGITS or (n_digits > 0 and has_letter))


class NameGuard:
    """Holds the ids of a file's records against its name.

    ``places`` are the positions (from 0) of the columns with ids of clients and therapists; empty where nothing in the
    name looks like an id, so that nothing need be looked at.
    """

    def __init__(self, source: Source, columns: Sequence[DeliveredColumn]) -> None:
        self.parts = parts_like_ids(source.file_name)
        names = {
            clean_column_name(name)
            for sources in form_sources(source.file)
            for role, name, _ in sources.key_columns()
            if role in ("client", "therapist")
        }
        found = [place for place, column in enumerate(columns) if clean_column_name(column.name) in names]
        self.places: tuple[int, ...] = tuple(found) if self.parts else ()

    def look_at(self, cells: Sequence[str | None]) -> None:
        """Look at a record's cells, or at those of a column.

        Raises
        ------
        FileRefused
            One of them is a part of the file's name.
        """
        for cell in cells:
            part = (cell or "").strip().casefold()
            if part in self.parts:
                raise FileRefused(
                    "id_in_file_name",
                    "The file is named after a client or therapist in it, and readers of the warehouse see the names "
                    "of files.",
                    "Rename the file, or its folder, so that the name holds no id.",
                    hidden=part,
                )
