"""The line that says what became of an analysis."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from analysis.common.study_rows import StudyResult
from flows.analysing.headlines import headline

SITES: Any = SimpleNamespace(kind="sites", item_set="joint", rater="both")
ONE: dict[str, Any] = {"level": "pooled", "method": "reml_knapp_hartung"}


@pytest.mark.parametrize(
    ("i2", "said"),
    [
        ([0.1, 0.3, None], "3 effects pooled over sites, median I2 20%"),
        # Where all sites but one are withheld there is nothing that could differ.
        ([None, None], "2 effects of one site"),
    ],
)
def test_effects_across_sites_tell_their_heterogeneity_where_there_is_one(i2: list[float | None], said: str) -> None:
    pooled = pd.DataFrame([ONE | {"i2": share} for share in i2], columns=[*ONE, "i2"]).astype({"i2": float})
    line = headline(SITES, 185, StudyResult({"site_effects": pooled}, "ok", None, (), {}))
    assert line.endswith(f"185 rows; {said}")
