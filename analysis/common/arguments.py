"""What a caller gives by hand: numbers, seeds, words, names; checked in one way, each refused in a sentence.

A function called from a notebook meets ``n_components="six"``, ``level=95`` and ``seed=None``. Unchecked, some end in
an error of a library and others in a number that means something else.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

MOST_ROWS = 1e15


def real_number(
    value: Any,
    what: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    beyond: bool = False,
    below: bool = False,
) -> float:
    """``value`` as a finite float from ``low`` to ``high``; ``beyond`` and ``below`` leave out the limits themselves.

    Raises :class:`AnalysisError` for anything else, truth values and words among it; ``what`` begins the sentence.

    >>> real_number(2, "The power", 1), real_number(np.float32(0.5), "A share", 0, 1)
    (2.0, 0.5)
    """
    number = _as_float(value)
    too_low = number <= low if beyond else number < low
    too_high = number >= high if below else number > high
    if not math.isfinite(number) or too_low or too_high:
        raise AnalysisError(f"{what} is a number{_between(low, high, beyond, below)}, not {reprlib.repr(value)}.")
    return number


def whole_number(
    value: Any, what: str, least: int | None, most: int | None = None, *, status: Status = Status.INVALID_INPUT
) -> int:
    """``value`` as a whole number from ``least`` (None: any) to ``most``; 2.0 is one, True and "2" are none.

    Raises :class:`AnalysisError` with ``status`` for anything else; ``what`` begins the sentence.

    >>> whole_number(2.0, "The number of components", 1)
    2
    """
    exact = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else _as_float(value)
    is_whole = isinstance(exact, int) or exact.is_integer()
    if not is_whole or (least is not None and exact < least) or (most is not None and exact > most):
        span = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {most}"
        raise AnalysisError(f"{what} is a whole number{span}, not {reprlib.repr(value)}.", status)
    return int(exact)


def seed_number(seed: Any) -> int:
    """A seed, a whole number from 0 on. None is refused: its numbers could never be made again."""
    return whole_number(seed, "A seed", 0)


def number_of_rows(n: Any, what: str, least: int = 3) -> float:
    """How many rows a matrix is of, NaN where that is not known (None); an effective number may be a fraction.

    Raises :class:`AnalysisError`: ``too_few_rows`` below ``least``, ``invalid_input`` for what is no number.
    """
    number = math.nan if n is None or n is pd.NA else _as_float(n)
    if math.isnan(number) and not (n is None or n is pd.NA or isinstance(n, float | np.floating)):
        raise AnalysisError(f"The number of rows is a number, not {reprlib.repr(n)}.")
    if MOST_ROWS < number < math.inf:
        raise AnalysisError(f"n is {number:g}; there are not so many rows.")
    if math.isinf(number) or number < least:
        raise AnalysisError(f"n is {number:g}; {what} at least {least} rows.", Status.TOO_FEW_ROWS)
    return number


def one_of(value: Any, known: Iterable[str], what: str) -> str:
    """``value`` when it is one of the ``known`` words; raises :class:`AnalysisError` that names them all.

    >>> one_of("complete", ("pairwise", "complete"), "missing-data rule")
    'complete'
    """
    words = tuple(known)
    if not isinstance(value, str) or value not in words:
        raise AnalysisError(f"Unknown {what} {reprlib.repr(value)}; known are {', '.join(words)}.", Status.UNKNOWN_NAME)
    return value


def value_range(limits: Any, what: str) -> tuple[float, float]:
    """The lowest and the highest value; raises :class:`AnalysisError` for what is not two numbers in this order."""
    pair = tuple(limits) if isinstance(limits, Sequence | np.ndarray) and not isinstance(limits, str) else ()
    low, high = (_as_float(one) for one in pair) if len(pair) == 2 else (math.nan, math.nan)
    if not low <= high:
        raise AnalysisError(f"{what} is its lowest and its highest value, not {reprlib.repr(limits)}.")
    return low, high


def item_names(items: Any, size: int, unit: str = "column") -> tuple[str, ...]:
    """The ``size`` names of items, as words, each once; ``item_1``, ``item_2``, ... where there are none.

    Raises :class:`AnalysisError` for another number of names, equal names, and a set, which has no order.

    >>> item_names(None, 2), item_names([1, 2], 2)
    (('item_1', 'item_2'), ('1', '2'))
    """
    if items is None:
        return tuple(f"item_{number + 1}" for number in range(size))
    if isinstance(items, set | frozenset | Mapping) or not isinstance(items, Iterable):
        raise AnalysisError(f"Item names are given in the order of the items, not as {type(items).__name__}.")
    names = tuple(str(item) for item in items)
    if len(names) != size or len(set(names)) != size:
        raise AnalysisError(
            f"{several(size, unit)}, different item names: {len(set(names))}; one per {unit} is needed."
        )
    return names


def names_asked(items: Any, unit: str) -> tuple[str, ...]:
    """The names of items that are chosen from more: as many as are given, in their order, each once.

    Raises :class:`AnalysisError` as :func:`item_names`, and for what has no length, such as an iterator.
    """
    return item_names(items, len(items) if isinstance(items, Sequence | pd.Index | np.ndarray) else -1, unit)


def scale_names(scales: Any) -> dict[str, str]:
    """The scale of each item that has one, both as words. None, NaN, NA and an empty word are no scale.

    Raises :class:`AnalysisError` for what is no mapping.

    A frame's column of scales holds NaN where there is none, which must not become a scale named nan.

    >>> scale_names({"a": "bond", "b": None, "c": float("nan")})
    {'a': 'bond'}
    """
    if not isinstance(scales, Mapping | pd.Series):
        raise AnalysisError(f"Scales are given as the scale of each item (a mapping), not as {type(scales).__name__}.")
    return {str(item): str(scale) for item, scale in scales.items() if not pd.isna(scale) and str(scale)}


def _as_float(value: Any) -> float:
    """A number of any kind as a float; NaN for what is none."""
    if isinstance(value, bool | np.bool_ | str | bytes | complex | np.complexfloating) or np.ndim(value):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _between(low: float, high: float, beyond: bool, below: bool) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f" between {low:g} and {high:g}" if beyond and below else f" from {low:g} to {high:g}"
    if math.isfinite(low):
        return f" above {low:g}" if beyond else f" of at least {low:g}"
    return ""
