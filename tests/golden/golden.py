"""Reads the reference values that R wrote (tests/golden/out) and the data they were made from (tests/golden/data).

The script that made ``out/NN_name.json`` is ``scripts/NN_name.R``. A matrix in the JSON is
``{"rows": [...] | null, "cols": [...] | null, "data": [[row], ...]}``; NA is null; infinities are strings.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
INFINITIES = {"Infinity": np.inf, "-Infinity": -np.inf}


@cache
def _document(name: str) -> dict[str, Any]:
    return json.loads((HERE / "out" / f"{name}.json").read_text(encoding="utf-8"))


def load(name: str) -> dict[str, Any]:
    """The ``results`` of ``out/<name>.json``, for example ``load("03_kmo_bartlett")``. Shared: do not change it."""
    return _document(name)["results"]


def meta(name: str) -> dict[str, Any]:
    """The ``meta`` of ``out/<name>.json``: settings, notes on conventions, R and package versions."""
    return _document(name)["meta"]


def number(value: Any) -> float:
    """One number as the JSON writes it: null is NaN, infinities are words."""
    if value is None:
        return float("nan")
    return INFINITIES[value] if isinstance(value, str) else float(value)


def matrix(obj: dict[str, Any]) -> pd.DataFrame:
    """A matrix of the JSON as a frame of floats; missing names become 0, 1, 2, ..."""
    rows = [[number(value) for value in row] for row in obj["data"]]
    return pd.DataFrame(rows, index=obj.get("rows"), columns=obj.get("cols"), dtype=float)


def vector(obj: dict[str, Any] | list[Any]) -> np.ndarray:
    """A named or plain vector of the JSON as an array of floats."""
    values = obj.values() if isinstance(obj, dict) else obj
    return np.array([number(value) for value in values], dtype=float)


def data(name: str, **options: Any) -> pd.DataFrame:
    """``data/<name>.csv`` as R read it (an empty cell is missing); options go to :func:`pandas.read_csv`."""
    return pd.read_csv(HERE / "data" / f"{name}.csv", **options)


def correlation(name: str) -> pd.DataFrame:
    """A correlation matrix of ``data/``, item names on both sides."""
    return data(name, index_col=0)
