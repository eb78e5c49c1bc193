"""Models of ``study.yml``; those of ``sites/<site>.yml`` are in `site_models` beside it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from flows.settings.analysis_settings import (
    AnalysisSettings,
    ComponentCount,
    ComponentNumber,
    ItemSet,
)
from flows.settings.settings_types import MOST, MemoryLimit, Settings, Slug, Text, problem
from flows.settings.site_models import (
    ColumnSource,
    CsvOptions,
    DateSource,
    EpisodeSource,
    ExcelOptions,
    Expected,
    FileFormat,
    FileSettings,
    FormSettings,
    QualtricsOptions,
    RaterSource,
    RedcapOptions,
    RowFilter,
    SessionSource,
    SiteSettings,
)

__all__ = [
    "AnalysisSettings",
    "ColumnSource",
    "ComponentCount",
    "ComponentNumber",
    "CsvOptions",
    "DateSource",
    "EpisodeSource",
    "ExcelOptions",
    "Expected",
    "FileFormat",
    "FileSettings",
    "FormSettings",
    "ItemSet",
    "QualtricsOptions",
    "RaterSource",
    "RedcapOptions",
    "RowFilter",
    "SessionSource",
    "SessionWindow",
    "SiteSettings",
    "StudySettings",
    "ThresholdOverride",
]

Number = Annotated[float, Field()]
Day = Annotated[int, Field(ge=-MOST, le=MOST)]


class SessionWindow(Settings):
    """A session at which ratings are wanted, and the window of session numbers or days that counts as it."""

    session: Slug = Field(description="The session's id")
    label: Text | None = Field(default=None, description="As readers see it; the id when left out")
    numbers: tuple[Number, Number] | None = Field(default=None, description="From and to session number, both included")
    target: float | None = Field(default=None, description="The number wanted; the form nearest to it is taken")
    days: tuple[Day, Day] | None = Field(
        default=None, description="From and to day since the dyad's first dated form, both included"
    )

    @model_validator(mode="after")
    def _ordered(self) -> SessionWindow:
        windows: tuple[tuple[str, tuple[float, float] | None], ...] = (("numbers", self.numbers), ("days", self.days))
        for key, window in windows:
            if window is not None and window[0] > window[1]:
                raise problem(f"`{key}` of session {self.session} runs backwards", "write the smaller value first")
        if self.target is not None:
            if self.numbers is None:
                raise problem(f"session {self.session} has a `target` but no `numbers`", "add `numbers: [from, to]`")
            if not self.numbers[0] <= self.target <= self.numbers[1]:
                raise problem(
                    f"the target of session {self.session} lies outside its numbers", "choose a target between the two"
                )
        return self


class ThresholdOverride(Settings):
    """Another threshold for a check, and why."""

    threshold: float = Field(description="Held against what the check measures")
    reason: Text = Field(description="Stored beside every result of the check")


class StudySettings(Settings):
    """The study: its sessions, rules, resources and analyses."""

    study: Slug = Field(description="The study's id")
    title: Text = Field(description="The study's title as readers see it")
    min_share_answered: float = Field(
        default=0.8, gt=0, le=1, description="A scale is scored from this share of its items answered on"
    )
    sessions: tuple[SessionWindow, ...] = Field(default=(), description="The sessions wanted, in order")
    pairing_max_days: Annotated[int, Field(ge=0, le=MOST)] | None = Field(
        default=None, description="Client's and therapist's forms further apart than this are not paired"
    )
    memory_limit: MemoryLimit = Field(default="2GB", description="Bounds DuckDB in every step")
    threads: int = Field(default=2, ge=1, le=256, description="Processor cores used")
    max_cell_bytes: int = Field(
        default=1_000_000, ge=1_000, description="A longer cell is not loaded; its place is told, it is counted"
    )
    keep_versions: int = Field(default=5, ge=1, description="Published versions kept")
    thresholds: dict[Slug, ThresholdOverride] = Field(default={}, description="Check -> another threshold")
    analyses: AnalysisSettings = Field(default=AnalysisSettings(), description="Which analyses run, and how")

    @model_validator(mode="after")
    def _sessions_apart(self) -> StudySettings:
        for index, later in enumerate(self.sessions):
            for earlier in self.sessions[:index]:
                _apart(earlier, later)
        return self

    @property
    def has_day_windows(self) -> bool:
        """Whether a session can be told by its date."""
        return any(each.days is not None for each in self.sessions)


def _apart(earlier: SessionWindow, later: SessionWindow) -> None:
    if earlier.session == later.session:
        raise problem(f"session {later.session} is declared twice", "give each session its own id")
    pairs: tuple[tuple[str, tuple[float, float] | None, tuple[float, float] | None], ...] = (
        ("numbers", earlier.numbers, later.numbers),
        ("days", earlier.days, later.days),
    )
    for key, first, second in pairs:
        if first is not None and second is not None and first[0] <= second[1] and second[0] <= first[1]:
            raise problem(
                f"`{key}` of sessions {earlier.session} and {later.session} overlap",
                "both ends belong to a window: let one end before the other begins",
            )
