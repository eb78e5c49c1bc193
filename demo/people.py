"""Who takes part in the demo study: sites, therapists, clients, dyads, and when each form was completed."""

from __future__ import annotations

import datetime as dt
import itertools
import string
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# The six kinds of site in their order; a larger study repeats them.
KINDS = ("north", "lakeside", "riverside", "hillside", "parkview", "seaside")
NAMES = {
    "north": "Clinic North",
    "lakeside": "Lakeside Day Clinic",
    "riverside": "Riverside Practice",
    "hillside": "Hillside Hospital",
    "parkview": "Parkview Training Clinic",
    "seaside": "Seaside Counselling Service",
}
# 133 of the reference study's 176 clients were rated by their therapist too.
THERAPIST_RATED_SHARE = 133 / 176
CLIENT_EARLY_SHARE, THERAPIST_EARLY_SHARE, POST_SHARE = 0.95, 0.90, 0.97
FIRST_INTAKE = dt.date(2022, 9, 5)


@dataclass(frozen=True)
class Site:
    """One site; ``kind`` says how it delivers."""

    site_id: str
    name: str
    kind: str


@dataclass(frozen=True)
class Dyad:
    """A client with a therapist, by the site's own ids, and what of them was measured.

    ``sessions`` are the occasions with a client form, ``therapist_sessions`` those with a therapist form (both as
    indices, the last session being the highest); ``numbers`` are the session numbers the site wrote for the early ones.
    """

    index: int
    site: Site
    client: str
    therapist: str
    therapist_index: int
    sessions: tuple[int, ...]
    therapist_sessions: tuple[int, ...]
    numbers: tuple[int, ...]
    pre: bool
    post: bool
    pre_date: dt.date
    dates: tuple[dt.date, ...]
    post_date: dt.date
    therapist_delay: tuple[int, ...]

    def date(self, session: int, rater: str) -> dt.date:
        """When the form of a session was completed."""
        return self.dates[session] + dt.timedelta(days=self.therapist_delay[session] if rater == "therapist" else 0)


@dataclass(frozen=True)
class People:
    """Everybody in the study. A client who changed therapist is in two dyads."""

    sites: tuple[Site, ...]
    dyads: tuple[Dyad, ...]
    n_therapists: int

    def of(self, site: Site) -> tuple[Dyad, ...]:
        """The dyads of a site."""
        return tuple(dyad for dyad in self.dyads if dyad.site is site)


def make_people(
    *, clients: int, therapists: int, sites: int, early_sessions: tuple[int, ...], rng: np.random.Generator
) -> People:
    """Spreads clients over sites and therapists, and draws which forms exist and when they were completed."""
    places = tuple(_site(number) for number in range(sites))
    rated = set(rng.permutation(clients)[: round(clients * THERAPIST_RATED_SHARE)].tolist())
    dyads: list[Dyad] = []
    per_site = [len(part) for part in np.array_split(np.arange(clients), sites)]
    staff = [len(part) for part in np.array_split(np.arange(therapists), sites)]
    client_number, first_therapist = 0, 0
    for site, n_clients, n_therapists in zip(places, per_site, staff, strict=True):
        client_ids = _client_ids(site.kind, n_clients)
        therapist_ids = _therapist_ids(site.kind, n_therapists)
        # Everybody has at least one client as far as there are clients; the rest falls where it falls.
        loads = [*range(min(n_clients, n_therapists)), *rng.integers(0, n_therapists, max(0, n_clients - n_therapists))]
        for client_id, therapist in zip(client_ids, rng.permutation(loads).tolist(), strict=True):
            who = {
                "index": len(dyads),
                "site": site,
                "client": client_id,
                "therapist": therapist_ids[therapist],
                "therapist_index": first_therapist + therapist,
            }
            dyads.append(Dyad(**who, **_course(early_sessions, client_number in rated, rng)))
            client_number += 1
        if site.kind == "hillside" and n_therapists > 1:
            dyads.extend(_change_of_therapist(dyads, site, therapist_ids, first_therapist))
        first_therapist += n_therapists
    return People(places, tuple(dyads), therapists)


def _site(number: int) -> Site:
    kind, repetition = KINDS[number % len(KINDS)], number // len(KINDS) + 1
    if repetition == 1:
        return Site(kind, NAMES[kind], kind)
    return Site(f"{kind}_{repetition}", f"{NAMES[kind]} {repetition}", kind)


def _client_ids(kind: str, n: int) -> list[str]:
    """Made-up codes as each kind of site writes them; among them ``007`` and ``NA``, which are ids like any other."""
    if kind == "north":
        return [f"{number:03d}" for number in range(1, n + 1)]
    if kind == "lakeside":
        return [f"{1000 + 7 * number}" for number in range(1, n + 1)]
    if kind == "riverside":
        return [f"RV-{number:04d}" for number in range(1, n + 1)]
    if kind == "hillside":
        return [f"H{number}/22" for number in range(1, n + 1)]
    if kind == "parkview":
        return [f"P{number:03d}" for number in range(1, n + 1)]
    length = 2 if n <= 26 * 26 else 4
    codes = ("".join(letters) for letters in itertools.product(string.ascii_uppercase, repeat=length))
    return ["NA" if length == 2 else "NANA", *[c for c in itertools.islice(codes, n) if c not in ("NA", "NANA")]][:n]


def _therapist_ids(kind: str, n: int) -> list[str]:
    letter = {"north": "T", "lakeside": "th", "riverside": "Q", "hillside": "Dr", "parkview": "S", "seaside": "C"}[kind]
    return [f"{letter}{number:02d}" for number in range(1, n + 1)]


def _course(early: tuple[int, ...], rated: bool, rng: np.random.Generator) -> dict[str, Any]:
    """When a dyad was measured: before therapy, at early sessions near their number, at the last, and afterwards."""
    last = len(early)
    pre = FIRST_INTAKE + dt.timedelta(days=int(rng.integers(0, 320)))
    start = pre + dt.timedelta(days=int(rng.integers(5, 12)))
    numbers = tuple(target + int(rng.choice((-1, 0, 0, 0, 1))) for target in early)
    dates = [start + dt.timedelta(days=7 * number + int(rng.integers(0, 4))) for number in numbers]
    dates.append((dates[-1] if dates else start) + dt.timedelta(days=int(rng.integers(70, 190))))
    client = [each for each in range(last) if rng.random() < CLIENT_EARLY_SHARE]
    therapist = [each for each in client if rng.random() < THERAPIST_EARLY_SHARE]
    return {
        "sessions": (*client, last),
        "therapist_sessions": (*therapist, last) if rated else (),
        "numbers": numbers,
        "pre": True,
        "post": bool(rng.random() < POST_SHARE),
        "pre_date": pre,
        "dates": tuple(dates),
        "post_date": dates[-1] + dt.timedelta(days=int(rng.integers(7, 22))),
        "therapist_delay": tuple(int(each) for each in rng.integers(0, 4, last + 1)),
    }


def _change_of_therapist(dyads: list[Dyad], site: Site, therapist_ids: list[str], first: int) -> list[Dyad]:
    """Splits one dyad of the site: the early sessions were with another therapist, who left and rated nothing."""
    place = next((i for i, each in enumerate(dyads) if each.site is site and len(each.sessions) > 1), None)
    if place is None:
        return []
    later = dyads[place]
    last = later.sessions[-1]
    other = (therapist_ids.index(later.therapist) + 1) % len(therapist_ids)
    rated = tuple(each for each in later.therapist_sessions if each == last)
    dyads[place] = replace(later, sessions=(last,), therapist_sessions=rated, pre=False)
    earlier = replace(
        later,
        index=len(dyads),
        therapist=therapist_ids[other],
        therapist_index=first + other,
        sessions=later.sessions[:-1],
        therapist_sessions=(),
        post=False,
    )
    return [earlier]
