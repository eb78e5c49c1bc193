"""The readable summary of `alliance components` where an analysis has not run, and where there is one of something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from flows.commands.components_text import _fit_words, _r, summary

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


@pytest.mark.parametrize(("df", "said"), [(0.0, "as many parameters as"), (-2.0, "more parameters than")])
def test_a_fit_without_degrees_of_freedom_is_no_row_of_dashes(df: float, said: str) -> None:
    line = _fit_words(pd.Series({"df": df, "chi_square": 0.0}))
    assert line == f"nothing to test; with {said} correlations ({df:.0f} df) the model can reproduce any of them"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert [_r(value) for value in (-0.004, -0.006, 0.0, 1.0, float("nan"))] == [".00", "-.01", ".00", "1.00", "-"]
