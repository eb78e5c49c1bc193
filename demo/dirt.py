"""The demo's dirt: what kinds there are, where a user finds each in the warehouse, and the log of every piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from demo.model import Population
from demo.table import FormKey, Table

REJECTED, ITEMS, LANDING = "quality.rejected_cells", "core.item_responses", "quality.landing_problems"
FORMS, ORPHANS, PATTERNS = "core.forms", "quality.orphan_forms", "quality.response_patterns"
ACCOUNTS, COLUMNS, CHECKS = "quality.cell_accounting", "quality.delivery_columns", "quality.check_results"


@dataclass(frozen=True)
class Kind:
    """A kind of dirt: the published table that shows it, what marks it there, and what it is.

    ``status`` is the cell's class (as in quality.cell_accounting) where dirt is in cells, ``reason`` the value of the
    column that tells it apart in ``table``.
    """

    table: str
    status: str
    reason: str
    meaning: str


KINDS: dict[str, Kind] = {
    "value_zero": Kind(REJECTED, "rejected", "out_of_range", "0 typed on a form whose answers begin above it"),
    "value_eight": Kind(REJECTED, "rejected", "out_of_range", "8 typed on a form that ends at 7"),
    "signed_zero": Kind(REJECTED, "rejected", "out_of_range", "0 on a form answered from -3 to +3 without 0"),
    "half_step": Kind(REJECTED, "rejected", "not_a_step", "an answer between two answers, such as 4,5"),
    "date_in_value": Kind(REJECTED, "rejected", "date_in_value", "a spreadsheet made a date of 5/6"),
    "spreadsheet_error": Kind(REJECTED, "rejected", "spreadsheet_error", "#VALUE! left by a broken formula"),
    "label_unknown": Kind(REJECTED, "rejected", "label_unknown", "a label written otherwise than declared"),
    "blank_reversed": Kind(REJECTED, "rejected", "out_of_range", "a blank turned into 8 by the formula 8 - answer"),
    "blank": Kind(ITEMS, "blank", "", "an answer left out"),
    "declared_missing": Kind(ITEMS, "declared_missing", "", "a code or text that the site file declares as missing"),
    "client_id_blank": Kind(REJECTED, "rejected", "client_id_blank", "a record without a client's id"),
    "date_not_readable": Kind(REJECTED, "rejected", "date_not_readable", "a day that does not exist; the form stays"),
    "future_date": Kind(CHECKS, "accepted", "", "a year typed wrongly: the form lies in the future"),
    "outcome_before_first_session": Kind(CHECKS, "accepted", "", "a post-therapy measure dated before therapy began"),
    "duplicate_record": Kind(ACCOUNTS, "superseded", "duplicate", "the same record twice in one file"),
    "agreeing_second_entry": Kind(ACCOUNTS, "superseded", "duplicate", "a form entered twice, with equal answers"),
    "conflict": Kind(REJECTED, "rejected", "conflict", "two files claim the same form with different answers"),
    "duplicate_delivery": Kind(LANDING, "", "same_bytes", "the same bytes delivered again under another name"),
    "corrected_answer": Kind(ITEMS, "accepted", "", "an answer that a newer full export has corrected"),
    "vanished_answer": Kind(ITEMS, "blank", "", "an answer that a newer full export no longer has"),
    "no_client_form": Kind(ORPHANS, "blank", "no_client_form", "the therapist rated, the client did not"),
    "no_therapist_form": Kind(ORPHANS, "blank", "no_therapist_form", "the client rated, the therapist did not"),
    "straight_lining": Kind(PATTERNS, "accepted", "straight_lining", "one answer throughout, over reversed items too"),
    "identical_answers": Kind(PATTERNS, "accepted", "answers_key", "two clients with exactly the same answers"),
    "two_therapists": Kind("core.clients", "accepted", "n_therapists = 2", "a client who changed therapist: two dyads"),
    "gender_spellings": Kind(COLUMNS, "not_mapped", "unmapped", "gender in eight spellings, in a column nobody mapped"),
    "unknown_column": Kind(COLUMNS, "not_mapped", "unmapped", "a column that appears in one delivery only"),
    "free_text": Kind(COLUMNS, "not_mapped", "free_text", "remarks: counted, but their content is never loaded"),
    "dates_in_status_column": Kind(COLUMNS, "not_mapped", "ignored", "dates inside a status column"),
    "trailing_columns": Kind(ACCOUNTS, "blank", "", "empty columns behind the last one"),
    "double_blanks_in_header": Kind(COLUMNS, "", "item", "a header with doubled blanks finds its item all the same"),
    "byte_order_mark": Kind(COLUMNS, "", "client", "a byte-order mark before the first header"),
    "latin_1": Kind(COLUMNS, "", "date", "a header with an umlaut in Latin-1"),
    "decimal_commas": Kind("core.outcomes", "accepted", "", "scores written with a decimal comma"),
    "excel_serial_dates": Kind(FORMS, "accepted", "", "dates as Excel's day numbers"),
    "title_above_header": Kind("quality.deliveries", "", "", "two title lines above the header, which is in row 3"),
    "three_header_rows": Kind("quality.deliveries", "", "", "Qualtrics' names, question texts and ImportIds"),
    "label_answers": Kind(ITEMS, "accepted", "", "answers delivered as labels, not as numbers"),
    "redcap_events": Kind(FORMS, "accepted", "", "sessions told by REDCap's event name"),
    "redcap_repeating": Kind(FORMS, "accepted", "", "the therapist's rating as a repeating instrument"),
    "redcap_checkboxes": Kind(COLUMNS, "not_mapped", "ignored", "a checkbox field as one 0/1 column for each choice"),
    "spss_user_missing": Kind(ITEMS, "declared_missing", "", "a code that the SPSS file itself declares as missing"),
    "spss_value_labels": Kind(ITEMS, "accepted", "", "numbers with value labels in the SPSS file"),
    "already_reversed": Kind(ITEMS, "accepted", "", "reverse-keyed items delivered already reversed, and declared so"),
    "signed_answers": Kind(ITEMS, "accepted", "", "HAq answers from -3 to +3 without 0, mapped by labels"),
    "id_looks_like_number": Kind("core.clients", "accepted", "", "the id 007: leading zeros belong to it"),
    "id_looks_like_missing": Kind("core.clients", "accepted", "", "the id NA: an id, not a missing value"),
}

# The check that counts a kind, where one does.
CHECK_OF: dict[str, str] = {
    **dict.fromkeys(
        (
            "value_zero",
            "value_eight",
            "signed_zero",
            "half_step",
            "date_in_value",
            "spreadsheet_error",
            "label_unknown",
        ),
        "rejected_share",
    ),
    "blank_reversed": "blanks_turned",
    "blank": "missing_rate",
    "declared_missing": "missing_rate",
    "spss_user_missing": "missing_rate",
    "client_id_blank": "records_rejected",
    "date_not_readable": "dates_unreadable",
    "future_date": "dates_in_future",
    "outcome_before_first_session": "outcome_before_session",
    "conflict": "conflict_share",
    "no_client_form": "therapist_forms_alone",
    "no_therapist_form": "client_forms_alone",
    "straight_lining": "straight_lining",
    "identical_answers": "identical_answers",
    "gender_spellings": "columns_not_mapped",
    "unknown_column": "columns_not_mapped",
}


@dataclass(frozen=True)
class Piece:
    """One piece of dirt. ``row`` and ``column`` are as a spreadsheet shows them; blank when it is the whole file's."""

    site: str
    file: str
    row: int | None
    column: str
    column_number: int | None
    kind: str
    instrument: str
    rater: str
    item_number: int | None
    cells: int
    note: str


@dataclass
class DirtLog:
    """Every piece of dirt of a study, in the order in which it was made."""

    pieces: list[Piece] = field(default_factory=list)

    def frame(self) -> pd.DataFrame:
        """One row per piece, with where to find it."""
        rows = []
        for number, piece in enumerate(self.pieces, start=1):
            kind = KINDS[piece.kind]
            rows.append(
                {
                    "dirt_number": number,
                    **asdict(piece),
                    "table": kind.table,
                    "status": kind.status,
                    "reason": kind.reason,
                    "check_id": CHECK_OF.get(piece.kind, ""),
                    "meaning": kind.meaning,
                }
            )
        columns = ["dirt_number", *Piece.__dataclass_fields__, "table", "status", "reason", "check_id", "meaning"]
        return pd.DataFrame(rows, columns=columns).astype(
            {"row": "Int64", "column_number": "Int64", "item_number": "Int64"}
        )


class TooFewForms(ValueError):
    """A site has too few forms for its dirt."""


@dataclass
class Mess:
    """Makes a site's dirt. No form is spoilt twice, so that every piece can be found by itself."""

    site: str
    population: Population
    log: DirtLog
    rng: np.random.Generator
    touched: set[FormKey] = field(default_factory=set)

    def note(
        self,
        kind: str,
        table: Table,
        row: int | None = None,
        column: int | None = None,
        *,
        cells: int = 1,
        rater: str = "",
        item: int | None = None,
        note: str = "",
    ) -> None:
        """Records a piece; ``row``, ``column`` and ``item`` count from 0."""
        member = self.population.items[item] if item is not None else None
        self.log.pieces.append(
            Piece(
                site=self.site,
                file=table.file,
                row=None if row is None else table.row_number(row),
                column="" if column is None else " ".join(table.header[column].split()),
                column_number=None if column is None else column + 1,
                kind=kind,
                instrument=member.instrument_id if member else "",
                rater=rater,
                item_number=member.item_number if member else None,
                cells=cells,
                note=note,
            )
        )

    def pick(self, table: Table, wanted: Callable[[FormKey], bool] = lambda key: True) -> FormKey:
        """A form of the table that nothing was done to yet. Raises TooFewForms if there is none."""
        free = [key for key in table.form_rows if key not in self.touched and wanted(key)]
        if not free:
            raise TooFewForms(
                f"site {self.site}: too few forms in {table.file} for the demo's dirt; use more clients, or dirt=False"
            )
        key = free[int(self.rng.integers(len(free)))]
        self.touched.add(key)
        return key

    def pick_item(self, wanted: Callable[[int], bool] = lambda item: True) -> int:
        """One of the 47 items."""
        items = [item for item in range(len(self.population.items)) if wanted(item)]
        return items[int(self.rng.integers(len(items)))]

    def of(self, *instruments: str) -> Callable[[int], bool]:
        """For `pick_item`: items of these instruments."""
        return lambda item: self.population.items[item].instrument_id in instruments

    def spoil(
        self,
        table: Table,
        kind: str,
        text: str | float | None,
        times: int = 1,
        *,
        items: Callable[[int], bool] = lambda item: True,
        forms: Callable[[FormKey], bool] = lambda key: True,
        note: str = "",
    ) -> None:
        """Puts ``text`` in place of one answer in each of ``times`` forms."""
        for _ in range(times):
            key = self.pick(table, forms)
            item = self.pick_item(items)
            row, column = table.place(key, item)
            table.rows[row][column] = text
            self.note(kind, table, row, column, rater=key.rater, item=item, note=note)

    def blank_form(self, table: Table, key: FormKey, kind: str, note: str) -> None:
        """Takes all answers of a form out, so that it is no form any more."""
        self.touched.add(key)
        for item in range(len(self.population.items)):
            row, column = table.place(key, item)
            table.rows[row][column] = None
        self.note(kind, table, table.place(key, 0)[0], cells=len(self.population.items), rater=key.rater, note=note)

    def overwrite(self, table: Table, key: FormKey, answers: list[str | float | None]) -> None:
        """Puts 47 answers in place of a form's own."""
        for item, answer in enumerate(answers):
            row, column = table.place(key, item)
            table.rows[row][column] = answer
