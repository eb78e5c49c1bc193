"""What must hold for any header: every column once, order without effect, nothing raised."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.commands.preview import preview
from flows.common.problems import Problem
from flows.layout.fingerprints import site_fingerprints
from flows.layout.layout import Layout, resolve_layout
from flows.settings.study import Study, load_study
from tests.unit.study_folders import (
    STUDY_YML,
    file_entry,
    header,
    layout_of,
    site_yml,
    study_of,
    wai_columns,
    write_study,
)

FORMS = """
- {instrument: wai_s, rater: client, items: "w{item}", scores: {bond: wb}}
- {instrument: wai_s, rater: therapist, items: "t{item}", therapist: th2}
- {instrument: gad_7, rater: client, items: [g1, g2, null, g4, g5, g6, g7], phase: post}
"""
KNOWN = ["id", "session", "th", "th2", "day", "wb", *wai_columns(), *wai_columns("t"), *wai_columns("g", 7)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    entry = file_entry(FORMS, therapist="th", date="day", ignore="[x]", free_text='["note*"]')
    return study_of(tmp_path_factory.mktemp("study"), entry)


def bound(layout: Layout, names: list[str]) -> set[tuple[object, ...]]:
    """What is bound, by the names of columns instead of their numbers."""
    blocks = layout.frames["layout_blocks"].set_index("block_id")
    return {
        (
            blocks.at[each.block_id, "block_name"],
            names[each.column_number - 1],
            str(each.item_number),
            str(each.scale_id),
        )
        for each in layout.frames["layout_bindings"].itertuples()
    }


@given(st.lists(st.sampled_from([*KNOWN, "x", "notes", "ID", ""]) | st.text(max_size=10), max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_column_once_and_nothing_raises(study: Study, names: list[str]) -> None:
    layout = layout_of(study, header(names))
    columns = layout.frames["layout_columns"]
    assert columns["column_number"].tolist() == list(range(1, len(names) + 1))
    assert columns["column_name"].tolist() == names
    blocks = layout.frames["layout_blocks"].set_index("block_id")
    roles = dict(zip(columns["column_number"], columns["role"], strict=True))
    for each in layout.frames["layout_bindings"].itertuples():
        assert each.column_number in list(blocks.at[each.block_id, "bound_columns"])
        assert roles[each.column_number] == ("item" if str(each.scale_id) == "<NA>" else "score")
    assert sum(len(each) for each in blocks["bound_columns"]) == len(layout.frames["layout_bindings"])
    assert blocks["client_column"].map(roles).eq("client").all()
    assert {each.severity for each in layout.problems} <= {"critical", "warning", "info"}


@given(st.randoms(use_true_random=False), st.sets(st.sampled_from(KNOWN), max_size=8))
@settings(max_examples=40, deadline=None)
def test_order_of_columns_has_no_effect(study: Study, shuffler: random.Random, absent: set[str]) -> None:
    names = [each for each in KNOWN if each not in absent]
    shuffled = list(names)
    shuffler.shuffle(shuffled)
    first, second = layout_of(study, header(names)), layout_of(study, header(shuffled))
    assert bound(first, names) == bound(second, shuffled)
    assert [each for each in first.problems if each.problem != "columns_not_mapped"] == [
        each for each in second.problems if each.problem != "columns_not_mapped"
    ]


def test_order_of_arrival_in_the_list_has_no_effect(study: Study) -> None:
    headers = [header(KNOWN, number, file=f"{number}.csv") for number in range(1, 6)]
    first, second = layout_of(study, *headers), layout_of(study, *reversed(headers))
    for table, frame in first.frames.items():
        assert frame.equals(second.frames[table]), table


def fingerprints(study: Study, layout: Layout, code: str = "1", **other: str) -> dict[str, str]:
    numbers = [each.header.delivery_number for each in layout.deliveries]
    numbers += [each.delivery_number for each in layout.uncovered]
    return site_fingerprints(study, study.codebook, layout, {n: f"hash {n}" for n in numbers}, code, other)


@pytest.fixture
def two_sites(tmp_path: Path) -> Path:
    text = file_entry('- {instrument: wai_s, rater: client, items: "w{item}"}')
    return write_study(tmp_path, {"north": site_yml(text), "south": site_yml(text, site="south")})


NAMES = ["id", "session", *wai_columns()]


def test_a_delivery_changes_the_fingerprint_of_its_site_only(two_sites: Path) -> None:
    study = load_study(two_sites)
    before = fingerprints(study, layout_of(study, header(NAMES, 1), header(NAMES, 2, site="south")))
    after = fingerprints(
        study, layout_of(study, header(NAMES, 1), header(NAMES, 2, site="south"), header(NAMES, 3, site="south"))
    )
    assert before["north"] == after["north"]
    assert before["south"] != after["south"]
    gone = fingerprints(
        study, layout_of(study, header(NAMES, 1), header(NAMES, 2, site="south", spec="gone", file="x"))
    )
    assert gone["south"] != before["south"]


def test_a_withdrawal_and_the_site_file_change_one_site(two_sites: Path) -> None:
    study = load_study(two_sites)
    layout = layout_of(study)
    before = fingerprints(study, layout)
    withdrawn = fingerprints(study, layout, south="someone")
    assert (withdrawn["north"] == before["north"], withdrawn["south"] == before["south"]) == (True, False)
    path = two_sites / "sites" / "north.yml"
    path.write_text(path.read_text().replace("rater: client", "rater: client, shift: 1"))
    changed = load_study(two_sites)
    after = fingerprints(changed, layout_of(changed))
    assert (after["north"] == before["north"], after["south"] == before["south"]) == (False, True)


def test_settings_of_the_build_and_code_change_all_sites_and_others_none(two_sites: Path) -> None:
    study = load_study(two_sites)
    before = fingerprints(study, layout_of(study))
    assert not set(before.values()) & set(fingerprints(study, layout_of(study), code="2").values())
    for more, same in (("threads: 1\nanalyses: {seed: 5}\n", True), ("min_share_answered: 0.5\n", False)):
        changed = load_study(write_study(two_sites, {}, STUDY_YML + more))
        assert (fingerprints(changed, layout_of(changed)) == before) is same


def test_preview(tmp_path: Path) -> None:
    entry = file_entry(FORMS, therapist="th", ignore="[x]", free_text="[note]")
    other = file_entry(FORMS, name="later", pattern='"l*.csv"')
    study = load_study(write_study(tmp_path, {"north": site_yml(entry, other), "south": "site: south\n"}), strict=False)
    names = ["id", "session", "th", "th2", *wai_columns(n=11), *wai_columns("t"), "x", "note", "age", "  "]
    unreadable = Problem("north", "b.csv", None, None, "empty_file", "The file has no bytes.", "Export it.", "warning")
    shown = preview(study, study.codebook, resolve_layout(study, study.codebook, [header(names)]), [unreadable])
    assert list(shown) == ["north", "south"]
    north = shown["north"]
    assert (north.name, north.usable, north.without_delivery, north.n_columns_unmapped) == (
        "Clinic north",
        True,
        ("later",),
        2,
    )
    [file] = north.files
    assert (file.file_spec, file.is_current) == ("ratings", True)
    assert (file.columns_unmapped, file.columns_ignored, file.columns_free_text) == (
        ("age", "column 31 without a name"),
        ("x",),
        ("note",),
    )
    assert [(form.instrument_id, form.rater, form.session, len(form.items), form.n_items) for form in file.forms] == [
        ("wai_s", "client", "by column", 11, 12),
        ("wai_s", "therapist", "by column", 12, 12),
    ]
    assert unreadable in north.problems
    assert {each.problem for each in north.problems} == {
        "columns_missing", "no_column_matches", "columns_not_mapped", "empty_file",
    }  # fmt: skip
    south = shown["south"]
    assert (south.usable, south.files, {each.problem for each in south.problems}) == (False, (), {"site_file_invalid"})
    assert dataclasses.is_dataclass(south)
