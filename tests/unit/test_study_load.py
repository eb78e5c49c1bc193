"""Loading a study: what is good is typed, what is wrong is told whole, with file, line, key and next step."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.common.errors import Busy, ConfigurationError, ExitCode
from flows.common.paths import StudyPaths
from flows.settings.codebook import load_codebook
from flows.settings.study import load_study, parse_site_settings, parse_study_settings
from flows.settings.study_models import AnalysisSettings
from tests.unit.study_folders import STUDY_YML, file_entry, site_yml, write_study

WAI = '- {instrument: wai_s, rater: client, items: "w{item}"}'
CODEBOOK = load_codebook()


def problems_of(folder: Path) -> dict[str, tuple[int | None, str, str]]:
    """Problems by ``file:key path``."""
    with pytest.raises(ConfigurationError) as raised:
        load_study(folder)
    assert raised.value.exit_code == ExitCode.WRONG_USE
    return {f"{each.file}:{each.key_path}": (each.line, each.message, each.next_step) for each in raised.value.problems}


def site_problems(text: str, study: str = STUDY_YML) -> dict[str, str]:
    """Messages for one site file by key path."""
    parsed, _ = parse_study_settings(study)
    _, problems = parse_site_settings(text, parsed, CODEBOOK, "sites/north.yml")
    assert all(each.site_id == "north" and each.next_step for each in problems)
    return {each.key_path: each.message for each in problems}


def test_good_study(tmp_path: Path) -> None:
    study = load_study(
        write_study(tmp_path, {"south": site_yml(file_entry(WAI), site="south"), "north": site_yml(file_entry(WAI))})
    )
    assert list(study.sites) == ["north", "south"]
    assert study.settings.sessions[0].numbers == (3, 7)
    assert study.settings.analyses == AnalysisSettings()
    assert study.sites["north"].files[0].client is not None
    assert study.sites["north"].files[0].client.column == "id"
    assert study.paths == StudyPaths(tmp_path.resolve())
    assert study.problems == ()


def test_study_without_sites_is_usable(tmp_path: Path) -> None:
    (tmp_path / "study.yml").write_text(STUDY_YML)
    assert load_study(tmp_path).sites == {}


def test_all_problems_of_all_files_at_once(tmp_path: Path) -> None:
    north = site_yml(file_entry('- {instrument: wai_sx, rater: clint, items: "w"}', format="cvs", clnt="x"))
    south = site_yml(file_entry('- {instrument: haq_1, rater: client, items: "h{item}"}'), site="south")
    found = problems_of(write_study(tmp_path, {"north": north, "south": south}, STUDY_YML + "keep_version: 3\n"))
    assert found["study.yml:keep_version"] == (
        7,
        "the key 'keep_version' does not exist. Did you mean 'keep_versions'?",
        found["study.yml:keep_version"][2],
    )
    line, message, step = found["sites/north.yml:files[0].format"]
    assert (line, message) == (6, "'cvs' is not allowed here. Did you mean 'csv'?")
    assert "redcap" in step
    assert "Did you mean 'client'" in found["sites/north.yml:files[0].clnt"][1]
    assert "Did you mean 'wai_s'" in found["sites/north.yml:files[0].forms[0].instrument"][1]
    assert "Did you mean 'client'" in found["sites/north.yml:files[0].forms[0].rater"][1]
    assert "{item}" in found["sites/north.yml:files[0].forms[0].items"][2]
    assert "Did you mean 'haq_i'" in found["sites/south.yml:files[0].forms[0].instrument"][1]
    assert len(found) == 7


def test_one_bad_site_leaves_the_others(tmp_path: Path) -> None:
    good = site_yml(file_entry(WAI))
    folder = write_study(tmp_path, {"north": good, "south": "site: [", "east": good})
    study = load_study(folder, strict=False)
    assert list(study.sites) == ["north"]
    assert study.invalid_sites == ("east", "south")
    assert {each.site_id for each in study.problems} == {"east", "south"}
    with pytest.raises(ConfigurationError):
        load_study(folder)


def test_bad_study_file_raises_also_when_not_strict(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="min_share_answered"):
        load_study(write_study(tmp_path, {}, STUDY_YML + "min_share_answered: 2\n"), strict=False)


def test_missing_study_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_study(tmp_path)


def test_codebook_problems_are_configuration_problems(tmp_path: Path) -> None:
    (tmp_path / "codebook").mkdir()
    (tmp_path / "codebook" / "items.csv").write_text("nonsense\n1\n")
    found = problems_of(write_study(tmp_path, {"north": site_yml(file_entry(WAI))}))
    assert all(key.startswith("codebook/items.csv:") for key in found)


def test_site_file_must_be_named_after_its_site(tmp_path: Path) -> None:
    found = problems_of(write_study(tmp_path, {"nord": site_yml(file_entry(WAI))}))
    assert found["sites/nord.yml:site"][0] == 1
    assert "north.yml" in found["sites/nord.yml:site"][2]


def test_yaml_suffix_is_told_not_passed_over(tmp_path: Path) -> None:
    folder = write_study(tmp_path, {})
    (folder / "sites" / "north.yaml").write_text(site_yml(file_entry(WAI)))
    assert problems_of(folder)["sites/north.yaml:"][2] == "name it north.yml"


@pytest.mark.parametrize(
    ("pattern", "word"),
    [("../south/*.csv", "climbs out"), ("/etc/*.csv", "not a path below"), ("a/../../b.csv", "climbs out"),
     ("C:/x.csv", "not a path below"), ("a\\\\..\\\\b.csv", "not a path below")],
)  # fmt: skip
def test_patterns_stay_in_the_sites_folder(pattern: str, word: str) -> None:
    found = site_problems(site_yml(file_entry(WAI, pattern=f'"{pattern}"')))
    assert word in found["files[0].pattern"]


def test_redcap_dictionary_stays_in_the_sites_folder() -> None:
    found = site_problems(site_yml(file_entry(WAI, format="redcap", redcap='{dictionary: "../x.csv"}')))
    assert "climbs out" in found["files[0].redcap.dictionary"]


@pytest.mark.parametrize(
    ("forms", "key_path", "words"),
    [
        ('+orientation: reversed}', "orientation", "'reversed'"),
        ('+labels: {a: 1, b: 1}}', "labels.b", "'a' and 'b'"),
        ('+labels: {a: 1, A: 2}}', "labels.A", "stands twice"),
        ('+labels: {a: 1, a: 2}}', "labels.a", "stands here and on"),
        ('+labels: {a: 0}}', "labels.a", "outside 1 to 7"),
        ('+labels: {a: 7}, shift: 1}', "labels.a", "with shift 1"),
        ('+labels: {a: 1}, missing: {A: b}}', "labels.a", "missing code"),
        ('+labels: frm_file}', "labels", "label to number"),
        ("- {instrument: wai_s, rater: client, items: [a, b]}", "items", "2 columns"),
        ("- {instrument: wai_s, rater: client, items: {a: 1, b: 1}}", "items.b", "bound to 2 columns"),
        ("- {instrument: wai_s, rater: client, items: {a: 13}}", "items.a", "no item 13"),
        ("- {instrument: wai_s, rater: client, items: {a: 1, id: 2}}", "items", "the client's id"),
        ("- {instrument: wai_s, rater: client}", "", "neither items nor scores"),
        ("- {instrument: wai_s, rater: client, scores: {bnd: x}}", "scores.bnd", "Did you mean 'bond'"),
        ("- {instrument: wai_s, rater: client, scores: {bond: x, task: x}}", "scores", "bound twice"),
        ('- {instrument: wai_sr, rater: therapist, items: "w{item}"}', "rater", "not answered by the therapist"),
        ('+session: {value: lats}}', "session.value", "'last'"),
        ('+session: {column: a, map: {x: lst}}}', "session.map.x", "'last'"),
        ('+session: {column: a, value: b}}', "session", "where the session"),
        ('+date: {column: d, format: "%d.%m"}}', "date.format", "year"),
        ('+date: {column: d, format: "%d.%m.%Q"}}', "date.format", "%Q"),
        ('- {instrument: wai_s, rater: {column: r, map: {K: klient}}, items: "w{item}"}', "rater.map.K", "'client'"),
        ('- {instrument: wai_s, rater: {column: r, map: {K: client, k: therapist}}, items: {a: 1}}',
         "rater.map.k", "twice"),
    ],
)  # fmt: skip
def test_form_problems(forms: str, key_path: str, words: str) -> None:
    if forms.startswith("+"):
        forms = WAI.removesuffix("}") + ", " + forms.removeprefix("+")
    found = site_problems(site_yml(file_entry(forms)))
    where = "files[0].forms[0]" + (f".{key_path}" if key_path else "")
    assert list(found) == [where]
    assert words in found[where]


@pytest.mark.parametrize(
    ("keys", "key_path", "words"),
    [
        ({"client": ""}, "forms[0]", "client's id"),
        ({"session": ""}, "forms[0]", "which session"),
        ({"excel": "{sheet: a}"}, "excel", "no use to a file of format csv"),
        ({"shape": "long"}, "", "needs `"),
        ({"value": "x"}, "value", "shape long"),
        ({"csv": "{encoding: utf-99}"}, "csv.encoding", "not an encoding"),
        ({"csv": "{encoding: base64}"}, "csv.encoding", "not an encoding"),
        ({"csv": "{delimiter: '\"'}"}, "csv", "the same sign"),
        ({"csv": "{delimiter: x}"}, "csv.delimiter", "cannot separate cells"),
        ({"csv": '{delimiter: ";;"}'}, "csv.delimiter", "too long"),
        ({"free_text": '["w*"]'}, "free_text[0]", "used for item 1"),
        ({"ignore": "[id]"}, "ignore[0]", "client's id"),
        ({"item_code": "id", "value": "x", "shape": "long"}, "forms[0]", "bound twice"),
        ({"missing": "{NA: a, na: b}"}, "missing.na", "two reasons"),
        ({"date_in_name": "iso"}, "date_in_name", "not a format of a file's name"),
    ],
)
def test_file_problems(keys: dict[str, str], key_path: str, words: str) -> None:
    found = site_problems(site_yml(file_entry(WAI, **keys)))
    where = "files[0]" + (f".{key_path}" if key_path else "")
    assert list(found) == [where]
    assert words in found[where]


@pytest.mark.parametrize("key", ["clients", "every_days", "max_clients_per_therapist"])
def test_what_is_expected_can_be_stored(key: str) -> None:
    text = site_yml(file_entry(WAI)).replace("files:", f"expected: {{{key}: 99999999999}}\nfiles:", 1)
    assert list(site_problems(text)) == [f"expected.{key}"]


def test_one_id_may_name_client_and_therapist() -> None:
    assert site_problems(site_yml(file_entry(WAI, therapist="id"))) == {}


def test_two_keys_on_one_column_are_told_once_for_all_forms() -> None:
    forms = """
    - {instrument: wai_s, rater: client, items: "w{item}"}
    - {instrument: haq_i, rater: client, items: "h{item}"}
    """
    found = site_problems(site_yml(file_entry(forms, client="date", date="date")))
    assert list(found) == ["files[0].forms[0]"]
    assert "bound twice: to the client's id and to the date" in found["files[0].forms[0]"]


def test_same_columns_for_two_forms_need_rows_apart() -> None:
    apart = """
    - {instrument: wai_s, rater: client, items: "w{item}", only_rows: {column: who, values: [c]}}
    - {instrument: wai_s, rater: therapist, items: "w{item}", only_rows: {column: who, values: [t]}}
    """
    assert site_problems(site_yml(file_entry(apart))) == {}
    found = site_problems(site_yml(file_entry(apart.replace("[t]", "[t, c]"))))
    assert list(found) == ["files[0].forms[1].items"]
    assert "and 11 more" in found["files[0].forms[1].items"]


def test_two_entries_of_files_do_not_share_name_or_pattern() -> None:
    found = site_problems(site_yml(file_entry(WAI), file_entry(WAI)))
    assert set(found) == {"files[1].name", "files[1].pattern"}


def test_session_by_date_needs_windows_and_a_date() -> None:
    by_days = "study: d\ntitle: D\nsessions: [{session: early, days: [0, 30]}]\n"
    assert site_problems(site_yml(file_entry(WAI, session="", date="d")), by_days) == {}
    assert list(site_problems(site_yml(file_entry(WAI, session="")), by_days)) == ["files[0].forms[0]"]


@pytest.mark.parametrize(
    ("more", "key_path"),
    [
        ("sessions: [{session: a, numbers: [1, 5]}, {session: b, numbers: [5, 9]}]", ""),
        ("sessions: [{session: a}, {session: a}]", ""),
        ("sessions: [{session: a, numbers: [5, 1]}]", "sessions[0]"),
        ("sessions: [{session: a, numbers: [1, 5], target: 9}]", "sessions[0]"),
        ("sessions: [{session: a, days: [0, 99999999999]}]", "sessions[0].days[1]"),
        ("pairing_max_days: 99999999999", "pairing_max_days"),
        ("sessions: [{session: A}]", "sessions[0].session"),
        ("memory_limit: lots", "memory_limit"),
        ("threads: 0", "threads"),
        ("analyses: {rotation: oblimn}", "analyses.rotation"),
        ("analyses: {item_sets: [{name: own}]}", "analyses.item_sets[0]"),
        ("analyses: {n_components: {rule: map, n: 3}}", "analyses.n_components"),
        ("thresholds: {x: {threshold: .nan, reason: r}}", "thresholds.x.threshold"),
    ],
)
def test_study_problems(more: str, key_path: str) -> None:
    parsed, problems = parse_study_settings(f"study: d\ntitle: D\n{more}\n")
    assert parsed is None
    assert [each.key_path for each in problems] == [key_path]


def test_analyses_are_held_against_codebook_and_sessions(tmp_path: Path) -> None:
    more = """
analyses:
  session_rule: s06
  item_sets: [{name: own, instruments: [wai], items: [wai_s_13]}]
  n_components: {rule: map, exceptions: [{item_set: onw, n: 2}]}
"""
    found = problems_of(write_study(tmp_path, {}, STUDY_YML + more))
    assert set(found) == {
        "study.yml:analyses.session_rule",
        "study.yml:analyses.item_sets[0].instruments[0]",
        "study.yml:analyses.item_sets[0].items[0]",
        "study.yml:analyses.n_components.exceptions[0].item_set",
    }
    # A message names what there is, not only that this is not.
    _, _, action = found["study.yml:analyses.item_sets[0].instruments[0]"]
    assert "wai_s, wai_sr" in action
    assert "such as wai_s_01" in found["study.yml:analyses.item_sets[0].items[0]"][2]


@pytest.mark.parametrize("written", ["2.5", "'2.5'", "-0.5"])
def test_a_broken_number_of_components_is_a_wrong_number_and_no_rule(written: str) -> None:
    _, problems = parse_study_settings(f"study: d\ntitle: D\nanalyses: {{n_components: {written}}}\n")
    assert "whole number" in str(problems[0])


def test_number_of_components_by_exception() -> None:
    settings_ = AnalysisSettings.model_validate(
        {"n_components": {"rule": "map", "exceptions": [{"item_set": "joint", "rater": "client", "n": "6"}]}}
    )
    assert settings_.n_components.chosen("joint", "client") == 6
    assert settings_.n_components.chosen("joint", "therapist") == "map"
    assert AnalysisSettings().n_components.chosen("wai_s", "client") == "parallel"


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_loader(text: str) -> None:
    parsed, problems = parse_study_settings(text)
    assert (parsed is None) == bool(problems)
    site, problems = parse_site_settings(text, None, CODEBOOK)
    assert site is None
    assert problems


_KEYS = st.sampled_from(["files", "forms", "items", "rater", "client", "labels", "session", "x"])
_JSON = st.recursive(
    st.none() | st.text(max_size=8) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
@settings(max_examples=150, deadline=None)
def test_no_structure_breaks_the_loader(value: object) -> None:
    site, problems = parse_site_settings(json.dumps({"site": "north", "name": "N", "files": [value]}), None, CODEBOOK)
    assert site is None
    assert all(each.message and each.next_step for each in problems)


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(Busy("busy", cause="since noon", next_step="wait")))
    assert (error.exit_code, str(error)) == (4, "busy: since noon\nNext: wait")
