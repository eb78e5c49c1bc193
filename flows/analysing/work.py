"""What the analyses of a study are given to do, as calls that any worker can make: settings they can afford, and the
steps that are more than one function of `analysis`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from analysis.common.study_rows import Rows, StudyResult
from analysis.components.component_study import ComponentSettings, FoundComponents
from analysis.components.component_tables import reliability_table
from analysis.components.scale_reliability import ScaleReliability
from analysis.components.site_congruence import study_site_congruence
from analysis.two_views.two_views import PairSettings
from flows.analysing.registry import CONFIDENCE, Analysis

MOST_ROWS_BOOTSTRAPPED = 20_000
"""Beyond this many rows intervals by formula and bootstrap say the same, and the bootstrap would take hours."""

_NO_BOOTSTRAP = (
    f"No bootstrap: it is made for at most {MOST_ROWS_BOOTSTRAPPED} rows; with more, sampling error is small."
)


def affordable(settings: ComponentSettings, n_rows: int) -> tuple[ComponentSettings, tuple[str, ...]]:
    """The settings, without the bootstrap where there are too many rows for it, and a sentence that says so."""
    if settings.bootstrap == 0 or n_rows <= MOST_ROWS_BOOTSTRAPPED:
        return settings, ()
    return replace(settings, bootstrap=0), (_NO_BOOTSTRAP,)


def pair_settings(analysis: Analysis, n_rows: int) -> tuple[PairSettings, tuple[str, ...]]:
    """The settings of an analysis that pairs or predicts, with the same sentence."""
    settings, dropped = affordable(analysis.component_settings(), n_rows)
    return PairSettings(settings.bootstrap, settings.min_rows, CONFIDENCE, analysis.seed), dropped


def with_warnings(work: Callable[[], StudyResult], warnings: tuple[str, ...]) -> Callable[[], StudyResult]:
    """``work`` with further warnings in its result."""
    return partial(_with_warnings, work, warnings)


def _with_warnings(work: Callable[[], StudyResult], warnings: tuple[str, ...]) -> StudyResult:
    result = work()
    return replace(result, warnings=(*result.warnings, *warnings))


def reliability_of_scales(
    estimate: Callable[[], ScaleReliability], rows: Rows, facts: Mapping[str, int]
) -> StudyResult:
    """Reliability of declared scales as ``estimate`` gives it; ``facts`` are for the registry."""
    found = estimate()
    return StudyResult({"reliability": reliability_table(found, "scale", rows)}, "ok", None, found.warnings, facts)


def congruence_of_sites(
    found: FoundComponents, settings: ComponentSettings, seed: int, analysis_id: str, least: tuple[int, int]
) -> StudyResult:
    """Congruence of each site with all others; ``analysis_id`` is that of the components, ``least`` the small cells."""
    result = study_site_congruence(found, settings, seed, least=least)
    frame = result.frames["congruence"].assign(other_analysis_id=analysis_id)
    return replace(result, frames={"congruence": frame})
