"""What the analyses of one build share: where rows are read, what the study asks, and who carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import duckdb
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.common.study_rows import StudyResult, require_rows
from analysis.outcome.outcome_study import OutcomeSettings, Predictors, study_outcomes
from flows.analysing.carrying_out import Registrar
from flows.analysing.catalogue import Catalogue, PlannedSet, planned_sets
from flows.analysing.registry import Analysis, Input, fingerprint, plan
from flows.analysing.rows import read_dyads, read_outcomes
from flows.analysing.work import pair_settings, with_warnings
from flows.settings.analysis_settings import AnalysisSettings


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """The build, what is known of its items and scales, the study's settings, and the registrar of its analyses."""

    con: duckdb.DuckDBPyConnection
    catalogue: Catalogue
    settings: AnalysisSettings
    registrar: Registrar

    @cached_property
    def sets(self) -> tuple[PlannedSet, ...]:
        """The sets of items whose components are asked for, rater by rater."""
        return planned_sets(self.catalogue, self.settings)

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Outcomes before and after therapy, see :func:`read_outcomes`."""
        return read_outcomes(self.con)

    @cached_property
    def dyads(self) -> pd.DataFrame:
        """All dyads with the days of their forms, see :func:`read_dyads`."""
        return read_dyads(self.con)

    def analysis(
        self, kind: str, name: str | None, rater: str, items: tuple[str, ...] = (), based_on: tuple[str, ...] = ()
    ) -> Analysis:
        """The analysis; ``based_on`` names the raters whose components it takes."""
        chosen: int | str | None = None
        if kind == "components" and name is not None:
            chosen = self.settings.n_components.chosen(name, rater)
        instruments = self.catalogue.instruments_of(items)
        if not instruments:
            sets = [each for each in self.sets if name in (each.name, None)]
            instruments = self.catalogue.instruments_of(tuple({item for each in sets for item in each.items}))
        ids = tuple(self.analysis("components", name, each).analysis_id for each in based_on)
        return plan(
            kind,
            self.settings,
            item_set=name,
            rater=rater,
            instruments=instruments,
            based_on=ids,
            n_components=chosen,
        )

    def require_both(self) -> None:
        """Raises :class:`AnalysisError` (``not_applicable``) when the study asks for one rater."""
        if len(self.settings.raters) < 2:
            raise AnalysisError("The study asks for one rater only.", Status.NOT_APPLICABLE)

    def outcome_work(self, analysis: Analysis, predictors: Predictors) -> Callable[[], StudyResult]:
        """The analysis of outcomes by these predictors."""
        require_rows(len(predictors.values), self.settings.min_rows)
        pairs, dropped = pair_settings(analysis, len(predictors.values))
        settings = OutcomeSettings(pairs.bootstrap, pairs.min_rows, pairs.level, pairs.seed)
        return with_warnings(partial(study_outcomes, predictors, self.outcomes, settings), dropped)

    def outcome_input(self, analysis: Analysis, predictors: Predictors) -> Input:
        """What such an analysis is made from."""
        whole = int(predictors.values.notna().all(axis=1).sum())
        used = fingerprint(analysis, predictors.rows.keys, predictors.values, self.outcomes)
        return Input(used, predictors.rows.counts(), whole)
