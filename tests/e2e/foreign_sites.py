"""The nine sites of `tests.e2e.foreign_study`: each writes its files, its site file, and what should come of them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from tests.e2e.foreign_study import BLANK, CODED, REFUSED, Foreign, cells, number, write_csv

DAY = dt.date(2024, 2, 29)


def kassel(study: Foreign) -> None:
    """CSV in cp1252: semicolons, decimal commas, title rows, labels with umlauts, episodes, both raters in a row."""
    labels = {"selten": 1, "manchmal": 2, "öfters": 3, "häufig": 4, "immer": 5}
    said = {float(value): label for label, value in labels.items()}
    header = ["Klient", "Ther.", "Therapie", "Std", "Datum"]
    header += [f"Kl_{n:02d}" for n in range(1, 13)] + [f"Th_{n}" for n in range(1, 11)] + ["V1", "V2", "V3"]
    rows: list[list[Any]] = [["Klinik Käßel"], [], header]
    for k in range(10):
        client, therapist, date = f"K-{k:03d}", f"T'{k % 3}", DAY + dt.timedelta(days=k)
        first = k % 2 == 0
        own, other, vas = study.answers("wai_sr"), study.answers("wai_srt"), study.answers("verlauf", decimals=1)
        own[4], own[7] = (CODED, BLANK) if k < 3 else (own[4], own[7])
        if k == 5:
            own |= {1: REFUSED, 2: REFUSED, 3: BLANK}
        shared: dict[str, Any] = {"episode": "1" if first else "2", "date": date, "occasion": str(k + 1)}
        study.note("kassel", client, therapist, "wai_sr", answers=own, **shared)
        study.note("kassel", client, therapist, "wai_srt", rater="therapist", answers=other, **shared)
        study.note(
            "kassel", client, therapist, "verlauf", answers=vas, **{**shared, "phase": "post", "occasion": "post"}
        )
        rows.append(
            [f" {client}", f"{therapist} ", "Erst" if first else "ZWEIT", f"{k + 1:02d}", date.strftime("%d.%m.%y")]
            + cells(own, lambda v: said[v].upper() if v == 5 else said[v], {CODED: "k.A.", BLANK: " ", REFUSED: "nie"})
            + cells(other, lambda v: f"{v:.1f}".replace(".", ","), {})
            + cells(vas, lambda v: f"{v}".replace(".", ","), {})
        )
    study.site(
        "kassel", pattern="**/*.csv", format="csv",
        csv={"encoding": "cp1252", "delimiter": ";", "quote": "|", "decimal": ",", "header_row": 3},
        client="Klient", therapist="Ther.", episode={"column": "Therapie", "map": {"erst": "1", "zweit": "2"}},
        session="Std", date={"column": "Datum", "format": "%d.%m.%y"}, missing={"K.A.": "no answer"},
        forms=[
            {"instrument": "wai_sr", "rater": "client", "items": "Kl_{item:02d}", "labels": labels},
            {"instrument": "wai_srt", "rater": "therapist", "items": "Th_{item}"},
            {"instrument": "verlauf", "rater": "client", "phase": "post", "items": {"V2": 2, "V1": 1, "V3": 3}},
        ],
    )  # fmt: skip
    study.path("kassel", "2024/mai").mkdir(parents=True)
    write_csv(study.path("kassel", "2024/mai/bögen.csv"), rows, "cp1252", delimiter=";", quotechar="|")


def utrecht(study: Foreign) -> None:
    """Excel with the 1904 date system: a sheet by name, typed dates before and bare serial numbers after therapy."""
    workbook = openpyxl.Workbook()
    workbook.epoch = CALENDAR_MAC_1904
    workbook.active.append(["not this one"])
    sheet = workbook.create_sheet("Gegevens")
    sheet.append(["OQ"])
    sheet.append(["nr", "beh", "voor", "na", *(f"v{n}" for n in range(1, 46)), *(f"n{n}" for n in range(1, 46))])
    for k in range(8):
        client = f"{k:03d}"
        before, after = study.answers("oq_45"), study.answers("oq_45")
        after |= (
            dict.fromkeys(range(1, 11), BLANK) if k == 1 else {3: REFUSED} if k == 2 else {3: CODED} if k == 3 else {}
        )
        pre, post = DAY + dt.timedelta(days=k), DAY + dt.timedelta(days=200 + k)
        study.note("utrecht", client, None, "oq_45", phase="pre", occasion="pre", date=pre, answers=before)
        study.note("utrecht", client, None, "oq_45", phase="post", occasion="post", date=post, answers=after)
        words = {BLANK: None, REFUSED: "#DIV/0!", CODED: 9}
        sheet.append(
            [client, None, pre, (post - dt.date(1904, 1, 1)).days]
            + cells(before, int, words) + cells(after, lambda v: v if v != 4 else "4", words)
        )  # fmt: skip
    workbook.save(study_path := study.folder / "utrecht.xlsx")
    both = {"instrument": "oq_45", "rater": "client"}
    study.site(
        "utrecht", pattern="*.xlsx", format="excel", excel={"sheet": "Gegevens", "header_row": 2}, client="nr",
        therapist="beh", missing={"9": "onbekend"},
        forms=[
            {**both, "phase": "pre", "items": "v{item}", "date": "voor"},
            {**both, "phase": "post", "items": "n{item}", "date": {"column": "na", "format": "excel_serial_1904"}},
        ],
    )  # fmt: skip
    study_path.rename(study.path("utrecht", "gegevens.xlsx"))


def lyon(study: Foreign) -> None:
    """SPSS: a range of user-missing values, labels from the file on codes from 1, decimals, a numeric id."""
    rows, labels = [], {1.0: "jamais", 2.0: "plusieurs jours", 3.0: "plus de la moitié", 4.0: "presque tous"}
    for k in range(9):
        date = DAY + dt.timedelta(days=7 * k)
        mood, session = study.answers("phq_9"), study.answers("srs", decimals=2)
        mood |= {2: CODED, 5: CODED} if k == 4 else {1: BLANK} if k == 5 else {}
        study.note("lyon", f"{900 + k}", "Th 1", "srs", occasion=str(k + 1), date=date, answers=session)
        study.note(
            "lyon", f"{900 + k}", "Th 1", "phq_9", phase="followup", occasion="followup", date=date, answers=mood
        )
        coded = iter((-1.0, -77.0))
        rows.append(
            [900.0 + k, "Th 1", float(k + 1), date]
            + [None if v == BLANK else next(coded) if v == CODED else float(v) + 1 for v in mood.values()]
            + list(session.values())
        )
    columns = ["NR", "TH", "SEANCE", "JOUR", *(f"PHQ{n}" for n in range(1, 10)), *(f"SRS_{n}" for n in range(1, 5))]
    study.site(
        "lyon", pattern="*.sav", format="spss", client="NR", therapist="TH", session="SEANCE", date="JOUR",
        forms=[
            {"instrument": "srs", "rater": "client", "items": "SRS_{item}"},
            {
                "instrument": "phq_9", "rater": "client", "phase": "followup", "items": "PHQ{item}",
                "labels": "from_file", "shift": -1,
            },
        ],
    )  # fmt: skip
    pyreadstat.write_sav(
        pd.DataFrame(rows, columns=columns), str(study.path("lyon", "données.sav")),
        missing_ranges={f"PHQ{n}": [{"lo": -99, "hi": -1}] for n in range(1, 10)},
        variable_value_labels={f"PHQ{n}": {**labels, -1.0: "refus"} for n in range(1, 10)},
    )  # fmt: skip


def oslo(study: Foreign) -> None:
    """Stata: value labels, extended missing values, the rater in a column, reverse-keyed items turned by the site."""
    labels = {1: "helt uenig", 2: "uenig", 3: "litt uenig", 4: "litt enig", 5: "enig", 6: "helt enig"}
    rows = []
    for k in range(8):
        for place, rater in enumerate(("client", "therapist"), start=1):
            date, answers = DAY + dt.timedelta(days=k + 40 * (place - 1) * (k == 6)), study.answers("haq_ii")
            answers |= {1: CODED, 2: BLANK} if k == 2 else {}
            study.note("oslo", f"P{k}", "A", "haq_ii", rater=rater, occasion="2", date=date, answers=answers)
            turned = {n: 7 - v if n in {4, 8, 11, 16, 19} and not isinstance(v, str) else v for n, v in answers.items()}
            rows.append([f"P{k}", "A", place, 2.0, date, *cells(turned, float, {CODED: "a", BLANK: None})])
    names = [f"h{n}" for n in range(1, 20)]
    study.site(
        "oslo", pattern="*.dta", format="stata", client="id", therapist="th", session="s", date="d",
        forms=[
            {
                "instrument": "haq_ii", "rater": {"column": "who", "map": {"1": "client", "2": "therapist"}},
                "items": "h{item}", "labels": "from_file", "orientation": "already_reversed",
            }
        ],
    )  # fmt: skip
    pyreadstat.write_dta(
        pd.DataFrame(rows, columns=["id", "th", "who", "s", "d", *names]), str(study.path("oslo", "a.dta")),
        variable_value_labels=dict.fromkeys(names, labels), missing_user_values={name: ["a"] for name in names},
    )  # fmt: skip


def porto(study: Foreign) -> None:
    """Parquet with typed columns: whole ids, timestamps, decimals, categories; two sessions in a record."""
    labels = dict(zip(("nunca", "raramente", "às vezes", "frequente", "sempre"), range(5), strict=True))
    said = {float(value): label for label, value in labels.items()}
    columns: dict[str, list[Any]] = {}
    for k in range(7):
        record: dict[str, Any] = {"id": 2**53 + 1 + k, "t": k % 2 == 0, "quando": dt.datetime(2024, 5, 1 + k, 9, 30)}
        for visit, occasion in (("a", "2"), ("b", "9")):
            answers, date = study.answers("wai_s"), dt.date(2024, 5, 1 + k)
            answers |= {12: BLANK} if k == 3 else {}
            study.note(
                "porto", str(2**53 + 1 + k), "TRUE" if k % 2 == 0 else "FALSE", "wai_s", occasion=occasion, date=date,
                answers=answers,
            )  # fmt: skip
            record |= {f"{visit}{n}": None if v == BLANK else v for n, v in answers.items()}
        answers = study.answers("core_om")
        study.note("porto", str(2**53 + 1 + k), record["t"] and "TRUE" or "FALSE", "core_om", phase="pre",
                   occasion="pre", date=dt.date(2024, 5, 1 + k), answers=answers)  # fmt: skip
        record |= {f"core{n:02d}": said[float(v)] for n, v in answers.items()}
        for name, value in record.items():
            columns.setdefault(name, []).append(value)
    types = {"a": pa.int8(), "b": pa.decimal128(5, 2), "c": pa.dictionary(pa.int8(), pa.string())}
    arrays = {
        name: pa.array([None if v is None else int(v) for v in values], pa.int8()) if name[0] == "a"
        else pa.array(values, pa.float64()).cast(types["b"]) if name[0] == "b"
        else pa.array(values).cast(types["c"]) if name.startswith("core") else pa.array(values)
        for name, values in columns.items()
    }  # fmt: skip
    study.site(
        "porto", pattern="*.parquet", format="parquet", client="id", therapist="t", date="quando",
        forms=[
            {"instrument": "wai_s", "rater": "client", "items": "a{item}", "session": {"value": "2"}},
            {"instrument": "wai_s", "rater": "client", "items": "b{item}", "session": {"value": "9"}},
            {"instrument": "core_om", "rater": "client", "phase": "pre", "items": "core{item:02d}", "labels": labels},
        ],
    )  # fmt: skip
    pq.write_table(pa.table(arrays), study.path("porto", "x.parquet"))


def brno(study: Foreign) -> None:
    """REDCap: two arms, a repeating instrument whose instance is the session, therapist's events, a missing code."""
    dictionary = [["Variable / Field Name", "Form Name", "Field Type", "Choices, Calculations, OR Slider Labels"]]
    choices = "0, vůbec | 1, několik dní | 2, více než polovinu | 3, téměř každý den"
    dictionary += [["record_id", "base", "text", ""], ["th", "base", "text", ""]]
    dictionary += [[f"gad{n}", "gad", "radio", choices] for n in range(1, 8)]
    dictionary += [[f"srt_{n}", "srt", "radio", "1, a | 2, b | 3, c | 4, d | 5, e"] for n in range(1, 11)]
    names = [f"gad{n}" for n in range(1, 8)] + [f"srt_{n}" for n in range(1, 11)]
    rows = [["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "th", *names]]
    for k in range(8):
        client, arm, therapist = f"{k}-1", f"arm_{1 + k % 2}", f"t{k % 2}"
        rows.append([client, f"base_{arm}", "", "", therapist, *[""] * 17])
        for instance in (1, 2, 6):
            answers = study.answers("gad_7")
            answers |= {3: CODED} if k == 1 else {}
            study.note("brno", client, therapist, "gad_7", phase="post", occasion=f"week {instance}", answers=answers)
            rows.append(
                [client, f"base_{arm}", "gad", str(instance), "", *cells(answers, number, {CODED: "-99"}), *[""] * 10]
            )
        answers = study.answers("wai_srt")
        occasion = "3" if k % 2 == 0 else "8"
        study.note("brno", client, therapist, "wai_srt", rater="therapist", occasion=occasion, answers=answers)
        rows.append([client, f"therapist_{arm}", "", "", therapist, *[""] * 7, *cells(answers, number, {})])
    study.site(
        "brno", pattern="data_*.csv", format="redcap", redcap={"dictionary": "dict.csv"}, client="record_id",
        therapist="th", missing={"-99": "not asked"},
        forms=[
            {
                "instrument": "gad_7", "rater": "client", "phase": "post", "items": "gad{item}", "labels": "from_file",
                "session": {"column": "redcap_repeat_instance", "map": {str(n): f"week {n}" for n in (1, 2, 6)}},
                "only_rows": {"column": "redcap_repeat_instrument", "values": ["gad"]},
            },
            {
                "instrument": "wai_srt", "rater": "therapist", "items": "srt_{item}",
                "session": {"column": "redcap_event_name", "map": {"therapist_arm_1": "3", "therapist_arm_2": "8"}},
                "only_rows": {"column": "redcap_event_name", "values": ["therapist_arm_1", "therapist_arm_2"]},
            },
        ],
    )  # fmt: skip
    write_csv(study.path("brno", "data_1.csv"), rows)
    write_csv(study.path("brno", "dict.csv"), dictionary)


def lund(study: Foreign) -> None:
    """Qualtrics with numbers, joined on ImportId; a scale score of another questionnaire beside the items."""
    header: list[list[Any]] = [["ResponseId", "Q1", "Datum", *(f"Q7_{n}" for n in range(12, 0, -1)), "GSI"]]
    header.append(["Response ID", "Vem?\nsäg", "När", *(f"Fråga, {n}" for n in range(12, 0, -1)), "medel"])
    ids = ["_recordId", "QID1_TEXT", "QID2", *(f"QID5_{n}" for n in range(12, 0, -1)), "gsi"]
    header.append([json.dumps({"ImportId": each}) for each in ids])
    rows = []
    for k in range(8):
        answers, gsi = study.answers("wai_s"), round(float(study.random.uniform(0, 4)), 3)
        answers |= dict.fromkeys((1, 2, 3), CODED) if k == 0 else {9: REFUSED} if k == 1 else {}
        date = DAY + dt.timedelta(days=k)
        study.note("lund", f"p{k}", None, "wai_s", occasion="5", date=date, answers=answers)
        study.note(
            "lund", f"p{k}", None, "scl_90_r", phase="post", occasion="post", date=date, answers={}, scores={"gsi": gsi}
        )
        backwards = list(reversed(cells(answers, number, {CODED: "-99", REFUSED: "8"})))
        rows.append([f"R_{k}", f"p{k}", date.strftime("%m/%d/%Y"), *backwards, gsi])
    study.site(
        "lund", pattern="*.csv", format="qualtrics", client="QID1_TEXT", missing={"-99": "seen"},
        date={"column": "QID2", "format": "%m/%d/%Y"}, session={"value": "5"},
        forms=[
            {"instrument": "wai_s", "rater": "client", "items": "QID5_{item}"},
            {"instrument": "scl_90_r", "rater": "client", "phase": "post", "scores": {"gsi": "gsi"}},
        ],
    )  # fmt: skip
    write_csv(study.path("lund", "u.csv"), header + rows)


def bern(study: Foreign) -> None:
    """Long form with item and score codes, both raters, phases told apart by a column, dates in words."""
    rows: list[list[Any]] = [["Fall", "Therapeut", "Wer", "Wann", "Tag", "Code", "Wert"]]
    for k in range(6):
        date = DAY + dt.timedelta(days=30 * k)
        for who, rater in (("Kl", "client"), ("Th", "therapist")):
            for when, phase in (("vor", "pre"), ("nach", "post")):
                answers = study.answers("target_complaints")
                answers |= {2: BLANK, 3: BLANK} if k == 1 else {}
                scores = {"total": round(float(study.random.uniform(1, 13)), 2)} if k in (1, 2) else {}
                study.note(
                    "bern", f"F{k}", "B", "target_complaints", rater=rater, phase=phase, occasion=phase, date=date,
                    answers=answers, scores=scores,
                )  # fmt: skip
                codes = dict(zip(("tc1", "tc2", "tc3"), cells(answers, number, {BLANK: ""}), strict=True))
                codes |= {"memo": "x"} | ({"TCm": f"{scores['total']}".replace(".", ",")} if scores else {})
                rows += [[f"F{k}", "B", who, when, date.strftime("%d %b %Y"), *each] for each in codes.items()]
    complaint = {
        "instrument": "target_complaints", "rater": {"column": "Wer", "map": {"kl": "client", "TH": "therapist"}},
        "items": "tc{item}", "scores": {"total": "TCm"},
    }  # fmt: skip
    study.site(
        "bern", pattern="*.tsv", format="csv", shape="long",
        csv={"delimiter": "\t", "decimal": ",", "encoding": "utf-16"}, client="Fall",
        therapist="Therapeut", date={"column": "Tag", "format": "%d %b %Y"}, item_code="Code", value="Wert",
        forms=[
            {**complaint, "phase": "pre", "only_rows": {"column": "Wann", "values": ["vor"]}},
            {**complaint, "phase": "post", "only_rows": {"column": "Wann", "values": ["nach"]}},
        ],
    )  # fmt: skip
    order = study.random.permutation(len(rows) - 1) + 1
    write_csv(study.path("bern", "w.tsv"), [rows[0], *(rows[n] for n in order)], "utf-16", delimiter="\t")


def ghent(study: Foreign) -> None:
    """Full exports: answers from 0 turned at the source, items by list, the newest export first, one client gone."""
    names = [f"c_{chr(97 + n)}" for n in range(24)]
    header = ["id", "th", "s", *names]
    kept, old = [], []
    for k in range(8):
        answers = study.answers("calpas") | {24: BLANK}
        given = {n: v for n, v in answers.items() if n != 11}
        turned = {
            n: 8 - v if n in {1, 14, 17, 6, 8, 2, 5, 9, 13, 19, 22} and n != 24 else v for n, v in answers.items()
        }
        written = cells(turned, lambda v: number(v - 1), {BLANK: ""})
        old.append([f"g{k}", "x", "7", *(written if k != 2 else ["0"] * 24)])
        if k != 5:
            study.note("ghent", f"g{k}", "x", "calpas", occasion="7", answers=given)
            kept.append([f"g{k}", "x", "7", *written])
    items = [None if n == 10 else name for n, name in enumerate(names)]
    study.site(
        "ghent", pattern="e_*.csv", format="csv", deliveries="full", date_in_name="e_%d-%m-%Y", client="id",
        therapist="th", session="s",
        forms=[
            {
                "instrument": "calpas", "rater": "client", "items": items, "shift": 1,
                "orientation": "already_reversed",
            }
        ],
    )  # fmt: skip
    # By name the older export would come last; the date in it says otherwise.
    write_csv(study.path("ghent", "e_01-06-2024.csv"), [header, *kept])
    write_csv(study.path("ghent", "e_31-05-2024.csv"), [header, *old])


SITES = (kassel, utrecht, lyon, oslo, porto, brno, lund, bern, ghent)
