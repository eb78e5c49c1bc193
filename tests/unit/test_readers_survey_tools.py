"""REDCap and Qualtrics exports, and a reader made up here to show what a new format takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.landing.readers import READERS
from flows.landing.readers.qualtrics import QualtricsReader
from flows.landing.readers.redcap import RedcapReader
from flows.landing.reading import FileRefused, Reading, Sink, Source, named_columns
from flows.settings.site_models import FileSettings
from tests.unit.landing_studies import ReadRecords, landed, make_study, parsed, read
from tests.unit.landing_studies import file_settings as settings_of

DICTIONARY = (
    '"Variable / Field Name","Form Name","Section Header","Field Type","Field Label",'
    '"Choices, Calculations, OR Slider Labels","Field Note","Text Validation Type OR Show Slider Number",'
    '"Text Validation Min","Text Validation Max",Identifier?\n'
    "record_id,base,,text,Record,,,,,,\n"
    'surname,base,,text,"Name of the client",,,,,,y\n'
    "born,base,,text,Date of birth,,,date_ymd,,,y\n"
    "mood,base,,text,Mood in own words,,,,,,\n"
    "age,base,,text,Age,,,integer,,,\n"
    "story,base,,notes,Story,,,,,,\n"
    'q1,wai,,radio,"First, item","1, never | 2, often, mostly | -99, no answer",,,,,\n'
    'helps,base,,checkbox,Helps,"1, talk | -2, silence | A, art",,,,,\n'
    "hello,base,,descriptive,Welcome,,,,,,\n"
    'unused,base,,radio,Unused,"1, a",,,,,\n'
)
EXPORT = (
    "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,surname,born,mood,age,story,q1,"
    "helps___1,helps____2,helps___a,helps___unk,base_complete,stray\n"
    "001,pre_arm_1,,,Muster,1980-01-01,sad,44,long story,2,1,0,0,0,2,x\n"
    "001,session_arm_1,wai,2,,,,,,-99,,,,,,\n"
)


def redcap(folder: Path, export: str = EXPORT, dictionary: str | None = DICTIONARY, **changes: Any) -> ReadRecords:
    (folder / "export.csv").write_text(export)
    companions = {}
    if dictionary is not None:
        (folder / "companion").write_text(dictionary)
        companions = {"dictionary.csv": folder / "companion"}
    settings = parsed("redcap", **{"client": "record_id", "redcap": {"dictionary": "dictionary.csv"}, **changes})
    return read(
        RedcapReader(), folder / "export.csv", settings, companions=companions,
        used_columns=frozenset({"record_id", "q1", "age"}),
    )  # fmt: skip


def test_redcap_keeps_codes_events_and_repeats(tmp_path: Path) -> None:
    got = redcap(tmp_path)
    second = dict(zip(got.names, got.records[3], strict=True))
    assert (second["record_id"], second["redcap_event_name"]) == ("001", "session_arm_1")
    assert (second["redcap_repeat_instrument"], second["redcap_repeat_instance"], second["q1"]) == ("wai", "2", "-99")


def test_redcap_never_loads_text_that_names_people(tmp_path: Path) -> None:
    got = redcap(tmp_path)
    first = dict(zip(got.names, got.records[2], strict=True))
    hidden = ("surname", "born", "mood", "story", "stray")
    assert all(first[name] == "" for name in hidden)
    assert (first["age"], first["q1"], first["helps___1"], first["base_complete"]) == ("44", "2", "1", "2")
    (told,) = (each for each in got.problems if each.problem == "free_text_not_loaded")
    assert all(repr(name) in told.message for name in hidden)
    assert got.reading.n_cells == 32


def test_redcap_identifier_that_is_used_is_loaded(tmp_path: Path) -> None:
    dictionary = DICTIONARY.replace("record_id,base,,text,Record,,,,,,", "record_id,base,,text,Record,,,,,,y")
    assert redcap(tmp_path, dictionary=dictionary).records[2][0] == "001"


def test_redcap_labels_come_from_the_dictionary(tmp_path: Path) -> None:
    got = redcap(tmp_path)
    assert got.column("q1").value_labels == {"1": "never", "2": "often, mostly", "-99": "no answer"}
    assert got.column("helps____2").value_labels == {"0": "Unchecked", "1": "Checked"}


def test_redcap_mismatches_are_told(tmp_path: Path) -> None:
    told = {each.problem: each.message for each in redcap(tmp_path).problems}
    assert "'stray'" in told["not_in_dictionary"] and "helps" not in told["not_in_dictionary"]
    assert told["not_in_export"].startswith("1 fields") and "'unused'" in told["not_in_export"]
    assert "'helps___unk'" in told["checkbox_not_in_dictionary"]
    assert "helps____2" not in told["checkbox_not_in_dictionary"]


def test_redcap_dictionary_missing_damaged_or_not_declared(tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as caught:
        redcap(tmp_path, dictionary=None)
    assert caught.value.problem == "companion_missing"
    with pytest.raises(FileRefused) as caught:
        redcap(tmp_path, dictionary="a,b\n1,2\n")
    assert caught.value.problem == "dictionary_not_readable"
    assert "no_dictionary" in redcap(tmp_path, redcap={}).kinds


def test_redcap_dictionary_of_the_api(tmp_path: Path) -> None:
    dictionary = (
        "field_name,form_name,section_header,field_type,field_label,select_choices_or_calculations,field_note,"
        "text_validation_type_or_show_slider_number,identifier\n"
        'record_id,base,,text,,,,,\nq1,base,,radio,,"1, never",,,\nstory,base,,notes,,,,,\n'
    )
    got = redcap(tmp_path, "record_id,q1,story\n1,1,secret\n", dictionary)
    assert got.records == {2: ["1", "1", ""]}
    assert got.column("q1").value_labels == {"1": "never"}


WORDING = 'How much do you\n"trust" them?'
QUALTRICS = (
    "StartDate,Client,Q1_1,Q1_2\n"
    '"Start, date",Client,"How much do you\n""trust"" them?","Second, wording"\n'
    '"{""ImportId"":""startDate"",""timeZone"":""Z""}","{""ImportId"":""QID9_TEXT""}",'
    '"{""ImportId"":""QID1_1""}","{""ImportId"":""QID1_2"",""choiceId"":""2""}"\n'
    "2024-05-31 09:00:00,007,Very often,5\n"
)


def qualtrics(folder: Path, content: str = QUALTRICS, **options: Any) -> ReadRecords:
    (folder / "file.csv").write_bytes(content.encode(options.get("encoding", "utf-8-sig")))
    return read(QualtricsReader(), folder / "file.csv", parsed("qualtrics", qualtrics=options))


def test_qualtrics_by_import_id_and_by_name(tmp_path: Path) -> None:
    got = qualtrics(tmp_path)
    assert got.names == ["startDate", "QID9_TEXT", "QID1_1", "QID1_2"]
    assert got.records == {4: ["2024-05-31 09:00:00", "007", "Very often", "5"]}
    named = qualtrics(tmp_path, columns_by="name")
    assert named.names == ["StartDate", "Client", "Q1_1", "Q1_2"]
    assert named.records == got.records


def test_qualtrics_wording_is_kept_nowhere(tmp_path: Path) -> None:
    for columns_by in ("import_id", "name"):
        got = qualtrics(tmp_path, columns_by=columns_by)
        assert not any(word in repr((got.reading, got.records, got.problems)) for word in ("trust", "wording"))


def test_qualtrics_tab_separated_utf16(tmp_path: Path) -> None:
    content = 'Client\tQ1\nClient\tWording\n{"ImportId":"QID9"}\t{"ImportId":"QID1"}\n007\t5\n'
    got = qualtrics(tmp_path, content, encoding="utf-16", delimiter="\\t")
    assert got.names == ["QID9", "QID1"]
    assert got.records == {4: ["007", "5"]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("client,q1\na,1\nb,2\nc,3\n", "no_import_ids"),
        (QUALTRICS.replace(",", ";"), "malformed_quotes"),
        ("client,q1\nw,w\n", "no_header"),
        ("".join(QUALTRICS.splitlines(keepends=True)[:-1]), "no_records"),
    ],
)
def test_qualtrics_without_its_header_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(FileRefused) as caught:
        qualtrics(tmp_path, content)
    assert caught.value.problem == problem


class FixedWidthReader:
    """A toy format: two columns of four characters, no header."""

    format = "parquet"  # the settings' schema knows the shipped formats only

    def settings(self, file: FileSettings) -> dict[str, Any]:
        return {"width": 4}

    def companions(self, file: FileSettings) -> tuple[str, ...]:
        return ()

    def read(self, source: Source, sink: Sink) -> Reading:
        columns = named_columns(source, ["client", "q1"])
        sink.begin(columns, source.free_text(columns))
        lines = source.path.read_text().splitlines()
        for number, line in enumerate(lines, start=1):
            sink.add(number, [line[:4].strip(), line[4:8].strip()])
        return Reading(columns, len(lines), 2 * len(lines))


def test_a_new_format_is_one_class_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "parquet", FixedWidthReader())
    study = make_study(tmp_path, {"north": [settings_of("parquet")]})
    (tmp_path / "deliveries/north/a.txt").write_text("007    5\n008    6\n")
    with landed(study) as (result, store):
        assert (result.n_rows, result.n_cells) == (2, 4)
        rows = store.con.execute("select row_number, cells from raw.records order by 1").fetchall()
        assert rows == [(1, ["007", "5"]), (2, ["008", "6"])]
