"""What is true of a demo study, as frames and as the files in its folder ``truth``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from demo.dirt import DirtLog
from demo.files import write_text
from demo.model import (
    COMPONENTS,
    DYAD_SHARE,
    INSTRUMENTS,
    RATERS,
    SITE_SHARE,
    STABLE_UNIQUE_SHARE,
    STRESSED_BY_CLIENTS,
    THERAPIST_SHARE,
    Population,
)
from demo.people import Dyad, People


@dataclass(frozen=True)
class Truth:
    """What is true of a generated study.

    Frames have the columns of the CSV files of the same names in ``truth/``. ``counts`` are those of the whole study:
    what exists, less the forms that dirt has taken away.
    """

    folder: Path
    seed: int
    counts: dict[str, int]
    loadings: pd.DataFrame
    component_correlations: pd.DataFrame
    cross_rater_correlations: pd.DataFrame
    outcome_effects: pd.DataFrame
    emphasis: pd.DataFrame
    forms: pd.DataFrame
    dirt: pd.DataFrame


def make_truth(folder: Path, seed: int, people: People, population: Population, log: DirtLog) -> Truth:
    """Puts together what is true of the study."""
    forms = _forms(people, log)
    return Truth(
        folder=folder,
        seed=seed,
        counts=_counts(people, forms, log),
        loadings=_loadings(population),
        component_correlations=_component_correlations(population),
        cross_rater_correlations=_cross_rater_correlations(population),
        outcome_effects=_outcome_effects(population),
        emphasis=_emphasis(population),
        forms=forms,
        dirt=log.frame(),
    )


def write_truth(truth: Truth, early_sessions: tuple[int, ...]) -> None:
    """Writes ``truth/``."""
    told = {
        "seed": truth.seed,
        "counts": truth.counts,
        "sessions": [*early_sessions, "last"],
        "components": {
            rater: [{"component": each.component_id, "name": each.name} for each in COMPONENTS[rater]]
            for rater in RATERS
        },
        "variance_shares_of_components": {
            "site": SITE_SHARE,
            "therapist": THERAPIST_SHARE,
            "dyad": DYAD_SHARE,
            "session": round(1 - SITE_SHARE - THERAPIST_SHARE - DYAD_SHARE, 10),
        },
        "correlation_of_a_component_between_sessions": round(SITE_SHARE + THERAPIST_SHARE + DYAD_SHARE, 10),
        "stable_share_of_unique_variance": STABLE_UNIQUE_SHARE,
    }
    write_text(truth.folder / "truth" / "truth.json", json.dumps(told, indent=2) + "\n")
    for name in (
        "loadings",
        "component_correlations",
        "cross_rater_correlations",
        "outcome_effects",
        "emphasis",
        "forms",
        "dirt",
    ):
        frame: pd.DataFrame = getattr(truth, name)
        write_text(truth.folder / "truth" / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))


def _loadings(population: Population) -> pd.DataFrame:
    rows = []
    for rater in RATERS:
        loadings = population.loadings[rater].round(6)
        for item, row in zip(population.items, loadings, strict=True):
            for component, loading in zip(COMPONENTS[rater], row, strict=True):
                rows.append((rater, item.item_id, component.component_id, loading, loading == row.max()))
    return pd.DataFrame(rows, columns=["rater", "item_id", "component", "loading", "is_main"])


def _component_correlations(population: Population) -> pd.DataFrame:
    rows = [
        (rater, one.component_id, other.component_id, population.phi[rater][i, j])
        for rater in RATERS
        for i, one in enumerate(COMPONENTS[rater])
        for j, other in enumerate(COMPONENTS[rater])
    ]
    return pd.DataFrame(rows, columns=["rater", "component", "other_component", "correlation"])


def _cross_rater_correlations(population: Population) -> pd.DataFrame:
    rows = [
        (client.component_id, therapist.component_id, population.cross_rater[i, j])
        for i, client in enumerate(COMPONENTS["client"])
        for j, therapist in enumerate(COMPONENTS["therapist"])
    ]
    return pd.DataFrame(rows, columns=["client_component", "therapist_component", "correlation"])


def _outcome_effects(population: Population) -> pd.DataFrame:
    """Effects within a rater are the model's own; those across raters follow from the correlations between raters."""
    rows = []
    for outcome_rater in RATERS:
        for predictor_rater in RATERS:
            beta = population.beta(outcome_rater, predictor_rater).round(6)
            same = outcome_rater == predictor_rater
            for component, value in zip(COMPONENTS[predictor_rater], beta, strict=True):
                predicts = "" if not same else "true" if value else "false"
                rows.append((outcome_rater, predictor_rater, component.component_id, value, predicts))
    return pd.DataFrame(rows, columns=["outcome_rater", "predictor_rater", "component", "beta", "predicts"])


def _emphasis(population: Population) -> pd.DataFrame:
    themes = sorted({item.theme for item in population.items})
    rows = []
    for theme in themes:
        members = [place for place, item in enumerate(population.items) if item.theme == theme]
        means = {rater: population.loadings[rater].max(axis=1)[members].mean().round(6) for rater in RATERS}
        rows.append((theme, len(members), means["client"], means["therapist"], theme in STRESSED_BY_CLIENTS))
    return pd.DataFrame(
        rows, columns=["theme", "n_items", "client_loading", "therapist_loading", "stressed_by_clients"]
    )


def _forms(people: People, log: DirtLog) -> pd.DataFrame:
    """Forms the warehouse holds, by site, instrument, rater and phase."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for dyad in people.dyads:
        site = dyad.site.site_id
        for rater, sessions in (("client", dyad.sessions), ("therapist", dyad.therapist_sessions)):
            for instrument in INSTRUMENTS:
                counted[site, instrument, rater, "therapy"] += len(sessions)
        for phase in (("pre",) if dyad.pre else ()) + (("post",) if dyad.post else ()):
            for instrument, rater in _outcomes_of(dyad, phase):
                counted[site, instrument, rater, phase] += 1
    for piece in log.pieces:
        # These take a whole record of alliance answers away.
        if piece.kind in ("client_id_blank", "no_client_form", "no_therapist_form"):
            for instrument in INSTRUMENTS:
                counted[piece.site, instrument, piece.rater, "therapy"] -= 1
    rows = [(*key, number) for key, number in sorted(counted.items())]
    return pd.DataFrame(rows, columns=["site", "instrument", "rater", "phase", "n_forms"])


def _outcomes_of(dyad: Dyad, phase: str) -> list[tuple[str, str]]:
    measures = [("scl_90_r", "client")]
    if dyad.site.kind == "lakeside":
        measures.append(("phq_9", "client"))
    if dyad.site.kind == "riverside":
        measures.append(("target_complaints", "client"))
    if phase == "post":
        measures.append(("global_rating", "client"))
    if dyad.therapist_sessions:
        measures.append(("severity_rating", "therapist"))
        if phase == "post":
            measures.append(("global_rating", "therapist"))
    return measures


def _counts(people: People, forms: pd.DataFrame, log: DirtLog) -> dict[str, int]:
    lasts = [dyad for dyad in people.dyads if dyad.sessions]
    return {
        "sites": len(people.sites),
        "clients": len({(dyad.site.site_id, dyad.client) for dyad in people.dyads}),
        "therapists": people.n_therapists,
        "dyads": len(people.dyads),
        "dyads_rated_by_client": len(lasts),
        "dyads_rated_by_therapist": sum(bool(dyad.therapist_sessions) for dyad in people.dyads),
        "forms": int(forms["n_forms"].sum()),
        "client_components": len(COMPONENTS["client"]),
        "therapist_components": len(COMPONENTS["therapist"]),
        "pieces_of_dirt": len(log.pieces),
    }
