"""What this refresh was: when, which code, how much there is now, and how it stands at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from report import words
from report.content import Block, Facts, Section, Text
from report.warehouse import Row, Warehouse

_REFRESHES = """
select refresh_id, started_at, finished_at, kind, n_new_deliveries, n_forms, n_responses, code_version, settings,
    duration_seconds
from meta.refreshes order by refresh_id desc limit 2
"""

_COUNTS = """
select
    (select count(*) from core.sites) as sites,
    (select count(*) from core.therapists) as therapists,
    (select count(*) from core.clients) as clients,
    (select count(*) from core.dyads) as dyads,
    (select count(*) from quality.deliveries) as deliveries,
    (select count(*) from core.forms) as forms
"""

_GLANCE = """
select
    (select sum(unaccounted) from quality.cell_accounting) as unaccounted,
    (select sum(n_cells) from quality.cell_accounting) as cells,
    (select count(*) from quality.check_results where status in ('fail', 'error')) as failed,
    (select count(distinct check_id) from quality.check_results
        where status = 'warn' and severity = 'warning') as warned,
    (select count(distinct check_id) from quality.check_results
        where status in ('pass', 'warn', 'fail', 'error')) as judged,
    (select count(*) from results.analyses) as analyses,
    (select count(*) from results.analyses where status <> 'ok') as analyses_not_ok
"""

_KINDS = {
    "full": "full (every site was built anew)",
    "incremental": "incremental (only changed sites were built anew)",
}


@dataclass(frozen=True)
class Refresh:
    """The refresh that made the file, and the study it is of. Empty texts and None where the file does not say."""

    refresh_id: str
    previous_id: str | None
    study: str
    title: str
    started: str
    facts: Row | None


def read_refresh(warehouse: Warehouse) -> Refresh:
    """The newest refresh of the file."""
    found = warehouse.rows(_REFRESHES)
    if not found:
        return Refresh("", None, "", "Study without a name", "", None)
    newest = found[0]
    settings = words.from_json(newest["settings"], {})
    study = settings.get("study")
    study = study if isinstance(study, dict) else {}
    name = str(study.get("study") or "")
    return Refresh(
        refresh_id=newest["refresh_id"],
        previous_id=found[1]["refresh_id"] if len(found) > 1 else None,
        study=name,
        title=str(study.get("title") or name or "Study without a name"),
        started=words.moment(newest["started_at"]),
        facts=newest,
    )


def section(warehouse: Warehouse, refresh: Refresh) -> Section:
    """The first section: facts, and one sentence for each thing a reader would want to know first."""
    counts = warehouse.row(_COUNTS) or {}
    facts = refresh.facts
    pairs: list[tuple[str, str]] = []
    if facts:
        pairs += [
            ("Refresh", refresh.refresh_id),
            ("Started", refresh.started),
            ("Took", words.duration(facts["duration_seconds"])),
            ("Code version", facts["code_version"] or words.NOTHING),
            ("New deliveries", words.count(facts["n_new_deliveries"])),
        ]
    pairs += [(name.capitalize(), words.count(value)) for name, value in counts.items()]
    if facts:
        pairs.append(("Responses (items of forms)", words.count(facts["n_responses"])))
    blocks: list[Block] = []
    if facts:
        before = f"The refresh before it was {refresh.previous_id}." if refresh.previous_id else "It is the first one."
        blocks.append(Text(f"This refresh was {_KINDS.get(facts['kind'], facts['kind'])}. {before}"))
    else:
        blocks.append(Text("The file does not say which refresh made it.", "warning"))
    blocks += [Facts(tuple(pairs)), *_at_a_glance(warehouse)]
    return Section("refresh", "This refresh", tuple(blocks))


def _at_a_glance(warehouse: Warehouse) -> list[Block]:
    glance = warehouse.row(_GLANCE) or {}
    said: list[Block] = [accounted(glance["cells"], glance["unaccounted"])]
    if glance["failed"]:
        said.append(Text(f"{words.count_of(glance['failed'], 'critical check result')} did not hold.", "bad"))
    if not glance["judged"]:
        said.append(Text("No check has judged this build.", "warning"))
    elif glance["warned"]:
        text = f"{words.count_of(glance['warned'], 'check')} of {glance['judged']:,} warned; see “Checks”."
        said.append(Text(text, "warning"))
    elif not glance["failed"]:
        said.append(Text(f"None of {words.count_of(glance['judged'], 'check')} failed or warned.", "good"))
    if not glance["analyses"]:
        said.append(Text("No analysis was asked for or has run in this refresh.", "notice"))
    elif glance["analyses_not_ok"]:
        text = (
            f"{glance['analyses_not_ok']:,} of {words.count_of(glance['analyses'], 'analysis', 'analyses')} ended with "
            "another status than ok; each says why under “Analyses”."
        )
        said.append(Text(text, "notice"))
    return said


def accounted(cells: float | None, unaccounted: float | None) -> Text:
    """The sentence on the conservation law: whether every delivered cell is in exactly one class."""
    if not cells:
        return Text("No cell has been delivered yet, so there is none to account for.", "notice")
    if unaccounted:
        text = (
            f"{words.count_of(abs(unaccounted), 'cell')} of {words.count(cells)} "
            f"{'is' if abs(unaccounted) == 1 else 'are'} not accounted for; such a build must not be used."
        )
        return Text(text, "bad")
    return Text(
        f"All {words.count(cells)} cells that sites delivered are accounted for, each in exactly one class.", "good"
    )
