"""Making the report of one refresh from its warehouse file."""

from __future__ import annotations

from pathlib import Path

from report import (
    analyses,
    arrivals,
    both_views,
    cells,
    changes,
    checks,
    components,
    dyads,
    findings,
    instruments,
    missing,
    outcome,
    refresh,
    two_views,
)
from report.page import Head, render
from report.warehouse import Warehouse


def build_report(database: Path, folder: Path, *, memory_limit: str = "1GB", threads: int = 2) -> Path:
    """Make the report of the refresh that filled ``database``.

    Parameters
    ----------
    database
        A warehouse file, published or about to be; opened read-only and closed again.
    folder
        Made when it is not there; nothing is written elsewhere.
    memory_limit, threads
        Bounds of DuckDB while the file is read.

    Returns
    -------
    Path
        The page, ``folder/index.html``. The same file gives the same bytes.

    Raises
    ------
    ReportError
        The file is no warehouse of this version.
    """
    with Warehouse(database, memory_limit=memory_limit, threads=threads) as warehouse:
        made = refresh.read_refresh(warehouse)
        registry = analyses.read_registry(warehouse)
        sections = (
            refresh.section(warehouse, made),
            arrivals.section(warehouse),
            cells.accounts_section(warehouse),
            checks.section(warehouse),
            changes.section(warehouse, made),
            changes.problems_section(warehouse),
            cells.rejected_section(warehouse),
            missing.section(warehouse),
            instruments.section(warehouse),
            findings.section(warehouse),
            components.section(warehouse, registry),
            outcome.section(warehouse, registry),
            both_views.section(warehouse, registry),
            two_views.section(warehouse, registry),
            dyads.section(warehouse, registry),
            analyses.section(registry),
        )
    head = Head(
        title=made.title,
        subtitle=f"Refresh {made.refresh_id}, {made.started}." if made.refresh_id else "",
        page_title=f"{made.study or made.title}: refresh {made.refresh_id}".strip(),
        closing="Made from the published warehouse alone. People are named by pseudonyms only; the page holds no "
        "script and fetches nothing. All numbers can be queried in the warehouse, which names the tables given here.",
    )
    page = render(head, sections)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "index.html"
    target.write_text(page, encoding="utf-8")
    return target
