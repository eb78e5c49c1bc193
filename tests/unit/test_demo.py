"""The demo study's folder: complete, the same in every run, accepted by the loader, of any size."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pandas as pd
import pytest

from demo import DEFAULT_SEED, TooFewForms, Truth, generate
from flows.settings.codebook import load_codebook
from flows.settings.study import load_study

SITES = ["hillside", "lakeside", "north", "parkview", "riverside", "seaside"]


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return generate(tmp_path_factory.mktemp("demo") / "study", load_codebook())


def test_the_same_seed_gives_the_same_bytes(made: Truth, tmp_path: Path) -> None:
    generate(tmp_path / "again", load_codebook(), seed=DEFAULT_SEED)
    assert hashes(tmp_path / "again") == hashes(made.folder)


def test_another_seed_gives_other_answers(made: Truth, tmp_path: Path) -> None:
    generate(tmp_path / "other", load_codebook(), seed=DEFAULT_SEED + 1)
    other, own = hashes(tmp_path / "other"), hashes(made.folder)
    assert {path for path in own if "deliveries" in path and own[path] == other.get(path)} == {
        "deliveries/lakeside/data_dictionary.csv"
    }


def test_no_file_tells_when_it_was_made(made: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workbooks and SPSS files keep a time of making; the system's clock must not reach them."""
    with monkeypatch.context() as away:
        away.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        generate(tmp_path / "elsewhere", load_codebook())
    time.tzset()
    ours = hashes(tmp_path / "elsewhere")
    for name in ("hillside/ratings.xlsx", "hillside/outcome.xlsx", "parkview/alliance.sav", "parkview/outcome.sav"):
        assert ours[f"deliveries/{name}"] == hashes(made.folder)[f"deliveries/{name}"]
    assert (made.folder / "deliveries/parkview/alliance.sav").read_bytes()[92:109] == b"15 Mar 2412:00:00"


def test_the_settings_are_accepted(made: Truth) -> None:
    study = load_study(made.folder)
    assert sorted(study.sites) == SITES
    assert [each.session for each in study.settings.sessions] == ["s05", "last"]
    assert study.codebook.instruments["global_rating"].origin == "study"
    assert {site.expected.clients for site in study.sites.values()} == {29, 30}


def test_it_has_the_size_of_the_reference_study(made: Truth) -> None:
    counts = made.counts
    assert (counts["clients"], counts["therapists"], counts["sites"]) == (176, 60, 6)
    assert counts["dyads_rated_by_therapist"] == 133
    # One client changed therapist.
    assert counts["dyads"] == 177


def test_formats_differ_from_site_to_site(made: Truth) -> None:
    study = load_study(made.folder)
    formats = {site_id: {(file.format, file.shape) for file in site.files} for site_id, site in study.sites.items()}
    assert formats == {
        "north": {("csv", "wide")},
        "lakeside": {("redcap", "wide")},
        "riverside": {("qualtrics", "wide")},
        "hillside": {("excel", "wide")},
        "parkview": {("spss", "wide")},
        "seaside": {("csv", "long"), ("csv", "wide")},
    }


def test_truth_is_written_as_it_is_returned(made: Truth) -> None:
    told = json.loads((made.folder / "truth" / "truth.json").read_text())
    assert told["counts"] == made.counts
    assert [each["name"] for each in told["components"]["therapist"]] == [
        "Collaborative Work Relationship",
        "Therapist Confidence and Dedication",
        "Client Commitment and Confidence",
        "Client Working Ability",
    ]
    for name in (
        "loadings",
        "component_correlations",
        "cross_rater_correlations",
        "outcome_effects",
        "emphasis",
        "forms",
    ):
        written = pd.read_csv(made.folder / "truth" / f"{name}.csv", keep_default_na=False)
        returned = getattr(made, name)
        assert list(written.columns) == list(returned.columns)
        assert len(written) == len(returned)
    predicts = made.outcome_effects[made.outcome_effects["predicts"] == "true"].groupby("outcome_rater").size()
    assert predicts.to_dict() == {"client": 5, "therapist": 3}


def test_a_clean_study_has_the_same_answers_and_no_dirt(made: Truth, tmp_path: Path) -> None:
    clean = generate(tmp_path / "clean", load_codebook(), dirt=False)
    assert clean.dirt.empty
    ours, theirs = (
        pd.read_csv(each.folder / "deliveries/seaside/answers.tsv", sep="\t", dtype=str) for each in (made, clean)
    )
    spoilt = made.dirt[(made.dirt["site"] == "seaside") & made.dirt["item_number"].notna()]
    spoilt = spoilt[spoilt["file"] == "answers.tsv"]
    changed = {row + 2 for row in ours.index[ours["answer"].fillna("") != theirs["answer"]]}
    # A conflict is spoilt in the other file.
    assert changed == set(spoilt.loc[spoilt["kind"] != "conflict", "row"])


def test_larger_studies_repeat_the_six_kinds_of_site(tmp_path: Path) -> None:
    truth = generate(
        tmp_path / "large", load_codebook(), clients=240, therapists=70, sites=8, early_sessions=(5, 10, 20), seed=5
    )
    study = load_study(tmp_path / "large")
    assert sorted(study.sites) == sorted([*SITES, "north_2", "lakeside_2"])
    assert [each.session for each in study.settings.sessions] == ["s05", "s10", "s20", "last"]
    assert truth.counts["clients"] == 240
    per_dyad = truth.forms.query("phase == 'therapy' and rater == 'client' and instrument == 'wai_s'")["n_forms"].sum()
    assert 3.5 * 240 < per_dyad < 4 * 240


def test_ids_that_look_like_something_else_are_there(made: Truth) -> None:
    north = pd.read_csv(
        made.folder / "deliveries/north/ergebnis_2024-03-15.csv", sep=";", dtype=str, encoding="utf-8-sig"
    )
    seaside = pd.read_csv(made.folder / "deliveries/seaside/outcome.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert "007" in set(north["Klient Nr"])
    assert "NA" in set(seaside["person"])


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        generate(tmp_path, load_codebook())
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    "sizes",
    [
        {"clients": 5},
        {"therapists": 5},
        {"sites": 0},
        {"early_sessions": (5, 8)},
        {"early_sessions": (10, 5)},
        {"early_sessions": (2,)},
    ],
)
def test_sizes_that_do_not_fit_are_refused(tmp_path: Path, sizes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="at least"):
        generate(tmp_path / "study", load_codebook(), **sizes)
    assert not (tmp_path / "study").exists()


def test_too_small_a_site_for_its_dirt_says_so(tmp_path: Path) -> None:
    with pytest.raises(TooFewForms, match="dirt=False"):
        generate(tmp_path / "tiny", load_codebook(), clients=6, therapists=6)
    assert generate(tmp_path / "clean", load_codebook(), clients=6, therapists=6, dirt=False).counts["clients"] == 6
