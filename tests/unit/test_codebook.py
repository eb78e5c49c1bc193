"""The shipped keys against a restatement of them, what the codebook gives to others, and its pages."""

import re
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from flows.settings import codebook as codebook_module
from flows.settings.codebook import Codebook, load_codebook

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE_PAGE = REPOSITORY / "docs" / "reference" / "codebook.md"

# The keys once more, written as the literature writes them (R: reverse-keyed). Restated here by hand and on purpose:
# a slip in a seed file shows only against a second, independent statement.
# instrument | number of items | lowest and highest answer | status | raters | scales
PUBLISHED = """
wai_s | 12 | 1 7 | confirmed | client therapist |
    task mean 1 2 8 12; bond mean 3 5 7 9; goal mean 4R 6 10R 11; total mean all
wai_sr | 12 | 1 5 | confirmed | client |
    task mean 1 2 10 12; bond mean 3 5 7 9; goal mean 4 6 8 11; total mean all
wai_srt | 10 | 1 5 | unverified | therapist |
    goal mean 3 6 8; task mean 1 4 10; bond mean 2 5 7 9; total mean all
haq_i | 11 | 1 6 | variant | client therapist |
    helpfulness mean 1 2 3 4 5 6 7 8; collaboration mean 9 10 11; total mean all
haq_ii | 19 | 1 6 | confirmed | client therapist | total mean all
calpas | 24 | 1 7 | unverified | client therapist |
    pc mean 1R 4 14R 17R 20 24; pwc mean 3 6R 8R 11 16 23; tui mean 2R 5R 7 12 15 21; wsc mean 9R 10 13R 18 19R 22R;
    total mean all
srs | 4 | 0 10 | confirmed | client | total sum all
oq_45 | 45 | 0 4 | confirmed | client |
    sd sum 2 3 5 6 8 9 10 11 13R 15 22 23 24R 25 27 29 31R 33 34 35 36 40 41 42 45;
    ir sum 1R 7 16 17 18 19 20R 26 30 37R 43R; sr sum 4 12R 14 21R 28 32 38 39 44; total sum all
core_om | 34 | 0 4 | confirmed | client |
    w mean 4R 14 17 31R; p mean 2 5 8 11 13 15 18 20 23 27 28 30; f mean 1 3R 7R 10 12R 19R 21R 25 26 29 32R 33;
    r mean 6 9 16 22 24 34; total mean all
phq_9 | 9 | 0 3 | confirmed | client | total sum all
gad_7 | 7 | 0 3 | confirmed | client | total sum all
scl_90_r | 90 | 0 4 | confirmed | client | gsi mean all
target_complaints | 3 | 1 13 | variant | client therapist | total mean all
global_rating | 1 | 1 5 | variant | client therapist | total mean all
"""


class Key(NamedTuple):
    """What the literature says of an instrument; ``marked`` are the items a subscale's key marks with R."""

    count: int
    bounds: tuple[float, float]
    status: str
    raters: str
    scales: dict[str, tuple[str, tuple[int, ...]]]
    marked: set[int]


def published_keys() -> dict[str, Key]:
    keys = {}
    for entry in re.sub(r"\n +", " ", PUBLISHED).strip().splitlines():
        instrument_id, count, bounds, status, raters, scales = (part.strip() for part in entry.split("|"))
        low, high = (float(bound) for bound in bounds.split())
        members, marked = {}, set()
        for scale in scales.split(";"):
            scale_id, method, *numbers = scale.split()
            if numbers == ["all"]:
                numbers = [str(number) for number in range(1, int(count) + 1)]
            members[scale_id] = (method, tuple(int(number.rstrip("R")) for number in numbers))
            marked |= {int(number.rstrip("R")) for number in numbers if number.endswith("R")}
        keys[instrument_id] = Key(int(count), (low, high), status, raters, members, marked)
    return keys


KEYS = published_keys()
REVERSED = {
    "wai_s": {4, 10},
    "haq_ii": {4, 8, 11, 16, 19},
    "calpas": {1, 2, 5, 6, 8, 9, 13, 14, 17, 19, 22},
    "oq_45": {1, 12, 13, 20, 21, 24, 31, 37, 43},
    "core_om": {3, 4, 7, 12, 19, 21, 31, 32},
}
HIGHER_IS_WORSE = {"oq_45", "core_om", "phq_9", "gad_7", "scl_90_r", "target_complaints"}
OUTCOMES = HIGHER_IS_WORSE | {"global_rating"}


@pytest.fixture(scope="module")
def shipped() -> Codebook:
    return load_codebook()


class TestShippedKeys:
    def test_ships_exactly_these_instruments(self, shipped: Codebook) -> None:
        assert set(shipped.instruments) == set(KEYS)

    @pytest.mark.parametrize("instrument_id", KEYS)
    def test_instrument_is_as_published(self, shipped: Codebook, instrument_id: str) -> None:
        key = KEYS[instrument_id]
        instrument = shipped.instruments[instrument_id]
        assert [item.item_number for item in shipped.items(instrument_id)] == list(range(1, key.count + 1))
        assert (instrument.min_value, instrument.max_value) == key.bounds
        assert (instrument.status, " ".join(instrument.raters)) == (key.status, key.raters)
        assert instrument.higher_is == ("worse" if instrument_id in HIGHER_IS_WORSE else "better")
        assert instrument.domain == ("outcome" if instrument_id in OUTCOMES else "alliance")
        assert {scale.status for scale in shipped.scales(instrument_id)} == {key.status}

    @pytest.mark.parametrize("instrument_id", KEYS)
    def test_scales_hold_exactly_their_items(self, shipped: Codebook, instrument_id: str) -> None:
        scales = shipped.scales(instrument_id)
        assert {scale.scale_id: (scale.method, scale.item_numbers) for scale in scales} == KEYS[instrument_id].scales
        assert {scale.scale_id for scale in scales if scale.kind == "total"} <= {"total", "gsi"}
        assert sum(scale.kind == "total" for scale in scales) == 1

    @pytest.mark.parametrize("instrument_id", KEYS)
    def test_subscales_share_no_item_and_leave_none_out(self, shipped: Codebook, instrument_id: str) -> None:
        subscales = [scale for scale in shipped.scales(instrument_id) if scale.kind == "subscale"]
        members = [number for scale in subscales for number in scale.item_numbers]
        assert len(members) == len(set(members))
        if subscales:
            assert set(members) == {item.item_number for item in shipped.items(instrument_id)}

    @pytest.mark.parametrize("instrument_id", KEYS)
    def test_reverse_keyed_items_are_these(self, shipped: Codebook, instrument_id: str) -> None:
        found = {item.item_number for item in shipped.items(instrument_id) if item.reverse_keyed}
        assert found == REVERSED.get(instrument_id, set())
        if KEYS[instrument_id].marked:
            assert found == KEYS[instrument_id].marked

    def test_wai_s_and_wai_sr_differ_though_both_have_twelve_items(self, shipped: Codebook) -> None:
        def keys(instrument_id: str) -> set[tuple[int, ...]]:
            return {scale.item_numbers for scale in shipped.scales(instrument_id)}

        assert keys("wai_s") != keys("wai_sr")
        assert sum(item.reverse_keyed for item in shipped.items("wai_sr")) == 0

    def test_only_the_improvement_items_of_haq_i_overlap_outcome(self, shipped: Codebook) -> None:
        overlapping = {
            item_id.rpartition("_")[0] + ":" + str(int(item_id.rpartition("_")[2]))
            for instrument_id in shipped.instruments
            for item_id in [item.item_id for item in shipped.items(instrument_id) if item.overlaps_outcome]
        }
        assert overlapping == {f"haq_i:{number}" for number in (1, 2, 3, 4, 5, 11)}

    def test_every_reverse_keyed_alliance_item_is_a_negative_sign(self, shipped: Codebook) -> None:
        for instrument_id, instrument in shipped.instruments.items():
            if instrument.domain == "alliance":
                for item in shipped.items(instrument_id):
                    assert (item.theme == "negative_sign") == item.reverse_keyed, item.item_id

    def test_topics_are_short_and_ours(self, shipped: Codebook) -> None:
        for instrument_id in shipped.instruments:
            for item in shipped.items(instrument_id):
                assert item.topic is not None
                assert 2 <= len(item.topic.split()) <= 5, item
                # questionnaire items speak in the first or second person or address someone; a topic never does
                assert not re.search(r"\b(i|my|me|you|your|we|our|us)\b", item.topic.lower()), item

    def test_every_theme_is_used_but_the_one_for_the_rest(self, shipped: Codebook) -> None:
        used = {item.theme for instrument_id in shipped.instruments for item in shipped.items(instrument_id)}
        assert used == set(shipped.themes) - {"other"}

    def test_item_ids_are_unique_and_made_from_number(self, shipped: Codebook) -> None:
        assert len(set(shipped.item_ids)) == len(shipped.item_ids) == sum(key.count for key in KEYS.values())
        assert {"wai_s_04", "scl_90_r_90", "global_rating_01"} <= set(shipped.item_ids)

    def test_files_are_utf8_without_mark_and_with_unix_line_ends(self) -> None:
        for path in sorted(codebook_module.SHIPPED_CODEBOOK_DIR.glob("*.csv")):
            content = path.read_bytes()
            assert b"\r" not in content and not content.startswith(b"\xef\xbb\xbf"), path.name
            assert content.decode("utf-8").endswith("\n"), path.name


class TestCodebook:
    def test_frames_have_the_columns_of_the_files_and_fixed_types(self, shipped: Codebook) -> None:
        frames = shipped.frames()
        assert set(frames) == {"instruments", "scales", "items", "scale_items", "themes"}
        for table, frame in frames.items():
            path = codebook_module.SHIPPED_CODEBOOK_DIR / f"{table}.csv"
            header, *lines = path.read_text(encoding="utf-8").splitlines()
            assert list(frame.columns) == [*header.split(","), "origin"]
            assert len(frame) == len(lines)
            assert set(frame["origin"]) == {"built_in"}
        types = {column: str(dtype) for column, dtype in frames["items"].dtypes.items()}
        assert types["item_number"] == "int64"
        assert types["reverse_keyed"] == "bool"
        assert types["min_value"] == "float64"
        assert types["topic"] == "string"

    def test_frames_reach_duckdb_with_null_for_blank(self, shipped: Codebook) -> None:
        items = shipped.frames()["items"]  # noqa: F841 - DuckDB reads the variable by its name
        instruments = shipped.frames()["instruments"]  # noqa: F841 - so this one
        with duckdb.connect() as connection:
            assert connection.execute(
                "select count(*), count(min_value), typeof(any_value(min_value)) from items"
            ).fetchone() == (281, 0, "DOUBLE")
            assert connection.execute(
                "select raters, note is null from instruments where instrument_id = 'phq_9'"
            ).fetchone() == ("client", True)

    def test_unknown_instrument_is_named_with_those_there_are(self, shipped: Codebook) -> None:
        with pytest.raises(KeyError, match=r"no instrument 'wai' in the codebook; it has wai_s, wai_sr"):
            shipped.items("wai")
        with pytest.raises(KeyError, match="no instrument 'wai'"):
            shipped.scales("wai")


class TestReferencePage:
    def test_table_of_instruments_is_that_of_the_codebook(self, shipped: Codebook) -> None:
        expected = [
            f"| `{instrument_id}` | {instrument.name} | {len(shipped.items(instrument_id))} |"
            f" {instrument.min_value:g} to {instrument.max_value:g} |"
            f" {', '.join(instrument.raters)} |"
            f" {', '.join(f'`{scale.scale_id}`' for scale in shipped.scales(instrument_id))} |"
            f" {instrument.status} | {instrument.source} |"
            for instrument_id, instrument in shipped.instruments.items()
        ]
        page = REFERENCE_PAGE.read_text(encoding="utf-8")
        table = page.split("<!-- instruments: begin -->")[1].split("<!-- instruments: end -->")[0]
        assert table.strip().splitlines()[2:] == expected

    def test_example_of_a_study_codebook_loads(self, tmp_path: Path) -> None:
        page = REFERENCE_PAGE.read_text(encoding="utf-8")
        examples = re.findall(r"`codebook/(\w+\.csv)`:?\n+```csv\n(.*?)```", page, flags=re.DOTALL)
        assert [name for name, _ in examples] == ["instruments.csv", "items.csv", "scales.csv", "scale_items.csv"]
        for name, content in examples:
            (tmp_path / name).write_text(content, encoding="utf-8")
        codebook = load_codebook(tmp_path)
        assert codebook.instruments["session_impact"].origin == "study"
        assert [item.item_number for item in codebook.items("session_impact") if item.reverse_keyed] == [3]
        assert [scale.item_numbers for scale in codebook.scales("session_impact")] == [(1, 2, 3, 4), (1, 2)]

    def test_glossary_is_alphabetical_without_repeats(self) -> None:
        lines = (REPOSITORY / "GLOSSARY.md").read_text(encoding="utf-8").splitlines()
        terms = [line[2:].split("**")[0] for line in lines if line.startswith("**")]
        folded = [re.sub(r"[^a-z0-9]", "", term.lower()) for term in terms]
        assert len(terms) > 60
        assert folded == sorted(set(folded))
