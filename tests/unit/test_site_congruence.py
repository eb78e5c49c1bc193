"""Each site's components against the others': sites that differ, sites that do not, sites too small to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError, Status
from analysis.common.study_rows import Rows
from analysis.components.component_study import ComponentSettings, FoundComponents, study_components
from analysis.components.site_congruence import study_site_congruence
from tests.unit.known_truth import draw, simple_population
from tests.unit.test_component_study import FACTS, ITEMS, rows_of

SETTINGS = ComponentSettings(n_components=3, min_rows=50, bootstrap=40, parallel_samples=20)


def sites(sizes: dict[str, int], strange: str = "") -> FoundComponents:
    """Rows of three components at sites of these sizes; at the ``strange`` one the items are mixed."""
    pattern, phi = simple_population(3, 5)
    parts, names = [], []
    for number, (site, size) in enumerate(sizes.items()):
        data = draw(pattern, phi, size, number)
        if site == strange:
            data = data[[f"i{1 + (7 * place) % 15:02d}" for place in range(15)]].set_axis(ITEMS, axis=1)
        parts.append(data)
        names += [site] * size
    whole = rows_of(pd.concat(parts, ignore_index=True))
    keys = whole.keys.assign(site_id=names)
    keys["therapist_id"] = keys["site_id"] + "_" + keys["therapist_id"]
    _, found = study_components(Rows(whole.answers, keys), replace(SETTINGS, bootstrap=0), FACTS, seed=1)
    assert found is not None
    return found


def test_sites_of_one_population_are_alike_and_a_strange_one_is_not() -> None:
    frame = study_site_congruence(sites({"a": 200, "b": 200, "c": 200}, strange="c"), SETTINGS, seed=2).frames[
        "congruence"
    ]
    matched = frame.query("alignment == 'target' and is_matched").groupby("site_id")["congruence"].min()
    assert matched["c"] < 0.8
    alike = study_site_congruence(sites({"a": 200, "b": 200, "c": 200}), SETTINGS, seed=2).frames["congruence"]
    turned = alike.query("alignment == 'target' and is_matched")
    assert (turned["congruence"] > 0.95).all()
    assert set(turned["mark"]) == {"equal"}
    assert (turned["lower"] <= turned["congruence"]).all()
    assert (turned["upper"] <= 1).all()
    assert alike.query("alignment == 'as_rotated'").groupby("site_id").size().eq(9).all()
    assert not alike.duplicated(["site_id", "alignment", "component", "other_component"]).any()


def test_small_sites_and_sites_of_few_therapists_are_rows_with_their_status() -> None:
    found = sites({"big": 150, "other": 150, "small": 30, "lonely": 60})
    keys = found.rows.keys.copy()
    keys.loc[keys["site_id"] == "lonely", "therapist_id"] = "lonely_th"
    found = replace(found, rows=Rows(found.rows.answers, keys))
    frame = study_site_congruence(found, replace(SETTINGS, bootstrap=0), seed=2).frames["congruence"]
    status = frame.groupby("site_id")["status"].first()
    assert status.to_dict() == {"big": "ok", "other": "ok", "small": "too_few_rows", "lonely": "suppressed"}
    told = frame.query("site_id == 'small'").iloc[0]
    assert told["reason"] == "30 rows; at least 50 are needed on either side."
    assert np.isnan(told["congruence"])
    # A site that cannot be compared is told with its own rows, not with those of all sites.
    assert frame.groupby("site_id")["n_rows"].first().to_dict() == {"big": 150, "other": 150, "small": 30, "lonely": 60}
    assert frame.query("site_id == 'big'")["lower"].isna().all()


def test_the_study_s_own_limits_withhold_a_site() -> None:
    found = sites({"big": 150, "other": 150, "third": 60})
    settings = replace(SETTINGS, bootstrap=0)
    therapists = found.rows.keys.query("site_id == 'third'")["therapist_id"].nunique()
    for least in ((61, 3), (10, therapists + 1)):
        frame = study_site_congruence(found, settings, seed=2, least=least).frames["congruence"]
        assert set(frame.query("site_id == 'third'")["status"]) == {"suppressed"}, least
        assert frame.query("site_id == 'third'")["congruence"].isna().all()
    frame = study_site_congruence(found, settings, seed=2, least=(60, therapists)).frames["congruence"]
    assert set(frame.query("site_id == 'third'")["status"]) == {"ok"}


def test_nothing_to_compare_is_told() -> None:
    with pytest.raises(AnalysisError) as told:
        study_site_congruence(sites({"only": 200}), SETTINGS, seed=1)
    assert told.value.status is Status.TOO_FEW_CLUSTERS
    small = study_site_congruence(sites({"a": 80, "b": 20, "c": 20}), SETTINGS, seed=1)
    assert small.status == "too_few_rows"
    assert small.reason == "No site can be compared with the others, for example a: " + str(
        small.frames["congruence"]["reason"].iloc[0]
    )
    assert small.frames["congruence"]["site_id"].tolist() == ["a", "b", "c"]
