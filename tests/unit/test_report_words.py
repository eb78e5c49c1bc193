"""Numbers, names and cells as the report writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report import words
from report.content import Cell, Fold, Table, foldable, table
from report.warehouse import visible


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("nan"), "–"), (-0.004, "0.00"), (-0.315, "−0.32"), (1234.5, "1,234.50"), (0.0, "0.00")],
)
def test_numbers_have_a_true_minus_sign_and_no_negative_zero(value: float | None, shown: str) -> None:
    assert words.number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.0, "<0.001"), (0.0004, "<0.001"), (0.04, "0.040")])
def test_a_p_value_is_never_zero(value: float | None, shown: str) -> None:
    assert words.p_value(value) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (1, 100_000, "<0.1 %"),
        (99_999, 100_000, ">99.9 %"),
        (0, 10, "0.0 %"),
        (10, 10, "100.0 %"),
        (1, 0, "–"),
        (None, 3, "–"),
    ],
)
def test_a_share_is_rounded_neither_to_nothing_nor_to_all(part: float | None, whole: float, shown: str) -> None:
    assert words.share(part, whole) == shown


def test_long_lists_are_counted() -> None:
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed([str(n) for n in range(20)], most=2) == "0, 1 and 18 more"
    assert words.listed([]) == ""


@pytest.mark.parametrize("text", ["", None, "not json", "{}", '"text"'])
def test_json_of_another_kind_is_as_none(text: str | None) -> None:
    assert words.from_json(text, []) == []


def test_how_an_analysis_ended_is_a_word_and_its_sentence() -> None:
    assert words.ended("ok", None) == "ok"
    assert words.ended("too_few_rows", "12 rows.") == "too few rows: 12 rows."
    assert words.ended("heywood", None) == "heywood"


@given(st.text())
def test_visible_text_has_no_character_that_xml_forbids_or_that_turns_the_writing(text: str) -> None:
    shown = visible(text)
    forbidden = {chr(n) for n in range(32) if chr(n) not in "\t\n"} | set("\u202e\u2066\x7f\x85\ufffe\ud800")
    assert not forbidden & set(shown)
    assert len(shown) == len(text)


def test_visible_text_keeps_what_names_are_written_with() -> None:
    name = "Praxis Müller-Łoś, Žižkov (北) 'A & B' <1>"
    assert visible(name) == name


def test_a_table_has_cells_for_all_columns() -> None:
    made = table("Counts", ["Site", "n#"], [("north", "3")])
    assert [column.shape for column in made.columns] == ["text", "number"]
    assert made.rows == ((Cell("north"), Cell("3")),)
    with pytest.raises(ValueError, match="Counts"):
        table("Counts", ["Site", "n#"], [("north",)])


def test_a_long_table_is_folded_and_counted() -> None:
    rows = [(str(n),) for n in range(16)]
    folded = foldable(table("Sites", ["Site"], rows))
    assert isinstance(folded, Fold)
    assert folded.summary == "Sites (16 rows)"
    assert isinstance(foldable(table("Sites", ["Site"], rows[:15])), Table)
