"""Riverside Practice: two Qualtrics surveys, exported as CSV with three header rows and answers as labels."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

from demo.dirt import Mess
from demo.files import write_csv
from demo.people import Dyad
from demo.site_parts import Cell, SitePlan, numbered, text
from demo.table import FormKey, Table

LABELS = {
    "wai_s": ("Never", "Rarely", "Occasionally", "Sometimes", "Often", "Very often", "Always"),
    "haq_i": (
        "Strongly disagree",
        "Disagree",
        "Slightly disagree",
        "Slightly agree",
        "Agree",
        "Strongly agree",
    ),
    "calpas": ("Not at all", "A little", "Somewhat", "Moderately", "Quite a bit", "Quite a lot", "Very much so"),
}
# ImportId and name of the columns Qualtrics puts before the questions.
_STANDARD = {
    "startDate": "StartDate",
    "endDate": "EndDate",
    "status": "Status",
    "ipAddress": "IPAddress",
    "progress": "Progress",
    "duration": "Duration (in seconds)",
    "finished": "Finished",
    "recordedDate": "RecordedDate",
    "_recordId": "ResponseId",
}
_OCCASIONS = {"pre": "Before therapy", "last": "Final session", "post": "After therapy"}


def write(plan: SitePlan) -> list[Table]:
    """Writes both surveys and returns them."""
    client, client_topics = _survey(plan, "client")
    therapist, therapist_topics = _survey(plan, "therapist")
    for dyad in plan.dyads:
        _responses(plan, client, dyad, "client")
        _responses(plan, therapist, dyad, "therapist")
    if plan.mess is not None:
        _spoil(plan, plan.mess, client, therapist)
    for table, topics in ((client, client_topics), (therapist, therapist_topics)):
        import_ids = [json.dumps({"ImportId": name}, separators=(",", ":")) for name in table.header]
        names = [_STANDARD.get(name, name.replace("QID", "Q")) for name in table.header]
        write_csv(plan.folder / table.file, [names, topics, import_ids, *table.rows])
    return [client, therapist]


def _survey(plan: SitePlan, rater: str) -> tuple[Table, list[str]]:
    """An empty survey whose header holds the ImportIds, and the row of question texts (our own topics)."""
    first = 1 if rater == "client" else 11
    items = plan.headers(f"QID{first}_{{}}", f"QID{first + 1}_{{}}", f"QID{first + 2}_{{}}")
    outcome = (
        ["gsi", *numbered(f"QID{first + 3}_{{}}", 3), *numbered(f"QID{first + 4}_{{}}", 4)]
        if rater == "client"
        else [*numbered(f"QID{first + 3}_{{}}", 3), *numbered(f"QID{first + 4}_{{}}", 4)]
    )
    coded = ["occasion", "client_code", "therapist_code"]
    header = [*_STANDARD, *coded, *items, *outcome, f"QID{first + 5}_TEXT"]
    table = Table(f"{rater}_survey.csv", header, first_row=4)
    table.item_columns[rater] = table.columns_named(items)
    about = {"gsi": "Global severity index"} | dict(zip(items, plan.topics(), strict=True))
    about |= dict.fromkeys(outcome[-4:], "Result of therapy") | dict.fromkeys(outcome[-7:-4], "Severity of problems")
    about |= {**_STANDARD, f"QID{first + 5}_TEXT": "Anything else?"}
    return table, [about.get(name, name) for name in header]


def _responses(plan: SitePlan, table: Table, dyad: Dyad, rater: str) -> None:
    sessions = dyad.sessions if rater == "client" else dyad.therapist_sessions
    takes_part = rater == "client" or plan.by_therapist(dyad)
    if dyad.pre and takes_part:
        _respond(plan, table, dyad, rater, "pre", None, dyad.pre_date)
    for session in sessions:
        occasion = "last" if session == plan.n_early else f"Session {plan.early_sessions[session]}"
        _respond(plan, table, dyad, rater, occasion, session, dyad.date(session, rater))
    if dyad.post and takes_part:
        _respond(plan, table, dyad, rater, "post", None, dyad.post_date)


def _respond(
    plan: SitePlan, table: Table, dyad: Dyad, rater: str, occasion: str, session: int | None, day: dt.date
) -> None:
    keys = [] if session is None else [FormKey(dyad.index, session, rater)]
    answers = [None] * len(plan.population.items) if session is None else _labels(plan, keys[0])
    outcome: list[Cell] = []
    for name in ("gsi", "target_complaints") if rater == "client" else ("severity_rating",):
        taken = plan.outcome(dyad, name, "pre" if occasion == "pre" else "post", rater)
        outcome += text(taken if occasion in ("pre", "post") else [None] * len(taken))
    rating = plan.outcome(dyad, "global_rating", "post", rater)
    outcome += text(rating if occasion == "post" else [None] * len(rating))
    # Anything that looks like Qualtrics' response id will do, as long as it is the same in every run.
    digest = hashlib.sha256(f"{plan.site.site_id} {dyad.index} {rater} {occasion}".encode()).hexdigest()
    start = dt.datetime.combine(day, dt.time(9 + dyad.index % 8, dyad.index * 7 % 60, 0))
    end = start + dt.timedelta(seconds=200 + dyad.index % 90)
    duration = str((end - start).seconds)
    standard: list[Cell] = [str(start), str(end), "IP Address", None, "100", duration, "True", str(end)]
    coded: list[Cell] = [_OCCASIONS.get(occasion, occasion), dyad.client, dyad.therapist]
    table.add([*standard, f"R_{digest[:15]}", *coded, *answers, *outcome, None], *keys)


def _labels(plan: SitePlan, key: FormKey) -> list[Cell]:
    return [
        LABELS[item.instrument_id][value - low]
        for value, item, (low, _) in zip(plan.answers(key), plan.population.items, plan.population.ranges, strict=True)
    ]


def _spoil(plan: SitePlan, mess: Mess, client: Table, therapist: Table) -> None:
    mess.spoil(client, "label_unknown", "Oftne", 2, items=mess.of("wai_s"), note="a label typed by hand")
    mess.spoil(client, "blank", None, 3)
    mess.spoil(therapist, "declared_missing", "N/A", 2)
    id_column = client.header.index("client_code")
    # One that the therapist did not rate, so that nothing else changes with it.
    key = mess.pick(
        client,
        lambda key: not plan.is_last(key) and FormKey(key.dyad, key.session, "therapist") not in therapist.form_rows,
    )
    row = client.form_rows[key]
    client.rows[row][id_column] = None
    mess.note("client_id_blank", client, row, id_column, cells=len(plan.population.items), rater="client")
    key = mess.pick(therapist)
    again = therapist.add(therapist.rows[therapist.form_rows[key]])
    mess.note(
        "duplicate_record",
        therapist,
        again,
        cells=len(plan.population.items),
        rater="therapist",
        note=f"same as row {therapist.row_number(therapist.form_rows[key])}",
    )
    key = mess.pick(therapist, lambda key: not plan.is_last(key))
    mess.blank_form(therapist, key, "no_therapist_form", "the survey was opened and left empty")
    status = client.header.index("status")
    for row in sorted(mess.rng.choice(len(client.rows), 3, replace=False).tolist()):
        client.rows[row][status] = client.rows[row][0]
        mess.note("dates_in_status_column", client, row, status)
    remark = len(client.header) - 1
    row = int(mess.rng.integers(len(client.rows)))
    client.rows[row][remark] = 'all fine, "really"; <b>thanks</b>'
    mess.note("free_text", client, row, remark)
    for table in (client, therapist):
        mess.note("three_header_rows", table, cells=0)
        n_answers = sum(value is not None for row in table.rows for value in _items_of(table, row))
        mess.note("label_answers", table, cells=n_answers)


def _items_of(table: Table, row: list[Cell]) -> list[Cell]:
    return [row[column] for columns in table.item_columns.values() for column in columns]
