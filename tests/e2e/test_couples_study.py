"""Real dyads as a study of their own: the couples of Acitelli's study (acipair of dyadr, CC0), against values from R.

148 wives and husbands in a pairwise file, as such data come: a row per partner that holds both partners' answers. The
wife has the client's place and the husband the therapist's; what each says of the other and of self is the view, and
satisfaction and tension are the outcomes. What the tables of results publish is held against R (24 and 25).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from tests.e2e.conftest import alliance

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import golden

MEASURES = {"self": "SelfPos", "other": "OtherPos", "satisfaction": "Satisfaction", "tension": "Tension"}
OUTCOMES, VIEWS, RATERS = ["satisfaction", "tension"], ["other", "self"], ["client", "therapist"]

STUDY = """\
study: couples
title: Couples
sessions: [{session: only}]
analyses: {bootstrap: 0}
"""

SITE = """\
site: detroit
name: Detroit
files:
  - name: couples
    pattern: "*.csv"
    format: csv
    client: CoupleID
    therapist: CoupleID
    session: {value: only}
    ignore: [Partnum, Gender_P, SelfPos_P, OtherPos_P, Satisfaction_P, Tension_P]
    forms:
      - {instrument: view, rater: RATER, items: [SelfPos_A, OtherPos_A]}
      - {instrument: satisfaction, rater: RATER, phase: post, items: [Satisfaction_A]}
      - {instrument: tension, rater: RATER, phase: post, items: [Tension_A]}
"""
RATER = "{column: Gender_A, map: {Wife: client, Husband: therapist}}"


def make_study(folder: Path) -> None:
    """The files a user would write; averages of items, so that answers may be any number of their range."""
    book, delivered = folder / "codebook", folder / "deliveries" / "detroit"
    for made in (book, folder / "sites", delivered):
        made.mkdir(parents=True)
    (folder / "study.yml").write_text(STUDY)
    (folder / "sites" / "detroit.yml").write_text(SITE.replace("RATER", RATER))
    source = 'confirmed,"acipair of dyadr, CC0"'
    (book / "instruments.csv").write_text(
        "instrument_id,name,domain,min_value,max_value,step,higher_is,raters,status,source\n"
        f"view,Positive view,alliance,1,5,0,better,client therapist,{source}\n"
        f"satisfaction,Satisfaction,outcome,1,4,0,better,client therapist,{source}\n"
        f"tension,Tension,outcome,1,4,0,worse,client therapist,{source}\n"
    )
    (book / "items.csv").write_text(
        "instrument_id,item_number,reverse_keyed,topic,theme\n"
        "view,1,false,self seen positively,other\nview,2,false,other seen positively,bond\n"
        "satisfaction,1,false,satisfaction,other\ntension,1,false,tension,other\n"
    )
    (book / "scales.csv").write_text(
        "instrument_id,scale_id,name,method\nview,self,Self,mean\nview,other,Other,mean\n"
        "satisfaction,total,Satisfaction,mean\ntension,total,Tension,mean\n"
    )
    (book / "scale_items.csv").write_text(
        "instrument_id,scale_id,item_number\nview,self,1\nview,other,2\nsatisfaction,total,1\ntension,total,1\n"
    )
    pairwise().to_csv(delivered / "couples.csv", index=False)


def pairwise() -> pd.DataFrame:
    """One row per partner: the partner's own answers (``_A``, actor) and the other's (``_P``)."""
    wide = golden.data("acitelli_couples")
    partners = []
    for number, (own, other) in enumerate((("wife", "husband"), ("husband", "wife")), start=1):
        sides = {"A": (own, own.capitalize()), "P": (other, "FEMALE" if other == "wife" else "MALE")}
        row = pd.DataFrame({"CoupleID": wide["couple"], "Partnum": number})
        for letter, (whose, gender) in sides.items():
            row[f"Gender_{letter}"] = gender
            for measure, name in MEASURES.items():
                row[f"{name}_{letter}"] = wide[f"{whose}_{measure}"]
        partners.append(row)
    return pd.concat(partners).sort_values(["CoupleID", "Partnum"])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("couples") / "study"
    make_study(folder)
    alliance("refresh", folder)
    return folder


def query(study: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(study / "warehouse" / "alliance.duckdb"), read_only=True) as con:
        return con.execute(sql).df()


@pytest.fixture(scope="module")
def effects(study: Path) -> pd.DataFrame:
    keys = ["model", "outcome", "outcome_rater", "predictor", "predictor_rater", "term"]
    rows = query(study, "from results.outcome_effects where predictor_rater = 'both' or model = 'actor_partner'")
    return rows.set_index(keys).sort_index()


def figures(row: pd.Series, statistic: str = "statistic") -> list[float]:
    return [row[name] for name in ("estimate", "standard_error", "df", statistic, "p", "lower", "upper")]


def expected(one: dict[str, Any]) -> list[float]:
    return [one[name] for name in ("estimate", "se", "df", "statistic", "p", "lower", "upper")]


def test_every_couple_is_a_dyad_that_both_rated(study: Path) -> None:
    found = query(study, "select kind, status, n_rows from results.analyses where rater = 'both'").set_index("kind")
    for kind in ("agreement", "outcome"):
        assert (found.loc[[kind], "n_rows"] == 148).any(), found
    assert query(study, "select count(*) as n from core.dyads")["n"].item() == 148


@pytest.mark.parametrize("view", VIEWS)
def test_agreement_is_that_of_r(study: Path, view: str) -> None:
    theirs = golden.load("24_acitelli_dyads")["agreement"][view]
    rows = query(study, f"from results.agreement where analysis_id = 'agreement_scales' and subject = 'view.{view}'")
    ours = rows.set_index("statistic")
    assert ours.loc["pearson", "n_dyads"] == golden.load("24_acitelli_dyads")["n"]

    def interval(statistic: str) -> list[float]:
        return list(ours.loc[statistic, ["estimate", "lower", "upper"]])

    assert ours.loc["pearson", "estimate"] == pytest.approx(theirs["pearson"]["r"], abs=1e-10)
    # Couples are clusters of one, so that CR2 with Satterthwaite's degrees of freedom is the paired t test.
    assert interval("mean_difference") == pytest.approx([theirs["difference"][k] for k in ("mean", "lower", "upper")])
    assert ours.loc["mean_difference", "p"] == pytest.approx(theirs["difference"]["p"], rel=1e-6)
    for name in ("icc_a1", "icc_c1"):
        assert interval(name) == pytest.approx([theirs[name][k] for k in ("icc", "lower", "upper")], abs=1e-9)
    assert interval("ccc") == pytest.approx([theirs["ccc"][k] for k in ("est", "lower", "upper")], abs=1e-8)
    for statistic, name in {"d_pooled": "d_pooled", "d_differences": "d_difference"}.items():
        assert ours.loc[statistic, "estimate"] == pytest.approx(theirs["difference"][name], abs=1e-10)
    limits = [ours.loc[f"limit_{end}", "estimate"] for end in ("low", "high")]
    assert limits == pytest.approx([theirs["limits"]["lower"], theirs["limits"]["upper"]], abs=1e-10)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("rater", RATERS)
@pytest.mark.parametrize("view", VIEWS)
def test_response_surfaces_are_those_of_r(effects: pd.DataFrame, outcome: str, rater: str, view: str) -> None:
    theirs = golden.load("25_acitelli_results")["surface"][outcome][rater][view]
    ours = effects.loc[("response_surface", f"{outcome}.total", rater, f"view.{view}", "both")]
    for term in ("b1", "b2", "b3", "b4", "b5", "a1", "a2", "a3", "a4", "a5"):
        assert figures(ours.loc[term]) == pytest.approx(expected(theirs[term]), rel=1e-6, abs=1e-9), term
    assert ours.loc["variance_explained", "estimate"] == pytest.approx(theirs["variance_explained"], abs=1e-10)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("view", VIEWS)
def test_actor_and_partner_paths_are_those_of_r(effects: pd.DataFrame, outcome: str, view: str) -> None:
    theirs = golden.load("25_acitelli_results")["actor_partner"][outcome][view]
    ours = effects.loc[("actor_partner", f"{outcome}.total")].xs(f"view.{view}", level="predictor")
    for path in ("actor_client", "partner_client", "actor_therapist", "partner_therapist"):
        term, rater = path.split("_")
        whose = rater if term == "actor" else next(other for other in RATERS if other != rater)
        assert figures(ours.loc[(rater, whose, term)]) == pytest.approx(expected(theirs[path]), rel=1e-6), path
    for rater in RATERS:
        row = ours.loc[(rater, "both", "variance_explained")]
        assert row["estimate"] == pytest.approx(theirs["variance_explained"][rater], abs=1e-10)
    both = ours.loc[("both", "both")]
    for term in ("residual_correlation", "views_correlation"):
        assert both.loc[term, "estimate"] == pytest.approx(theirs[term], abs=1e-10)
    alike = theirs["distinguishable"]
    found = both.loc["distinguishable", ["statistic", "df", "p"]]
    assert list(found) == pytest.approx([alike["chisq"], alike["df"], alike["p"]], rel=1e-4)
