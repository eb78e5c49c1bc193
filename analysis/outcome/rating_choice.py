"""Which rating of the alliance stands for which outcome: of a client's dyads one, of a dyad's sessions one.

A prediction needs a rating made before what it predicts. A rating dated after the outcome is therefore left out, or
kept and counted where the study asks for that; where a date is missing, the order cannot be told and is counted too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

SessionChoice = Literal["given", "last_before", "mean_before"]
DyadChoice = Literal["own", "first", "longest", "only"]
AfterOutcome = Literal["leave_out", "flag"]

OTHER_DYAD, SEVERAL_DYADS = "other_dyad_of_client", "client_has_several_dyads"
NO_OUTCOME, RATED_AFTER, FLAGGED = "no_outcome", "rated_after_outcome", "used_though_rated_after_outcome"
COLUMNS = ("unit_id", "client_id", "dyad_id", "therapist_id", "site_id", "session_id", "rated_on", "measured_on")


@dataclass(frozen=True)
class RatingRule:
    """How the rating is chosen that predicts an outcome.

    session: ``given`` (each unit has one rating, chosen before), ``last_before`` (the last one not dated after the
    outcome), ``mean_before`` (the mean of all of those). dyad: ``own`` (each dyad with the outcome that names it, or
    with the client's where there is no doubt), ``first`` or ``longest`` (of a client's dyads this one alone, with the
    client's outcome), ``only`` (clients with several dyads are left out). after: what becomes of a rating dated after
    the outcome.
    """

    session: SessionChoice = "given"
    dyad: DyadChoice = "own"
    after: AfterOutcome = "leave_out"


@dataclass(frozen=True, eq=False)
class Chosen:
    """Ratings (n, k) with their outcome: ``at`` (n,) says which given row each is (the last one of a mean).

    log: one row per unit with its columns :data:`COLUMNS`, ``is_used`` and ``note`` (why not, or that it is flagged).
    """

    values: pd.DataFrame
    keys: pd.DataFrame
    benefit: np.ndarray
    at: np.ndarray
    log: pd.DataFrame
    n_after: int
    n_undated: int


def choose(
    values: pd.DataFrame,
    keys: pd.DataFrame,
    measured: pd.DataFrame,
    rule: RatingRule,
    dyads: pd.DataFrame | None = None,
) -> Chosen:
    """The rating of each unit that stands for ``measured`` (one outcome of one rater).

    Parameters
    ----------
    values, keys: (m, k) ratings and :data:`analysis.common.study_rows.KEYS` of their rows; a unit has several rows
    where its
        sessions are to be chosen from, in the order of the sessions.
    measured: unit_id, client_id, dyad_id, benefit, form_date; one row per unit.
    dyads: dyad_id, client_id, first_on, last_on, n_sessions of all dyads of the study; needed by ``first``, ``longest``
        and ``only``.
    """
    units = keys.drop_duplicates("unit_id").reset_index(drop=True)
    standing = _standing(units, dyads, rule.dyad)
    outcome = matched(units, measured) if rule.dyad == "own" else _of_client(units, measured)
    reason = pd.Series(standing).where(standing != "", np.where(outcome["benefit"].isna(), NO_OUTCOME, ""))
    by_unit = units.assign(reason=reason, benefit=outcome["benefit"], measured_on=pd.to_datetime(outcome["form_date"]))
    by_unit = by_unit.set_index("unit_id")
    of_row = by_unit.loc[keys["unit_id"]].reset_index(drop=True)
    rated, when = pd.to_datetime(keys["form_date"]).reset_index(drop=True), of_row["measured_on"]
    eligible = (of_row["reason"] == "").to_numpy()
    late = (rated > when).to_numpy() & eligible
    undated = (rated.isna() | when.isna()).to_numpy() & eligible
    taken = eligible if rule.after == "flag" and rule.session == "given" else eligible & ~late
    at = np.flatnonzero(taken)
    if rule.session != "given":
        at = at[~keys["unit_id"].iloc[at].duplicated(keep="last").to_numpy()]
    chosen = values.iloc[at].reset_index(drop=True)
    if rule.session == "mean_before" and len(at):
        means = values[taken].groupby(keys["unit_id"][taken].to_numpy()).mean()
        chosen = means.loc[keys["unit_id"].iloc[at]].reset_index(drop=True)
    log = _log(keys, by_unit, at, late)
    kept = keys.iloc[at].reset_index(drop=True)
    if rule.session == "mean_before":
        kept = kept.assign(session_id=None)
    benefit = of_row["benefit"].to_numpy(dtype=float)[at]
    flagged = int(late[at].sum()) if rule.after == "flag" else int((log["note"] == RATED_AFTER).sum())
    return Chosen(chosen, kept, benefit, at, log, flagged, int(undated[at].sum()))


def _standing(units: pd.DataFrame, dyads: pd.DataFrame | None, choice: DyadChoice) -> np.ndarray:
    """(n,) empty where the unit stands for its client, else why not. A unit without a dyad stands for its client."""
    nothing = np.full(len(units), "", dtype=object)
    if choice == "own" or dyads is None or not len(dyads):
        return nothing
    several = set(dyads.loc[dyads["client_id"].duplicated(keep=False), "client_id"])
    of_several = (units["client_id"].isin(several) & units["dyad_id"].notna()).to_numpy()
    if choice == "only":
        return np.where(of_several, SEVERAL_DYADS, nothing)
    length = (pd.to_datetime(dyads["last_on"]) - pd.to_datetime(dyads["first_on"])).dt.days
    ranked = dyads.assign(length=length.fillna(-1))
    order = ["first_on", "dyad_id"] if choice == "first" else ["length", "n_sessions", "first_on", "dyad_id"]
    ascending = [True, True] if choice == "first" else [False, False, True, True]
    best = set(ranked.sort_values(order, ascending=ascending).drop_duplicates("client_id")["dyad_id"])
    return np.where(of_several & ~units["dyad_id"].isin(best).to_numpy(), OTHER_DYAD, nothing)


def matched(keys: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """``benefit`` and ``form_date`` of each row (n,): of its dyad, or of its client where the client is in one row and
    the outcome names no dyad (or the row has none)."""
    by_dyad = measured.dropna(subset=["dyad_id"]).set_index("dyad_id")[["benefit", "form_date"]]
    found = by_dyad.reindex(keys["dyad_id"]).reset_index(drop=True)
    single_row = ~keys["client_id"].duplicated(keep=False)
    by_client = measured[~measured["client_id"].duplicated(keep=False)]
    loose = by_client["dyad_id"].isna()
    for usable, source in (
        (single_row, by_client[loose]),
        (single_row & keys["dyad_id"].isna(), by_client),
    ):
        other = source.set_index("client_id")[["benefit", "form_date"]].reindex(keys["client_id"])
        fill = found["benefit"].isna() & usable.reset_index(drop=True)
        found = found.where(~fill, other.reset_index(drop=True))
    return found


def _of_client(units: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """``benefit`` and ``form_date`` of each unit: of its dyad, else the client's last one, whichever dyad it names."""
    by_dyad = measured.dropna(subset=["dyad_id"]).set_index("dyad_id")[["benefit", "form_date"]]
    found = by_dyad.reindex(units["dyad_id"]).reset_index(drop=True)
    dated = measured.assign(when=pd.to_datetime(measured["form_date"]))
    last = dated.sort_values(["when", "unit_id"], na_position="first").drop_duplicates("client_id", keep="last")
    other = last.set_index("client_id")[["benefit", "form_date"]].reindex(units["client_id"]).reset_index(drop=True)
    return found.where(found["benefit"].notna(), other)


def _log(keys: pd.DataFrame, by_unit: pd.DataFrame, at: np.ndarray, late: np.ndarray) -> pd.DataFrame:
    """What became of each unit."""
    used = keys.iloc[at].assign(late=late[at]).set_index("unit_id")
    log = by_unit.reset_index()
    of_unit = used.reindex(log["unit_id"]).reset_index(drop=True)
    # Only units without a rating in use have no mark here; looking each up again takes most of a large study's time.
    is_used = of_unit["late"].notna().to_numpy()
    reason = np.where(log["reason"] != "", log["reason"], RATED_AFTER)
    flagged = of_unit["late"].fillna(False).to_numpy(dtype=bool)
    return log[["unit_id", "client_id", "dyad_id", "therapist_id", "site_id", "measured_on"]].assign(
        session_id=of_unit["session_id"],
        rated_on=pd.to_datetime(of_unit["form_date"]),
        is_used=is_used,
        note=pd.Series(
            [
                FLAGGED if late else None if used else why
                for used, late, why in zip(is_used, flagged, reason, strict=True)
            ],
            index=log.index,
            dtype=object,
        ),
    )
