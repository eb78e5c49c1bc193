"""A build as dbt leaves it, small and with known truth: the core tables by their contracts, results tables empty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import yaml

from flows.common.database import attach, connect
from flows.common.paths import StudyPaths
from flows.settings.analysis_settings import AnalysisSettings
from flows.settings.codebook import load_codebook
from flows.settings.study import Study
from flows.settings.study_models import SessionWindow, StudySettings

MARTS = Path(__file__).parents[2] / "dbt_project" / "models" / "marts"
ALLIANCE = ("wai_s", "haq_i")
OUTCOME = ("phq_9", "total")


@dataclass
class SmallStudy:
    """What to make. ``n_dyads`` at two sites; ``per_therapist`` clients each, 0 for a study that knows no therapists.

    Items of wai_s load on component 1, those of haq_i on component 2 (of each rater); the raters' components correlate
    ``between_raters``; outcome after therapy follows the client's component 1.
    """

    n_dyads: int = 120
    per_therapist: int = 4
    raters: tuple[str, ...] = ("client", "therapist")
    sessions: tuple[str, ...] = ("s05", "last")
    between_raters: float = 0.6
    outcome: bool = True
    seed: int = 7


def make_build(file: Path, study: SmallStudy) -> None:
    """Write the build to ``file``."""
    frames = _frames(study)
    with connect() as con:
        attach(con, file, "alliance")
        for schema in ("core", "results"):
            con.execute(f"create schema alliance.{schema}")
            for table, columns, key in _contracts(schema):
                _make_lists(con, columns, frames)
                typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
                con.execute(f"create table alliance.{schema}.{table} ({typed}, primary key ({', '.join(key)}))")
        for table, frame in frames.items():
            con.register("incoming", frame)
            con.execute(f"insert into alliance.core.{table} by name from incoming")
            con.unregister("incoming")


def _make_lists(con: duckdb.DuckDBPyConnection, columns: dict[str, str], frames: dict[str, pd.DataFrame]) -> None:
    """The types of columns that hold a name of a list, with the names that the frames hold."""
    for column, kind in columns.items():
        if kind.startswith("alliance."):
            held = {name for frame in frames.values() if column in frame for name in frame[column].dropna()}
            names = ", ".join(f"'{name}'" for name in sorted(held))
            con.execute(f"create type if not exists {kind} as enum ({names})")


def loaded_study(folder: Path, **analyses: Any) -> Study:
    """Settings as `load_study` gives them, for the build of a :class:`SmallStudy`."""
    settings = StudySettings(
        study="small",
        title="Small",
        sessions=(SessionWindow(session="s05"), SessionWindow(session="last")),
        analyses=AnalysisSettings(**({"bootstrap": 20, "min_rows": 30} | analyses)),
    )
    return Study(StudyPaths(folder), settings, {}, load_codebook())


def results(file: Path) -> dict[str, pd.DataFrame]:
    """Every results table, in the order its rows lie in the file."""
    with duckdb.connect(str(file), read_only=True) as con:
        tables = con.execute("select table_name from duckdb_tables() where schema_name = 'results'").fetchall()
        return {table: con.execute(f"from results.{table}").df() for (table,) in tables}


def _contracts(schema: str) -> list[tuple[str, dict[str, str], list[str]]]:
    found = []
    for path in sorted((MARTS / schema).glob("*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            columns = {column["name"]: column["data_type"] for column in model["columns"]}
            key = next(c["columns"] for c in model["constraints"] if c["type"] == "primary_key")
            found.append((model["name"].removeprefix("core_"), columns, key))
    return found


def _frames(study: SmallStudy) -> dict[str, pd.DataFrame]:
    book = load_codebook().frames()
    items = book["items"][book["items"]["instrument_id"].isin(ALLIANCE)].reset_index(drop=True)
    dyads = _dyads(study)
    rng = np.random.default_rng(study.seed)
    truth = _components(study, rng)
    forms, responses = _forms(study, dyads, items, truth, rng)
    scores = _scores(forms, responses, book["scale_items"], items)
    instruments = book["instruments"]
    ranges = instruments.set_index("instrument_id")
    return {
        "dyads": dyads[dyads["dyad_id"].notna()].assign(
            episode_number=1, n_forms=1, n_client_forms=1, n_therapist_forms=0
        ),
        "instruments": instruments.drop(columns="origin").assign(origin="built_in"),
        "scales": _scale_table(book),
        "items": items.drop(columns=["min_value", "max_value", "origin"]).assign(
            min_value=items["instrument_id"].map(ranges["min_value"]),
            max_value=items["instrument_id"].map(ranges["max_value"]),
        ),
        "scale_items": _scale_items(book["scale_items"], items),
        "sessions": pd.DataFrame({"session_id": ["s05", "last"], "session_order": [1, 2]}),
        "forms": forms,
        "item_responses": responses,
        "scale_scores": scores,
        "outcomes": _outcomes(study, dyads, truth, rng),
        "dyad_sessions": _pairs(forms, scores),
    }


def _dyads(study: SmallStudy) -> pd.DataFrame:
    number = np.arange(study.n_dyads)
    known = study.per_therapist > 0
    therapist = number // max(study.per_therapist, 1)
    return pd.DataFrame(
        {
            "dyad_id": [f"dy_{n:04d}" if known else None for n in number],
            "client_id": [f"cl_{n:04d}" for n in number],
            "therapist_id": [f"th_{t:04d}" if known else None for t in therapist],
            "site_id": np.where(therapist % 2 == 0, "north", "south"),
        }
    )


def _components(study: SmallStudy, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """(n, 2) components of each rater; the raters' first components correlate, and so do the second ones."""
    shared = rng.standard_normal((study.n_dyads, 2))
    r = study.between_raters
    return {
        rater: np.sqrt(r) * shared + np.sqrt(1 - r) * rng.standard_normal((study.n_dyads, 2))
        for rater in ("client", "therapist")
    }


def _forms(
    study: SmallStudy, dyads: pd.DataFrame, items: pd.DataFrame, truth: dict[str, np.ndarray], rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    forms, responses, form_id = [], [], 0
    for rater in study.raters:
        for order, session in enumerate(study.sessions):
            noise = 0.3 * rng.standard_normal(truth[rater].shape)
            for place, instrument in enumerate(ALLIANCE):
                own = items[items["instrument_id"] == instrument]
                level = (truth[rater] + noise)[:, [place]]
                answers = np.clip(np.round(4 + level + 0.8 * rng.standard_normal((study.n_dyads, len(own)))), 1, 6)
                answers[rng.random(answers.shape) < 0.02] = np.nan
                for row, dyad in enumerate(dyads.itertuples(index=False)):
                    form_id += 1
                    forms.append(
                        {
                            "form_id": form_id, "site_id": dyad.site_id, "dyad_id": dyad.dyad_id,
                            "client_id": dyad.client_id, "therapist_id": dyad.therapist_id, "instrument_id": instrument,
                            "rater": rater, "phase": "therapy", "occasion": session, "session_id": session,
                            "form_date": pd.Timestamp(2024, 1 + 3 * order, 1), "n_items": len(own),
                            "n_answered": int(np.isfinite(answers[row]).sum()), "n_blank": 0, "n_declared_missing": 0,
                            "n_rejected": 0, "delivery_number": 1, "row_number": form_id,
                        }
                    )  # fmt: skip
                    responses.append(
                        pd.DataFrame(
                            {
                                "response_id": form_id * 256 + own["item_number"], "form_id": form_id,
                                "site_id": dyad.site_id, "item_id": own["item_id"], "value": answers[row],
                                "keyed_value": answers[row],
                                "status": np.where(np.isfinite(answers[row]), "accepted", "blank"),
                                "delivery_number": 1, "row_number": form_id, "column_number": 1,
                            }
                        )
                    )  # fmt: skip
    return pd.DataFrame(forms), pd.concat(responses, ignore_index=True)


def _scale_table(book: dict[str, pd.DataFrame]) -> pd.DataFrame:
    scales = book["scales"][book["scales"]["instrument_id"].isin(ALLIANCE)].drop(columns=["note", "origin"])
    sizes = book["scale_items"].groupby(["instrument_id", "scale_id"]).size().rename("n_items").reset_index()
    numbered = scales.assign(scale_number=scales.groupby("instrument_id").cumcount() + 1)
    return numbered.merge(sizes, on=["instrument_id", "scale_id"])


def _scale_items(scale_items: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    joined = scale_items.drop(columns="origin").merge(
        items[["instrument_id", "item_number", "item_id"]], on=["instrument_id", "item_number"]
    )
    return joined[["instrument_id", "scale_id", "item_id"]]


def _scores(
    forms: pd.DataFrame, responses: pd.DataFrame, scale_items: pd.DataFrame, items: pd.DataFrame
) -> pd.DataFrame:
    members = _scale_items(scale_items, items)
    joined = responses.merge(forms[["form_id", "instrument_id"]], on="form_id").merge(
        members, on=["instrument_id", "item_id"]
    )
    grouped = joined.groupby(["form_id", "site_id", "instrument_id", "scale_id"])["keyed_value"]
    scores = grouped.agg(score="mean", n_answered="count", n_items="size").reset_index()
    return scores.assign(score_id=np.arange(len(scores)), min_share_answered=0.8, status="ok", origin="computed")


def _pairs(forms: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    named = scores[["form_id", "instrument_id", "scale_id", "score"]].merge(
        forms[["form_id", "site_id", "dyad_id", "session_id", "rater"]], on="form_id"
    )
    keys = ["site_id", "dyad_id", "session_id", "instrument_id", "scale_id"]
    wide = named.dropna(subset=["dyad_id"]).pivot(index=keys, columns="rater", values="score").reset_index()
    wide = wide.rename(columns={"client": "client_score", "therapist": "therapist_score"})
    return wide.assign(dyad_session_id=np.arange(len(wide)))


def _outcomes(
    study: SmallStudy, dyads: pd.DataFrame, truth: dict[str, np.ndarray], rng: np.random.Generator
) -> pd.DataFrame:
    n = study.n_dyads
    before = rng.standard_normal(n)
    after = 0.5 * truth["client"][:, 0] + 0.4 * before + 0.8 * rng.standard_normal(n)
    phases = [("pre", before, 1), *([("post", after, 12)] if study.outcome else [])]
    parts = [
        dyads.assign(
            phase=phase, occasion=phase, benefit=values, score=-values, form_date=pd.Timestamp(2024, month, 1),
            outcome_id=np.arange(n) + 100_000 * month, form_id=np.arange(n) + 100_000 * month,
        )
        for phase, values, month in phases
    ]  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(instrument_id=OUTCOME[0], scale_id=OUTCOME[1], rater="client", higher_is="worse", status="ok")
