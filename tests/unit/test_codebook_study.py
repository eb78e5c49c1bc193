"""A study's own codebook: what it may leave out, add and replace."""

from pathlib import Path

import pytest

from flows.settings import codebook as codebook_module
from flows.settings.codebook import Codebook, Item, load_codebook
from flows.settings.codebook_folder import make_item_id


@pytest.fixture(scope="module")
def shipped() -> Codebook:
    return load_codebook()


def write(folder: Path, **files: str) -> Path:
    """Writes codebook files; an indented text keeps readable in the test."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        lines = [line.strip() for line in text.strip().splitlines()]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


MOOD = {
    "instruments": "instrument_id,min_value,max_value\nmood,0,10",
    "items": "instrument_id,item_number\nmood,1\nmood,2",
}


class TestStudyCodebook:
    def test_absent_or_empty_folder_changes_nothing(self, tmp_path: Path, shipped: Codebook) -> None:
        assert load_codebook(tmp_path / "absent").fingerprint() == shipped.fingerprint()
        assert load_codebook(tmp_path).fingerprint() == shipped.fingerprint()

    def test_the_least_a_study_can_give_is_completed(self, tmp_path: Path, shipped: Codebook) -> None:
        codebook = load_codebook(write(tmp_path / "codebook", **MOOD))
        mood = codebook.instruments["mood"]
        assert (mood.name, mood.domain, mood.higher_is, mood.status, mood.origin) == (
            "mood",
            "alliance",
            "better",
            "unverified",
            "study",
        )
        assert mood.raters == ("client", "therapist")
        assert codebook.items("mood") == tuple(
            Item("mood", number, f"mood_0{number}", False, None, "other", False, None, None, "study")
            for number in (1, 2)
        )
        assert codebook.scales("mood") == ()
        assert set(codebook.instruments) == {*shipped.instruments, "mood"}
        assert codebook.items("wai_s") == shipped.items("wai_s")

    def test_scale_defaults(self, tmp_path: Path) -> None:
        folder = write(
            tmp_path / "codebook",
            **MOOD,
            scales="instrument_id,scale_id\nmood,total\nmood,calm",
            scale_items="instrument_id,scale_id,item_number\nmood,total,2\nmood,total,1\nmood,calm,1",
        )
        total, calm = load_codebook(folder).scales("mood")
        assert (total.name, total.method, total.kind, total.status) == ("total", "mean", "total", "unverified")
        assert (calm.kind, calm.item_numbers, total.item_numbers) == ("subscale", (1,), (1, 2))

    def test_an_instrument_is_replaced_whole(self, tmp_path: Path, shipped: Codebook) -> None:
        folder = write(
            tmp_path / "codebook",
            instruments="instrument_id,min_value,max_value,status\nwai_s,0,6,confirmed",
            items="instrument_id,item_number,reverse_keyed\nwai_s,1,TRUE\nwai_s,2,False",
        )
        codebook = load_codebook(folder)
        assert [(item.item_number, item.reverse_keyed) for item in codebook.items("wai_s")] == [(1, True), (2, False)]
        assert codebook.scales("wai_s") == ()
        assert codebook.item_range(codebook.items("wai_s")[0]) == (0, 6)
        frames = codebook.frames()
        for table in ("instruments", "items"):
            rows = frames[table].query("instrument_id == 'wai_s'")
            assert set(rows["origin"]) == {"study"}
        assert frames["scale_items"].query("instrument_id == 'wai_s'").empty
        assert len(codebook.item_ids) == len(shipped.item_ids) - 12 + 2

    def test_bounds_of_an_item_go_before_those_of_the_instrument(self, tmp_path: Path) -> None:
        folder = write(
            tmp_path / "codebook",
            instruments=MOOD["instruments"],
            items="instrument_id,item_number,min_value,max_value\nmood,1,,4\nmood,2,-3,\nmood,3,,",
        )
        codebook = load_codebook(folder)
        assert [codebook.item_range(item) for item in codebook.items("mood")] == [(0, 4), (-3, 10), (0, 10)]

    def test_study_themes_are_added(self, tmp_path: Path, shipped: Codebook) -> None:
        folder = write(
            tmp_path / "codebook",
            instruments=MOOD["instruments"],
            items="instrument_id,item_number,theme\nmood,1,calm\nmood,2,bond",
            themes="theme_id,name\ncalm,Calmness",
        )
        codebook = load_codebook(folder)
        assert set(codebook.themes) == {*shipped.themes, "calm"}
        assert (codebook.themes["calm"].name, codebook.themes["calm"].origin) == ("Calmness", "study")

    def test_a_copy_of_the_shipped_files_is_accepted_and_has_the_same_keys(
        self, tmp_path: Path, shipped: Codebook
    ) -> None:
        for path in codebook_module.SHIPPED_CODEBOOK_DIR.glob("*.csv"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        copied, original = load_codebook(tmp_path).frames(), shipped.frames()
        for table in original:
            assert copied[table].drop(columns="origin").equals(original[table].drop(columns="origin"))
        assert set(copied["items"]["origin"]) == {"study"}
        assert set(copied["themes"]["origin"]) == {"built_in"}

    def test_spreadsheet_leftovers_are_harmless(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "codebook", instruments=MOOD["instruments"])
        (folder / "items.csv").write_bytes(
            b"\xef\xbb\xbfinstrument_id, item_number ,topic,,\r\n\r\n"
            b'mood,1,"a, quoted",,\r\n mood ,2,gr\xc3\xbcn\r\n,,,,\r\n'
        )
        first, second = load_codebook(folder).items("mood")
        assert (first.topic, second.topic) == ("a, quoted", "grün")


class TestIdentity:
    def test_fingerprint_ignores_order_of_rows(self, tmp_path: Path) -> None:
        one = write(tmp_path / "one", **MOOD)
        other = write(
            tmp_path / "other", instruments=MOOD["instruments"], items="item_number,instrument_id\n2,mood\n1,mood"
        )
        assert load_codebook(one).fingerprint() == load_codebook(other).fingerprint()
        assert load_codebook(one).fingerprint() != load_codebook().fingerprint()

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("instruments", "instrument_id,min_value,max_value\nmood,0,9"),
            ("items", "instrument_id,item_number,reverse_keyed\nmood,1,\nmood,2,true"),
            ("items", "instrument_id,item_number,topic\nmood,1,\nmood,2,calm"),
            ("themes", "theme_id\ncalm"),
        ],
    )
    def test_fingerprint_sees_every_value(self, tmp_path: Path, file: str, text: str) -> None:
        before = load_codebook(write(tmp_path / "codebook", **MOOD)).fingerprint()
        after = load_codebook(write(tmp_path / "codebook", **{file: text})).fingerprint()
        assert before != after

    def test_item_ids_have_three_digits_where_numbers_reach_100(self, tmp_path: Path) -> None:
        items = "instrument_id,item_number\n" + "\n".join(f"long,{number}" for number in range(1, 101))
        folder = write(tmp_path / "codebook", instruments="instrument_id,min_value,max_value\nlong,0,1", items=items)
        ids = [item.item_id for item in load_codebook(folder).items("long")]
        assert (ids[0], ids[-1]) == ("long_001", "long_100")
        assert make_item_id("short", 99, 99) == "short_99"
