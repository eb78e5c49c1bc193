"""Parkview Training Clinic: SPSS files with value labels and user-missing codes.

The site's syntax has already turned the reverse-keyed items round, so its site file says ``already_reversed``.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo.dirt import Mess
from demo.files import write_sav
from demo.site_parts import Cell, SitePlan, numbered
from demo.table import Table

LAST_SESSION_CODE = 999
_RATER_CODE = {"client": 1, "therapist": 2}
_NO_ANSWER, _REFUSED = 9.0, 99.0


def write(plan: SitePlan) -> list[Table]:
    """Writes both files and returns the one with the alliance forms."""
    alliance, outcome = _alliance(plan), _outcome(plan)
    if plan.mess is not None:
        _spoil(plan, plan.mess, alliance)
    _save(plan, alliance)
    _save(plan, outcome)
    return [alliance]


def _alliance(plan: SitePlan) -> Table:
    items = plan.headers("wai{}", "haq{}", "cal{}")
    table = Table("alliance.sav", ["id", "therap", "rater", "session", "day", *items], first_row=1)
    columns = table.columns_named(items)
    table.item_columns = {"client": columns, "therapist": columns}
    for rater in ("client", "therapist"):
        for key, dyad in plan.forms(rater):
            session = LAST_SESSION_CODE if plan.is_last(key) else dyad.numbers[key.session]
            day = dyad.date(key.session, rater).isoformat()
            table.add([dyad.client, dyad.therapist, _RATER_CODE[rater], session, day, *plan.keyed(key)], key)
    return table


def _outcome(plan: SitePlan) -> Table:
    header = ["id", "therap", "day_pre", "day_post", "gsi_pre", "gsi_post"]
    header += [*numbered("sev_pre{}", 3), *numbered("sev_post{}", 3), *numbered("resc{}", 4), *numbered("rest{}", 4)]
    table = Table("outcome.sav", header, first_row=1)
    for dyad in plan.dyads:
        cells: list[Cell] = [
            dyad.client,
            dyad.therapist,
            dyad.pre_date.isoformat(),
            dyad.post_date.isoformat() if dyad.post else "",
        ]
        cells += plan.outcome(dyad, "gsi", "pre", "client")
        cells += plan.outcome(dyad, "gsi", "post", "client")
        cells += plan.outcome(dyad, "severity_rating", "pre", "therapist")
        cells += plan.outcome(dyad, "severity_rating", "post", "therapist")
        cells += plan.outcome(dyad, "global_rating", "post", "client")
        cells += plan.outcome(dyad, "global_rating", "post", "therapist")
        table.add(cells)
    return table


def _spoil(plan: SitePlan, mess: Mess, table: Table) -> None:
    items = plan.population.items

    def is_reversed(item: int) -> bool:
        return items[item].reverse_keyed

    mess.spoil(table, "spss_user_missing", _NO_ANSWER, 3, note="9 = no answer")
    mess.spoil(table, "spss_user_missing", _REFUSED, 1, note="99 = refused")
    mess.spoil(table, "blank", None, 2, note="system-missing")
    mess.spoil(table, "blank_reversed", 8.0, 1, items=is_reversed)
    pair = [mess.pick(table, lambda key: key.rater == "client" and plan.is_last(key)) for _ in range(2)]
    mess.overwrite(table, pair[1], [*plan.keyed(pair[0])])
    for key, other in (pair, pair[::-1]):
        row, twin = table.form_rows[key], table.form_rows[other]
        note = f"same 47 answers as row {table.row_number(twin)}"
        mess.note("identical_answers", table, row, cells=len(items), rater="client", note=note)
    first = table.item_columns["client"][0]
    mess.note("spss_value_labels", table, cells=len(table.rows) * len(items), note="numbers with labels beside them")
    for item in filter(is_reversed, range(len(items))):
        mess.note("already_reversed", table, column=first + item, cells=len(table.rows), item=item)


def _save(plan: SitePlan, table: Table) -> None:
    frame = pd.DataFrame(table.rows, columns=table.header)
    words = [name for name in table.header if name in ("id", "therap") or name.startswith("day")]
    numbers = [name for name in table.header if name not in words]
    frame[numbers] = frame[numbers].astype("float64")
    for name in (each for each in words if each.startswith("day")):
        frame[name] = pd.to_datetime(frame[name].replace("", None)).dt.date
    labels: dict[str, dict[float, str]] = {}
    missing: dict[str, list[Any]] = {}
    about: dict[str, str | None] = {}
    if table.item_columns:
        labels = {
            "rater": {1.0: "client", 2.0: "therapist"},
            "session": {float(LAST_SESSION_CODE): "last session"},
        }
        names = [table.header[column] for column in table.item_columns["client"]]
        for name, topic, (low, high) in zip(names, plan.topics(), plan.population.ranges, strict=True):
            about[name] = topic
            labels[name] = {float(low): "lowest", float(high): "highest", _NO_ANSWER: "no answer", _REFUSED: "refused"}
            missing[name] = [_NO_ANSWER, _REFUSED]
    formats = {name: "DATE11" if name.startswith("day") else "F5.2" if name.startswith("gsi") else "F3.0"
               for name in table.header if name not in ("id", "therap")}  # fmt: skip
    write_sav(
        plan.folder / table.file, frame, column_labels=about, value_labels=labels, missing=missing, formats=formats
    )
