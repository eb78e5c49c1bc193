"""What each of a pair stresses in the answers themselves: ratings and ranks of items and themes, paired within dyads.

A rating in percent of its range says how high an item is rated. Clients who rate everything higher than therapists
place no emphasis by that; the rank does not have this: for each person the items are ranked among each other, from 0
(lowest) to 100 (highest), so that only what is rated high *relative to the person's other answers* ranks high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.common.observations import numbered
from analysis.common.status import Status
from analysis.components.component_tables import why
from analysis.two_views.paired_ratings import paired_difference

MEASURES = ("mean_rating", "rank")


def paired_answers(
    client: pd.DataFrame, client_keys: pd.DataFrame, therapist: pd.DataFrame, therapist_keys: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (m,) of client's and therapist's answers of the same dyad and session, in the order of the client's.

    Rows without a dyad have no partner; where sessions were averaged both have none and count as the same.
    """
    sides = [
        keys[["dyad_id", "session_id"]].assign(at=np.arange(len(keys)))[keys["dyad_id"].notna().to_numpy()]
        for keys in (client_keys, therapist_keys)
    ]
    both = sides[0].merge(sides[1], on="dyad_id", suffixes=("", "_other"))
    alike = (both["session_id"] == both["session_id_other"]) | (
        both["session_id"].isna() & both["session_id_other"].isna()
    )
    return both.loc[alike, "at"].to_numpy(), both.loc[alike, "at_other"].to_numpy()


def paired_emphasis(
    client: pd.DataFrame,
    therapist: pd.DataFrame,
    themes: Mapping[str, str],
    ranges: Mapping[str, tuple[float, float]],
    *,
    cluster: Sequence[Any] | np.ndarray,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare ``client`` and ``therapist`` (m dyads, items) on the items that both have and that have a theme.

    One row per level (``theme``, ``item``), subject and measure (``mean_rating``, ``rank``): client_estimate,
    therapist_estimate, difference (client minus therapist, over the dyads in which both answered), its standard error,
    interval and p (CR2 by ``cluster``, t with Satterthwaite's degrees of freedom), n_items, n_dyads, status, reason.
    An item left out by one of the pair is left out for both, so that both are ranked among the same items.

    >>> client = pd.DataFrame({"a": [5, 4, 6], "b": [3, 3, 2]})
    >>> therapist = pd.DataFrame({"a": [4, 4, 5], "b": [4, 3, 3]})
    >>> one_to_seven = {"a": (1.0, 7.0), "b": (1.0, 7.0)}
    >>> themes = {"a": "bond", "b": "goals"}
    >>> found = paired_emphasis(client, therapist, themes, one_to_seven, cluster=["t1", "t2", "t3"])
    >>> found.loc[found["level"] == "theme", ["subject", "measure", "difference"]].round(3).values.tolist()
    [['bond', 'mean_rating', 11.111], ['goals', 'mean_rating', -11.111], ['bond', 'rank', 8.333], ['goals', 'rank',
    -8.333]]
    """
    items = [item for item in client.columns if item in therapist.columns and themes.get(str(item))]
    low, high = np.array([ranges[item] for item in items], dtype=float).reshape(-1, 2).T
    percent = [(side[items].to_numpy(dtype=float) - low) / (high - low) * 100 for side in (client, therapist)]
    answered = np.isfinite(percent[0]) & np.isfinite(percent[1])
    percent = [np.where(answered, side, np.nan) for side in percent]
    measured = {"mean_rating": percent, "rank": [_ranks(side) for side in percent]}
    names = np.array([themes[str(item)] for item in items], dtype=object)
    # Numbered once; each comparison numbers those it has anew, which is quick of numbers.
    whose, _ = numbered(np.asarray(cluster, dtype=object), "cluster", np.ones(len(client), dtype=bool))
    rows = []
    for measure, sides in measured.items():
        for theme in dict.fromkeys(names):
            own = [_means(side[:, names == theme]) for side in sides]
            rows.append(_row("theme", str(theme), measure, own, int((names == theme).sum()), whose, level))
        for at, item in enumerate(items):
            rows.append(_row("item", str(item), measure, [side[:, at] for side in sides], 1, whose, level))
    return pd.DataFrame(rows)


def _ranks(percent: np.ndarray) -> np.ndarray:
    """(m, p) midranks within rows as (rank - .5) / answered x 100; NaN where not answered."""
    if not percent.size:
        return percent
    ranks = stats.rankdata(percent, axis=1, nan_policy="omit")
    n = np.isfinite(percent).sum(axis=1, keepdims=True)
    return np.asarray((ranks - 0.5) / np.maximum(n, 1) * 100)


def _means(values: np.ndarray) -> np.ndarray:
    n = np.isfinite(values).sum(axis=1)
    return np.where(n > 0, np.nansum(values, axis=1) / np.maximum(n, 1), np.nan)


def _row(
    level_name: str,
    subject: str,
    measure: str,
    sides: list[np.ndarray],
    n_items: int,
    cluster: np.ndarray,
    level: float,
) -> dict[str, Any]:
    found = paired_difference(sides[0], sides[1], cluster=cluster, level=level)
    return {
        "level": level_name,
        "subject": subject,
        "measure": measure,
        "client_estimate": found.mean_a,
        "therapist_estimate": found.mean_b,
        "difference": found.difference,
        "standard_error": found.se,
        "lower": found.ci_lower,
        "upper": found.ci_upper,
        "p": found.p,
        "interval_method": f"cluster_{found.covariance.lower()}" if found.covariance == "CR2" else "student_t",
        "n_items": n_items,
        "n_dyads": found.n,
        "status": Status(found.status).value,
        "reason": why(found.status, found.warnings),
    }
