"""The demo study's generator: a complete study of made-up people whose truth is known.

`generate` writes six sites in six formats with the dirt real files have, and beside them what is true: loadings,
correlations, effects, and the place of every piece of dirt. Larger studies of the same kind are made by the same call.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from demo import site_hillside, site_lakeside, site_north, site_parkview, site_riverside, site_seaside
from demo.answers import draw
from demo.dirt import DirtLog, Mess, TooFewForms
from demo.model import Codebook, population
from demo.people import KINDS, make_people
from demo.site_parts import SitePlan
from demo.study_files import write_settings
from demo.truth import Truth, make_truth, write_truth

__all__ = ["DEFAULT_SEED", "TooFewForms", "Truth", "generate"]

DEFAULT_SEED = 2013

_WRITERS = {
    "north": site_north.write,
    "lakeside": site_lakeside.write,
    "riverside": site_riverside.write,
    "hillside": site_hillside.write,
    "parkview": site_parkview.write,
    "seaside": site_seaside.write,
}
_MIN_SESSIONS_APART = 5


def generate(
    folder: Path,
    codebook: Codebook,
    *,
    clients: int = 176,
    therapists: int = 60,
    seed: int = DEFAULT_SEED,
    dirt: bool = True,
    sites: int = len(KINDS),
    early_sessions: tuple[int, ...] = (5,),
) -> Truth:
    """Writes a study into ``folder``, which must be new or empty.

    Parameters
    ----------
    codebook
        Which items the instruments have, and how they are keyed.
    clients, therapists
        In the whole study; spread evenly over the sites, at least one of each per site.
    seed
        The same seed and sizes give the same bytes in every file.
    dirt
        Whether to spoil the files as real ones are. Without it only what belongs to a format is left, such as signed
        answers or reverse-keyed items delivered already reversed.
    sites
        Number of sites; the six kinds are repeated in order.
    early_sessions
        Numbers of the sessions rated before the last one, ascending and at least five apart.

    Returns
    -------
    Truth
        What is true of the study; also written to ``folder/truth``.

    Raises
    ------
    FileExistsError
        ``folder`` holds something already.
    ValueError
        The sizes do not fit together; as TooFewForms when a site is too small for its dirt (use 15 clients per site).
    """
    _check_sizes(clients, therapists, sites, early_sessions)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"the folder {folder.name} is not empty; the demo study needs a new one")
    items = population(codebook)
    # One stream for each purpose: spoiling a file or adding a site must not change anybody's answers.
    of_people, of_answers, of_dirt = np.random.SeedSequence(seed).spawn(3)
    people = make_people(
        clients=clients,
        therapists=therapists,
        sites=sites,
        early_sessions=early_sessions,
        rng=np.random.default_rng(of_people),
    )
    data = draw(people, items, len(early_sessions) + 1, np.random.default_rng(of_answers))
    log = DirtLog()
    for site, stream in zip(people.sites, of_dirt.spawn(sites), strict=True):
        mess = Mess(site.site_id, items, log, np.random.default_rng(stream)) if dirt else None
        target = folder / "deliveries" / site.site_id
        _WRITERS[site.kind](SitePlan(site, people.of(site), data, items, early_sessions, target, mess))
    write_settings(folder, people, early_sessions, seed)
    truth = make_truth(folder, seed, people, items, log)
    write_truth(truth, early_sessions)
    return truth


def _check_sizes(clients: int, therapists: int, sites: int, early_sessions: tuple[int, ...]) -> None:
    if sites < 1 or clients < sites or therapists < sites:
        raise ValueError("a study needs at least one site, and at least one client and one therapist for each")
    steps = [later - earlier for earlier, later in zip((0, *early_sessions), early_sessions, strict=False)]
    # Windows of two sessions either side must not meet.
    if any(step < _MIN_SESSIONS_APART for step in steps):
        raise ValueError("early_sessions must ascend in steps of at least five, the first being at least session 5")
