"""Clinic North: plain CSV from a German spreadsheet, with semicolons, Latin-1, decimal commas and untidy headers."""

from __future__ import annotations

import codecs
import datetime as dt
import shutil

from demo.dirt import Mess
from demo.files import write_csv
from demo.people import Dyad
from demo.site_parts import Cell, SitePlan, comma, numbered, text
from demo.table import FormKey, Table

_FIRST_EXPORT, _SENT_AGAIN, _SECOND_EXPORT = "2023-06-30", "2023-07-14", "2024-03-15"
_EARLY_THERAPISTS = "2023-09-30"
_GENDERS = ("m", "M", "männl.", "Mann", "w", "W", "weiblich", "Frau")
_REMARKS = (
    'sagte: "geht so"; Fragebogen im Wartezimmer ausgefüllt',
    "Seite 2 fehlte zuerst;\nnachgereicht",
)
_KEYS = ["Lfd", "Klient Nr", "Therapeut", "Sitzung", "Ausgefüllt am"]
_OUTCOME_HEADER = [
    "Klient Nr",
    "Therapeut",
    "Datum Beginn",
    "Datum Ende",
    "GSI Beginn",
    "GSI Ende",
    *numbered("Schwere T Beginn {}", 3),
    *numbered("Schwere T Ende {}", 3),
    *numbered("Erfolg K {}", 4),
    *numbered("Erfolg T {}", 4),
]


def write(plan: SitePlan) -> list[Table]:
    """Writes the site's deliveries and returns those that hold alliance forms."""
    first, second = _clients(plan)
    early, therapists = _therapists(plan)
    outcome = _outcome(plan)
    if plan.mess is not None:
        _spoil_clients(plan, plan.mess, first, second)
        _spoil_therapists(plan, plan.mess, early, therapists)
        _note_formats(plan.mess, first, second, outcome)
    for table in (first, second, early, therapists):
        if table.rows:
            write_csv(plan.folder / table.file, [table.header, *table.rows], delimiter=";", encoding="latin-1")
    write_csv(plan.folder / outcome.file, [outcome.header, *outcome.rows], delimiter=";", encoding="utf-8")
    if plan.mess is not None:
        _deliver_again(plan, plan.mess, first)
        path = plan.folder / outcome.file
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    return [first, second, early, therapists]


def _clients(plan: SitePlan) -> tuple[Table, Table]:
    """Two deliveries, the second with what came since the first."""
    items = plan.headers("WAI {}", "HAQ {}", "CALPAS {}")
    extra = ["Geschlecht"] if plan.mess is not None else []
    header = [*_KEYS, *extra, *items, "Anmerkung"]
    tables = tuple(Table(f"klienten_{day}.csv", list(header)) for day in (_FIRST_EXPORT, _SECOND_EXPORT))
    spelling = {dyad.client: _GENDERS[place % len(_GENDERS)] for place, dyad in enumerate(plan.dyads)}
    for number, (key, dyad) in enumerate(plan.forms("client"), start=1):
        day = dyad.date(key.session, "client")
        table = tables[day > dt.date.fromisoformat(_FIRST_EXPORT)]
        gender = [spelling[dyad.client]] if extra else []
        table.add([str(number), *_key_cells(plan, key, dyad), *gender, *text(plan.answers(key)), None], key)
    for table in tables:
        table.item_columns["client"] = table.columns_named(items)
    return tables[0], tables[1]


def _key_cells(plan: SitePlan, key: FormKey, dyad: Dyad) -> list[Cell]:
    session = "Ende" if plan.is_last(key) else str(dyad.numbers[key.session])
    return [dyad.client, dyad.therapist, session, dyad.date(key.session, key.rater).strftime("%d.%m.%Y")]


def _therapists(plan: SitePlan) -> tuple[Table, Table]:
    """A full export of what there was, and a later full export that replaces it."""
    items = plan.headers("TWAI{:02d}", "THAQ{:02d}", "TCAL{:02d}")
    header = [*_KEYS[1:], *items]
    early = Table(f"therapeuten_{_EARLY_THERAPISTS}.csv", list(header))
    full = Table(f"therapeuten_{_SECOND_EXPORT}.csv", list(header))
    for key, dyad in plan.forms("therapist"):
        cells = [*_key_cells(plan, key, dyad), *text(plan.answers(key))]
        full.add(cells, key)
        if dyad.date(key.session, "therapist") <= dt.date.fromisoformat(_EARLY_THERAPISTS):
            early.add(cells, key)
    for table in (early, full):
        table.item_columns["therapist"] = table.columns_named(items)
    return early, full


def _outcome(plan: SitePlan) -> Table:
    table = Table(f"ergebnis_{_SECOND_EXPORT}.csv", list(_OUTCOME_HEADER))
    for dyad in plan.dyads:
        table.add(
            [
                dyad.client,
                dyad.therapist,
                dyad.pre_date.strftime("%d.%m.%Y"),
                dyad.post_date.strftime("%d.%m.%Y") if dyad.post else None,
                *comma(plan.outcome(dyad, "gsi", "pre", "client")),
                *comma(plan.outcome(dyad, "gsi", "post", "client")),
                *text(plan.outcome(dyad, "severity_rating", "pre", "therapist")),
                *text(plan.outcome(dyad, "severity_rating", "post", "therapist")),
                *text(plan.outcome(dyad, "global_rating", "post", "client")),
                *text(plan.outcome(dyad, "global_rating", "post", "therapist")),
            ]
        )
    return table


def _spoil_clients(plan: SitePlan, mess: Mess, first: Table, second: Table) -> None:
    mess.spoil(first, "value_zero", "0", 2, items=mess.of("wai_s", "calpas"))
    mess.spoil(second, "value_eight", "8", 2, items=mess.of("wai_s", "calpas"))
    mess.spoil(second, "half_step", "4,5")
    mess.spoil(first, "date_in_value", "05.06.2023", note="5/6 became a date")
    mess.spoil(first, "blank", None, 2)
    mess.spoil(second, "blank", "  ", 2)
    mess.spoil(second, "declared_missing", "N/A", 3)
    date = first.header.index("Ausgefüllt am")
    for kind, table, written in (
        ("date_not_readable", first, "31.02.2023"),
        ("future_date", second, "14.09.2203"),
    ):
        key = mess.pick(table, lambda key: not plan.is_last(key))
        row = table.form_rows[key]
        table.rows[row][date] = written
        mess.note(kind, table, row, date, rater="client")
    remark = first.header.index("Anmerkung")
    for table, words in zip((first, second), _REMARKS, strict=True):
        row = int(mess.rng.integers(len(table.rows)))
        table.rows[row][remark] = words
        mess.note("free_text", table, row, remark)


def _spoil_therapists(plan: SitePlan, mess: Mess, early: Table, full: Table) -> None:
    """Three answers that the newer export corrects, and one that it no longer has."""
    for kind in ("corrected_answer", "corrected_answer", "corrected_answer", "vanished_answer"):
        key = mess.pick(early)
        mess.touched.add(key)
        item = mess.pick_item()
        row, column = full.place(key, item)
        old_row, old_column = early.place(key, item)
        if kind == "vanished_answer":
            full.rows[row][column] = None
        else:
            low, high = plan.population.ranges[item]
            right = int(str(full.rows[row][column]))
            early.rows[old_row][old_column] = str(right - 1 if right > (low + high) // 2 else right + 1)
        before = f"was in row {early.row_number(old_row)} of {early.file}"
        mess.note(kind, full, row, column, rater="therapist", item=item, note=before)


def _note_formats(mess: Mess, first: Table, second: Table, outcome: Table) -> None:
    for table in (first, second):
        mess.note("gender_spellings", table, column=table.header.index("Geschlecht"), cells=len(table.rows))
        mess.note("latin_1", table, column=table.header.index("Ausgefüllt am"), cells=0)
    first.header += ["", ""]
    for row in first.rows:
        row += [None, None]
    mess.note("trailing_columns", first, cells=2 * len(first.rows))
    for name, written in (("WAI 4", "WAI  4"), ("CALPAS 7", " CALPAS   7 ")):
        column = second.header.index(name)
        second.header[column] = written
        mess.note("double_blanks_in_header", second, column=column, cells=0)
    second.header.append("Raum")
    for place, cells in enumerate(second.rows):
        cells.append(f"R{place % 3 + 1}")
    mess.note("unknown_column", second, column=len(second.header) - 1, cells=len(second.rows))
    mess.note("byte_order_mark", outcome, column=0, cells=0)
    for name in ("GSI Beginn", "GSI Ende"):
        column = outcome.header.index(name)
        filled = sum(row[column] is not None for row in outcome.rows)
        mess.note("decimal_commas", outcome, column=column, cells=filled, rater="client")
    seven = next((place for place, row in enumerate(outcome.rows) if row[0] == "007"), None)
    if seven is not None:
        mess.note("id_looks_like_number", outcome, seven, 0)


def _deliver_again(plan: SitePlan, mess: Mess, first: Table) -> None:
    copy = Table(f"klienten_{_SENT_AGAIN}.csv", first.header)
    shutil.copyfile(plan.folder / first.file, plan.folder / copy.file)
    mess.note("duplicate_delivery", copy, cells=0, note=f"same bytes as {first.file}; not loaded again")
