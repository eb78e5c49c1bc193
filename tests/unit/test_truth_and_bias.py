"""Truth and bias over sessions: a known truth, what cannot be told apart, and bad input."""

import numpy as np
import pandas as pd
import pytest

from analysis.common.status import AnalysisError, Status
from analysis.outcome.mixed_models import within_between
from analysis.two_views.truth_and_bias import EFFECTS, truth_and_bias


def sessions(seed: int, per_dyad: int = 5, tracking_sd: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(20), rng.integers(2, 6, 20))
    dyads = len(therapist)
    dyad = np.repeat(np.arange(dyads), per_dyad)
    level = rng.normal(size=dyads)[dyad]
    deviation = rng.normal(size=len(dyad))
    truth = 5 + level + deviation
    slope = 0.4 + tracking_sd * rng.normal(size=dyads)[dyad]
    judged = 4.5 + slope * deviation + 0.6 * level + 0.4 * rng.normal(size=20)[therapist][dyad]
    judged = judged + 0.4 * rng.normal(size=dyads)[dyad] + 0.6 * rng.normal(size=len(dyad))
    return pd.DataFrame({"dyad": dyad, "therapist": therapist[dyad], "truth": truth, "judged": judged})


def fit(data: pd.DataFrame, **options):
    return truth_and_bias(data.judged, data.truth, dyad=data.dyad, cluster=data.therapist, **options)


def test_the_known_bias_and_tracking_are_found_and_covered() -> None:
    fits = [fit(sessions(seed)) for seed in range(120)]
    for effect, value in {"directional_bias": -0.5, "tracking_within": 0.4}.items():
        found = [item[effect] for item in fits]
        assert np.mean([item.estimate for item in found]) == pytest.approx(value, abs=0.03)
        assert 0.9 < np.mean([item.ci_lower <= value <= item.ci_upper for item in found]) < 0.99, effect
    assert np.mean([item.tracking_sd for item in fits]) == pytest.approx(0.3, abs=0.03)
    # The mean of five sessions carries chance, which draws the slope between dyads from .6 towards the one within, .4.
    assert np.mean([item["tracking_between"].estimate for item in fits]) == pytest.approx(
        0.6 * 5 / 6 + 0.4 / 6, abs=0.03
    )


def test_no_tracking_is_claimed_in_five_percent() -> None:
    rng = np.random.default_rng(3)
    data = sessions(1)
    rejected = []
    for _ in range(150):
        noise = rng.normal(size=20)[data.therapist] + rng.normal(size=len(data))
        rejected.append(
            truth_and_bias(noise, data.truth, dyad=data.dyad, cluster=data.therapist)["tracking_within"].p < 0.05
        )
    assert 0.01 < np.mean(rejected) < 0.095


def test_estimates_agree_with_a_mixed_model_of_the_same_levels() -> None:
    data = sessions(5, tracking_sd=0.0)
    ours = fit(data)["tracking_within"]
    theirs = within_between(data.judged, {"truth": data.truth}, cluster=data.dyad).effects[0].within
    assert ours.estimate == pytest.approx(theirs.estimate, rel=1e-6)
    assert ours.se == pytest.approx(theirs.se, rel=0.35)


def test_assumed_similarity_is_not_claimed_without_the_judges_own_view() -> None:
    data = sessions(2)
    for found in (fit(data), fit(data, own_view=data.judged)):
        assert found["assumed_similarity_within"].status is Status.UNDERIDENTIFIED
        assert np.isnan(found["assumed_similarity_between"].estimate)
        assert "own view" in found["assumed_similarity_within"].reason
        assert found.status is Status.OK and found["tracking_within"].status is Status.OK


def test_assumed_similarity_is_told_with_the_judges_own_view() -> None:
    rng = np.random.default_rng(6)
    data = sessions(6)
    own = rng.normal(size=len(data))
    found = truth_and_bias(data.judged + 0.5 * own, data.truth, dyad=data.dyad, cluster=data.therapist, own_view=own)
    assert found["assumed_similarity_within"].estimate == pytest.approx(0.5, abs=0.15)
    assert found["tracking_within"].p < 0.01 and found["assumed_similarity_within"].p < 0.001


def test_bias_is_the_mean_difference() -> None:
    data = sessions(7)
    assert fit(data)["directional_bias"].estimate == pytest.approx((data.judged - data.truth).mean())


def test_one_session_per_dyad_leaves_bias_and_tracking_between() -> None:
    data = sessions(8).drop_duplicates("dyad")
    found = fit(data)
    assert found["tracking_within"].status is Status.UNDERIDENTIFIED and found.status is Status.UNDERIDENTIFIED
    assert found["tracking_between"].estimate == pytest.approx(np.polyfit(data.truth, data.judged, 1)[0])
    assert np.isfinite(found["directional_bias"].p) and np.isnan(found.tracking_sd)


def test_order_and_labels_do_not_matter() -> None:
    data = sessions(9)
    moved = data.sample(frac=1, random_state=2).assign(dyad=lambda d: d.dyad.map("dyad {}".format))
    one, two = fit(data), fit(moved)
    for effect in EFFECTS[:3]:
        assert one[effect].p == pytest.approx(two[effect].p, rel=1e-6)
    assert one.tracking_sd == pytest.approx(two.tracking_sd, rel=1e-6)


@pytest.mark.parametrize(
    ("judged", "truth", "status"),
    [
        ([np.nan, 1], [1, np.nan], Status.NO_DATA),
        ([1, 2, 4], [2, 1, 1], Status.TOO_FEW_ROWS),
        ([3, 3, 3, 3, 3, 3], [1, 2, 3, 4, 5, 7], Status.CONSTANT),
        ([1, 2, 3, 5, 4, 6], [3, 3, 3, 3, 3, 3], Status.UNDERIDENTIFIED),
    ],
)
def test_difficult_sessions_have_a_status_and_a_sentence(judged: list, truth: list, status: Status) -> None:
    found = truth_and_bias(judged, truth, dyad=[i // 2 for i in range(len(truth))])
    assert found.status is status and found.warnings
    assert len(found.to_frame()) == len(EFFECTS)


@pytest.mark.parametrize(
    "call",
    [
        lambda: truth_and_bias([1, np.inf], [1, 2], dyad=[1, 1]),
        lambda: truth_and_bias([1, 2, 3], [1, 2, 3], dyad=[1, 1]),
        lambda: truth_and_bias([1, 2, 3], [1, 2, 3], dyad=[1, 1], cluster=[1, 1, 2]),
        lambda: truth_and_bias([1, 2, 3], [1, 2, 2], dyad=[1, 1, 2])["bias"],
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()
