"""The readable summary of `alliance components` where an analysis has not run, and where there is one of something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from flows.commands.components_text import summary

RAN = {"n_rows": 60, "n_clients": 60, "n_therapists": 1, "n_sites": 1, "n_items": 15}


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (RAN, "60 rows, 60 clients, 1 therapist, 1 site, 15 items; "),
        # An analysis without data has no counts: neither numbers nor an error.
        (dict.fromkeys(RAN, pd.NA), "- rows, - clients, - therapists, - sites, - items; "),
    ],
)
def test_a_heading_counts_in_words(counts: dict[str, Any], said: str) -> None:
    analysis = {"analysis_id": "components_wai_s_client", "kind": "components", "item_set": "wai_s", "rater": "client"}
    settings = dict.fromkeys(("correlation", "missing_rule", "extraction", "rotation", "session_rule"), "x")
    end = {
        "warnings": "[]",
        "items_left_out": "{}",
        "status": "no_data",
        "reason": "No form of this rater holds an answer to these items.",
    }
    tables: dict[str, pd.DataFrame] = {"analyses": pd.DataFrame([analysis | settings | end | counts])}
    for name in ("suitability", "retention", "loadings", "correspondence", "reliability"):
        tables[name] = pd.DataFrame({column: pd.Series(dtype=str) for column in ("analysis_id", "item_id", "method")})
    run: Any = SimpleNamespace(tables=tables, against_published={}, against_version=None, topics={})
    lines = list(summary(run))
    assert [line for line in lines if line.startswith(said)]
    assert "NO DATA: No form of this rater holds an answer to these items." in lines
