"""How alike the components of client and therapist are: the table ``congruence`` of the two raters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.common.resampling import MapFunction
from analysis.common.study_rows import StudyResult
from analysis.components.component_study import ComponentSettings, FoundComponents, resampling_rule
from analysis.components.component_tables import why
from analysis.components.congruence import Congruence, bootstrap_congruence, congruence, mark


def study_congruence(
    client: FoundComponents,
    therapist: FoundComponents,
    other_analysis_id: str,
    settings: ComponentSettings,
    seed: int,
    *,
    run: MapFunction = map,
) -> StudyResult:
    """Rows of ``congruence``: every pair of components as they are, and the matched pairs after rotation to a target.

    Intervals are those of a bootstrap in which both raters' rows of a therapist are drawn together. Raises
    :class:`AnalysisError` when the raters share fewer than two items.
    """
    missing = resampling_rule(settings)
    estimate = congruence(client.solution, therapist.solution)
    matched = estimate.to_frame()
    status, warnings = estimate.status, estimate.warnings
    if settings.bootstrap > 1 and missing is not None:
        drawn = bootstrap_congruence(
            client.sample,
            therapist.sample,
            seed=seed,
            replicates=settings.bootstrap,
            level=settings.level,
            missing=missing,
            run=run,
        )
        matched, status, warnings = drawn.to_frame(), drawn.status, drawn.warnings
    elif settings.bootstrap > 1:
        warnings = (*warnings, "No bootstrap intervals: they are made for Pearson correlations of answered items only.")
    frame = _pairs_of_components(estimate, matched).assign(
        other_analysis_id=other_analysis_id,
        site_id="",
        comparison="raters",
        # A column's sign is arbitrary, so what counts is the size.
        mark=lambda pairs: [mark(abs(value)) for value in pairs["congruence"]],
        n_items=len(estimate.items),
        status=status,
        reason=why(status, warnings),
    )
    return StudyResult({"congruence": frame}, status, why(status, warnings), warnings, {"n_items": len(estimate.items)})


def _pairs_of_components(estimate: Congruence, matched: pd.DataFrame) -> pd.DataFrame:
    """All pairs as they are, then the matched ones after rotation to a target; ``matched`` may hold intervals."""
    limits = ["left_component", "right_component", "congruence_lower", "congruence_upper"]
    as_found = estimate.table_frame().rename(columns={"matched": "is_matched"})
    if "congruence_lower" in matched:
        as_found = as_found.merge(matched[limits], on=limits[:2], how="left")
    rotated = matched[["left_component", "right_component"]].assign(
        congruence=matched["congruence_after_rotation"],
        congruence_lower=matched.get("congruence_after_rotation_lower", np.nan),
        congruence_upper=matched.get("congruence_after_rotation_upper", np.nan),
        is_matched=True,
    )
    pairs = pd.concat([as_found.assign(alignment="as_rotated"), rotated.assign(alignment="target")], ignore_index=True)
    return pairs.rename(
        columns={
            "left_component": "component",
            "right_component": "other_component",
            "congruence_lower": "lower",
            "congruence_upper": "upper",
        }
    )
