"""Real answers as a study of their own: bfi (psych, GPL), declared in the study's codebook, against values from R.

2800 people, 25 items, answers missing, an instrument nobody built in; split into sites by education.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.e2e.conftest import alliance

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import golden

ITEMS = [f"{letter}{number}" for letter in "ACENO" for number in range(1, 6)]
REVERSED = {"A1", "C4", "C5", "E1", "E2", "O2", "O5"}
SCALES = {"A": "agreeableness", "C": "conscientiousness", "E": "extraversion", "N": "neuroticism", "O": "openness"}
KEYS = np.array([-1.0 if item in REVERSED else 1.0 for item in ITEMS])
ITEM_IDS = [f"bfi_{number:02d}" for number in range(1, 26)]

STUDY = """\
study: bfi
title: Personality items
sessions: [{session: only}]
analyses: {item_sets: [each_instrument], raters: [client], n_components: 5, bootstrap: 40, rotation_starts: 0}
"""

SITE = """\
site: SITE
name: Education SITE
files:
  - name: answers
    pattern: "*.csv"
    format: csv
    client: id
    session: {value: only}
    forms: [{instrument: bfi, rater: client, items: [ITEMS]}]
"""


def make_study(folder: Path) -> None:
    """The files a user would write."""
    book = folder / "codebook"
    for made in (book, folder / "sites"):
        made.mkdir(parents=True)
    (folder / "study.yml").write_text(STUDY)
    (book / "instruments.csv").write_text(
        "instrument_id,name,domain,min_value,max_value,step,higher_is,raters,status,source\n"
        'bfi,Personality,alliance,1,6,1,better,client,confirmed,"psych::bfi, GPL"\n'
    )
    (book / "items.csv").write_text(
        "instrument_id,item_number,reverse_keyed,topic,theme\n"
        + "".join(
            f"bfi,{n},{str(item in REVERSED).lower()},{item.lower()},other\n" for n, item in enumerate(ITEMS, start=1)
        )
    )
    (book / "scales.csv").write_text(
        "instrument_id,scale_id,name,method\n" + "".join(f"bfi,{name},{name},mean\n" for name in SCALES.values())
    )
    (book / "scale_items.csv").write_text(
        "instrument_id,scale_id,item_number\n"
        + "".join(f"bfi,{SCALES[item[0]]},{n}\n" for n, item in enumerate(ITEMS, start=1))
    )
    answers = golden.data("bfi", dtype=str, keep_default_na=False)
    for education, rows in answers.groupby(answers["education"].replace("", "none")):
        site = f"education_{education}"
        (folder / "sites" / f"{site}.yml").write_text(SITE.replace("SITE", site).replace("ITEMS", ", ".join(ITEMS)))
        (folder / "deliveries" / site).mkdir(parents=True)
        rows[["id", *ITEMS]].to_csv(folder / "deliveries" / site / "answers.csv", index=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bfi") / "study"
    make_study(folder)
    alliance("refresh", folder)
    return folder


def query(study: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb"), read_only=True) as con:
        return con.execute(sql).df()


def matched(ours: pd.DataFrame, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R's loadings with our keys (its items are not turned round), and the columns and signs that match ours."""
    turned = theirs * KEYS[:, None]
    products = ours.to_numpy().T @ turned
    order = np.abs(products).argmax(axis=1)
    return turned[:, order] * np.sign(products[np.arange(5), order]), order


def pattern_of(rows: pd.DataFrame | list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows).pivot(index="item_id", columns="component", values="loading").loc[ITEM_IDS]


def test_everyone_is_analysed_and_the_rules_stand_side_by_side(study: Path) -> None:
    row = query(study, "from results.analyses where kind = 'components'").iloc[0]
    assert (row["status"], row["n_rows"], row["n_items"], row["n_sites"]) == ("ok", 2800, 25, 6)
    assert row["n_rows_complete"] == 2436
    rules = query(study, "select distinct method, n_suggested from results.retention where variant = ''")
    assert dict(rules.itertuples(index=False))["map_1976"] == 5


def test_five_components_have_the_loadings_of_r(study: Path) -> None:
    reference = golden.load("01_efa_bfi_pairwise")["tight"]["uls"]["rotations"]["oblimin"]
    ours = pattern_of(query(study, "from results.loadings"))
    theirs, order = matched(ours, golden.matrix(reference["loadings"]).to_numpy())
    assert ours.to_numpy() == pytest.approx(theirs, abs=1e-5)
    phi = query(study, "from results.component_correlations").pivot(
        index="component", columns="other_component", values="correlation"
    )
    r_phi = np.abs(golden.matrix(reference["Phi"]).to_numpy()[np.ix_(order, order)])
    assert np.abs(phi.to_numpy()) == pytest.approx(r_phi, abs=1e-5)
    communality = query(study, "select distinct item_id, communality from results.loadings order by item_id")
    assert communality["communality"].to_numpy() == pytest.approx(golden.vector(reference["communality"]), abs=1e-6)


def test_fit_and_suitability_are_those_of_psych(study: Path) -> None:
    fit = query(study, "from results.model_fit where model = 'components'").iloc[0]
    theirs = golden.load("01_efa_bfi_pairwise")["psych"]["minres"]["oblimin"]["fit"]
    assert fit["chi_square"] == pytest.approx(theirs["STATISTIC"], rel=1e-5)
    assert fit["df"] == theirs["dof"]
    assert fit["rmsea"] == pytest.approx(theirs["RMSEA"]["RMSEA"], abs=1e-6)
    assert fit["rmsea_lower"] == pytest.approx(theirs["RMSEA"]["lower"], abs=1e-6)
    assert fit["rmsea_upper"] == pytest.approx(theirs["RMSEA"]["upper"], abs=1e-6)
    assert fit["tli"] == pytest.approx(theirs["TLI"], abs=1e-6)
    assert fit["rmsr"] == pytest.approx(theirs["rms"], abs=1e-6)
    assert fit["objective"] == pytest.approx(theirs["objective"], abs=1e-6)
    suited = query(study, "from results.suitability order by item_id")
    kmo = golden.load("03_kmo_bartlett")["bfi_pairwise"]
    assert suited["kmo"].to_numpy() == pytest.approx([kmo["KMO"], *golden.vector(kmo["MSA_items"])], abs=1e-9)
    assert suited["bartlett_chi_square"].iloc[0] == pytest.approx(kmo["bartlett_chisq"], rel=1e-9)
    assert suited["smc"].to_numpy()[1:] == pytest.approx(golden.vector(kmo["smc"]), abs=1e-9)


def test_every_correlation_and_its_n_is_there(study: Path) -> None:
    pairs = query(study, "from results.item_correlations order by item_id, other_item_id")
    assert len(pairs) == 300
    raw = golden.data("bfi")[ITEMS]
    theirs = raw.corr().to_numpy() * np.outer(KEYS, KEYS)
    answered = raw.notna().astype(int).to_numpy()
    upper = np.triu_indices(25, 1)
    assert pairs["correlation"].to_numpy() == pytest.approx(theirs[upper], abs=1e-12)
    assert pairs["n_rows"].tolist() == (answered.T @ answered)[upper].tolist()


def test_the_declared_scales_are_found_again(study: Path) -> None:
    measures = query(study, "from results.correspondence where scale_id = ''").set_index("measure")["estimate"]
    assert measures["adjusted_rand_index"] > 0.9
    assert measures["tucker_congruence"] > 0.88


@pytest.mark.parametrize(
    ("options", "extraction", "name"),
    [
        (["--rotation", "promax"], "uls", "promax_kaiser"),
        (["--rotation", "promax_stats", "--extraction", "ml"], "ml", "promax_stats"),
        (["--rotation", "oblimin_kaiser"], "uls", "oblimin_kaiser"),
        (["--rotation", "varimax"], "uls", "varimax"),
    ],
)
def test_spss_and_psych_users_get_their_numbers_by_one_command(
    study: Path, options: list[str], extraction: str, name: str
) -> None:
    told = json.loads(alliance("components", study, *options, "--bootstrap", "0", "--json").stdout)
    reference = golden.load("01_efa_bfi_pairwise")["tight"][extraction]["rotations"][name]
    ours = pattern_of(told["loadings"])
    theirs, _ = matched(ours, golden.matrix(reference["loadings"]).to_numpy())
    assert ours.to_numpy() == pytest.approx(theirs, abs=1e-5)
    assert set(told["against_published"].values()) <= {"new", "different", "same"}


def test_the_command_prints_the_published_numbers(study: Path) -> None:
    printed = alliance("components", study).stdout
    assert "These are the published numbers." in printed
    assert "Pattern, items by component" in printed
    wrong = alliance("components", study, "--rotation", "obliminn", check=False)
    assert wrong.returncode == 2
    assert "Did you mean 'oblimin'" in wrong.stderr
