"""Where client and therapist place their emphasis: themes of items compared between two raters' solutions.

A theme (helpfulness, joint participation, negative sign, ...) is a set of items. For each rater three figures: the
share of the common variance its items carry, their mean loading, and their mean rating; and the difference, client
minus therapist, with a bootstrap in which both raters' rows of a therapist are drawn together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.common.answers import item_values
from analysis.common.intervals import percentile_interval
from analysis.common.observations import check_level
from analysis.common.resampling import (
    Block,
    ClusterSums,
    MapFunction,
    MissingRule,
    cluster_codes,
    joint_cluster_codes,
    replicate_blocks,
)
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.components.congruence import Sample, shared_items
from analysis.components.solution import Solution
from analysis.components.stability import FEW_CLUSTERS, Resampler, resampler

MEASURES = ("common_variance_share", "mean_loading", "mean_rating")


@dataclass(frozen=True, eq=False)
class Emphasis:
    """Three measures (rows) by themes (columns) for two raters, on the items both rated.

    client, therapist (3, t) estimates; replicates (b, 2, 3, t): client and therapist of every resample.
    common_variance_share: the theme's communalities over all communalities; the shares of all themes add up to 1.
    mean_loading: mean over the theme's items of their strongest |loading|. mean_rating: mean of the items' mean keyed
    answers as percent of the maximum possible, so that instruments of different ranges compare.
    """

    themes: tuple[str, ...]
    n_items: np.ndarray
    client: np.ndarray
    therapist: np.ndarray
    replicates: np.ndarray
    level: float
    seed: int
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per measure and theme: measure, theme, n_items, client, client_lower, client_upper, therapist,
        therapist_lower, therapist_upper, difference (client - therapist), difference_se, difference_lower,
        difference_upper, p_value (two-sided, from the bootstrap), level, n_replicates."""
        t = len(self.themes)
        lower, upper, _ = percentile_interval(self.replicates, self.level)
        gaps = self.replicates[:, 0] - self.replicates[:, 1]
        gap_lower, gap_upper, gap_se = percentile_interval(gaps, self.level)
        return pd.DataFrame(
            {
                "measure": np.repeat(np.array(MEASURES, dtype=object), t),
                "theme": np.tile(np.array(self.themes, dtype=object), len(MEASURES)),
                "n_items": np.tile(self.n_items, len(MEASURES)),
                "client": self.client.ravel(),
                "client_lower": lower[0].ravel(),
                "client_upper": upper[0].ravel(),
                "therapist": self.therapist.ravel(),
                "therapist_lower": lower[1].ravel(),
                "therapist_upper": upper[1].ravel(),
                "difference": (self.client - self.therapist).ravel(),
                "difference_se": gap_se.ravel(),
                "difference_lower": gap_lower.ravel(),
                "difference_upper": gap_upper.ravel(),
                "p_value": _two_sided(gaps).ravel(),
                "level": self.level,
                "n_replicates": np.isfinite(gaps).sum(axis=0).ravel(),
            }
        )


def _two_sided(gaps: np.ndarray) -> np.ndarray:
    """Twice the smaller share of replicates on one side of zero, (count + 1) / (b + 1) so that it is never 0."""
    used = np.isfinite(gaps).sum(axis=0)
    below, above = np.nansum(gaps <= 0, axis=0), np.nansum(gaps >= 0, axis=0)
    return np.where(used > 0, np.minimum(2 * (np.minimum(below, above) + 1) / (used + 1), 1.0), np.nan)


def theme_shares(solution: Solution, themes: Mapping[str, str]) -> pd.DataFrame:
    """What each component of one rater is made of: share of its variance carried by each theme.

    One row per component and theme: component, theme, n_items, share. An item's contribution to component j is pattern
    times structure, l_ij s_ij; over components these add up to its communality, over items to the component's variance
    (diagonal of Phi L'L). A small negative share means suppression. Items without a theme count under the empty theme.

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = find_components(matrix, 300, list("abcdef"), n_components=2)
    >>> themes = dict(zip("abcdef", ["bond", "bond", "goals"] + ["tasks"] * 3))
    >>> theme_shares(found, themes)[["component", "theme", "share"]].round(3).values.tolist()
    [[1, 'bond', 0.758], [1, 'goals', 0.242], [1, 'tasks', 0.0], [2, 'bond', 0.0], [2, 'goals', 0.0], [2, 'tasks', 1.0]]
    """
    contributions = solution.pattern * solution.structure
    names = np.array([themes.get(item, "") for item in solution.items], dtype=object)
    rows = [
        {
            "component": component + 1,
            "theme": theme,
            "n_items": int((names == theme).sum()),
            "share": float(contributions[names == theme, component].sum() / contributions[:, component].sum()),
        }
        for component in range(solution.n_components)
        for theme in dict.fromkeys(names)
    ]
    return pd.DataFrame(rows)


def emphasis(
    client: Sample,
    therapist: Sample,
    themes: Mapping[str, str],
    ranges: Mapping[str, tuple[float, float]],
    *,
    seed: int,
    replicates: int = 1000,
    level: float = 0.95,
    missing: MissingRule = "pairwise",
    by_item: bool = False,
    run: MapFunction = map,
) -> Emphasis:
    """Compare the raters theme by theme, and with ``by_item`` each item too, as a theme named like it.

    Parameters
    ----------
    client, therapist: solution, keyed answers and clusters (therapists) of each rater. Equal cluster names are drawn
        together; without names on both sides the raters are drawn independently, and the intervals of differences are
        then too long where the raters agree.
    themes: theme of each item; items without one, or in one solution only, are left out of every figure and named.
    ranges: lowest and highest keyed answer of each item.
    replicates: of the bootstrap; 0 for estimates alone, which need no clusters and no sums within them.

    Raises :class:`AnalysisError` when fewer than two items have a theme and both raters, a range is missing or empty,
    an answer lies outside it, or the bootstrap cannot run.

    >>> from analysis.components.components import find_components
    >>> from analysis.correlations.correlation import correlate
    >>> draw = np.random.default_rng(1).normal
    >>> loadings = np.repeat(np.eye(2), 3, axis=0)
    >>> answers = [draw(size=(200, 2)) @ loadings.T + draw(size=(200, 6)) for _ in range(2)]
    >>> answers = [pd.DataFrame(one.round().clip(-3, 3) + 4, columns=list("abcdef")) for one in answers]
    >>> raters = [Sample(find_components(correlate(one), n_components=2), one) for one in answers]
    >>> themes = dict(zip("abcdef", ["bond"] * 3 + ["goals"] * 3))
    >>> found = emphasis(*raters, themes, dict.fromkeys(themes, (1.0, 7.0)), seed=1, replicates=20).to_frame()
    >>> shares = found[found["measure"] == "common_variance_share"]
    >>> shares["theme"].tolist(), round(float(shares["client"].sum()), 6)
    (['bond', 'goals'], 1.0)
    """
    check_level(level)
    common = shared_items(client.solution.items, therapist.solution.items)
    items = tuple(item for item in common if themes.get(item))
    if len(items) < 2:
        raise AnalysisError(
            f"{several(len(items), 'item has', 'items have')} a theme and both raters; two are needed.",
            Status.TOO_FEW_ITEMS,
        )
    plan = _plan(client, therapist, items, themes, ranges, by_item)
    estimates = [
        side.measures(side.sample.solution.pattern[None], side.sample.solution.phi[None], side.mean()[None], plan)
        for side in (plan.client, plan.therapist)
    ]
    drawing = _drawing(plan, missing) if replicates else None
    drawn = np.empty((0, 2, *estimates[0][0].shape))
    if drawing is not None:
        blocks = replicate_blocks(replicates, seed)
        drawn = np.concatenate(list(run(partial(_run_block, plan, drawing), blocks)))
    warnings, status = _judge(client.solution, therapist.solution, items, drawn, drawing)
    return Emphasis(
        plan.themes,
        plan.member.sum(axis=0).astype(int),
        estimates[0][0],
        estimates[1][0],
        drawn,
        level,
        seed,
        status,
        warnings,
    )


@dataclass(frozen=True, eq=False)
class _Side:
    """One rater: the rows of its loadings that are compared, and the answers to these items (n, items)."""

    sample: Sample
    rows: list[int]
    answers: np.ndarray

    def mean(self) -> np.ndarray:
        """(items,) mean of each item over the rows that answered it."""
        answered = (~np.isnan(self.answers)).sum(axis=0)
        return np.asarray(np.nansum(self.answers, axis=0) / np.where(answered, answered, np.nan))

    def measures(self, pattern: np.ndarray, phi: np.ndarray, mean: np.ndarray, plan: _Plan) -> np.ndarray:
        """(b, 3, t) the three measures from patterns (b, p, k), phis (b, k, k) and means of the answers (b, items)."""
        loadings = pattern[:, self.rows]
        communality = ((loadings @ phi) * loadings).sum(axis=2)
        share = communality @ plan.member / communality.sum(axis=1, keepdims=True)
        loading = np.abs(loadings).max(axis=2) @ plan.member / plan.member.sum(axis=0)
        percent = (mean - plan.low) / (plan.high - plan.low) * 100
        rating = percent @ plan.member / plan.member.sum(axis=0)
        return np.stack([share, loading, rating], axis=1)


@dataclass(frozen=True, eq=False)
class _Plan:
    client: _Side
    therapist: _Side
    themes: tuple[str, ...]
    member: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class _Drawing:
    """What replicates are drawn from, client first: the solutions to make anew, and sums for the mean ratings."""

    resamplers: tuple[Resampler, Resampler]
    ratings: tuple[ClusterSums, ClusterSums]
    together: bool


def _plan(
    client: Sample,
    therapist: Sample,
    items: Sequence[str],
    themes: Mapping[str, str],
    ranges: Mapping[str, tuple[float, float]],
    by_item: bool,
) -> _Plan:
    unknown = [item for item in items if item not in ranges or not ranges[item][0] < ranges[item][1]]
    if unknown:
        raise AnalysisError(f"Items without a range of answers: {', '.join(unknown)}.")
    low, high = np.array([ranges[item] for item in items], dtype=float).T
    names = tuple(dict.fromkeys(themes[item] for item in items))
    member = np.array([[themes[item] == name for name in names] for item in items], dtype=float)
    if by_item:
        names, member = (*names, *items), np.hstack([member, np.eye(len(items))])
    sides = []
    for sample in (client, therapist):
        rows = [sample.solution.items.index(item) for item in items]
        answers = item_values(sample.data, sample.solution.items)[:, rows]
        with np.errstate(invalid="ignore"):
            outside = ((answers < low) | (answers > high)).any(axis=0)
        if outside.any():
            wrong = ", ".join(item for item, bad in zip(items, outside, strict=True) if bad)
            raise AnalysisError(f"Answers outside their range: {wrong}.")
        sides.append(_Side(sample, rows, answers))
    return _Plan(sides[0], sides[1], names, member, low, high)


def _drawing(plan: _Plan, missing: MissingRule) -> _Drawing:
    client, therapist = plan.client.sample, plan.therapist.sample
    together = client.clusters is not None and therapist.clusters is not None
    if client.clusters is not None and therapist.clusters is not None:
        ours, theirs, n_clusters = joint_cluster_codes(client.clusters, therapist.clusters)
        codes = (ours, n_clusters), (theirs, n_clusters)
    else:
        codes = (
            cluster_codes(client.clusters, len(client.data)),
            cluster_codes(therapist.clusters, len(therapist.data)),
        )
    sides = tuple(zip((plan.client, plan.therapist), codes, strict=True))
    one, other = (resampler(s.sample.data, s.sample.solution, missing=missing, codes=code) for s, code in sides)
    ratings = tuple(ClusterSums(side.answers, *code) for side, code in sides)
    return _Drawing((one, other), (ratings[0], ratings[1]), together)


def _run_block(plan: _Plan, drawing: _Drawing, block: Block) -> np.ndarray:
    """(b, 2, 3, t) client and therapist measures of one block; NaN where a solution failed."""
    client, therapist = drawing.resamplers
    weights = block.weights(client.n_clusters)
    other = weights if drawing.together else block.second().weights(therapist.n_clusters)
    sides = []
    for at, (side, drawn) in enumerate(((plan.client, weights), (plan.therapist, other))):
        found = drawing.resamplers[at].weighted(drawn)
        sides.append(side.measures(found.patterns, found.phis, drawing.ratings[at].moments(drawn).mean, plan))
    return np.stack(sides, axis=1)


def _judge(
    client: Solution, therapist: Solution, items: Sequence[str], drawn: np.ndarray, drawing: _Drawing | None
) -> tuple[tuple[str, ...], str]:
    warnings = []
    left_out = sorted((set(client.items) | set(therapist.items)) - set(items))
    if left_out:
        warnings.append(f"Items without a theme or without both raters are left out: {', '.join(left_out)}.")
    if drawing is None:
        return tuple(warnings), Status.OK.value
    failed = int((~np.isfinite(drawn[:, :, 0])).any(axis=(1, 2)).sum())
    if failed:
        warnings.append(f"{failed} of {several(len(drawn), 'replicate')} gave no solution for one of the raters.")
    if not drawing.together:
        warnings.append("The raters were drawn independently: no common clusters were given.")
    smallest = min(one.n_clusters for one in drawing.resamplers)
    if failed * 2 > len(drawn):
        return tuple(warnings), Status.NOT_CONVERGED.value
    if smallest < FEW_CLUSTERS:
        warnings.append(
            f"Only {several(smallest, 'cluster was', 'clusters were')} resampled: "
            "the intervals are likely to be too short."
        )
        return tuple(warnings), Status.TOO_FEW_CLUSTERS.value
    return tuple(warnings), Status.OK.value
