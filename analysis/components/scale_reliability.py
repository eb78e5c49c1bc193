"""The reliability of many sum scores at once: declared scales, and the salient items of found components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.answers import item_values
from analysis.common.arguments import one_of, seed_number, whole_number
from analysis.common.observations import check_level
from analysis.common.resampling import MISSING_RULES, MapFunction, MissingRule, cluster_codes
from analysis.common.status import AnalysisError, Attempt, Status, attempt, most_serious
from analysis.components.components import find_components
from analysis.components.omega import omega, omega_stack
from analysis.components.reliability import Alpha, alpha, bootstrap_reliability, item_statistics
from analysis.components.salience import unit_members
from analysis.components.solution import Solution
from analysis.correlations.cross_products import CrossProducts

GROUP_FACTORS = 3
LEAST_ITEMS_HIERARCHICAL = 6
"""Three group factors of fewer than six items are underidentified ((p - m)^2 < p + m)."""


@dataclass(frozen=True, eq=False)
class ScaleReliability:
    """Reliability of named sets of items.

    measures: one row per set and measure; items: one row per set and item; both with status and reason, so that a set
    that cannot be judged is a row and not a gap.
    """

    measures: pd.DataFrame
    items: pd.DataFrame
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per set and measure: name, measure (``alpha_raw``, ``alpha_standardised``, ``average_correlation``,
        ``omega_model``, ``omega_total``, ``omega_hierarchical``), estimate, se, lower, upper, method of the interval
        (``feldt``, ``bootstrap`` or empty), level, n, n_items, n_clusters, status, reason."""
        return self.measures

    def items_frame(self) -> pd.DataFrame:
        """One row per set and item: name, item, key (-1 where reflected), n, mean, sd, item_rest, alpha_if_deleted,
        alpha_standardised_if_deleted, alpha_change."""
        return self.items


def component_sets(solution: Solution, threshold: float = 0.40) -> dict[str, dict[str, int]]:
    """Salient items of each component (named ``1``, ``2``, ...), each on its strongest component only, with the sign of
    its loading as key. A component without salient items has an empty set."""
    members = unit_members(solution.pattern, threshold)
    return {
        str(column + 1): {
            solution.items[row]: -1 if solution.pattern[row, column] < 0 else 1
            for row in np.flatnonzero(members[:, column])
        }
        for column in range(solution.n_components)
    }


def scale_reliability(
    data: pd.DataFrame,
    sets: Mapping[str, Mapping[str, int]],
    *,
    clusters: Sequence[Any] | np.ndarray | None = None,
    missing: MissingRule = "pairwise",
    level: float = 0.95,
    replicates: int = 0,
    seed: int = 0,
    run: MapFunction = map,
) -> ScaleReliability:
    """Alpha and omega of each of ``sets`` (item: key 1 or -1, a key of -1 turns the item round).

    Alpha has Feldt's interval (rows taken as independent); with ``replicates`` alpha and omega have percentile
    intervals from a bootstrap of whole ``clusters`` instead. Omega is that of one minres factor; hierarchical omega is
    by Schmid-Leiman with three oblimin group factors (psych's default), for six items or more.

    ``run`` is a ``map`` that may spread the bootstrap over workers.
    Nothing is raised for a set that cannot be judged: its rows have status and reason. Raises :class:`AnalysisError`
    for what concerns every set: a rule, level, seed or number of replicates that is none, clusters that are not one
    label per row.

    >>> answers = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 1, 4, 3, 5], "c": [5, 4, 3, 2, 2]})
    >>> found = scale_reliability(answers, {"bond": {"a": 1, "b": 1, "c": -1}}).to_frame().set_index("measure")
    >>> round(float(found.loc["alpha_raw", "estimate"]), 3), found.loc["omega_hierarchical", "status"]
    (0.932, 'too_few_items')
    """
    one_of(missing, MISSING_RULES, "missing-data rule")
    level, seed = check_level(level), seed_number(seed)
    replicates = whole_number(replicates, "The number of replicates of a bootstrap", 0)
    cluster_codes(clusters, np.shape(data)[0] if np.ndim(data) else 0)
    measures, items = [], []
    statuses: list[str] = []
    warnings: list[str] = []
    children = np.random.SeedSequence(seed).spawn(len(sets))
    for (name, keys), child in zip(sets.items(), children, strict=True):
        own_seed = int(child.generate_state(1)[0])
        rows, described, reasons = _one_set(data, keys, clusters, missing, level, replicates, own_seed, run)
        measures.append(rows.assign(name=name))
        items.append(described.assign(name=name))
        statuses.extend(rows["status"])
        warnings.extend(f"{name}: {reason}" for reason in reasons)
    return _gathered(measures, items, statuses, warnings)


def _gathered(
    measures: list[pd.DataFrame], items: list[pd.DataFrame], statuses: list[str], warnings: list[str]
) -> ScaleReliability:
    table = pd.concat(measures, ignore_index=True) if measures else pd.DataFrame(columns=["name", *_COLUMNS])
    listed = pd.concat(items, ignore_index=True) if items else pd.DataFrame(columns=["name", *_ITEM_COLUMNS])
    status = Status.NO_DATA if not len(table) else most_serious(statuses)
    # A set that cannot be judged must not decide what kind of column the others are in.
    table, listed = table[["name", *_COLUMNS]].astype(_KINDS), listed[["name", *_ITEM_COLUMNS]].astype(_ITEM_KINDS)
    return ScaleReliability(table, listed, status.value, tuple(warnings))


_COLUMNS = (
    ["measure", "estimate", "se", "lower", "upper", "method", "level", "n", "n_items", "n_clusters", "status", "reason"]
)  # fmt: skip
_ITEM_COLUMNS = [
    "item", "key", "n", "mean", "sd", "item_rest", "alpha_if_deleted", "alpha_standardised_if_deleted", "alpha_change",
]  # fmt: skip
_KINDS: dict[str, Any] = (
    dict.fromkeys(("name", "measure", "method", "status", "reason"), str)
    | dict.fromkeys(("estimate", "se", "lower", "upper", "level", "n"), float)
    | {"n_items": int, "n_clusters": "Int64"}
)
_ITEM_KINDS: dict[str, Any] = dict.fromkeys(_ITEM_COLUMNS, float) | {"name": str, "item": str, "key": int, "n": int}
_ORDER = (
    "alpha_raw", "alpha_standardised", "average_correlation", "omega_model", "omega_total", "omega_hierarchical"
)  # fmt: skip


def _one_set(
    data: pd.DataFrame,
    keys: Mapping[str, int],
    clusters: Sequence[Any] | np.ndarray | None,
    missing: MissingRule,
    level: float,
    replicates: int,
    seed: int,
    run: MapFunction,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    names = list(keys)
    oriented = attempt(_oriented, data, keys)
    if oriented.value is None:
        return _failed(oriented, len(names))
    frame = oriented.value
    simple = attempt(item_statistics, frame, names, missing=missing, level=level)
    if simple.value is None:
        return _failed(simple, len(names))
    found, described = simple.value
    kept = list(found.items)
    table = _coefficients(found, _plain_correlation(frame[kept], missing))
    table["n_clusters"] = cluster_codes(clusters, len(frame))[1]
    if replicates:
        table = _with_bootstrap(table, frame[kept], clusters, missing, level, replicates, seed, run)
    described["key"] = [keys[item] for item in described["item"]]
    reasons = [reason for reason in dict.fromkeys(table["reason"]) if reason]
    return table, described, reasons


def _oriented(data: pd.DataFrame, keys: Mapping[str, int]) -> pd.DataFrame:
    _check_keys(keys)
    values = item_values(data, list(keys)) * np.array(list(keys.values()), dtype=float)
    return pd.DataFrame(values, columns=list(keys), index=data.index)


def _check_keys(keys: Mapping[str, int]) -> None:
    if not keys:
        raise AnalysisError("No item is salient on this component.", Status.TOO_FEW_ITEMS)
    if not isinstance(keys, Mapping) or any(isinstance(key, bool) or key not in (1, -1) for key in keys.values()):
        raise AnalysisError("A set is a mapping of its items to their keys, each 1 or -1.")


def _failed(tried: Attempt[Any], n_items: int) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    table = pd.DataFrame({"measure": list(_ORDER)}).assign(
        estimate=np.nan, se=np.nan, lower=np.nan, upper=np.nan, method="", level=np.nan, n=np.nan, n_items=n_items,
        n_clusters=np.nan, status=tried.status.value, reason=tried.reason,
    )  # fmt: skip
    return table, pd.DataFrame(columns=_ITEM_COLUMNS), [tried.reason]


def _coefficients(found: Alpha, matrix: np.ndarray) -> pd.DataFrame:
    """Rows of alpha and, from the correlations of the items it kept, of omega."""
    table = found.to_frame().assign(method="", status=found.status, reason=" ".join(found.warnings))
    table.loc[table["measure"] == "alpha_raw", "method"] = "feldt"
    return pd.concat([table, _omegas(matrix, found)], ignore_index=True)


def _plain_correlation(frame: pd.DataFrame, missing: MissingRule) -> np.ndarray:
    values = frame.to_numpy()
    if missing == "complete":
        values = values[~np.isnan(values).any(axis=1)]
    return CrossProducts.from_rows(values, list(frame.columns)).pearson()


def reliability_of_sums(
    products: CrossProducts, sets: Mapping[str, Mapping[str, int]], *, level: float = 0.95
) -> ScaleReliability:
    """The same from the cross-products of all rows, where there are too many to hold: alpha with Feldt's interval and
    omega, without a bootstrap. ``n`` is the number of rows with any answer.

    >>> from analysis.correlations.cross_products import CrossProducts
    >>> answers = np.array([[1.0, 2, 5], [2, 1, 4], [3, 4, 3], [4, 3, 2], [5, 5, 2]])
    >>> parts = [CrossProducts.from_rows(part, ("a", "b", "c")) for part in (answers[:3], answers[3:])]
    >>> found = reliability_of_sums(parts[0] + parts[1], {"bond": {"a": 1, "b": 1, "c": -1}}).to_frame()
    >>> found = found.set_index("measure")
    >>> round(float(found.loc["alpha_raw", "estimate"]), 3)
    0.932
    """
    measures, items, statuses, warnings = [], [], list[str](), list[str]()
    for name, keys in sets.items():
        tried = attempt(_one_of_sums, products, keys, level)
        if tried.value is None:
            rows, described, reasons = _failed(tried, len(keys))
        else:
            rows, described = tried.value
            reasons = [reason for reason in dict.fromkeys(rows["reason"]) if reason]
        measures.append(rows.assign(name=name))
        items.append(described.assign(name=name))
        statuses.extend(rows["status"])
        warnings.extend(f"{name}: {reason}" for reason in reasons)
    return _gathered(measures, items, statuses, warnings)


def _one_of_sums(products: CrossProducts, keys: Mapping[str, int], level: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    _check_keys(keys)
    own = products.select(list(keys)).signed(list(keys.values()))
    found = alpha(own.covariance(), own.n_rows, own.items, level=level)
    table = _coefficients(found, own.select(found.items).pearson()).assign(n_clusters=np.nan)
    described = pd.DataFrame(
        {
            "item": list(own.items),
            "key": list(keys.values()),
            "n": np.diag(own.n).astype(int),
            "mean": own.means(),
            "sd": np.sqrt(own.variances()),
        }
    )
    return table, described.merge(found.items_frame(), on="item", how="left")


def _omegas(matrix: np.ndarray, found: Alpha) -> pd.DataFrame:
    """Rows of the three omegas of items that are keyed alike, from their correlations."""
    one = attempt(find_components, matrix, found.n, found.items, n_components=1)
    single = one.value if one.value is not None and len(found.items) >= 3 else None
    if single is None:
        status, reason = one.status, one.reason
        if len(found.items) < 3:
            status, reason = Status.TOO_FEW_ITEMS, "Omega of one factor needs at least three items."
        rows = [("omega_model", np.nan, status.value, reason), ("omega_total", np.nan, status.value, reason)]
    else:
        model, observed = omega_stack(matrix[None], single.pattern[None, :, 0])
        reason = " ".join(single.warnings)
        rows = [
            ("omega_model", float(model[0]), single.status, reason),
            ("omega_total", float(observed[0]), single.status, reason),
        ]
    rows.append(_hierarchical(matrix, found))
    table = pd.DataFrame(rows, columns=["measure", "estimate", "status", "reason"])
    return table.assign(
        se=np.nan, lower=np.nan, upper=np.nan, method="", level=found.level, n=found.n, n_items=len(found.items)
    )


def _hierarchical(matrix: np.ndarray, found: Alpha) -> tuple[str, float, str, str]:
    if len(found.items) < LEAST_ITEMS_HIERARCHICAL:
        reason = f"Hierarchical omega needs {LEAST_ITEMS_HIERARCHICAL} items or more for {GROUP_FACTORS} group factors."
        return "omega_hierarchical", float("nan"), Status.TOO_FEW_ITEMS.value, reason
    solved = attempt(find_components, matrix, found.n, found.items, n_components=GROUP_FACTORS)
    split = attempt(omega, solved.value) if solved.value is not None else None
    if split is None or split.value is None:
        failed = solved if split is None else split
        return "omega_hierarchical", float("nan"), failed.status.value, failed.reason
    status = most_serious([solved.status, split.status]).value
    reason = " ".join(part for part in (solved.reason, split.reason) if part)
    return "omega_hierarchical", split.value.hierarchical, status, reason


def _with_bootstrap(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    clusters: Sequence[Any] | np.ndarray | None,
    missing: MissingRule,
    level: float,
    replicates: int,
    seed: int,
    run: MapFunction,
) -> pd.DataFrame:
    drawn = attempt(
        bootstrap_reliability,
        frame,
        list(frame.columns),
        seed=seed,
        clusters=clusters,
        replicates=replicates,
        level=level,
        missing=missing,
        run=run,
    )
    if drawn.value is None:
        return table.assign(reason=[f"{old} {drawn.reason}".strip() for old in table["reason"]])
    intervals = drawn.value.to_frame().set_index("measure")
    joined = table.set_index("measure")
    for measure in intervals.index[intervals["lower"].notna()]:
        joined.loc[measure, ["se", "lower", "upper"]] = intervals.loc[measure, ["se", "lower", "upper"]]
        joined.loc[measure, "method"] = "bootstrap"
    return joined.reset_index()
