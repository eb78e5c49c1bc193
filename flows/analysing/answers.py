"""Writing the findings: what the analyses of this refresh answer of the paper's questions, with what each rests on."""

from __future__ import annotations

import duckdb
import pandas as pd

from flows.analysing.answered_components import component_findings
from flows.analysing.answered_outcome import outcome_findings
from flows.analysing.answered_scales import scale_findings
from flows.analysing.answered_tables import Results
from flows.analysing.answered_views import view_findings
from flows.analysing.tables import ResultTables


def write_findings(con: duckdb.DuckDBPyConnection, tables: ResultTables) -> int:
    """Fill ``findings`` and ``finding_rows`` from the other tables of ``alliance.results``; gives their number."""
    results = Results(con)
    found = [*component_findings(results), *outcome_findings(results)]
    found += [*scale_findings(results), *view_findings(results)]
    lines = [
        {
            "finding_id": one.finding_id,
            "finding_number": place,
            "question": one.question,
            "sentence": one.sentence,
            "status": one.status,
            "reason": None if one.status != "cannot_tell" else one.reason or "There is no estimate.",
            "analysis_id": one.analysis_id,
            **one.figures,
        }
        for place, one in enumerate(found, start=1)
    ]
    rests = [
        {
            "finding_id": one.finding_id,
            "row_number": place,
            "role": row.role,
            "table_name": row.table,
            "analysis_id": row.analysis_id,
            "row_key": row.key,
        }
        for one in found
        for place, row in enumerate(one.rests_on, start=1)
    ]
    tables.add("findings", pd.DataFrame(lines), {})
    tables.add("finding_rows", pd.DataFrame(rests), {})
    return len(lines)
