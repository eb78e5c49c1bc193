"""What a refresh leaves with Prefect: tables for landing and checks, a page for the analyses; no ids, no answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.refreshing.refresh import Refresh


def arrivals_table(refresh: Refresh) -> list[dict[str, Any]]:
    """One row per site: deliveries known, new ones, last arrival, problems."""
    return [
        {
            **row,
            "overdue": row["site"] in refresh.overdue,
            "problems": sum(p.site_id == row["site"] and p.severity != "info" for p in refresh.problems),
        }
        for row in refresh.arrivals
    ]


def checks_table(refresh: Refresh) -> list[dict[str, Any]]:
    """One row per check result that did not pass."""
    return [dict(row) for row in refresh.verdict.not_passed] if refresh.verdict else []


def headlines_markdown(refresh: Refresh) -> str:
    """The analyses and how each ended, as a list."""
    lines = [f"- {line}" for line in refresh.headlines] or ["No analysis was due."]
    return "\n".join([f"# {refresh.settings.settings.title}", "", f"Refresh {refresh.refresh_id}", "", *lines])
