"""What identifies an analysis: its id, its seed, the fingerprint of its input, and its row in results.analyses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.study_rows import Rows, StudyResult
from analysis.components.component_study import ComponentSettings
from flows.settings.analysis_settings import AnalysisSettings

CONFIDENCE = 0.95
_AS_NAMED = tuple(
    each.name
    for each in fields(ComponentSettings)
    if each.name in AnalysisSettings.model_fields and each.name != "n_components"
)
"""Settings of a component analysis that bear the same name in study.yml."""
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn")

_COMPONENTS = (
    "session_rule",
    "missing",
    "correlation",
    "polychoric_thresholds",
    "empty_cell",
    "extraction",
    "rotation",
    "oblimin_gamma",
    "promax_power",
    "geomin_delta",
    "parallel_percentile",
    "n_components",
    "salience",
    "scores",
)
_CHOICE = ("outcome_session", "outcome_dyad", "outcome_after")
SETTINGS_OF = {
    "components": _COMPONENTS,
    "correspondence": _COMPONENTS[:-1],
    "congruence": _COMPONENTS[:-2],
    "site_congruence": _COMPONENTS[:-2],
    "emphasis": _COMPONENTS[:-2],
    "outcome": (*_COMPONENTS, *_CHOICE),
    "agreement": _COMPONENTS,
    "sites": (*_COMPONENTS, *_CHOICE),
    "reliability": ("session_rule", "missing"),
    "outcome_scales": ("session_rule", *_CHOICE),
    "agreement_scales": ("session_rule",),
    "agreement_variance": (),
    "outcome_both": ("session_rule", *_CHOICE),
}
"""The settings that decide what each kind of analysis estimates. Seed, samples, starts and least rows decide how
exactly."""


@dataclass(frozen=True)
class Analysis:
    """One analysis that the study asks for, before it has run.

    Parameters
    ----------
    kind
        A key of :data:`SETTINGS_OF`; see :func:`published_kind`.
    instruments
        Instruments whose items or scales are used.
    based_on
        Ids of the analyses whose results this one takes, in the order of its tables.
    """

    analysis_id: str
    kind: str
    item_set: str | None
    rater: str
    settings: AnalysisSettings
    n_components: int | str | None = None
    instruments: tuple[str, ...] = ()
    based_on: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """Made from the study's seed and the id, so that one analysis draws the same numbers whatever else runs."""
        digest = hashlib.sha256(self.analysis_id.encode()).digest()
        words = [int.from_bytes(digest[start : start + 4], "big") for start in range(0, 16, 4)]
        return int(np.random.SeedSequence([self.settings.seed, *words]).generate_state(1)[0])

    @property
    def is_random(self) -> bool:
        """Whether anything in it is drawn: components by parallel analysis and random starts, all else by bootstrap."""
        return self.kind == "components" or (self.settings.bootstrap > 0 and self.kind != "sites")

    def component_settings(self) -> ComponentSettings:
        """The settings in the words of the analyses."""
        own = self.settings
        return ComponentSettings(
            n_components="parallel" if self.n_components is None else self.n_components,
            level=CONFIDENCE,
            **{name: getattr(own, name) for name in _AS_NAMED},
        )


@dataclass(frozen=True)
class Input:
    """What an analysis took in: counts of people, complete rows, and its fingerprint."""

    fingerprint: str | None
    counts: Mapping[str, int] = field(default_factory=dict)
    n_rows_complete: int | None = None


def plan(
    kind: str,
    settings: AnalysisSettings,
    *,
    item_set: str | None,
    rater: str,
    instruments: tuple[str, ...] = (),
    based_on: tuple[str, ...] = (),
    n_components: int | str | None = None,
) -> Analysis:
    """An analysis with its id: kind, item set, rater and every setting of the kind that is not a default."""
    parts = [kind, *([item_set] if item_set else []), *([rater] if rater != "both" else [])]
    parts += _unusual(kind, settings, n_components)
    return Analysis(
        "_".join(parts).replace("-", "_"), kind, item_set, rater, settings, n_components, instruments, based_on
    )


def _unusual(kind: str, settings: AnalysisSettings, n_components: int | str | None) -> list[str]:
    usual = AnalysisSettings()
    found = []
    for name in SETTINGS_OF[kind]:
        if name == "n_components":
            chosen = settings.n_components.n or settings.n_components.rule if n_components is None else n_components
            if chosen not in (None, "parallel"):
                found.append(f"{chosen}_components" if isinstance(chosen, int) else str(chosen))
        elif getattr(settings, name) != getattr(usual, name):
            found.append(_in_id(name, getattr(settings, name)))
    return found


def _in_id(name: str, value: object) -> str:
    """A setting as part of an id; numbers with their name, since they say nothing without it."""
    if name == "salience":
        return f"salience_{100 * float(str(value)):.0f}"
    if isinstance(value, float):
        return f"{name}_{value:g}".replace("-", "minus_").replace(".", "_")
    return str(value)


def fingerprint(analysis: Analysis, *parts: pd.DataFrame | Rows) -> str:
    """SHA-256 of the settings and of the rows as analysed: names, answers bit for bit, and who they are of; of rows
    that were not held, the digest of their sums."""
    digest = hashlib.sha256(settings_json(analysis).encode())
    for part in parts:
        if isinstance(part, Rows) and part.whole is not None:
            digest.update(part.whole.digest.encode())
            continue
        frame = pd.concat([part.answers, part.keys], axis=1) if isinstance(part, Rows) else part
        # Numbers as they are: written as text they take longer than most analyses of them.
        numbers = frame.select_dtypes("float")
        values = numbers.to_numpy(dtype="<f8")
        digest.update(json.dumps([len(frame), list(numbers.columns)]).encode())
        # There are many bit patterns that are not a number; they all are the same missing answer.
        digest.update(np.where(np.isnan(values), np.nan, values).tobytes())
        digest.update(frame.drop(columns=numbers.columns).to_csv(index=False, lineterminator="\n").encode())
    return digest.hexdigest()


def settings_json(analysis: Analysis) -> str:
    """All settings of the analysis, sorted by name."""
    own = analysis.settings
    named: dict[str, Any] = {name: getattr(own, name) for name in SETTINGS_OF[analysis.kind] if name != "n_components"}
    if "n_components" in SETTINGS_OF[analysis.kind]:
        named["n_components"] = analysis.n_components or own.n_components.n or own.n_components.rule or "parallel"
    if analysis.kind == "components":
        named |= {name: getattr(own, name) for name in ("parallel_samples", "extraction_starts", "rotation_starts")}
    if analysis.kind in ("outcome", "agreement"):
        named["component_uncertainty"] = own.component_uncertainty
    if analysis.kind in ("sites", "site_congruence"):
        named |= {"few_dyads": own.few_dyads, "few_therapists": own.few_therapists}
    named |= {"bootstrap": own.bootstrap, "min_rows": own.min_rows, "study_seed": own.seed, "confidence": CONFIDENCE}
    if analysis.based_on:
        named["based_on"] = list(analysis.based_on)
    return json.dumps(named, sort_keys=True)


def published_kind(kind: str) -> str:
    """The kind as results.analyses has it: agreement and outcome of scales are agreement and outcome."""
    return kind if kind == "site_congruence" else kind.split("_")[0]


def registry_row(
    analysis: Analysis, taken: Input, result: StudyResult, *, unverified: frozenset[str], code_version: str
) -> dict[str, Any]:
    """The analysis's row in results.analyses."""
    facts = result.facts
    own = analysis.settings
    used = SETTINGS_OF[analysis.kind]
    rule = analysis.n_components if "n_components" in used else None
    row: dict[str, Any] = {
        "analysis_id": analysis.analysis_id,
        "kind": published_kind(analysis.kind),
        "item_set": analysis.item_set,
        "rater": analysis.rater,
        "session_rule": own.session_rule if "session_rule" in used else None,
        "outcome_session": own.outcome_session if "outcome_session" in used else None,
        "outcome_dyad": own.outcome_dyad if "outcome_dyad" in used else None,
        "outcome_after": own.outcome_after if "outcome_after" in used else None,
        "missing_rule": own.missing if "missing" in used else None,
        "correlation": own.correlation if "correlation" in used else None,
        "extraction": own.extraction if "extraction" in used else None,
        "rotation": facts.get("rotation", own.rotation) if "rotation" in used else None,
        "n_components": facts.get("n_components"),
        "n_components_rule": "number" if isinstance(rule, int) else rule,
        "score_method": own.scores.replace("unit_weighted", "unit") if "scores" in used else None,
        "salience": own.salience if "salience" in used else None,
        "confidence": CONFIDENCE,
        "seed": analysis.seed if analysis.is_random else None,
        "n_bootstrap": facts.get("n_bootstrap", own.bootstrap if analysis.is_random else 0),
        "settings": settings_json(analysis),
        "n_rows": 0,
        "n_clients": 0,
        "n_therapists": 0,
        "n_sites": 0,
        "n_rows_complete": taken.n_rows_complete,
        "n_items": facts.get("n_items"),
        "items_left_out": json.dumps(facts.get("items_left_out", {}), sort_keys=True),
        "unverified_keys": json.dumps(sorted(unverified & set(analysis.instruments))),
        "fingerprint": taken.fingerprint,
        "package_versions": package_versions(),
        "code_version": code_version,
        "status": result.status,
        "reason": result.reason,
        "warnings": json.dumps(list(result.warnings)),
    }
    return row | dict(taken.counts)


@lru_cache(maxsize=1)
def package_versions() -> str:
    """Versions of the packages that compute, as JSON."""
    return json.dumps({name: version(name) for name in sorted(PACKAGES)})
