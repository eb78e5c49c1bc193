"""The actor-partner model: a known truth with therapist clusters, invariants, and bad input."""

import numpy as np
import pytest

from analysis.common.resampling import replicate_blocks
from analysis.common.status import AnalysisError, Status
from analysis.outcome.regression import regress
from analysis.two_views.actor_partner import COMBINED, PATHS, actor_partner

TRUTH = {"actor_client": 0.4, "partner_client": 0.2, "actor_therapist": 0.3, "partner_therapist": 0.0}


def dyads(seed: int, therapists: int = 30, clients: int = 4) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(therapists), clients)
    n = len(therapist)
    x = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.3], [0.0, 1.0]]) + 0.7 * rng.normal(size=(therapists, 2))[therapist]
    shared = rng.normal(size=n)
    noise = 0.6 * rng.normal(size=(therapists, 2))[therapist] + 0.5 * shared[:, None] + rng.normal(size=(n, 2))
    client = 0.4 * x[:, 0] + 0.2 * x[:, 1] + noise[:, 0]
    return x[:, 0], x[:, 1], client, 0.3 * x[:, 1] + noise[:, 1], therapist


def test_the_known_paths_are_covered_with_therapist_clusters_and_less_without() -> None:
    trials, hits, equal = 150, dict.fromkeys(TRUTH, 0), 0
    naive = 0
    for seed in range(trials):
        *data, therapist = dyads(seed)
        found = actor_partner(*data, cluster=therapist)
        for effect, value in TRUTH.items():
            hits[effect] += found[effect].ci_lower <= value <= found[effect].ci_upper
        plain = actor_partner(*data, errors="ML")["partner_therapist"]
        naive += plain.p < 0.05
        equal += found.equal_p < 0.05
    for effect, count in hits.items():
        assert 0.9 < count / trials < 0.99, effect
    assert naive / trials > 0.075
    assert equal / trials > 0.15


def test_equal_paths_are_rejected_in_five_percent_when_they_are_equal() -> None:
    rng = np.random.default_rng(2)
    therapist = np.repeat(np.arange(25), 5)
    rejected = 0
    for _ in range(200):
        x = rng.normal(size=(125, 2))
        y = 0.3 * x + 0.1 * x[:, ::-1] + 0.5 * rng.normal(size=(25, 2))[therapist] + rng.normal(size=(125, 2))
        rejected += actor_partner(x[:, 0], x[:, 1], y[:, 0], y[:, 1], cluster=therapist).equal_p < 0.05
    assert 0.02 < rejected / 200 < 0.09


def test_paths_are_the_two_regressions_with_their_clusters() -> None:
    x_client, x_therapist, client, therapist_outcome, therapist = dyads(3)
    found = actor_partner(x_client, x_therapist, client, therapist_outcome, cluster=therapist)
    views = {"client": x_client, "therapist": x_therapist}
    for rater, outcome in {"client": client, "therapist": therapist_outcome}.items():
        fit = regress(outcome, views, cluster=therapist)
        other = "therapist" if rater == "client" else "client"
        for effect, term in {f"actor_{rater}": rater, f"partner_{rater}": other}.items():
            ours = [found[effect].estimate, found[effect].se, found[effect].df, found[effect].standardised]
            theirs = [fit[term].estimate, fit[term].se, fit[term].df, fit[term].beta]
            assert ours == pytest.approx(theirs, rel=1e-8)


def test_exchanging_the_raters_exchanges_the_effects() -> None:
    a, b, c, d, therapist = dyads(4)
    one, two = actor_partner(a, b, c, d, cluster=therapist), actor_partner(b, a, d, c, cluster=therapist)
    assert one["actor_client"].p == pytest.approx(two["actor_therapist"].p, rel=1e-7)
    assert one["actor_difference"].estimate == pytest.approx(-two["actor_difference"].estimate)
    assert one.equal_p == pytest.approx(two.equal_p, rel=1e-7)
    assert one.distinguishable_p == pytest.approx(two.distinguishable_p, rel=1e-6)


def test_bootstrap_equals_resampling_dyads_by_hand() -> None:
    *data, therapist = dyads(5)
    found = actor_partner(*data, cluster=therapist, n_bootstrap=40, seed=7)
    draws = []
    for block in replicate_blocks(40, 7):
        for counts in block.weights(30):
            rows = np.repeat(np.arange(len(therapist)), counts[therapist].astype(int))
            draws.append(actor_partner(*(column[rows] for column in data), errors="ML")["ratio_client"].estimate)
    low, high = np.quantile(draws, [0.025, 0.975])
    ratio = found["ratio_client"]
    assert [ratio.boot_ci_lower, ratio.boot_ci_upper] == pytest.approx([low, high], rel=1e-8)


def test_one_therapist_and_missing_values() -> None:
    *data, therapist = dyads(6)
    data[2] = np.where(np.arange(len(therapist)) < 10, np.nan, data[2])
    found = actor_partner(*data, cluster=["only"] * len(therapist), n_bootstrap=20)
    assert found.status is Status.TOO_FEW_CLUSTERS and found.n_dropped == 10 and found.n_bootstrap == 0
    assert np.isfinite(found["actor_client"].se)


STEPS = [1.0, 2, 4, 3, 6, 5, 8]


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ([[1] * 7, STEPS, STEPS[::-1], [2, 1, 5, 3, 4, 7, 6]], Status.CONSTANT),
        ([STEPS, STEPS, STEPS[::-1], [2, 1, 5, 3, 4, 7, 6]], Status.COLLINEAR),
        ([STEPS, [3, 1, 2, 5, 4, 7, 6], STEPS, [2, 1, 5, 3, 4, 7, 6]], Status.SINGULAR),
        ([[1, 2], [2, 1], [1, 2], [2, 1]], Status.TOO_FEW_ROWS),
        ([[np.nan] * 7, STEPS, STEPS, STEPS], Status.NO_DATA),
    ],
)
def test_difficult_dyads_have_a_status_and_a_sentence(columns: list, status: Status) -> None:
    found = actor_partner(*columns, n_bootstrap=10)
    assert found.status is status and found.warnings
    frame = found.to_frame()
    assert len(frame) == len(PATHS + COMBINED) and frame["estimate"].isna().all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: actor_partner([1, np.inf], [1, 2], [1, 2], [1, 2]),
        lambda: actor_partner([1, 2, 3], [1, 2], [1, 2], [1, 2]),
        lambda: actor_partner([1, 2], [1, 2], [1, 2], [1, 2], errors="MLR"),
        lambda: actor_partner([1, 2], [1, 2], [1, 2], [1, 2])["k"],
    ],
)
def test_wrong_calls_raise_our_error(call) -> None:
    with pytest.raises(AnalysisError):
        call()
