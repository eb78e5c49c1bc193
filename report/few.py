"""What the study takes for few people: figures that rest on fewer are not shown, or not broken down."""

from __future__ import annotations

from dataclasses import dataclass

from report import words
from report.warehouse import Warehouse

_SETTINGS = "select settings from meta.refreshes order by refresh_id desc limit 1"
_DEFAULTS = {"few_dyads": 10, "few_therapists": 3}
"""What study.yml says when it says nothing."""


@dataclass(frozen=True)
class Limits:
    """Dyads and therapists below which a figure rests on few."""

    dyads: int
    therapists: int

    def enough(self, n_dyads: int | None, n_therapists: int | None) -> bool:
        """Whether so many are enough; therapists count where any is known."""
        few_therapists = bool(n_therapists) and (n_therapists or 0) < self.therapists
        return (n_dyads or 0) >= self.dyads and not few_therapists

    @property
    def said(self) -> str:
        """`fewer than 10 dyads or 3 therapists`."""
        return f"fewer than {words.count_of(self.dyads, 'dyad')} or {words.count_of(self.therapists, 'therapist')}"


def read_limits(warehouse: Warehouse) -> Limits:
    """``few_dyads`` and ``few_therapists`` of the study as of the newest refresh."""
    settings = words.from_json((warehouse.row(_SETTINGS) or {}).get("settings"), {})
    study = settings.get("study")
    analyses = study.get("analyses") if isinstance(study, dict) else None
    own = analyses if isinstance(analyses, dict) else {}
    found = {name: own[name] if isinstance(own.get(name), int) else limit for name, limit in _DEFAULTS.items()}
    return Limits(found["few_dyads"], found["few_therapists"])
