"""A codebook that cannot be used: every problem is told, with its place and what to do."""

import csv
from pathlib import Path

import pytest

from flows.settings import codebook as codebook_module
from flows.settings.codebook import CodebookError, load_codebook


def write(folder: Path, **files: str) -> Path:
    """Writes codebook files; an indented text keeps readable in the test."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        lines = [line.strip() for line in text.strip().splitlines()]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(CodebookError) as caught:
        load_codebook(folder)
    return caught.value.problems


MOOD = {
    "instruments": "instrument_id,min_value,max_value\nmood,0,10",
    "items": "instrument_id,item_number\nmood,1\nmood,2",
}


class TestProblems:
    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            pytest.param(
                {"items": "instrument_id,item_nummer\nmood,1"},
                [
                    "codebook/items.csv, line 1, column 2: found text 'item_nummer', which is not a column of this"
                    " file; did you mean item_number? use instrument_id, item_number, item_id, reverse_keyed, topic,"
                    " theme, overlaps_outcome, min_value, max_value",
                    "codebook/items.csv, line 1, column item_number: the column is missing; add it",
                ],
                id="unknown and missing column",
            ),
            pytest.param(
                {"items": "instrument_id,item_number,item_number\nmood,1,1"},
                ["codebook/items.csv, line 1, column item_number: the column is there twice; remove one"],
                id="duplicate column",
            ),
            pytest.param(
                {"items": "instrument_id,item_number\nmood,1\nmood,2\nmood,1"},
                [
                    "codebook/items.csv, line 4, column item_number: instrument_id mood, item_number 1 was already"
                    " given in line 2; keep one of the two lines"
                ],
                id="duplicate key",
            ),
            pytest.param(
                {"items": "instrument_id,item_number\nmood,256"},
                [
                    "codebook/items.csv, line 2, column item_number: found whole number '256'; expected an item number"
                    " from 1 to 255, because the warehouse packs item numbers in 8 bits; renumber the items, or split"
                    " the questionnaire into two instruments",
                    "codebook/instruments.csv, line 2, column instrument_id: found text 'mood', which has no items;"
                    " list them in items.csv",
                ],
                id="item number above 255",
            ),
            pytest.param(
                {"items": "instrument_id,item_number,reverse_keyed\nmood,1,yes"},
                ["codebook/items.csv, line 2, column reverse_keyed: found text 'yes'; expected true or false"],
                id="not a boolean",
            ),
            pytest.param(
                {"instruments": "instrument_id,min_value,max_value\nmood,7,7"},
                [
                    "codebook/instruments.csv, line 2, column max_value: found 7, which is not above the min_value 7;"
                    " correct one of the two"
                ],
                id="min not below max",
            ),
            pytest.param(
                {"items": "instrument_id,item_number,min_value\nmood,1,11"},
                [
                    "codebook/items.csv, line 2, column min_value: the item's answers go from 11 to 10 (blank: the"
                    " instrument's); correct them"
                ],
                id="item's own minimum above the instrument's maximum",
            ),
            pytest.param(
                {"instruments": 'instrument_id,min_value,max_value\nmood,"0,5",nan'},
                [
                    "codebook/instruments.csv, line 2, column min_value: found text '0,5'; expected a number such as 7"
                    " or 0.5, with a point as decimal mark",
                    "codebook/instruments.csv, line 2, column max_value: found text 'nan'; expected a number such as 7"
                    " or 0.5, with a point as decimal mark",
                ],
                id="not a number",
            ),
            pytest.param(
                {
                    "scales": "instrument_id,scale_id\nmood,calm",
                    "scale_items": "instrument_id,scale_id,item_number\nmood,calm,3",
                },
                [
                    "codebook/scale_items.csv, line 2, column item_number: found 3, but mood has no such item; add it"
                    " to items.csv, or correct it"
                ],
                id="scale item that does not exist",
            ),
            pytest.param(
                {
                    "scales": "instrument_id,scale_id\nmood,calm",
                    "scale_items": "instrument_id,scale_id,item_number\nmood,clam,1",
                },
                [
                    "codebook/scale_items.csv, line 2, column scale_id: found text 'clam', which is no scale of mood;"
                    " add it to scales.csv",
                    "codebook/scales.csv, line 2, column scale_id: found text 'calm', a scale without items; list its"
                    " items in scale_items.csv",
                ],
                id="misspelt scale",
            ),
            pytest.param(
                {"items": "instrument_id,item_number\nmood,1\nwai_s,1\nwai_s,2"},
                [
                    "codebook/items.csv, line 3, column instrument_id: found text 'wai_s' (and in 1 more line), which"
                    " has no line in instruments.csv of this folder; add one, or correct the id (an instrument is"
                    " given whole: its line, its items, its scales)"
                ],
                id="items of an instrument the study does not declare",
            ),
            pytest.param(
                {"items": "instrument_id,item_number,theme\nmood,1,calm"},
                [
                    "codebook/items.csv, line 2, column theme: found text 'calm', which is no theme; use a built-in"
                    " one, or add it to themes.csv"
                ],
                id="unknown theme",
            ),
            pytest.param(
                {"items": "instrument_id,item_number,item_id\nmood,1,mood_1"},
                [
                    "codebook/items.csv, line 2, column item_id: found text 'mood_1', but item ids are made, here"
                    " mood_01; leave the cell blank"
                ],
                id="own item id",
            ),
            pytest.param(
                {"themes": "theme_id,name\nbond,James"},
                [
                    "codebook/themes.csv, line 2, column theme_id: found text 'bond', a built-in theme with another"
                    " meaning; choose another id"
                ],
                id="built-in theme redefined",
            ),
            pytest.param(
                {"instruments": "instrument_id,min_value,max_value,raters\nmood,,10,client observer"},
                [
                    "codebook/instruments.csv, line 2, column min_value: found nothing; a value is needed here",
                    "codebook/instruments.csv, line 2, column raters: found text 'client observer'; expected client,"
                    " therapist, or both as 'client therapist'",
                ],
                id="blank where a value is needed",
            ),
            pytest.param(
                {"items": "instrument_id,item_number,topic\nmood,1,calm, quiet\nmood,2,"},
                [
                    "codebook/items.csv, line 2: found 4 cells where the header has 3; put a text that holds a comma"
                    " in double quotes, and a comma for each blank cell"
                ],
                id="comma without quotes",
            ),
            pytest.param(
                {"items": "instrument_id;item_number\nmood;1"},
                [
                    "codebook/items.csv, line 1: the columns are separated by ';'; save the file as CSV separated by"
                    " commas"
                ],
                id="semicolons",
            ),
            pytest.param(
                {"item": "instrument_id,item_number\nmood,1"},
                [
                    "codebook: found a file named text 'item.csv', which is no codebook file; rename it to"
                    " instruments.csv, scales.csv, items.csv, scale_items.csv, themes.csv, or move it elsewhere"
                ],
                id="misnamed file",
            ),
        ],
    )
    def test_problem_is_told_with_place_and_remedy(
        self, tmp_path: Path, files: dict[str, str], expected: list[str]
    ) -> None:
        assert problems_of(write(tmp_path / "codebook", **(MOOD | files))) == expected

    @pytest.mark.parametrize("bad", ["Mood", "1mood", "mood-2", "_mood", "m" * 41, "möd", "mo od"])
    def test_bad_id_is_refused(self, tmp_path: Path, bad: str) -> None:
        folder = write(
            tmp_path / "codebook",
            instruments=f"instrument_id,min_value,max_value\n{bad},0,1",
            items=f"instrument_id,item_number\n{bad},1",
        )
        problems = problems_of(folder)
        assert [problem.split(":")[0] for problem in problems] == [
            "codebook/instruments.csv, line 2, column instrument_id",
            "codebook/items.csv, line 2, column instrument_id",
        ]

    def test_longest_id_is_accepted(self, tmp_path: Path) -> None:
        longest = "m" * 40
        folder = write(
            tmp_path / "codebook",
            instruments=f"instrument_id,min_value,max_value\n{longest},0,1",
            items=f"instrument_id,item_number\n{longest},255",
        )
        assert load_codebook(folder).items(longest)[0].item_id == f"{longest}_255"

    @pytest.mark.parametrize("bad", ["0", "-1", "256", "1.0", "one", "\u0663", "9" * 5000])
    def test_bad_item_number_is_refused(self, tmp_path: Path, bad: str) -> None:
        folder = write(tmp_path / "codebook", **(MOOD | {"items": f"instrument_id,item_number\nmood,1\nmood,{bad}"}))
        (problem,) = problems_of(folder)
        assert problem.startswith("codebook/items.csv, line 3, column item_number: found ")
        assert len(problem) < 400

    def test_all_problems_of_all_files_come_at_once(self, tmp_path: Path) -> None:
        folder = write(
            tmp_path / "codebook",
            instruments="instrument_id,min_value,max_value\nmood,0,low\nCalm,0,1",
            items="instrument_id,item_number,reverse_keyed\nmood,1,maybe\nmood,0,\nmood,2,",
            scales="instrument_id,scale_id,method\nmood,total,median",
            scale_items="instrument_id,scale_id,item_number\nmood,total,9",
            themes="theme_id\nBond",
        )
        with pytest.raises(CodebookError) as caught:
            load_codebook(folder)
        places = sorted(problem.split(":")[0] for problem in caught.value.problems)
        assert places == [
            "codebook/instruments.csv, line 2, column max_value",
            "codebook/instruments.csv, line 3, column instrument_id",
            "codebook/items.csv, line 2, column reverse_keyed",
            "codebook/items.csv, line 3, column item_number",
            "codebook/scale_items.csv, line 2, column item_number",
            "codebook/scales.csv, line 2, column method",
            "codebook/themes.csv, line 2, column theme_id",
        ]
        assert str(caught.value).startswith("the codebook has 7 problems:\n- codebook/instruments.csv, line 2")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "the file is empty"),
            (b"\xef\xbb\xbf\r\n,,\r\n", "the file is empty"),
            (b"instrument_id,item_number,topic\nmood,1,gr\xfcn\n", "not UTF-8 text"),
            (b'instrument_id,item_number,topic\nmood,1,"open\n', "not readable as CSV"),
            (b"instrument_id,item_number,topic\nmood,1," + b"x" * 200_000, "not readable as CSV"),
            (b'instrument_id,item_number,topic\nmood,1,"two\nlines"\nmood,2,\n', "expected one line of plain text"),
            (b"instrument_id,item_number,topic\nmood,1,nul\x00byte\nmood,2,\n", "expected one line of plain text"),
        ],
    )
    def test_damaged_file_is_told_once(self, tmp_path: Path, content: bytes, told: str) -> None:
        folder = write(tmp_path / "codebook", instruments=MOOD["instruments"])
        (folder / "items.csv").write_bytes(content)
        csv.field_size_limit(10**8)  # a delivery that was read before in this process leaves it so
        (problem,) = problems_of(folder)
        assert problem.startswith("codebook/items.csv") and told in problem

    def test_missing_files_are_named(self, tmp_path: Path) -> None:
        only_items = write(tmp_path / "a", items=MOOD["items"])
        assert problems_of(only_items) == ["a/instruments.csv: the file is missing, and items.csv cannot do without"]
        only_instruments = write(tmp_path / "b", instruments=MOOD["instruments"])
        assert problems_of(only_instruments) == [
            "b/items.csv: the file is missing, and instruments.csv cannot do without"
        ]

    def test_a_file_in_place_of_the_folder_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "codebook"
        path.write_text("instrument_id\n", encoding="utf-8")
        (problem,) = problems_of(path)
        assert problem.startswith("codebook: found a file; make it a folder")

    def test_a_shipped_file_must_be_complete(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for path in codebook_module.SHIPPED_CODEBOOK_DIR.glob("*.csv"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / "themes.csv").unlink()
        items = (tmp_path / "items.csv").read_text(encoding="utf-8")
        (tmp_path / "items.csv").write_text(items.replace("wai_s_04,true", "wai_s_04,"), encoding="utf-8")
        monkeypatch.setattr(codebook_module, "SHIPPED_CODEBOOK_DIR", tmp_path)
        with pytest.raises(CodebookError) as caught:
            load_codebook()
        assert [problem.split(": ")[0] for problem in caught.value.problems] == [
            "dbt_project/seeds/codebook/items.csv, line 5, column reverse_keyed",
            "dbt_project/seeds/codebook/themes.csv",
        ]


def test_a_negative_step_is_refused(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "codebook",
        instruments="instrument_id,min_value,max_value,step\nmood,0,10,-1",
        items="instrument_id,item_number\nmood,1",
    )
    with pytest.raises(CodebookError, match="column step"):
        load_codebook(folder)
