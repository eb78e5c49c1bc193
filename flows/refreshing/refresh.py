"""A refresh on its way through the steps, and how it ended: the two small records that steps hand on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from flows.building import judgement
from flows.common.paths import StudyPaths
from flows.common.problems import Problem
from flows.publishing.publish import Resources
from flows.refreshing.scope import Scope
from flows.settings.study import Study


@dataclass(frozen=True)
class Refresh:
    """One refresh on its way through the steps.

    Parameters
    ----------
    refresh_id
        UTC start as ``20261123T064500Z``; sorts by time and names the version.
    seconds
        Wall-clock seconds of each step that has ended.
    """

    paths: StudyPaths
    refresh_id: str
    started_at: dt.datetime
    full: bool = False
    study: Study | None = None
    scope: Scope | None = None
    new_deliveries: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    overdue: tuple[str, ...] = ()
    arrivals: tuple[dict[str, str | int], ...] = ()
    verdict: judgement.Verdict | None = None
    headlines: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_nothing_new(self) -> bool:
        """Whether the published warehouse already is what this refresh would make."""
        return self.scope is not None and self.scope.kind == "nothing_new"

    @property
    def settings(self) -> Study:
        """The study; raises when landing has not loaded it yet."""
        if self.study is None:
            raise RuntimeError("the study is loaded by landing, which comes first")
        return self.study

    @property
    def decided(self) -> Scope:
        """The scope; raises when landing has not decided it yet."""
        if self.scope is None:
            raise RuntimeError("the scope is decided by landing, which comes first")
        return self.scope

    @property
    def resources(self) -> Resources:
        """Memory limit and threads for DuckDB in every step."""
        return Resources(self.settings.settings.memory_limit, self.settings.settings.threads)


@dataclass(frozen=True)
class Ended:
    """How a refresh ended, for the command line, `alliance status` and machines."""

    refresh_id: str
    status: str
    kind: str
    new_deliveries: int
    problems: int
    warnings: int
    overdue: tuple[str, ...]
    seconds: dict[str, float]
    message: str
