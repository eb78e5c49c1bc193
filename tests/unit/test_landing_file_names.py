"""A file named after a person in it is not loaded: the names of files are published."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.landing.file_names import hidden_part, parts_like_ids
from tests.unit.landing_studies import file_settings, landed, make_study


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ratings_2024-05-31.csv", {"ratings_2024-05-31", "2024-05-31"}),
        ("w2.csv", set()),
        ("K-815.csv", {"k-815"}),
        ("client_K0815_s5.xlsx", {"k0815", "client_k0815_s5"}),
        ("10234/answers.csv", {"10234"}),
        ("2024/answers.csv", set()),
    ],
)
def test_parts_of_names_that_may_be_ids(name: str, parts: set[str]) -> None:
    assert parts_like_ids(name) == parts


def test_a_part_is_hidden_whatever_its_case() -> None:
    assert hidden_part("k0815/K0815.csv", "k0815") == "***/***.csv"


@pytest.mark.parametrize("name", ["K0815.csv", "export_k0815_s5.csv", "K0815/a.csv"])
@pytest.mark.parametrize("column", ["client", "th"])
def test_such_a_file_is_refused_and_its_name_told_to_nobody(tmp_path: Path, name: str, column: str) -> None:
    study = make_study(tmp_path, {"north": [file_settings(pattern="**/*.csv", therapist="th")]})
    path = tmp_path / "deliveries" / "north" / name
    path.parent.mkdir(exist_ok=True)
    other = {"client": "th", "th": "client"}[column]
    path.write_text(f"{column},{other},q1\nX1,Y,1\n K0815 ,Y,1\n")
    with landed(study) as (result, store):
        (problem,) = result.problems
        assert problem.problem == "id_in_file_name"
        assert "0815" not in str(problem) and "***" in problem.file_name
        assert store.headers() == []
    path.rename(path.with_name("first.csv"))
    if path.parent.name == "K0815":
        path.parent.rename(path.parent.with_name("more"))
    with landed(study) as (result, _):
        assert (len(result.new), result.problems) == (1, ())


def test_typed_files_are_held_against_their_names_too(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings("parquet")]})
    for name, answer in (("K0815", 1), ("answers_2024", 2)):
        table = pa.table({"client": ["X1", None, "K0815"], "q1": [1, 2, answer]})
        pq.write_table(table, tmp_path / "deliveries" / "north" / f"{name}.parquet")
    with landed(study) as (result, store):
        assert [(each.file_name, each.problem) for each in result.problems] == [("***.parquet", "id_in_file_name")]
        assert [each.file_name for each in store.headers()] == ["answers_2024.parquet"]


def test_a_word_or_an_answer_in_the_name_is_no_id(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"north": [file_settings()]})
    (tmp_path / "deliveries" / "north" / "wave_12345_2024.csv").write_text("client,q1\n2024,12345\nwave,1\n")
    with landed(study) as (result, _):
        assert (len(result.new), result.problems) == (1, ())
