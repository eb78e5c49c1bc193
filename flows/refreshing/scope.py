"""How much a refresh has to do: everything, the sites that changed, or nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from flows.common.database import connect
from flows.common.problems import Problem
from flows.settings.study import Study


@dataclass(frozen=True)
class Scope:
    """What a refresh has to do.

    Parameters
    ----------
    kind
        ``full`` builds every site in an empty file, ``incremental`` only `changed_sites` in a copy of the published
        one, ``nothing_new`` neither.
    changed_sites
        Sites whose rows are replaced, those included that are gone from the configuration.
    site_states
        Fingerprint of each site as it is now.
    study_state
        Fingerprint of what concerns no single site: the settings of study.yml.
    """

    kind: Literal["full", "incremental", "nothing_new"]
    changed_sites: tuple[str, ...]
    site_states: Mapping[str, str]
    study_state: str


@dataclass(frozen=True)
class Published:
    """What the published warehouse says of its own origin."""

    site_states: Mapping[str, str]
    study_state: str
    code_version: str


def decide_scope(
    published: Published | None,
    *,
    site_states: Mapping[str, str],
    study_state: str,
    code_version: str,
    full: bool = False,
) -> Scope:
    """Hold what is against what was published.

    Rows may be reused only if the same code made them from the same deliveries by the same settings; a site's
    fingerprint holds all of that, so this compares fingerprints and nothing else.
    """
    if full or published is None or published.code_version != code_version:
        names = set(site_states) | set(published.site_states if published else ())
        return Scope("full", tuple(sorted(names)), site_states, study_state)
    names = set(site_states) | set(published.site_states)
    changed = tuple(sorted(s for s in names if site_states.get(s) != published.site_states.get(s)))
    if not changed and study_state == published.study_state:
        return Scope("nothing_new", (), site_states, study_state)
    # The tables' columns can hold the names of the published sites and no others, so a new site, or one that is gone,
    # makes all of them anew.
    if set(site_states) == set(published.site_states) and len(changed) < len(names):
        return Scope("incremental", changed, site_states, study_state)
    return Scope("full", tuple(sorted(names)), site_states, study_state)


def read_published(file: Path) -> Published | None:
    """What the published file says of its origin; None when there is none or it is of another make."""
    if not file.exists():
        return None
    try:
        with connect(file, read_only=True) as con:
            states = dict(con.execute("select site_id, fingerprint from meta.site_states").fetchall())
            # By id, not by time of day: clocks are set back, ids only grow.
            row = con.execute(
                "select settings, code_version from meta.refreshes order by refresh_id desc limit 1"
            ).fetchone()
    except duckdb.Error:
        return None
    if row is None:
        return None
    return Published(states, json.loads(row[0]).get("study_state", ""), row[1])


def fingerprint_study(study: Study, lasting_problems: Iterable[Problem] = ()) -> str:
    """Fingerprint of study.yml's settings, those of checks and analyses included, of who is left out, and of problems.

    A file that cannot be loaded changes no site's rows; without the problems nobody who reads the warehouse would ever
    see it there, nor that it was mended. They are those that each refresh tells until they are mended.
    """
    told = sorted(str(problem) for problem in lasting_problems if problem.severity != "info")
    said = [study.settings.model_dump_json(), *study.invalid_sites, *told]
    return hashlib.sha256("\x1f".join(said).encode()).hexdigest()


def told_gone_sites(study: Study, published: Published | None) -> list[Problem]:
    """A warning for each site of the published warehouse that the study has no more: this refresh takes its forms out.

    It is an event and told once. A site whose file is there and wrong has not gone.
    """
    known = {*study.sites, *study.invalid_sites}
    return [
        Problem.of_file(
            "",
            "",
            "site_gone",
            f"The published warehouse holds the site {site_id}, and "
            f"{study.paths.relative(study.paths.site_file(site_id))} is no longer there: its forms are taken out.",
            "Nothing, if the site left the study; else bring its file back. If it has another id now, its lines in "
            "withdrawals.csv need that id too.",
        )
        for site_id in sorted(set(published.site_states if published else ()) - known)
    ]


def overdue_sites(study: Study, last_arrival: Mapping[str, dt.date], today: dt.date) -> tuple[str, ...]:
    """Sites from which nothing came for longer than they promised; a site that never delivered counts as overdue.

    A site that falls silent changes nothing in the data, and is just what a refresh with nothing new must still say.
    """
    late = []
    for site_id, site in study.sites.items():
        every = site.expected.every_days
        if every is None:
            continue
        last = last_arrival.get(site_id)
        if last is None or (today - last).days > every:
            late.append(site_id)
    return tuple(late)
