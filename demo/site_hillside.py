"""Hillside Hospital: Excel workbooks, one row for each dyad and session with both raters side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import openpyxl
from openpyxl.styles import PatternFill
from openpyxl.utils import get_column_letter

from demo.dirt import Mess
from demo.files import write_xlsx
from demo.people import Dyad
from demo.site_parts import Cell, SitePlan, numbered
from demo.table import FormKey, Table

# Day 0 of Excel's 1900 date system, as it counts from March 1900 on.
_EPOCH = dt.date(1899, 12, 30)
_TRAILING_COLUMNS = 3
_HEADER_ROW = 3
_OUTCOME_HEADER = [
    "Case",
    "Therapist",
    "Start",
    "End",
    "GSI start",
    "GSI end",
    *numbered("Severity start {}", 3),
    *numbered("Severity end {}", 3),
    *numbered("Result client {}", 4),
    *numbered("Result therapist {}", 4),
]


def write(plan: SitePlan) -> list[Table]:
    """Writes both workbooks and returns the one with the alliance forms."""
    ratings, outcome = _ratings(plan), _outcome(plan)
    if plan.mess is not None:
        _spoil(plan, plan.mess, ratings, outcome)
    _save(plan, ratings, "Ratings", _HEADER_ROW, trailing=plan.mess is not None)
    _save(plan, outcome, "Outcome", 1, trailing=False)
    return [ratings]


def _ratings(plan: SitePlan) -> Table:
    columns = {
        rater: plan.headers(*(f"{rater[0].upper()} {stem} {{}}" for stem in ("WAI", "HAQ", "CALPAS")))
        for rater in ("client", "therapist")
    }
    keys = ["Case", "Therapist", "Session", "Date client", "Date therapist"]
    table = Table(
        "ratings.xlsx", [*keys, *columns["client"], *columns["therapist"], "Comments"], first_row=_HEADER_ROW + 1
    )
    table.item_columns = {rater: table.columns_named(names) for rater, names in columns.items()}
    for client_key, dyad in plan.forms("client"):
        therapist_key = FormKey(dyad.index, client_key.session, "therapist")
        rated = client_key.session in dyad.therapist_sessions
        session: Cell = "last" if plan.is_last(client_key) else dyad.numbers[client_key.session]
        dates: list[Cell] = [
            _serial(dyad.date(client_key.session, "client")),
            _serial(dyad.date(client_key.session, "therapist")) if rated else None,
        ]
        unrated: list[Cell] = [None] * len(plan.population.items)
        answers = [*plan.answers(client_key), *(plan.answers(therapist_key) if rated else unrated)]
        keys_here = (client_key, therapist_key) if rated else (client_key,)
        table.add([dyad.client, dyad.therapist, session, *dates, *answers, None], *keys_here)
    return table


def _serial(day: dt.date) -> int:
    return (day - _EPOCH).days


def _outcome(plan: SitePlan) -> Table:
    table = Table("outcome.xlsx", list(_OUTCOME_HEADER))
    for dyad in plan.dyads:
        table.add(
            [
                dyad.client,
                dyad.therapist,
                _serial(dyad.pre_date) if dyad.pre else None,
                _serial(dyad.post_date) if dyad.post else None,
                *plan.outcome(dyad, "gsi", "pre", "client"),
                *plan.outcome(dyad, "gsi", "post", "client"),
                *plan.outcome(dyad, "severity_rating", "pre", "therapist"),
                *plan.outcome(dyad, "severity_rating", "post", "therapist"),
                *plan.outcome(dyad, "global_rating", "post", "client"),
                *plan.outcome(dyad, "global_rating", "post", "therapist"),
            ]
        )
    return table


def _spoil(plan: SitePlan, mess: Mess, ratings: Table, outcome: Table) -> None:
    mess.spoil(ratings, "spreadsheet_error", "#VALUE!", 3)
    mess.spoil(ratings, "blank", None, 3)
    mess.spoil(ratings, "declared_missing", "N/A", 2, forms=lambda key: key.rater == "client")
    key = mess.pick(ratings, lambda key: key.rater == "client")
    mess.overwrite(ratings, key, [6] * len(plan.population.items))
    mess.note(
        "straight_lining",
        ratings,
        ratings.form_rows[key],
        cells=len(plan.population.items),
        rater="client",
        note="6 throughout, on all three instruments",
    )
    _note_two_therapists(plan, mess, ratings, outcome)
    row = int(mess.rng.integers(len(ratings.rows)))
    remark = ratings.header.index("Comments")
    ratings.rows[row][remark] = "filled in by phone"
    mess.note("free_text", ratings, row, remark)
    mess.note("title_above_header", ratings, cells=0)
    mess.note("trailing_columns", ratings, cells=0, note="formatted but empty: Excel counts them, the reader does not")
    for table, names in ((ratings, ("Date client", "Date therapist")), (outcome, ("Start", "End"))):
        for name in names:
            column = table.header.index(name)
            mess.note("excel_serial_dates", table, column=column, cells=sum(r[column] is not None for r in table.rows))


def _note_two_therapists(plan: SitePlan, mess: Mess, ratings: Table, outcome: Table) -> None:
    seen: dict[str, Dyad] = {}
    for dyad in plan.dyads:
        first = seen.setdefault(dyad.client, dyad)
        if first is dyad:
            continue
        for table in (ratings, outcome):
            rows = [place for place, row in enumerate(table.rows) if row[0] == dyad.client]
            numbers = ", ".join(str(table.row_number(place)) for place in rows)
            mess.note("two_therapists", table, rows[0], 1, cells=len(rows), note=f"one client's rows: {numbers}")


def _save(plan: SitePlan, table: Table, sheet_name: str, header_row: int, *, trailing: bool) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = sheet_name
    if header_row > 1:
        sheet.cell(1, 1, f"{plan.site.name}: ratings of client (C) and therapist (T)")
        sheet.cell(2, 1, "Dates as day numbers; session as number, or last")
    written: list[Sequence[Cell]] = [table.header, *table.rows]
    for row_number, cells in enumerate(written, start=header_row):
        for column, value in enumerate(cells, start=1):
            if value is None:
                continue
            cell = sheet.cell(row_number, column, value)
            if value == "#VALUE!":
                cell.data_type = "e"
        if trailing:
            for column in range(len(table.header) + 1, len(table.header) + 1 + _TRAILING_COLUMNS):
                sheet.cell(row_number, column).fill = PatternFill("solid", fgColor="FFF2CC")
    sheet.freeze_panes = f"{get_column_letter(4)}{header_row + 1}"
    legend = workbook.create_sheet("Legend")
    legend.append(["WAI, CALPAS", "1 to 7"])
    legend.append(["HAQ", "1 to 6"])
    write_xlsx(plan.folder / table.file, workbook)
