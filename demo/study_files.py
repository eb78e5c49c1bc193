"""Writes the settings of the demo study: study.yml, the site files, the codebook and the README."""

from __future__ import annotations

from pathlib import Path
from string import Template

from demo.files import write_text
from demo.model import DYAD_SHARE, SITE_SHARE, THERAPIST_SHARE
from demo.people import People, Site

_TEMPLATES = Path(__file__).resolve().parent / "templates"
# A session may be held a little earlier or later than planned.
_WINDOW = 2


def write_settings(folder: Path, people: People, early_sessions: tuple[int, ...], seed: int) -> None:
    """Writes everything but deliveries and truth."""
    write_text(folder / "study.yml", _fill("study.yml", sessions=_sessions(early_sessions)))
    for site in people.sites:
        write_text(folder / "sites" / f"{site.site_id}.yml", _site_file(site, people, early_sessions))
    for path in sorted((_TEMPLATES / "codebook").glob("*.csv")):
        write_text(folder / "codebook" / path.name, path.read_text(encoding="utf-8"))
    named = [f"session {number}" for number in early_sessions]
    readme = _fill(
        "README.j2",
        n_clients=len({(dyad.site.site_id, dyad.client) for dyad in people.dyads}),
        n_therapists=people.n_therapists,
        n_sites=len(people.sites),
        sessions_text=" and ".join([", ".join(named), "the last session"]) if named else "the last session",
        seed=seed,
        site_share=SITE_SHARE,
        therapist_share=THERAPIST_SHARE,
        dyad_share=DYAD_SHARE,
    )
    write_text(folder / "README.md", readme)


def _fill(template: str, /, **values: object) -> str:
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)


def _sessions(early_sessions: tuple[int, ...]) -> str:
    lines = [
        f"  - {{session: s{number:02d}, label: Session {number}, "
        f"numbers: [{number - _WINDOW}, {number + _WINDOW}], target: {number}}}\n"
        for number in early_sessions
    ]
    return "".join([*lines, "  - {session: last, label: Last session}\n"])


def _site_file(site: Site, people: People, early_sessions: tuple[int, ...]) -> str:
    events = {f"session_{number}_arm_1": f'"{number}"' for number in early_sessions} | {"last_session_arm_1": "last"}
    occasions = {f"Session {number}": f'"{number}"' for number in early_sessions} | {"Final session": "last"}
    return _fill(
        f"sites/{site.kind}.yml",
        site=site.site_id,
        name=site.name,
        clients=len({dyad.client for dyad in people.of(site)}),
        event_map=_map(events),
        events=", ".join(events),
        occasion_map=_map(occasions),
    )


def _map(entries: dict[str, str]) -> str:
    return "\n".join(f"        {key}: {value}" for key, value in entries.items())
