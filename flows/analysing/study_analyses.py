"""All analyses a study asks for, one after the other, each on the results of those before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import duckdb
import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.common.study_rows import Rows, StudyResult, count_people, require_rows
from analysis.components.component_stream import Streamed, study_component_stream
from analysis.components.component_study import ComponentSettings, FoundComponents, resampling_rule, study_components
from analysis.components.correspondence_study import study_correspondence
from analysis.components.scale_reliability import reliability_of_sums, scale_reliability
from analysis.outcome.outcome_study import Predictors
from analysis.two_views.congruence_study import study_congruence
from analysis.two_views.emphasis_study import study_emphasis
from analysis.two_views.two_views import study_component_agreement
from flows.analysing import row_stream
from flows.analysing.across_sites import study_across_sites
from flows.analysing.carrying_out import Registrar
from flows.analysing.catalogue import JOINT, Catalogue, PlannedSet
from flows.analysing.ratings import component_predictors
from flows.analysing.registry import CONFIDENCE, Analysis, Input, fingerprint
from flows.analysing.row_stream import MOST_ROWS_SCORED, SiteRows, rows_at_most
from flows.analysing.rows import read_rows
from flows.analysing.scale_analyses import run_scale_analyses
from flows.analysing.shared_work import Alone, Workers
from flows.analysing.study_plan import StudyPlan
from flows.analysing.work import (
    affordable,
    congruence_of_sites,
    pair_settings,
    reliability_of_scales,
    with_warnings,
)
from flows.settings.analysis_settings import AnalysisSettings


class StudyAnalyses:
    """The analyses of one build; :meth:`run` carries out all of them."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        catalogue: Catalogue,
        settings: AnalysisSettings,
        registrar: Registrar,
        *,
        workers: Workers | None = None,
    ) -> None:
        self._plan = StudyPlan(con, catalogue, settings, registrar)
        self._con = con
        self._workers = workers or Alone()
        self._catalogue = catalogue
        self._facts = catalogue.item_facts()
        self._settings = settings
        self._registrar = registrar
        # Of the set at hand only, so that memory does not grow with the number of sets.
        self._read: dict[str, Rows] = {}
        self._streams: dict[str, SiteRows] = {}
        self._found: dict[str, FoundComponents] = {}

    def run_components(self, wanted: Collection[str]) -> None:
        """Question 1 alone, of the sets that are ``wanted``; raises ``KeyError`` with the first that is not planned."""
        planned = self._plan.sets
        names = dict.fromkeys(each.name for each in planned)
        for name in wanted:
            if name not in names:
                raise KeyError(name)
        for name in (name for name in names if name in wanted):
            self._question_one(name, [each for each in planned if each.name == name], with_reliability=True)
        self._registrar.finish()

    def run(self) -> None:
        """Set by set its components and what is asked of them, then what the scales say."""
        planned = self._plan.sets
        names = list(dict.fromkeys(each.name for each in planned))
        # Outcome, agreement and sites are asked of all items of a rater together, as in the reference study.
        headline = [name for name in names if name not in self._catalogue.all_rated] or names
        self._registrar.write_last(partial(run_scale_analyses, self._plan))
        for name in names:
            own = [each for each in planned if each.name == name]
            self._question_one(name, own, with_reliability=name != JOINT or names == [JOINT])
            if name in headline:
                for rater in self._settings.raters:
                    self._outcome(name, rater)
                self._agreement(name)
                self._sites(name)
        self._forget()
        self._registrar.finish()

    def _question_one(self, name: str, planned: Sequence[PlannedSet], *, with_reliability: bool) -> None:
        """The components of one set of items, rater by rater, and what is asked of them."""
        self._forget()
        for each in planned:
            self._components(each)
            self._correspondence(each)
            if with_reliability:
                self._reliability(each)
            self._site_congruence(each)
        self._congruence(name)
        self._emphasis(name)

    def _forget(self) -> None:
        """Let go of the rows and components of the set before."""
        self._read.clear()
        self._streams.clear()
        self._found.clear()

    def _components(self, each: PlannedSet) -> None:
        analysis = self._plan.analysis("components", each.name, each.rater, each.items)

        def take() -> tuple[Rows, Input]:
            rows = self._rows(each)
            return rows, _input_of(analysis, rows)

        def study(rows: Rows) -> StudyResult:
            settings, dropped = affordable(analysis.component_settings(), rows.people["n_rows"])
            result, found = self._studied(each.rater, rows, settings, analysis.seed)
            if found is not None:
                self._found[each.rater] = found
            return replace(result, warnings=(*result.warnings, *dropped))

        self._registrar.carry_out(analysis, take, study)

    def _studied(
        self, rater: str, rows: Rows, settings: ComponentSettings, seed: int
    ) -> tuple[StudyResult, FoundComponents | None]:
        if rows.whole is None:
            return study_components(rows, settings, self._facts, seed, run=self._workers.map)
        stream = self._streams[rater]
        scored = rows.people["n_rows"] <= MOST_ROWS_SCORED
        streamed = Streamed(stream, stream.first_pass(settings), rows, scored)
        return study_component_stream(streamed, settings, self._facts, seed)

    def _correspondence(self, each: PlannedSet) -> None:
        analysis = self._plan.analysis("correspondence", each.name, each.rater, each.items, based_on=(each.rater,))

        def take() -> tuple[FoundComponents, Input]:
            found = self._components_of(each.rater)
            return found, _input_of(analysis, found.rows)

        settings = analysis.component_settings()
        self._registrar.hand_over(
            analysis, take, lambda found: partial(study_correspondence, found, self._facts, settings)
        )

    def _reliability(self, each: PlannedSet) -> None:
        analysis = self._plan.analysis("reliability", each.name, each.rater, each.items)
        sets = self._catalogue.scale_keys(each.items)

        def take() -> tuple[Rows, Input]:
            rows = self._rows(each)
            return rows, _input_of(analysis, rows)

        def study(rows: Rows) -> Callable[[], StudyResult]:
            n_rows = rows.people["n_rows"]
            require_rows(n_rows, self._settings.min_rows)
            if not sets:
                raise AnalysisError("No declared scale has all of its items in this set.", Status.NOT_APPLICABLE)
            settings, dropped = affordable(analysis.component_settings(), n_rows)
            if rows.whole is not None:
                sums = self._streams[each.rater].first_pass(settings)
                estimate = partial(reliability_of_sums, sums.correlated.products, sets, level=CONFIDENCE)
            else:
                estimate = partial(
                    scale_reliability,
                    rows.answers,
                    sets,
                    clusters=rows.clusters,
                    missing="complete" if self._settings.missing == "complete" else "pairwise",
                    level=CONFIDENCE,
                    replicates=settings.bootstrap,
                    seed=analysis.seed,
                )
            facts = {"n_items": len(each.items), "n_bootstrap": settings.bootstrap}
            return with_warnings(partial(reliability_of_scales, estimate, rows, facts), dropped)

        self._registrar.hand_over(analysis, take, study)

    def _site_congruence(self, each: PlannedSet) -> None:
        analysis = self._plan.analysis("site_congruence", each.name, each.rater, each.items, based_on=(each.rater,))

        def take() -> tuple[FoundComponents, Input]:
            found = self._components_of(each.rater)
            return found, _input_of(analysis, found.rows)

        def study(found: FoundComponents) -> Callable[[], StudyResult]:
            settings, dropped = affordable(analysis.component_settings(), found.rows.people["n_rows"])
            return with_warnings(
                partial(
                    congruence_of_sites, found, settings, analysis.seed, analysis.based_on[0], analysis.settings.few
                ),
                dropped,
            )

        self._registrar.hand_over(analysis, take, study)

    def _congruence(self, name: str) -> None:
        analysis = self._plan.analysis("congruence", name, "both", (), based_on=("client", "therapist"))

        def study(both: tuple[FoundComponents, FoundComponents]) -> Callable[[], StudyResult]:
            settings, dropped = affordable(analysis.component_settings(), len(both[0].rows.answers))
            return with_warnings(
                partial(study_congruence, *both, analysis.based_on[1], settings, analysis.seed), dropped
            )

        self._registrar.hand_over(analysis, lambda: self._both(analysis), study)

    def _emphasis(self, name: str) -> None:
        analysis = self._plan.analysis("emphasis", name, "both", (), based_on=("client", "therapist"))

        def study(both: tuple[FoundComponents, FoundComponents]) -> Callable[[], StudyResult]:
            settings, dropped = affordable(analysis.component_settings(), len(both[0].rows.answers))
            return with_warnings(partial(study_emphasis, *both, self._facts, settings, analysis.seed), dropped)

        self._registrar.hand_over(analysis, lambda: self._both(analysis), study)

    def _agreement(self, name: str) -> None:
        analysis = self._plan.analysis("agreement", name, "both", (), based_on=("client", "therapist"))

        def study(both: tuple[FoundComponents, FoundComponents]) -> Callable[[], StudyResult]:
            settings, dropped = pair_settings(analysis, len(both[0].rows.answers))
            missing = resampling_rule(analysis.component_settings()) if self._settings.component_uncertainty else None
            return with_warnings(partial(study_component_agreement, *both, settings, missing), dropped)

        self._registrar.hand_over(analysis, lambda: self._both(analysis), study)

    def _outcome(self, name: str, rater: str) -> None:
        analysis = self._plan.analysis("outcome", name, rater, (), based_on=(rater,))

        def take() -> tuple[Predictors, Input]:
            found = self._components_of(rater)
            predictors = component_predictors(
                self._con,
                self._catalogue,
                self._settings,
                found,
                rater,
                self._plan.dyads,
                self._carried(analysis, found),
            )
            return predictors, self._plan.outcome_input(analysis, predictors)

        self._registrar.hand_over(analysis, take, partial(self._plan.outcome_work, analysis))

    def _carried(self, analysis: Analysis, found: FoundComponents) -> tuple[int, int]:
        """Replicates and seed of the components' bootstrap that is carried through; none unless the study asks."""
        settings, _ = affordable(analysis.component_settings(), len(found.rows.answers))
        asked = self._settings.component_uncertainty and resampling_rule(settings) is not None
        return (settings.bootstrap if asked else 0), analysis.seed

    def _sites(self, name: str) -> None:
        analysis = self._plan.analysis("sites", name, "both", (), based_on=self._settings.raters)

        def take() -> tuple[dict[str, Predictors], Input]:
            if not self._found:
                raise AnalysisError("No rater has components.", Status.NO_DATA)
            by_rater = {
                rater: component_predictors(self._con, self._catalogue, self._settings, found, rater, self._plan.dyads)
                for rater, found in self._found.items()
            }
            keys = pd.concat([found.rows.keys for found in self._found.values()]).drop_duplicates("unit_id")
            scores = [predictors.values for predictors in by_rater.values()]
            return by_rater, Input(fingerprint(analysis, keys, *scores, self._plan.outcomes), count_people(keys))

        least, few = self._settings.min_rows, self._settings.few
        self._registrar.hand_over(
            analysis,
            take,
            lambda predictors: partial(
                study_across_sites, dict(self._found), predictors, self._plan.outcomes, least, few
            ),
        )

    def _rows(self, each: PlannedSet) -> Rows:
        if not each.items:
            raise AnalysisError("The build has no item of this set that was answered.", Status.NO_DATA)
        if each.rater in self._read:
            return self._read[each.rater]
        instruments = self._catalogue.instruments_of(each.items)
        rule = self._settings.session_rule
        if rows_at_most(self._con, rater=each.rater, instruments=instruments) > row_stream.MOST_ROWS_HELD:
            ranges = self._catalogue.items.loc[list(each.items), ["min_value", "max_value"]]
            stream = SiteRows(
                self._con,
                rater=each.rater,
                items=each.items,
                instruments=instruments,
                session_rule=rule,
                origin=np.round(ranges.to_numpy(dtype=float).mean(axis=1)),
            )
            self._streams[each.rater] = stream
            most = row_stream.MOST_ROWS_HELD
            self._read[each.rater] = stream.sample(
                self._plan.analysis("components", each.name, each.rater, ()).component_settings(), most
            )
        else:
            self._read[each.rater] = read_rows(
                self._con, rater=each.rater, items=each.items, instruments=instruments, session_rule=rule
            )
        return self._read[each.rater]

    def _components_of(self, rater: str) -> FoundComponents:
        if rater not in self._found:
            raise AnalysisError(f"There are no components of the {rater} to go on with.", Status.NO_DATA)
        return self._found[rater]

    def _both(self, analysis: Analysis) -> tuple[tuple[FoundComponents, FoundComponents], Input]:
        self._plan.require_both()
        both = self._components_of("client"), self._components_of("therapist")
        keys = pd.concat([found.rows.keys for found in both]).drop_duplicates("unit_id")
        used = fingerprint(analysis, both[0].rows, both[1].rows)
        return both, Input(used, count_people(keys))


def _input_of(analysis: Analysis, rows: Rows) -> Input:
    n_complete = rows.n_complete if rows.whole is None else rows.whole.n_complete
    return Input(fingerprint(analysis, rows), rows.people, n_complete)
