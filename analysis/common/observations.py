"""Rows an analysis may use: numeric columns side by side, complete, with their clusters numbered.

Every function of outcome and agreement starts here, so that a missing value, an infinity or a word in a numeric
column is met once, in the same way, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.common.arguments import real_number
from analysis.common.matrices import LARGEST, as_floats
from analysis.common.status import AnalysisError
from analysis.common.wording import several

CONSTANT_TOLERANCE = 1e-12
Columns = pd.DataFrame | Mapping[str, ArrayLike]
"""Named columns of equal length."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Complete rows. ``values`` is (n, k); ``codes`` (n,) numbers the cluster of each row 0 .. ``n_clusters`` - 1.

    Without clusters every row is its own, and so is a row whose cluster is missing. ``n_dropped`` rows had a missing
    value; ``kept`` (n_given,) says which rows stayed.
    """

    names: tuple[str, ...]
    values: np.ndarray
    codes: np.ndarray
    n_clusters: int
    n_dropped: int
    kept: np.ndarray

    @property
    def n(self) -> int:
        """Number of complete rows."""
        return int(self.values.shape[0])

    @property
    def counts(self) -> dict[str, int]:
        """``n``, ``n_clusters`` and ``n_dropped``, as results carry them."""
        return {"n": self.n, "n_clusters": self.n_clusters, "n_dropped": self.n_dropped}

    def column(self, name: str) -> np.ndarray:
        """(n,) the values of one column."""
        return self.values[:, self.names.index(name)]


def numeric(values: ArrayLike, name: str) -> np.ndarray:
    """(n,) floats with NaN where missing; raises :class:`AnalysisError` for words, infinities and wrong shapes."""
    if np.ndim(values) > 1 and 1 not in np.shape(values):
        raise AnalysisError(f"Column '{name}' has shape {np.shape(values)}; one column of values is expected.")
    plain = values.to_numpy() if isinstance(values, pd.Series) else np.asarray(values)
    if plain.dtype.kind in "fiu" and not isinstance(values, np.ma.MaskedArray):
        result = plain.ravel().astype(float)
    else:
        result = as_floats(
            values, f"Column '{name}' holds values that are not numbers; give numbers or missing."
        ).ravel()
    if np.isinf(result).any():
        raise AnalysisError(
            f"Column '{name}' holds {several(int(np.isinf(result).sum()), 'infinite value')}; remove infinities first."
        )
    if (np.abs(result) > LARGEST).any():
        raise AnalysisError(f"Column '{name}' holds values beyond {LARGEST:g}; give them in a larger unit.")
    return result


def labels(values: ArrayLike, name: str = "cluster", *, in_order: bool = True) -> tuple[np.ndarray, int]:
    """Codes (n,) of labels, numbered 0, 1, ... in sorted order, -1 where missing, and how many labels there are.

    Sorted, so that the numbering (and with it a seeded bootstrap) does not depend on the order of the rows; where
    nothing is drawn, ``in_order=False`` numbers them as they come, which many distinct labels make quicker. Raises
    :class:`AnalysisError` for anything but one label per row.

    >>> codes, n_labels = labels(["south", "north", None, "south"])
    >>> codes.tolist(), n_labels
    ([1, 0, -1, 1], 2)
    """
    if np.ndim(values) == 0:
        raise AnalysisError(f"'{name}' must be one label per row.")
    plain = values.to_numpy() if isinstance(values, pd.Series) else np.asarray(values)
    # Whole numbers sort as such; everything else as objects, so that words are never cut to one width.
    plain = plain.ravel() if plain.dtype.kind in "iu" else np.asarray(values, dtype=object).ravel()
    if plain.dtype.kind in "iu" and len(plain) == np.shape(values)[0] and _close_together(plain):
        codes, found = renumber(plain)
        return codes, len(found)
    try:
        codes, found = pd.factorize(plain, sort=in_order)
    except TypeError:
        as_words = np.array([None if pd.isna(value) else str(value) for value in plain], dtype=object)
        codes, found = pd.factorize(as_words, sort=in_order)
    if len(codes) != np.shape(values)[0]:
        raise AnalysisError(f"'{name}' must be one label per row.")
    return np.asarray(codes), len(found)


def _close_together(numbers: np.ndarray) -> bool:
    """Whether whole numbers from 0 on are few enough to be counted one by one."""
    return len(numbers) > 0 and numbers.min() >= 0 and numbers.max() < 4 * len(numbers)


def complete(columns: Mapping[str, ArrayLike], cluster: ArrayLike | None = None) -> Observations:
    """The rows in which every column has a value.

    Raises :class:`AnalysisError` when columns differ in length or hold anything but finite numbers and missing values.
    """
    arrays = {name: numeric(values, name) for name, values in columns.items()}
    lengths = {len(array) for array in arrays.values()}
    if cluster is not None:
        lengths.add(int(np.shape(cluster)[0]))
    if len(lengths) != 1:
        raise AnalysisError(
            f"Columns differ in length ({', '.join(map(str, sorted(lengths)))} rows); give one row per case."
        )
    kept = np.ones(lengths.pop(), dtype=bool)
    for array in arrays.values():
        kept &= ~np.isnan(array)
    if cluster is None:
        codes = np.arange(int(kept.sum()))
        n_clusters = len(codes)
    else:
        codes, n_clusters = numbered(cluster, "cluster", kept)
    # Column by column in memory, as every use goes along columns.
    values = np.empty((int(kept.sum()), len(arrays)), order="F")
    for at, array in enumerate(arrays.values()):
        values[:, at] = array[kept]
    return Observations(tuple(arrays), values, codes, n_clusters, int(len(kept) - kept.sum()), kept)


def numbered(values: ArrayLike, name: str, kept: np.ndarray, *, in_order: bool = True) -> tuple[np.ndarray, int]:
    """Codes (n_kept,) of those rows that the mask ``kept`` (n,) keeps, and how many there are; a row without a label is
    alone. Raises :class:`AnalysisError` as :func:`labels`, and for another number of labels than rows."""
    codes, n_labels = labels(values, name, in_order=in_order)
    if len(codes) != len(kept):
        raise AnalysisError(
            f"{several(len(codes), 'label')} of '{name}' for {several(len(kept), 'row')}; one per row is needed."
        )
    alone = codes < 0
    if alone.any():
        codes = np.where(alone, n_labels + np.cumsum(alone), codes)
    found, present = renumber(codes[kept])
    return found, len(present)


def renumber(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers from 0 (n,) as 0 .. number of those that occur - 1, and which ones occur, in order.

    What ``numpy.unique(codes, return_inverse=True)`` gives, without sorting the rows.
    """
    occurs = np.bincount(codes) > 0 if len(codes) else np.zeros(0, dtype=bool)
    return (np.cumsum(occurs) - 1)[codes], np.flatnonzero(occurs)


def groups_within(inner: np.ndarray, outer: np.ndarray, n_inner: int) -> tuple[np.ndarray, int]:
    """The outer group of each inner one, (n_inner,), from the codes (n,) of both in every row, and how many pairs of
    inner and outer there are beyond one per inner group (0 when groups are nested)."""
    of_inner = np.zeros(n_inner, dtype=int)
    of_inner[inner] = outer
    if (of_inner[inner] == outer).all():
        return of_inner, 0
    pairs = np.unique(inner.astype(np.int64) * (int(outer.max()) + 1) + outer)
    return of_inner, len(pairs) - n_inner


def named_columns(columns: Columns | None) -> dict[str, ArrayLike]:
    """The columns by name, in order; none for None."""
    if columns is None:
        return {}
    return {str(name): values for name, values in columns.items()}


def is_constant(values: np.ndarray) -> bool:
    """True when the values (n,) do not vary beyond rounding (or there are none)."""
    if values.size == 0:
        return True
    spread = float(np.max(values) - np.min(values))
    return spread <= CONSTANT_TOLERANCE * max(1.0, float(np.max(np.abs(values))))


def check_level(level: float) -> float:
    """The confidence level, between 0 and 1; raises :class:`AnalysisError` otherwise."""
    return real_number(level, "A confidence level", 0.0, 1.0, beyond=True, below=True)


def cluster_sums(values: np.ndarray, codes: np.ndarray, n_clusters: int) -> np.ndarray:
    """(n_clusters, k) sums of the columns of ``values`` (n, k) within clusters."""
    columns = [np.bincount(codes, weights=column, minlength=n_clusters) for column in values.T]
    return np.column_stack(columns) if columns else np.empty((n_clusters, 0))
