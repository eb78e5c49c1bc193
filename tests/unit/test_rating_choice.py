"""Which rating stands for which outcome: clients with two therapists, several sessions, ratings after the outcome."""

from __future__ import annotations

import pandas as pd

from analysis.outcome.rating_choice import Chosen, RatingRule, choose

DAYS = {"early": "2024-01-10", "mid": "2024-03-10", "late": "2024-08-10"}


def ratings(*rows: tuple[str, str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values 1, 2, 3, ... and keys of (client, dyad, session)."""
    keys = pd.DataFrame(rows, columns=["client_id", "dyad_id", "session_id"])
    keys = keys.assign(
        unit_id=keys["dyad_id"], therapist_id="th", site_id="s", form_date=pd.to_datetime(keys["session_id"].map(DAYS))
    )
    return pd.DataFrame({"x": [float(n) for n in range(1, len(keys) + 1)]}), keys


def outcome(*rows: tuple[str, str | None, float], day: str = "2024-06-01") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["client_id", "dyad_id", "benefit"])
    return frame.assign(unit_id=frame["dyad_id"].fillna(frame["client_id"]), form_date=pd.Timestamp(day))


DYADS = pd.DataFrame(
    {
        "dyad_id": ["a1", "a2", "b1"],
        "client_id": ["a", "a", "b"],
        "first_on": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-01"]),
        "last_on": pd.to_datetime(["2024-01-20", "2024-05-01", "2024-05-01"]),
        "n_sessions": [1, 4, 4],
    }
)
TWO_THERAPISTS = ratings(("a", "a1", "early"), ("a", "a2", "mid"), ("b", "b1", "mid"))


def chosen(rule: RatingRule, measured: pd.DataFrame) -> dict[str, float]:
    found = choose(*TWO_THERAPISTS, measured, rule, DYADS)
    return dict(zip(found.keys["unit_id"], found.benefit, strict=True))


def notes(found: Chosen) -> dict[str, str | None]:
    return {unit: note if isinstance(note, str) else None for unit, note in found.log[["unit_id", "note"]].to_numpy()}


def test_each_dyad_has_the_outcome_that_names_it() -> None:
    measured = outcome(("a", "a2", 5.0), ("b", None, 7.0))
    assert chosen(RatingRule(), measured) == {"a2": 5.0, "b1": 7.0}


def test_the_first_or_the_longest_dyad_stands_for_a_client() -> None:
    measured = outcome(("a", "a2", 5.0), ("b", None, 7.0))
    assert chosen(RatingRule(dyad="first"), measured) == {"a1": 5.0, "b1": 7.0}
    assert chosen(RatingRule(dyad="longest"), measured) == {"a2": 5.0, "b1": 7.0}


def test_clients_of_several_therapists_can_be_left_out() -> None:
    found = choose(*TWO_THERAPISTS, outcome(("a", "a2", 5.0), ("b", None, 7.0)), RatingRule(dyad="only"), DYADS)
    assert found.keys["unit_id"].tolist() == ["b1"]
    assert notes(found) == {
        "a1": "client_has_several_dyads",
        "a2": "client_has_several_dyads",
        "b1": None,
    }


def test_the_last_rating_before_the_outcome_is_taken() -> None:
    values, keys = ratings(("a", "a1", "early"), ("a", "a1", "mid"), ("a", "a1", "late"), ("b", "b1", "late"))
    measured = outcome(("a", "a1", 5.0), ("b", "b1", 7.0))
    found = choose(values, keys, measured, RatingRule(session="last_before"))
    assert found.values["x"].tolist() == [2.0]
    assert found.keys["session_id"].tolist() == ["mid"]
    assert notes(found) == {"a1": None, "b1": "rated_after_outcome"}
    assert found.n_after == 1
    mean = choose(values, keys, measured, RatingRule(session="mean_before"))
    assert mean.values["x"].tolist() == [1.5]
    assert mean.keys["session_id"].isna().all()


def test_a_missing_date_is_counted_and_does_not_exclude() -> None:
    values, keys = ratings(("a", "a1", "early"), ("b", "b1", "late"))
    found = choose(values, keys.assign(form_date=pd.NaT), outcome(("a", "a1", 5.0), ("b", "b1", 7.0)), RatingRule())
    assert (len(found.values), found.n_after, found.n_undated) == (2, 0, 2)
