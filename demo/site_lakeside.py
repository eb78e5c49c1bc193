"""Lakeside Day Clinic: a raw REDCap export with its data dictionary.

Sessions are events, the therapist's rating is a repeating instrument, problems are checkboxes, and -99 and -98 are the
project's missing-data codes.
"""

from __future__ import annotations

import datetime as dt

from demo.dirt import Mess
from demo.files import write_csv
from demo.people import Dyad
from demo.site_parts import Cell, SitePlan, numbered, text
from demo.table import FormKey, Table

EXPORT, DICTIONARY = "export_2024-03-15.csv", "data_dictionary.csv"
_STRUCTURE = ["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
_DICTIONARY_HEADER = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
_PROBLEMS = ("mood", "anxiety", "relationships", "work")


def write(plan: SitePlan) -> list[Table]:
    """Writes the export and the dictionary and returns the export."""
    wai = plan.headers("wais_c_{:02d}", "haq_c_{:02d}", "calpas_c_{:02d}")
    wai_t = plan.headers("wais_t_{:02d}", "haq_t_{:02d}", "calpas_t_{:02d}")
    header = [
        *_STRUCTURE,
        "therapist_id",
        "visit_date",
        *numbered("problems___{}", 4),
        "gsi",
        *numbered("phq_{}", 9),
        *numbered("severity_{}", 3),
        "intake_complete",
        *wai,
        "client_rating_complete",
        *wai_t,
        "therapist_rating_complete",
        *numbered("global_c_{}", 4),
        *numbered("global_t_{}", 4),
        "closing_complete",
    ]
    table = Table(EXPORT, header)
    table.item_columns = {"client": table.columns_named(wai), "therapist": table.columns_named(wai_t)}
    for dyad in plan.dyads:
        _records(plan, table, dyad)
    if plan.mess is not None:
        _spoil(plan, plan.mess, table)
    write_csv(plan.folder / EXPORT, [header, *table.rows])
    write_csv(plan.folder / DICTIONARY, _dictionary(plan))
    return [table]


def _records(plan: SitePlan, table: Table, dyad: Dyad) -> None:
    def record(name: str, cells: dict[str, Cell], *keys: FormKey, repeat: tuple[str, str] = ("", "")) -> None:
        known = {"record_id": dyad.client, "redcap_event_name": name}
        known |= dict(zip(_STRUCTURE[2:], repeat, strict=True))
        table.add([{**known, **cells}.get(column) for column in table.header], *keys)

    def scores(phase: str) -> dict[str, Cell]:
        therapist = text(plan.outcome(dyad, "severity_rating", phase, "therapist"))
        return {
            "therapist_id": dyad.therapist,
            "gsi": text(plan.outcome(dyad, "gsi", phase, "client"))[0],
            **dict(zip(numbered("phq_{}", 9), text(plan.outcome(dyad, "phq_9", phase, "client")), strict=True)),
            **dict(zip(numbered("severity_{}", 3), therapist, strict=True)),
        }

    ticked = {f"problems___{number}": str((dyad.index + number) % 3 // 2) for number in range(1, 5)}
    record("intake_arm_1", {**scores("pre"), **ticked, "visit_date": dyad.pre_date.isoformat(), "intake_complete": "2"})
    for rater, sessions in (("client", dyad.sessions), ("therapist", dyad.therapist_sessions)):
        for session in sessions:
            key = FormKey(dyad.index, session, rater)
            day = dyad.date(session, rater).isoformat()
            cells: dict[str, Cell] = {"visit_date": day, f"{rater}_rating_complete": "2"}
            columns = [table.header[column] for column in table.item_columns[rater]]
            cells |= dict(zip(columns, text(plan.answers(key)), strict=True))
            # A client's rating names no therapist: the warehouse takes the client's only one.
            if rater == "therapist":
                cells["therapist_id"] = dyad.therapist
            repeat = ("therapist_rating", "1") if rater == "therapist" else ("", "")
            record(event_name(plan, session), cells, key, repeat=repeat)
    if dyad.post:
        closing: dict[str, Cell] = {"visit_date": dyad.post_date.isoformat(), "closing_complete": "2"}
        for rater in ("client", "therapist"):
            rating = text(plan.outcome(dyad, "global_rating", "post", rater))
            closing |= dict(zip(numbered(f"global_{rater[0]}_{{}}", 4), rating, strict=True))
        record("closing_arm_1", {**scores("post"), **closing})


def event_name(plan: SitePlan, session: int) -> str:
    """REDCap's unique name of the event of a session."""
    return "last_session_arm_1" if session == plan.n_early else f"session_{plan.early_sessions[session]}_arm_1"


def _spoil(plan: SitePlan, mess: Mess, table: Table) -> None:
    mess.spoil(table, "declared_missing", "-99", 4, forms=lambda key: key.rater == "client", note="refused")
    mess.spoil(table, "declared_missing", "-98", 2, forms=lambda key: key.rater == "therapist", note="does not apply")
    mess.spoil(table, "blank", None, 3)

    def rated_by_both(key: FormKey) -> bool:
        return key.rater == "client" and key._replace(rater="therapist") in table.form_rows

    alone = mess.pick(table, lambda key: rated_by_both(key) and not plan.is_last(key))
    mess.blank_form(table, alone, "no_client_form", "the client's rating was opened and left empty")
    date = table.header.index("visit_date")
    closings = [place for place, row in enumerate(table.rows) if row[1] == "closing_arm_1"]
    row = closings[int(mess.rng.integers(len(closings)))]
    dyad = next(each for each in plan.dyads if each.client == table.rows[row][0])
    table.rows[row][date] = (dyad.pre_date - dt.timedelta(days=30)).isoformat()
    mess.note("outcome_before_first_session", table, row, date, note="the closing form bears a date before intake")
    for name in ("redcap_event_name", "redcap_repeat_instrument"):
        kind = "redcap_events" if name == "redcap_event_name" else "redcap_repeating"
        column = table.header.index(name)
        mess.note(kind, table, column=column, cells=sum(bool(row[column]) for row in table.rows))
    for name in numbered("problems___{}", 4):
        column = table.header.index(name)
        mess.note("redcap_checkboxes", table, column=column, cells=sum(row[column] is not None for row in table.rows))


def _dictionary(plan: SitePlan) -> list[list[Cell]]:
    """The data dictionary as REDCap downloads it; labels are our own short topics."""

    def entry(name: str, form: str, kind: str, label: str, choices: str = "", check: str = "") -> list[Cell]:
        return [name, form, "", kind, label, choices, "", check, *[""] * (len(_DICTIONARY_HEADER) - 8)]

    def scale(low: int, high: int) -> str:
        return " | ".join(f"{number}, {number}" for number in range(low, high + 1))

    rows: list[list[Cell]] = [list(_DICTIONARY_HEADER)]
    rows.append(entry("record_id", "intake", "text", "Record"))
    rows.append(entry("therapist_id", "intake", "text", "Therapist's code"))
    rows.append(entry("visit_date", "intake", "text", "Date of the visit", check="date_ymd"))
    ticks = " | ".join(f"{number}, {label}" for number, label in enumerate(_PROBLEMS, start=1))
    rows.append(entry("problems", "intake", "checkbox", "Problem areas", ticks))
    rows.append(entry("gsi", "intake", "text", "Global severity index", check="number"))
    rows += [entry(name, "intake", "radio", f"PHQ-9 item {name[4:]}", scale(0, 3)) for name in numbered("phq_{}", 9)]
    rows += [
        entry(name, "intake", "radio", f"Therapist's rating of severity {name[-1]}", scale(1, 7))
        for name in numbered("severity_{}", 3)
    ]
    for rater in ("client", "therapist"):
        names = plan.headers(*(f"{stem}_{rater[0]}_{{:02d}}" for stem in ("wais", "haq", "calpas")))
        for name, topic, (low, high) in zip(names, plan.topics(), plan.population.ranges, strict=True):
            rows.append(entry(name, f"{rater}_rating", "radio", topic, scale(low, high)))
    for rater in ("client", "therapist"):
        for name in numbered(f"global_{rater[0]}_{{}}", 4):
            rows.append(entry(name, "closing", "radio", f"Result of therapy {name[-1]}, {rater}", scale(1, 9)))
    return rows
