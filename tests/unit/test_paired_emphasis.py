"""Ratings and ranks paired within dyads: leniency is no emphasis, and what is left out by one counts for neither."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.two_views.paired_emphasis import paired_answers, paired_emphasis

ITEMS = ["a1", "a2", "b1", "b2"]
THEMES = {"a1": "bond", "a2": "bond", "b1": "goals", "b2": "goals"}
RANGES = dict.fromkeys(ITEMS, (1.0, 7.0))
N = 60


def answers(seed: int, *, lenient: float = 0.0, bond: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = 4 + rng.normal(0, 0.8, (N, 4)) + lenient + np.array([bond, bond, 0, 0])
    return pd.DataFrame(np.clip(values, 1, 7), columns=ITEMS)


def compared(client: pd.DataFrame, therapist: pd.DataFrame) -> pd.DataFrame:
    frame = paired_emphasis(client, therapist, THEMES, RANGES, cluster=np.repeat(np.arange(N // 3), 3))
    return frame.set_index(["level", "subject", "measure"])


def test_leniency_moves_ratings_but_no_rank() -> None:
    frame = compared(answers(1, lenient=1.0), answers(2))
    assert frame.loc[("theme", "bond", "mean_rating"), "lower"] > 5
    assert abs(frame.loc[("theme", "bond", "rank"), "difference"]) < 6
    assert frame.loc[("theme", "bond", "rank"), "p"] > 0.05


def test_what_is_stressed_ranks_higher_by_theme_and_item() -> None:
    frame = compared(answers(1, bond=1.0), answers(2))
    for key in (("theme", "bond", "rank"), ("item", "a1", "rank"), ("item", "a2", "rank")):
        assert frame.loc[key, "lower"] > 0
    assert frame.loc[("theme", "goals", "rank"), "upper"] < 0
    ranks = frame.xs("rank", level="measure").loc["item"]
    assert ranks["client_estimate"].mean() == pytest.approx(50)


def test_an_item_that_one_left_out_is_left_out_for_both() -> None:
    client, therapist = answers(1), answers(2)
    client.loc[:9, "a1"] = np.nan
    frame = compared(client, therapist)
    assert frame.loc[("item", "a1", "mean_rating"), "n_dyads"] == N - 10
    assert frame.loc[("theme", "bond", "mean_rating"), "n_dyads"] == N
    without = therapist["a1"].iloc[10:].mean()
    assert frame.loc[("item", "a1", "mean_rating"), "therapist_estimate"] == pytest.approx((without - 1) / 6 * 100)


def test_answers_are_paired_by_dyad_and_session() -> None:
    client = pd.DataFrame({"dyad_id": ["d1", "d2", None, "d4"], "session_id": ["last", "last", "last", "s05"]})
    therapist = pd.DataFrame({"dyad_id": ["d4", "d2", "d1"], "session_id": ["last", "last", "last"]})
    ours, theirs = paired_answers(client, client, therapist, therapist)
    assert (ours.tolist(), theirs.tolist()) == ([0, 1], [2, 1])
    averaged = [side.assign(session_id=None) for side in (client, therapist)]
    assert len(paired_answers(averaged[0], averaged[0], averaged[1], averaged[1])[0]) == 3
