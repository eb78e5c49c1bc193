"""Emphasis: a planted difference between raters is found, none is not, bad input is refused."""

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError
from analysis.components.congruence import Sample
from analysis.two_views.emphasis import emphasis, theme_shares
from tests.unit.known_truth import draw, item_names, simple_population, solve

THEMES = {item: ["bond", "goals"][row // 5] for row, item in enumerate(item_names(10))}
RANGES = dict.fromkeys(item_names(10), (1.0, 7.0))


def _rater(seed: int, loading: float, shift: float, dyads: int = 160) -> Sample:
    """The first five items load by ``loading`` and are rated ``shift`` higher; four dyads share a therapist."""
    pattern, phi = simple_population(2)
    pattern[:5, 0] = loading
    clusters = [f"t{dyad // 4:02d}" for dyad in range(dyads)]
    answers = draw(pattern, phi, dyads, seed, clusters=np.array(clusters), cluster_share=0.2)
    keyed = (4 + 0.8 * answers).clip(1, 7)
    keyed.iloc[:, :5] = (keyed.iloc[:, :5] + shift).clip(1, 7)
    return Sample(solve(keyed, 2), keyed, clusters)


def test_planted_differences_are_found() -> None:
    found = emphasis(_rater(1, 0.85, 1.0), _rater(2, 0.45, 0.0), THEMES, RANGES, seed=1, replicates=200)
    frame = found.to_frame().set_index(["measure", "theme"])
    assert found.status == "ok"
    for measure in ("common_variance_share", "mean_loading", "mean_rating"):
        row = frame.loc[(measure, "bond")]
        assert row["difference_lower"] > 0, measure
        assert row["p_value"] < 0.05
    assert frame.loc[("mean_rating", "bond"), "difference"] == pytest.approx(100 / 6, abs=4)
    assert abs(frame.loc[("mean_rating", "goals"), "difference"]) < 6
    shares = frame.loc["common_variance_share"]
    assert shares["client"].sum() == pytest.approx(1)
    assert shares["therapist"].sum() == pytest.approx(1)


def test_equal_raters_differ_about_as_often_as_the_level_says() -> None:
    low = []
    for seed in range(40):
        client, therapist = _rater(seed, 0.7, 0, 80), _rater(seed + 500, 0.7, 0, 80)
        found = emphasis(client, therapist, THEMES, RANGES, seed=1, replicates=80)
        low.append(found.to_frame()["p_value"] < 0.05)
    assert np.mean(low) < 0.12


def test_a_rater_compared_with_itself_does_not_differ() -> None:
    sample = _rater(3, 0.7, 0.5)
    found = emphasis(sample, sample, THEMES, RANGES, seed=1, replicates=50)
    np.testing.assert_allclose(found.to_frame()["difference_upper"], 0, atol=1e-9)
    assert (found.to_frame()["p_value"] == 1).all()
    apart = emphasis(Sample(sample.solution, sample.data), sample, THEMES, RANGES, seed=1, replicates=50)
    assert (apart.to_frame()["difference_upper"] > 0.001).all()
    assert "drawn independently" in apart.warnings[0]


def test_theme_shares_add_up_within_a_component() -> None:
    shares = theme_shares(_rater(1, 0.7, 0).solution, THEMES | {"i10": ""})
    np.testing.assert_allclose(shares.groupby("component")["share"].sum(), 1)
    assert shares["n_items"].tolist() == [5, 4, 1] * 2


def test_bad_input_is_refused_in_words() -> None:
    client, therapist = _rater(1, 0.7, 0), _rater(2, 0.7, 0)
    with pytest.raises(AnalysisError, match="without a range of answers: i03"):
        emphasis(client, therapist, THEMES, {k: v for k, v in RANGES.items() if k != "i03"}, seed=1)
    with pytest.raises(AnalysisError, match="outside their range: i04"):
        emphasis(client, therapist, THEMES, RANGES | {"i04": (1, 3)}, seed=1)
    with pytest.raises(AnalysisError, match="1 item has a theme"):
        emphasis(client, therapist, {"i01": "bond"}, RANGES, seed=1)
    one = Sample(client.solution, client.data, ["t"] * 160)
    with pytest.raises(AnalysisError, match="two clusters"):
        emphasis(one, one, THEMES, RANGES, seed=1)
    part = emphasis(client, therapist, {k: v for k, v in THEMES.items() if k != "i10"}, RANGES, seed=1, replicates=20)
    assert "i10" in part.warnings[0]
    assert part.n_items.tolist() == [5, 4]


def test_ratings_are_percent_of_the_range() -> None:
    sample = _rater(1, 0.7, 0)
    found = emphasis(sample, sample, THEMES, RANGES, seed=1, replicates=10).to_frame().set_index(["measure", "theme"])
    assert isinstance(sample.data, pd.DataFrame)
    expected = (sample.data.iloc[:, :5].mean().mean() - 1) / 6 * 100
    assert found.loc[("mean_rating", "bond"), "client"] == pytest.approx(expected)


def test_estimates_alone_are_those_of_the_bootstrap_and_need_no_clusters() -> None:
    client, therapist = _rater(1, 0.85, 1.0), _rater(2, 0.45, 0.0)
    client.data.iloc[::7, 2] = np.nan
    drawn = emphasis(client, therapist, THEMES, RANGES, seed=1, replicates=10)
    one = [Sample(side.solution, side.data, ["t"] * 160) for side in (client, therapist)]
    alone = emphasis(one[0], one[1], THEMES, RANGES, seed=1, replicates=0)
    np.testing.assert_allclose(alone.client, drawn.client)
    np.testing.assert_allclose(alone.therapist, drawn.therapist)
    frame = alone.to_frame()
    assert alone.status == "ok" and frame["difference_lower"].isna().all() and frame["p_value"].isna().all()
    percent = (client.data["i03"].mean() - 1) / 6 * 100
    found = emphasis(client, therapist, THEMES, RANGES, seed=1, replicates=0, by_item=True).to_frame()
    row = found[(found["measure"] == "mean_rating") & (found["theme"] == "i03")]
    assert row["client"].item() == pytest.approx(percent)
