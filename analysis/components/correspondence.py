"""How far found components agree with declared scales: the paper's "poor correspondence" made a number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from analysis.common.arguments import real_number, scale_names, whole_number
from analysis.common.bias_correction import bias_corrected_interval
from analysis.common.intervals import percentile_interval
from analysis.common.status import AnalysisError, Status
from analysis.components.alignment import orthogonal_basis, orthogonal_procrustes, tucker_congruence
from analysis.components.salience import salience
from analysis.components.solution import Solution
from analysis.components.stability import Stability


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Agreement of a solution with the scales of its items.

    cross_table: scales (rows) by components 1..k and ``none`` (columns), counts of items; ``none`` are items without a
    salient loading. strongest_table (s, k): the same by strongest loading, salient or not.

    adjusted_rand: Hubert & Arabie (1985) between scale and strongest component, 1 for identical partitions, about 0 by
    chance; adjusted_rand_salient: the same among items with a salient loading. majority_share: items on the component
    that holds most of their own scale (two scales may share it: ``majority_components`` distinct ones are used);
    one_to_one_share: the best share when every scale has a component of its own. congruence (s,): Tucker's phi of
    each scale's keyed target with the solution rotated to the targets; mean_congruence over scales.
    """

    scales: tuple[str, ...]
    items: tuple[str, ...]
    cross_table: pd.DataFrame
    strongest_table: np.ndarray
    adjusted_rand: float
    adjusted_rand_salient: float
    majority_share: float
    majority_components: int
    one_to_one_share: float
    congruence: np.ndarray
    n_salient: int
    status: str
    warnings: tuple[str, ...]

    @property
    def mean_congruence(self) -> float:
        """Mean over scales of the congruence with their keyed target."""
        return float(np.mean(self.congruence))

    def to_frame(self) -> pd.DataFrame:
        """One row per measure: measure, estimate, n_items, n_scales, n_components."""
        values = {
            "adjusted_rand": self.adjusted_rand,
            "adjusted_rand_salient": self.adjusted_rand_salient,
            "majority_share": self.majority_share,
            "majority_components": float(self.majority_components),
            "one_to_one_share": self.one_to_one_share,
            "mean_target_congruence": self.mean_congruence,
        }
        return pd.DataFrame(
            {
                "measure": list(values),
                "estimate": list(values.values()),
                "n_items": [self.n_salient if name.endswith("salient") else len(self.items) for name in values],
                "n_scales": len(self.scales),
                "n_components": self.strongest_table.shape[1],
            }
        )

    def cross_table_frame(self) -> pd.DataFrame:
        """One row per scale and component: scale, component (a number as text, or ``none``), n_items."""
        counts = self.cross_table.to_numpy()
        return pd.DataFrame(
            {
                "scale": np.repeat(np.array(self.scales, dtype=object), counts.shape[1]),
                "component": np.tile(np.array(self.cross_table.columns, dtype=object), len(self.scales)),
                "n_items": counts.ravel(),
            }
        )

    def scales_frame(self) -> pd.DataFrame:
        """One row per scale: scale, n_items, majority_component, n_on_majority, share_on_majority, congruence."""
        majority = self.strongest_table.argmax(axis=1)
        sizes = self.strongest_table.sum(axis=1)
        on_majority = self.strongest_table.max(axis=1)
        return pd.DataFrame(
            {
                "scale": np.array(self.scales, dtype=object),
                "n_items": sizes,
                "majority_component": majority + 1,
                "n_on_majority": on_majority,
                "share_on_majority": on_majority / sizes,
                "congruence": self.congruence,
            }
        )


def correspondence(
    solution: Solution, scales: Mapping[str, str], *, threshold: float = 0.40, keys: Mapping[str, int] | None = None
) -> Correspondence:
    """Compare ``solution`` with the declared ``scales`` (scale of each item) of its items.

    Items without a scale (instruments with a total only) are left out of everything and named. ``keys`` gives -1 for
    items whose answers are not keyed yet; keyed values, the rule here, need none.

    The target has 1 (times the key) where an item belongs to a scale. The loadings, on uncorrelated axes so that the
    first rotation does not matter, are brought to it by Procrustes rotation; with fewer components than scales not
    every scale can be reached, and its congruence shows it.

    One scale only: the Rand index and the shares say nothing, status ``not_applicable``, they are NaN; the cross-table
    and the congruence stand. Raises :class:`AnalysisError` when fewer than two items have a scale, for a key that is
    neither 1 nor -1, and a threshold outside (0, 1].

    >>> from analysis.components.components import find_components
    >>> pattern = np.kron(np.eye(2), np.array([[0.8], [0.7], [0.6]]))
    >>> matrix = pattern @ np.array([[1, 0.3], [0.3, 1]]) @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> found = find_components(matrix, 300, list("abcdef"), n_components=2)
    >>> scales = dict(zip("abcdef", ["bond"] * 3 + ["task"] * 3))
    >>> compared = correspondence(found, scales)
    >>> compared.adjusted_rand, compared.one_to_one_share, compared.cross_table.values.tolist()
    (1.0, 1.0, [[3, 0, 0], [0, 3, 0]])
    """
    scales = scale_names(scales)
    has_scale = np.array([item in scales for item in solution.items], dtype=bool)
    items = tuple(item for item, keep in zip(solution.items, has_scale, strict=True) if keep)
    if len(items) < 2:
        raise AnalysisError(
            f"Items of the solution that belong to a scale, other than their instrument's total: {len(items)}; two are "
            "needed.",
            Status.TOO_FEW_ITEMS,
        )
    names = tuple(dict.fromkeys(scales[item] for item in items))
    scale_of = np.array([names.index(scales[item]) for item in items])
    judged = salience(solution, threshold)
    strongest, belongs = judged.strongest[has_scale], judged.belongs[has_scale]
    table = _counts(scale_of, strongest, len(names), solution.n_components)
    target = np.zeros((len(items), len(names)))
    target[np.arange(len(items)), scale_of] = _keys_of(items, keys)
    status, warnings = _warnings(solution, items, names)
    several = len(names) > 1
    nan = float("nan")
    return Correspondence(
        names,
        items,
        _cross_table(names, scale_of, belongs, solution.n_components),
        table,
        float(adjusted_rand_score(scale_of, strongest)) if several else nan,
        _rand_of_salient(scale_of, belongs) if several else nan,
        float(table.max(axis=1).sum() / len(items)) if several else nan,
        len(np.unique(table.argmax(axis=1))),
        _one_to_one(table) / len(items) if several else nan,
        _target_congruence(solution, has_scale, target),
        int((belongs >= 0).sum()),
        status,
        warnings,
    )


def _keys_of(items: tuple[str, ...], keys: Mapping[str, int] | None) -> list[int]:
    if keys is not None and not isinstance(keys, Mapping):
        raise AnalysisError("Keys are given as the key of each item (a mapping).")
    found = [1 if keys is None else keys.get(item, 1) for item in items]
    if any(isinstance(key, bool) or key not in (1, -1) for key in found):
        raise AnalysisError("The key of an item is 1 or -1.")
    return found


def _counts(scale_of: np.ndarray, component_of: np.ndarray, n_scales: int, n_components: int) -> np.ndarray:
    table = np.zeros((n_scales, n_components), dtype=int)
    np.add.at(table, (scale_of, component_of), 1)
    return table


def _cross_table(names: tuple[str, ...], scale_of: np.ndarray, belongs: np.ndarray, k: int) -> pd.DataFrame:
    columns = [*(str(number) for number in range(1, k + 1)), "none"]
    counts = _counts(scale_of, np.where(belongs < 0, k, belongs), len(names), k + 1)
    return pd.DataFrame(counts, index=list(names), columns=columns)


def _rand_of_salient(scale_of: np.ndarray, belongs: np.ndarray) -> float:
    marked = belongs >= 0
    if marked.sum() < 2:
        return float("nan")
    return float(adjusted_rand_score(scale_of[marked], belongs[marked]))


def _one_to_one(table: np.ndarray) -> float:
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum())


def _target_congruence(solution: Solution, rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    loadings = orthogonal_basis(solution.pattern[rows], solution.phi)
    rotated = loadings @ orthogonal_procrustes(loadings, target)
    return np.diagonal(tucker_congruence(rotated, target)).copy()


def _warnings(solution: Solution, items: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    warnings = []
    left_out = [item for item in solution.items if item not in set(items)]
    if left_out:
        warnings.append(f"Items without a scale are left out: {', '.join(left_out)}.")
    if solution.n_components != len(names):
        warnings.append(f"Components compared: {solution.n_components}, with scales: {len(names)}.")
    if len(names) > 1:
        return Status.OK.value, tuple(warnings)
    warnings.append(f"All items belong to one scale ({names[0]}): there is no partition to compare.")
    return Status.NOT_APPLICABLE.value, tuple(warnings)


def correspondence_intervals(
    stability: Stability, scales: Mapping[str, str], *, threshold: float = 0.40, keys: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """The frame of :func:`correspondence` with se, lower, upper and level from the bootstrap of the same solution.

    Percentile intervals, but for the mean congruence: resampling lowers congruences, so that one is corrected for bias
    (:mod:`analysis.common.bias_correction`).
    """
    full = correspondence(stability.solution, scales, threshold=threshold, keys=keys)
    frame = full.to_frame()
    drawn = np.array(
        [
            correspondence(
                replace(stability.solution, pattern=pattern, phi=phi), scales, threshold=threshold, keys=keys
            )
            .to_frame()["estimate"]
            .to_numpy()
            for pattern, phi in zip(stability.patterns, stability.phis, strict=True)
        ]
    )
    frame["lower"], frame["upper"], frame["se"] = percentile_interval(drawn, stability.level)
    at = frame.index[frame["measure"] == "mean_target_congruence"][0]
    corrected = bias_corrected_interval(frame.loc[at, "estimate"], drawn[:, at], stability.level, limits=(-1.0, 1.0))
    frame.loc[at, ["lower", "upper"]] = [float(corrected.lower), float(corrected.upper)]
    frame["level"] = stability.level
    return frame


@dataclass(frozen=True, eq=False)
class WordingCheck:
    """Whether components gather reverse-keyed items.

    Per component (k,): n_items salient there (each on its strongest component), n_reversed of them, and p_value, the
    chance of at least as many by the hypergeometric distribution if wording did not matter. ``gathers``: more than half
    reversed, at least ``min_reversed`` of them, and p below ``alpha``.
    """

    n_items: np.ndarray
    n_reversed: np.ndarray
    p_value: np.ndarray
    gathers: np.ndarray
    share_overall: float
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per component: component, n_items, n_reversed, share_reversed, share_overall (of all salient items),
        p_value, gathers_reversed."""
        with np.errstate(invalid="ignore"):
            share = self.n_reversed / np.where(self.n_items > 0, self.n_items, np.nan)
        return pd.DataFrame(
            {
                "component": np.arange(1, len(self.n_items) + 1),
                "n_items": self.n_items,
                "n_reversed": self.n_reversed,
                "share_reversed": share,
                "share_overall": self.share_overall,
                "p_value": self.p_value,
                "gathers_reversed": self.gathers,
            }
        )


def wording_check(
    solution: Solution,
    reversed_items: Collection[str],
    *,
    threshold: float = 0.40,
    min_reversed: int = 2,
    alpha: float = 0.05,
) -> WordingCheck:
    """Look for a component that is the wording of its items rather than their content.

    Without reverse-keyed items among the salient ones there is nothing to check: status ``not_applicable``, p is NaN.
    Raises :class:`AnalysisError` for a threshold outside (0, 1], and reversed items that are no collection of names.

    >>> from analysis.components.components import find_components
    >>> pattern = np.repeat(np.eye(2), 3, axis=0) * 0.7
    >>> matrix = pattern @ pattern.T
    >>> np.fill_diagonal(matrix, 1)
    >>> solution = find_components(matrix, 300, list("abcdef"), n_components=2)
    >>> found = wording_check(solution, ["d", "e", "f"])
    >>> sorted(found.n_reversed.tolist()), sorted(found.p_value.round(6).tolist())
    ([0, 3], [0.05, 1.0])
    """
    if isinstance(reversed_items, str) or not isinstance(reversed_items, Collection):
        raise AnalysisError("Reverse-keyed items are given as a collection of their names.")
    min_reversed = whole_number(min_reversed, "The least number of reverse-keyed items", 0)
    alpha = real_number(alpha, "Alpha", 0, 1)
    belongs = salience(solution, threshold).belongs
    turned = np.array([item in set(reversed_items) for item in solution.items])
    marked = belongs >= 0
    k = solution.n_components
    n_items = np.bincount(belongs[marked], minlength=k)
    n_reversed = np.bincount(belongs[marked & turned], minlength=k)
    population, successes = int(marked.sum()), int((marked & turned).sum())
    if not successes:
        return WordingCheck(
            n_items,
            n_reversed,
            np.full(k, np.nan),
            np.zeros(k, dtype=bool),
            0.0 if population else float("nan"),
            Status.NOT_APPLICABLE.value,
            ("No reverse-keyed item has a salient loading: wording cannot be checked.",),
        )
    p_value = np.where(n_items > 0, stats.hypergeom.sf(n_reversed - 1, population, successes, n_items), np.nan)
    gathers = (n_reversed * 2 > n_items) & (n_reversed >= min_reversed) & (p_value < alpha)
    warnings = tuple(
        f"Component {component + 1} gathers reverse-keyed items ({n_reversed[component]} of {n_items[component]}): "
        "it may be their wording."
        for component in np.flatnonzero(gathers)
    )
    return WordingCheck(n_items, n_reversed, p_value, gathers, successes / population, Status.OK.value, warnings)
