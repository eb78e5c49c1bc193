"""Do sites have the same components? Each site's own solution against that of all other sites together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.resampling import MapFunction
from analysis.common.status import AnalysisError, Status, attempt, most_serious
from analysis.common.study_rows import StudyResult, count_people
from analysis.common.wording import several
from analysis.components.component_study import ComponentSettings, FoundComponents, resampling_rule
from analysis.components.component_tables import why
from analysis.components.components import find_components
from analysis.components.congruence import (
    Congruence,
    CongruenceIntervals,
    Sample,
    bootstrap_congruence,
    congruence,
    mark,
)
from analysis.components.solution import Solution
from analysis.correlations.correlation import correlate

LEAST_ROWS, LEAST_THERAPISTS = 10, 3
"""A site with fewer rows, or fewer known therapists, says too much about each of them and is withheld."""


def study_site_congruence(
    found: FoundComponents,
    settings: ComponentSettings,
    seed: int,
    *,
    least: tuple[int, int] = (LEAST_ROWS, LEAST_THERAPISTS),
    run: MapFunction = map,
) -> StudyResult:
    """Rows of ``congruence`` for every site with enough rows: its components with those of the other sites.

    Both sides are found anew with the number of components, the method and the constants of the solution of all sites.
    The bootstrap draws therapists of all sites, so that no row is in both sides. A site with fewer rows than the study
    asks for, no more rows than items, or fewer than the ``least`` rows, or therapists where they are known, is
    a row with its status and its own number of rows. Raises :class:`AnalysisError` when there is one site only.
    """
    sites = sorted(str(site) for site in found.rows.keys["site_id"].dropna().unique())
    if len(sites) < 2:
        raise AnalysisError("One site only: nothing can be said of differences between sites.", Status.TOO_FEW_CLUSTERS)
    children = np.random.SeedSequence(seed).spawn(len(sites))
    rows: list[pd.DataFrame] = []
    for site, child in zip(sites, children, strict=True):
        own = (found.rows.keys["site_id"] == site).to_numpy()
        people = count_people(found.rows.keys[own])
        tried = attempt(_compared, found, own, settings, int(child.generate_state(1)[0]), least, run)
        if tried.value is None:
            nothing: dict[str, Any] = {
                "alignment": "as_rotated",
                "component": 0,
                "other_component": 0,
                "is_matched": False,
            }
            nothing |= {"congruence": np.nan}
            told = {"status": tried.status.value, "reason": tried.reason}
            rows.append(pd.DataFrame([{"site_id": site, **nothing, **told, **people}]))
            continue
        frame = pd.concat(_rows(tried.value), ignore_index=True)
        reason = why(tried.value.status, tried.value.warnings)
        rows.append(frame.assign(site_id=site, status=tried.value.status, reason=reason, **people))
    frame = pd.concat(rows, ignore_index=True).assign(comparison="sites")
    n_items = {"n_items": len(found.solution.items)}
    if frame["component"].max() > 0:
        return StudyResult({"congruence": frame}, Status.OK.value, None, found.rows.sampled, n_items)
    status = most_serious(frame["status"]).value
    reason = f"No site can be compared with the others, for example {sites[0]}: {frame['reason'].iloc[0]}"
    return StudyResult({"congruence": frame}, status, reason, found.rows.sampled, n_items)


def _compared(
    found: FoundComponents,
    own: np.ndarray,
    settings: ComponentSettings,
    seed: int,
    few: tuple[int, int],
    run: MapFunction,
) -> Congruence | CongruenceIntervals:
    keys = found.rows.keys[own]
    known = bool(found.rows.keys["therapist_id"].notna().any())
    least = max(settings.min_rows, len(found.solution.items) + 1)
    if len(keys) < least or (~own).sum() < least:
        raise AnalysisError(
            f"{several(min(len(keys), int((~own).sum())), 'row')}; at least {least} are needed on either side.",
            Status.TOO_FEW_ROWS,
        )
    if len(keys) < few[0]:
        raise AnalysisError(f"Fewer than {few[0]} rows: withheld.", Status.SUPPRESSED)
    if known and keys["therapist_id"].nunique() < few[1]:
        raise AnalysisError(f"Fewer than {few[1]} therapists: withheld.", Status.SUPPRESSED)
    left, right = (_sample(found, chosen, settings) for chosen in (own, ~own))
    missing = resampling_rule(settings)
    if settings.bootstrap < 2 or missing is None:
        return congruence(left.solution, right.solution)
    return bootstrap_congruence(
        left, right, seed=seed, replicates=settings.bootstrap, level=settings.level, missing=missing, run=run
    )


def _sample(found: FoundComponents, chosen: np.ndarray, settings: ComponentSettings) -> Sample:
    whole = found.solution
    answers = found.rows.answers.loc[chosen, list(whole.items)].reset_index(drop=True)
    correlations = correlate(answers, **settings.correlating)
    solution: Solution = find_components(
        correlations,
        n_components=whole.n_components,
        extraction=whole.extraction,
        rotation=settings.rotation,
        gamma=whole.constants.gamma,
        power=whole.constants.power,
        delta=whole.constants.delta,
        target=whole.constants.target,
        extraction_starts=settings.extraction_starts,
        random_starts=settings.rotation_starts,
    )
    return Sample(solution, answers, list(found.rows.clusters[chosen]))


def _rows(compared: Congruence | CongruenceIntervals) -> Iterator[pd.DataFrame]:
    """As rotated every pair, after rotation to the other sites' solution the matched ones."""
    estimate = compared.estimate if isinstance(compared, CongruenceIntervals) else compared
    matched = compared.to_frame()
    both = ["left_component", "right_component"]
    for alignment, column in (("as_rotated", "congruence"), ("target", "congruence_after_rotation")):
        table = matched[both].assign(congruence=matched[column], is_matched=True)
        for end in ("lower", "upper"):
            table[end] = matched.get(f"{column}_{end}", np.nan)
        if alignment == "as_rotated":
            every = estimate.table_frame().rename(columns={"matched": "is_matched"})
            table = every.merge(table[[*both, "lower", "upper"]], on=both, how="left")
        marks: list[Any] = [mark(abs(value)) for value in table["congruence"]]
        yield table.assign(alignment=alignment, mark=marks, n_items=len(estimate.items)).rename(
            columns={"left_component": "component", "right_component": "other_component"}
        )
