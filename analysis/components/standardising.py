"""What answers are standardised by before they are scored: means and standard deviations of the items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.matrices import as_floats
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several


def standard(
    values: np.ndarray, items: Sequence[str], mean: Any | None = None, deviation: Any | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What answers are standardised by, (p,) each: ``mean`` and ``deviation``, or those of ``values`` (n, p), n - 1.

    Raises :class:`AnalysisError` for an item without variance, and for another number of values than items.
    """
    mean, deviation = (None if one is None else _per_item(one, items) for one in (mean, deviation))
    answered = (~np.isnan(values)).sum(axis=0)
    centre = np.nansum(values, axis=0) / np.maximum(answered, 1) if mean is None else mean
    if deviation is None:
        squares = np.nansum((values - centre) ** 2, axis=0)
        spread = np.sqrt(squares / np.maximum(answered - 1, 1))
    else:
        spread = deviation
    flat = [item for item, size in zip(items, spread, strict=True) if not size > 1e-12]
    if flat:
        raise AnalysisError(
            f"Items without variance cannot be standardised: {', '.join(flat)}. Give mean and deviation, or leave "
            "them out of the solution.",
            Status.CONSTANT,
        )
    return centre, spread


def _per_item(given: Any, items: Sequence[str]) -> np.ndarray:
    """(p,) one finite number per item, of a series that names the items in their order."""
    told = f"Mean and deviation are one finite number for each of {several(len(items), 'item')}."
    if isinstance(given, pd.Series) and not isinstance(given.index, pd.RangeIndex):
        named = given.set_axis([str(item) for item in given.index])
        if not named.index.is_unique or not set(items) <= set(named.index):
            raise AnalysisError(told)
        given = named.loc[list(items)]
    values = as_floats(given, told)
    if values.shape != (len(items),) or not np.isfinite(values).all():
        raise AnalysisError(told)
    return values
