"""Does a finding hold across sites: its correlation at each site, and pooled over sites by random effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.pooling import Method, Pooled, leave_one_out, pool
from analysis.common.status import AnalysisError, Status, most_serious
from analysis.common.study_rows import StudyResult
from analysis.common.wording import several
from analysis.components.component_tables import why
from analysis.outcome.association import correlate

LEAST_ROWS, LEAST_THERAPISTS = 10, 3
"""A site's figure that rests on fewer says too much about too few people and is withheld, unless the study says so."""

COMPLEMENT = "Withheld so that the figures of the one smaller site cannot be worked out from the others."

METHODS: tuple[tuple[Method, bool, str], ...] = (
    ("REML", True, "reml_knapp_hartung"),
    ("REML", False, "reml"),
    ("DL", False, "dersimonian_laird"),
)


def site_rows(
    effect: str,
    effect_table: str,
    x: np.ndarray,
    y: np.ndarray,
    keys: pd.DataFrame,
    level: float,
    least: tuple[int, int] = (LEAST_ROWS, LEAST_THERAPISTS),
) -> pd.DataFrame:
    """Rows of ``site_effects`` for the correlation of ``x`` and ``y`` (n,), whose rows are those of ``keys``.

    Sites are pooled on the scale of Fisher's z with variance 1 / (n - 3). Sampling errors that a site's therapists
    share are no part of it; the Knapp-Hartung interval takes its width from how much the sites differ and so has them.
    A site with fewer than ``least`` rows, or with fewer than ``least`` known therapists where therapists are known, is
    withheld and left out of every pooled figure, so that it cannot be worked out from the others. Where that is one
    site only, the next smallest is withheld in the same way: the figures over all sites, less those of the sites shown,
    would otherwise tell of the one.
    """
    used = np.isfinite(x) & np.isfinite(y)
    people = _people_by_site(keys[used])
    positions = keys[used].groupby("site_id", sort=True).indices
    at = np.flatnonzero(used)
    known = bool(keys["therapist_id"].notna().any())
    rows = [
        _site(effect, str(site), x[at[own]], y[at[own]], people[str(site)], known, level, least)
        for site, own in positions.items()
    ]
    _withhold_complement(rows, people)
    shown = [row for row in rows if not row["is_suppressed"] and np.isfinite(row["estimate"])]
    z = np.array([row["estimate"] for row in shown], dtype=float)
    variance = np.array([row["standard_error"] ** 2 for row in shown], dtype=float)
    names = [row["site_id"] for row in shown]
    shared = {"effect": effect, "level": "pooled", "site_id": ""} | _together(people, names)
    for method, knapp_hartung, label in METHODS:
        found = pool(z, variance, method=method, knapp_hartung=knapp_hartung, level=level)
        rows.append(shared | {"method": label} | _pooled(found))
    _add_weights(rows, shown)
    rows += list(_without_each(effect, z, variance, names, people, level))
    return pd.DataFrame(rows).assign(effect_table=effect_table)


def _people_by_site(keys: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Rows, clients and therapists of each site. Ids are of one site each, so those of several sites add up."""
    grouped = keys.groupby("site_id", sort=True)
    counted = grouped[["client_id", "therapist_id"]].nunique().assign(n_rows=grouped.size())
    return {
        str(site): {
            "n_rows": int(row["n_rows"]),
            "n_clients": int(row["client_id"]),
            "n_therapists": int(row["therapist_id"]),
            "n_sites": 1,
        }
        for site, row in counted.iterrows()
    }


def _together(people: dict[str, dict[str, int]], sites: list[str]) -> dict[str, int]:
    names = ("n_rows", "n_clients", "n_therapists", "n_sites")
    return {name: sum(people[site][name] for site in sites) for name in names}


def study_sites(frames: list[pd.DataFrame]) -> StudyResult:
    """All effects together; raises :class:`AnalysisError` when there is none, or one site only."""
    if not frames:
        raise AnalysisError("There is no effect to compare between sites.", Status.NO_DATA)
    frame = pd.concat(frames, ignore_index=True)
    frame["is_suppressed"] = frame["is_suppressed"].astype("boolean").fillna(False)
    if frame.loc[frame["level"] == "site", "site_id"].nunique() < 2:
        raise AnalysisError("One site only: nothing can be said of differences between sites.", Status.TOO_FEW_CLUSTERS)
    status = most_serious(frame.loc[(frame["level"] == "pooled"), "status"])
    reasons = frame.loc[(frame["level"] == "pooled") & (frame["status"] == status), "reason"].dropna()
    reason = None if status is Status.OK else next(iter(reasons), None)
    withheld = sorted(frame.loc[frame["is_suppressed"], "site_id"].unique())
    warnings = (f"Withheld and not pooled for some effects, as they rest on few: {', '.join(withheld)}.",)
    return StudyResult({"site_effects": frame}, status.value, reason, warnings if withheld else ())


def _site(
    effect: str,
    site: str,
    x: np.ndarray,
    y: np.ndarray,
    people: dict[str, int],
    known: bool,
    level: float,
    least: tuple[int, int],
) -> dict[str, Any]:
    """The row of one site; ``known`` says that the study knows therapists."""
    row: dict[str, Any] = {"effect": effect, "level": "site", "site_id": site, "method": ""}
    few_therapists = known and people["n_therapists"] < least[1]
    if people["n_rows"] < least[0] or few_therapists:
        return row | _withheld(f"Fewer than {several(least[0], 'row')} or {several(least[1], 'therapist')}: withheld.")
    found = correlate(x, y, level=level)
    status = {"status": Status(found.status).value, "reason": why(found.status, found.warnings)}
    return (
        row
        | people
        | status
        | {
            "is_suppressed": False,
            "estimate": float(np.arctanh(found.r)) if abs(found.r) < 1 else np.nan,
            "estimate_shown": found.r,
            "standard_error": 1 / np.sqrt(people["n_rows"] - 3),
            "lower": found.ci_lower,
            "upper": found.ci_upper,
        }
    )


def _withheld(reason: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("estimate", "estimate_shown", "standard_error", "lower", "upper"), np.nan)
    return nothing | {"n_sites": 1, "is_suppressed": True, "status": Status.SUPPRESSED.value, "reason": reason}


def _withhold_complement(rows: list[dict[str, Any]], people: dict[str, dict[str, int]]) -> None:
    """Withhold the smallest site shown where one site alone is withheld."""
    shown = [row for row in rows if not row["is_suppressed"]]
    if len(rows) - len(shown) != 1 or not shown:
        return
    smallest = min(shown, key=lambda row: (people[row["site_id"]]["n_rows"], row["site_id"]))
    kept = {name: smallest[name] for name in ("effect", "level", "site_id", "method")}
    smallest.clear()
    smallest.update(kept | _withheld(COMPLEMENT))


def _pooled(found: Pooled) -> dict[str, Any]:
    """Figures of one pooled effect: estimate and standard error on Fisher's z, limits back as correlations."""
    return {
        "estimate": found.estimate,
        "estimate_shown": np.tanh(found.estimate),
        "standard_error": found.se,
        "lower": np.tanh(found.ci_lower),
        "upper": np.tanh(found.ci_upper),
        "prediction_lower": np.tanh(found.prediction_lower),
        "prediction_upper": np.tanh(found.prediction_upper),
        "q": found.q,
        "q_df": found.q_df,
        "q_p": found.q_p,
        "i2": found.i2 / 100,
        "tau2": found.tau2,
        "is_suppressed": False,
        "status": Status(found.status).value,
        "reason": why(found.status, found.warnings),
    }


def _add_weights(rows: list[dict[str, Any]], shown: list[dict[str, Any]]) -> None:
    """Each site's share in the estimate pooled by restricted maximum likelihood."""
    pooled = next(row for row in rows if row["method"] == "reml_knapp_hartung")
    tau2 = pooled["tau2"] if np.isfinite(pooled["tau2"]) else 0.0
    weights = [1 / (row["standard_error"] ** 2 + tau2) for row in shown]
    for row, weight in zip(shown, weights, strict=True):
        row["weight"] = weight / sum(weights)


def _without_each(
    effect: str,
    z: np.ndarray,
    variance: np.ndarray,
    names: list[str],
    people: dict[str, dict[str, int]],
    level: float,
) -> Iterator[dict[str, Any]]:
    if len(names) < 3:
        return
    left = leave_one_out(z, variance, names, level=level)
    for site, found in zip(left.sites, left.pooled, strict=True):
        row = {"effect": effect, "level": "leave_one_out", "site_id": site, "method": "reml_knapp_hartung"}
        yield row | _together(people, [name for name in names if name != site]) | _pooled(found)
