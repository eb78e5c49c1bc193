"""Seaside Counselling Service: tab-separated long files, one row for each answer; HAq answers from -3 to +3."""

from __future__ import annotations

from demo.dirt import Mess
from demo.files import write_csv
from demo.people import Dyad
from demo.site_parts import RATERS, Cell, SitePlan, numbered, text
from demo.table import FormKey, Table

_SIGNED = {1: "-3", 2: "-2", 3: "-1", 4: "+1", 5: "+2", 6: "+3"}
_RATER = {"client": "P", "therapist": "T"}
_HEADER = ["person", "counsellor", "rater", "occasion", "day", "item", "answer"]
_N_ENTERED_TWICE = 3
_N_CONFLICTS = 2


def write(plan: SitePlan) -> list[Table]:
    """Writes the long files and a second entry of a few forms, and returns those with alliance forms."""
    codes = plan.headers("WAI{:02d}", "HAQ{:02d}", "CAL{:02d}")
    answers = Table("answers.tsv", list(_HEADER), long=True)
    answers.item_columns = {rater: [_HEADER.index("answer")] * len(codes) for rater in RATERS}
    for rater in RATERS:
        for key, dyad in plan.forms(rater):
            keys = _keys(plan, key, dyad)
            for code, answer in zip(codes, _signed(plan, key), strict=True):
                answers.add([*keys, code, answer], key)
    outcome = _outcome(plan)
    tables = [answers]
    if plan.mess is not None:
        second = _second_entry(plan, plan.mess, answers)
        _spoil(plan, plan.mess, answers)
        write_csv(plan.folder / second.file, [second.header, *second.rows])
        tables.append(second)
    for table in (answers, outcome):
        write_csv(plan.folder / table.file, [table.header, *table.rows], delimiter="\t", newline="\n")
    return tables


def _keys(plan: SitePlan, key: FormKey, dyad: Dyad) -> list[Cell]:
    occasion = "E" if plan.is_last(key) else str(dyad.numbers[key.session])
    return [dyad.client, dyad.therapist, _RATER[key.rater], occasion, dyad.date(key.session, key.rater).isoformat()]


def _signed(plan: SitePlan, key: FormKey) -> list[Cell]:
    return [
        _SIGNED[value] if item.instrument_id == "haq_i" else str(value)
        for value, item in zip(plan.answers(key), plan.population.items, strict=True)
    ]


def _outcome(plan: SitePlan) -> Table:
    table = Table("outcome.tsv", list(_HEADER), long=True)
    severity, result = numbered("SEV{}", 3), numbered("RES{}", 4)
    for dyad in plan.dyads:
        for phase, letter, day in (("pre", "A", dyad.pre_date), ("post", "Z", dyad.post_date)):
            measures = [("client", ["GSI"], "gsi"), ("therapist", severity, "severity_rating")]
            if phase == "post":
                measures += [(rater, result, "global_rating") for rater in RATERS]
            for rater, codes, name in measures:
                keys: list[Cell] = [dyad.client, dyad.therapist, _RATER[rater], letter, day.isoformat()]
                values = text(plan.outcome(dyad, name, phase, rater))
                for code, value in zip(codes, values, strict=True):
                    if value is not None:
                        table.add([*keys, code, value])
    return table


def _second_entry(plan: SitePlan, mess: Mess, answers: Table) -> Table:
    """A few paper forms that somebody else entered again, in a wide file; one was read otherwise in two answers."""
    items = plan.headers("WAI{:02d}", "HAQ{:02d}", "CAL{:02d}")
    table = Table("second_entry.csv", [*_HEADER[:5], *items])
    table.item_columns["client"] = table.columns_named(items)
    for number in range(_N_ENTERED_TWICE):
        key = mess.pick(answers, lambda key: key.rater == "client" and plan.is_last(key))
        first = answers.form_rows[key]
        row = table.add([*answers.rows[first][:5], *_signed(plan, key)], key)
        differ: list[int] = []
        while number == 0 and len(differ) < _N_CONFLICTS:
            item = mess.pick_item(mess.of("wai_s", "calpas"))
            if item not in differ:
                differ.append(item)
        for item in sorted(differ):
            place = table.place(key, item)
            other = answers.place(key, item)
            read = int(str(table.rows[row][place[1]]))
            table.rows[row][place[1]] = str(read - 1 if read > 4 else read + 1)
            for each, (at, column) in ((answers, other), (table, place)):
                mess.note("conflict", each, at, column, rater="client", item=item, note="the two entries disagree")
        agreeing = len(items) - len(differ)
        where = f"also in {answers.file} from row {answers.row_number(first)}"
        mess.note("agreeing_second_entry", table, row, cells=agreeing, rater="client", note=where)
    return table


def _spoil(plan: SitePlan, mess: Mess, answers: Table) -> None:
    mess.spoil(answers, "signed_zero", "0", items=mess.of("haq_i"))
    mess.spoil(answers, "blank", None, 2)
    mess.spoil(answers, "declared_missing", "N/A", 1)
    haq = sum(str(row[5]).startswith("HAQ") for row in answers.rows)
    mess.note("signed_answers", answers, column=_HEADER.index("answer"), cells=haq)
    named = [place for place, row in enumerate(answers.rows) if row[0] in ("NA", "NANA")]
    if named:
        mess.note("id_looks_like_missing", answers, named[0], 0, cells=len(named))
