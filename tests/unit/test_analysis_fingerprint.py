"""The fingerprint of an analysis's input: the same for the same rows, another for any change of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.common.study_rows import Rows
from flows.analysing.registry import fingerprint, plan
from flows.settings.analysis_settings import AnalysisSettings

ANALYSIS = plan("agreement_scales", AnalysisSettings(), item_set=None, rater="both")
KEYS = pd.DataFrame({"unit_id": ["a", "b", "c"], "n": [1, 2, 3]})
VALUES = pd.DataFrame({"one": [0.1, np.nan, 3.0], "two": [1.0, 2.0, 3.0]})


def changed(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    made = frame.copy()
    made.loc[row, column] = value
    return made


@pytest.mark.parametrize("wrap", [lambda keys, values: (keys, values), lambda keys, values: (Rows(values, keys),)])
@pytest.mark.parametrize(
    ("keys", "values"),
    [
        (KEYS, changed(VALUES, 0, "one", np.nextafter(0.1, 1))),
        (KEYS, changed(VALUES, 0, "one", np.nan)),
        (KEYS, VALUES.rename(columns={"one": "other"})),
        (KEYS, VALUES[["two", "one"]]),
        (changed(KEYS, 1, "unit_id", "x"), VALUES),
        (changed(KEYS, 1, "n", 7), VALUES),
        (KEYS.iloc[:2], VALUES.iloc[:2]),
    ],
)
def test_any_change_of_the_rows_is_seen(
    wrap: Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame | Rows, ...]],
    keys: pd.DataFrame,
    values: pd.DataFrame,
) -> None:
    before = fingerprint(ANALYSIS, *wrap(KEYS, VALUES))
    assert fingerprint(ANALYSIS, *wrap(KEYS.copy(), VALUES.copy())) == before
    assert fingerprint(ANALYSIS, *wrap(keys, values)) != before


def test_a_missing_answer_is_the_same_whatever_its_bits() -> None:
    odd = VALUES.copy()
    odd["one"] = np.array([0.1, np.frombuffer(np.uint64(0x7FF8000000000001).tobytes())[0], 3.0])
    assert fingerprint(ANALYSIS, KEYS, odd) == fingerprint(ANALYSIS, KEYS, VALUES)
