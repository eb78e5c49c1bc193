"""Decoding rules: labels, missing codes, ranges and shifts as data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.common.numbers import as_number, spellings
from flows.layout.layout import Layout
from flows.settings.delivery_headers import DeliveredColumn
from tests.unit.study_folders import file_entry, header, layout_of, study_of, wai_columns


def layout_with(folder: Path, form: str, columns: list[str | DeliveredColumn], **keys: str) -> Layout:
    return layout_of(study_of(folder, file_entry(form, **keys)), header(["id", "session", *columns]))


def labels(layout: Layout, rule_id: int = 1) -> dict[str, float]:
    frame = layout.frames["layout_labels"]
    own = frame[frame["rule_id"] == rule_id]
    return dict(zip(own["label"], own["value"], strict=True))


def missing(layout: Layout, rule_id: int = 1) -> dict[str, str]:
    frame = layout.frames["layout_missing"]
    own = frame[frame["rule_id"] == rule_id]
    return dict(zip(own["code"], own["reason"], strict=True))


def rule_of(layout: Layout, column_number: int) -> dict[str, object]:
    bindings = layout.frames["layout_bindings"]
    rule_id = bindings.loc[bindings["column_number"] == column_number, "rule_id"].iloc[0]
    rules = layout.frames["layout_rules"]
    return dict(rules[rules["rule_id"] == rule_id].iloc[0])


def test_labels_are_compared_in_lower_case(tmp_path: Path) -> None:
    form = '- {instrument: wai_s, rater: client, items: "w{item}", labels: {Never: 1, " Always ": 7}}'
    layout = layout_with(tmp_path, form, [*wai_columns()])
    assert labels(layout) == {"never": 1, "always": 7}
    assert layout.frames["layout_rules"]["labels_only"].tolist() == [False]


def test_labels_may_keep_their_case(tmp_path: Path) -> None:
    form = '- {instrument: wai_s, rater: client, items: "w{item}", labels: {a: 1, A: 7}, case_sensitive: true}'
    assert labels(layout_with(tmp_path, form, [*wai_columns()])) == {"a": 1, "A": 7}


def test_labels_that_are_numbers_are_found_in_every_spelling_and_alone(tmp_path: Path) -> None:
    form = '- {instrument: haq_i, rater: client, items: "h{item}", labels: {-3: 1, -2: 2, -1: 3, 1: 4, 2: 5, 3: 6}}'
    layout = layout_with(tmp_path, form, [*wai_columns("h", 11)])
    found = labels(layout)
    assert found["-3"] == found["-3.0"] == 1
    assert found["1"] == found["+1"] == found["1.0"] == 4
    assert "4" not in found
    assert layout.frames["layout_rules"]["labels_only"].tolist() == [True]


def test_missing_codes_of_file_and_form(tmp_path: Path) -> None:
    form = '- {instrument: wai_s, rater: client, items: "w{item}", missing: {"99": not asked}}'
    layout = layout_with(tmp_path, form, [*wai_columns()], missing="{N/A: no answer, '99': else}", csv="{decimal: ','}")
    found = missing(layout)
    assert found["n/a"] == "no answer"
    assert found["99"] == found["99,0"] == "not asked"
    assert layout.frames["layout_rules"]["decimal_mark"].tolist() == [","]


def test_missing_values_of_the_file_itself(tmp_path: Path) -> None:
    form = '- {instrument: wai_s, rater: client, items: "w{item}", missing: {"8": refused}}'
    columns = [DeliveredColumn(2 + n, f"w{n}", None, ("8", "9") if n == 1 else ()) for n in range(1, 13)]
    layout = layout_with(tmp_path, form, [*columns], format="spss")
    first = int(layout.frames["layout_bindings"]["rule_id"].iloc[0])
    assert missing(layout, first)["9"] == "declared in the file"
    assert missing(layout, first)["8"] == "refused"
    assert "9" not in missing(layout, first + 1)
    assert len(layout.frames["layout_rules"]) == 2


def test_labels_from_file(tmp_path: Path) -> None:
    form = '- {instrument: wai_s, rater: client, items: "w{item}", labels: from_file, shift: 1}'
    own = {"0": "Never", "6": "Always", "9": "Not answered", "44": "Odd", "1": "Same", "2": "same", "3": "5"}
    columns = [DeliveredColumn(2 + n, f"w{n}", own if n < 12 else None, ("9",)) for n in range(1, 13)]
    layout = layout_with(tmp_path, form, [*columns], format="spss")
    assert labels(layout) == {"never": 0, "always": 6}
    assert missing(layout)["not answered"] == "declared in the file"
    told = {(each.problem, each.column_name) for each in layout.problems}
    assert ("value_labels_missing", "w12") in told
    assert ("value_labels_ambiguous", "w1") in told
    assert ("value_labels_out_of_range", "w11") in told
    assert rule_of(layout, 3)["labels_only"] == False  # noqa: E712 - a numpy boolean is not the object False


@pytest.mark.parametrize(
    ("form", "columns", "expected"),
    [
        ("- {instrument: wai_s, rater: client, scores: {bond: b}, shift: 1}", ["b"], (1.0, 7.0, 0.0, 1.0)),
        ("- {instrument: phq_9, rater: client, scores: {total: t}, shift: 1}", ["t"], (0.0, 27.0, 0.0, 9.0)),
        ("- {instrument: oq_45, rater: client, items: {i: 1}, shift: -1}", ["i"], (0.0, 4.0, 1.0, -1.0)),
    ],
)
def test_range_step_and_shift(
    tmp_path: Path, form: str, columns: list[str | DeliveredColumn], expected: tuple[float, ...]
) -> None:
    rule = rule_of(layout_with(tmp_path, form, columns), 3)
    assert tuple(rule[name] for name in ("min_value", "max_value", "step", "shift")) == expected


def test_own_step_and_range(tmp_path: Path) -> None:
    codebook = tmp_path / "codebook"
    codebook.mkdir()
    (codebook / "instruments.csv").write_text(
        "instrument_id,name,version,domain,min_value,max_value,higher_is,raters,status,source,note,step\n"
        "vas,Line,,outcome,0,100,better,client therapist,confirmed,own,,0\n"
    )
    (codebook / "scales.csv").write_text(
        "instrument_id,scale_id,name,method,kind,status,note\nvas,total,Total,mean,total,confirmed,\n"
    )
    (codebook / "items.csv").write_text(
        "instrument_id,item_number,item_id,reverse_keyed,topic,theme,overlaps_outcome,min_value,max_value\n"
        "vas,1,vas_01,false,wellbeing,bond,false,,\nvas,2,vas_02,false,sleep,bond,false,0,10\n"
    )
    (codebook / "scale_items.csv").write_text("instrument_id,scale_id,item_number\nvas,total,1\n")
    form = "- {instrument: vas, rater: client, items: {a: 1, b: 2}, scores: {total: t}}"
    layout = layout_with(tmp_path, form, ["a", "b", "t"])
    found = [tuple(rule_of(layout, n)[name] for name in ("min_value", "max_value", "step")) for n in (3, 4, 5)]
    assert found == [(0, 100, 0), (0, 10, 0), (0, 100, 0)]


def test_equal_rules_are_kept_once_over_sites_and_files(tmp_path: Path) -> None:
    study = study_of(tmp_path, file_entry('- {instrument: wai_s, rater: client, items: "w{item}"}'))
    names = ["id", "session", *wai_columns()]
    layout = layout_of(study, header(names, 1), header(names, 2, file="b.csv"))
    assert len(layout.frames["layout_rules"]) == 1
    assert layout.frames["layout_bindings"]["rule_id"].unique().tolist() == [1]


def test_no_nulls_where_tables_need_values(tmp_path: Path) -> None:
    layout = layout_with(tmp_path, '- {instrument: wai_s, rater: client, items: "w{item}"}', [*wai_columns()])
    assert not layout.frames["layout_rules"].isna().any().any()
    assert pd.api.types.is_bool_dtype(layout.frames["layout_rules"]["case_sensitive"])


@given(st.floats(-1e6, 1e6).map(lambda value: f"{value:.10g}"), st.sampled_from([".", ","]))
def test_every_spelling_is_the_same_number(code: str, mark: str) -> None:
    written = code.replace(".", mark)
    numbers = {as_number(each, mark) for each in spellings(written, mark)}
    assert numbers == {as_number(written, mark)}


@given(st.text(max_size=12))
def test_a_number_is_what_python_reads_or_nothing(text: str) -> None:
    value = as_number(text, ".")
    if value is not None:
        assert value == float(text.strip())
    assert spellings(text, ".")[0] == text
