"""Targets of rotations made from declared scales: what the loadings would be if every item marked its own scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.arguments import scale_names
from analysis.common.matrices import as_floats
from analysis.common.status import AnalysisError, Status


def target_scales(items: Sequence[str], scales: Mapping[str, str]) -> tuple[str, ...]:
    """The scales of ``items`` in the order in which their items come; items without a scale count in none."""
    known = scale_names(scales)
    return tuple(dict.fromkeys(known[item] for item in items if item in known))


def scale_target(items: Sequence[str], scales: Mapping[str, str], *, free: bool) -> np.ndarray:
    """(p, s) target of the items of s scales, columns in the order of :func:`target_scales`.

    With ``free`` the target says only where loadings should be zero, which is on every scale but the item's own (Browne
    2001: a partially specified target, NaN where it is free; the row of an item without a scale is free). Without, an
    item is to load 1 on its scale and 0 elsewhere, and one without a scale nowhere.

    Raises :class:`AnalysisError` when fewer than two scales have items.

    >>> scale_target(["a", "b", "c"], {"a": "bond", "b": "task"}, free=True)
    array([[nan,  0.],
           [ 0., nan],
           [nan, nan]])
    """
    scales = scale_names(scales)
    names = target_scales(items, scales)
    if len(names) < 2:
        raise AnalysisError(
            f"A rotation to the declared scales needs items of two scales or more; these are of {len(names)}.",
            Status.NOT_APPLICABLE,
        )
    own = np.array([[scales.get(item) == name for name in names] for item in items])
    if not free:
        return own.astype(float)
    alone = np.array([item not in scales for item in items])
    return np.where(own | alone[:, None], np.nan, 0.0)


def target_of(target: Any, items: Sequence[str]) -> np.ndarray | None:
    """A target as given, (p, m), as floats; the rows of a frame that names ``items`` are brought into their order.

    Raises :class:`AnalysisError` for values that are no numbers, and a frame of other items.

    >>> target_of(pd.DataFrame({"one": [0, 1]}, index=["b", "a"]), ["a", "b"]).tolist()
    [[1.0], [0.0]]
    """
    if target is None:
        return None
    if isinstance(target, pd.DataFrame) and not isinstance(target.index, pd.RangeIndex):
        named = target.set_axis([str(row) for row in target.index], axis=0)
        if sorted(named.index) != sorted(items):
            raise AnalysisError("The target has rows of other items than the correlation matrix.", Status.UNKNOWN_NAME)
        target = named.loc[list(items)]
    return as_floats(target, "The target holds values that are not numbers.")
