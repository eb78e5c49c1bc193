"""Targets of rotations made from declared scales: what the loadings would be if every item marked its own scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.common.status import AnalysisError, Status


def target_scales(items: Sequence[str], scales: Mapping[str, str]) -> tuple[str, ...]:
    """The scales of ``items`` in the order in which their items come; items without a scale count in none."""
    return tuple(dict.fromkeys(scales[item] for item in items if item in scales))


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
