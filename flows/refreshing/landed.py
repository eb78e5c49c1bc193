"""The landing step as a whole: store what is new, lay out the rules as data, make pseudonyms, decide the scope."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from flows.common.problems import Problem
from flows.common.progress import say
from flows.landing.known_ids import hide_known_ids
from flows.landing.land import land
from flows.landing.opening import open_store
from flows.landing.pseudonyms import load_or_make_key, update_pseudonyms
from flows.landing.reading import Limits
from flows.landing.schema import codebook_frames
from flows.landing.store import LandingStore
from flows.landing.withdrawals import land_withdrawals
from flows.layout.fingerprints import site_fingerprints
from flows.layout.layout import Layout, resolve_layout
from flows.publishing.code_version import code_version
from flows.refreshing.scope import (
    Published,
    Scope,
    decide_scope,
    fingerprint_study,
    overdue_sites,
    read_published,
    told_gone_sites,
)
from flows.settings.study import Study


@dataclass(frozen=True)
class LandedStudy:
    """What landing found out about a study.

    Parameters
    ----------
    new_deliveries
        Site and file name of each delivery that came in.
    arrivals
        Per site: deliveries known, new ones, and the date of the last.
    """

    scope: Scope
    new_deliveries: tuple[str, ...]
    problems: tuple[Problem, ...]
    overdue: tuple[str, ...]
    arrivals: tuple[dict[str, str | int], ...]


def land_study(
    study: Study,
    *,
    refresh_id: str,
    started_at: dt.datetime,
    full: bool,
    load_build: Callable[[], None] = lambda: None,
) -> LandedStudy:
    """Bring ``landing.duckdb`` to where dbt can begin; say what has to be built.

    ``load_build`` is called, perhaps more than once, as soon as it is clear that something will have to be.

    Raises
    ------
    LandingError, KeyRefused
        The store or the key of the pseudonyms cannot be used. A file at fault is a problem, never an exception.
    """
    settings = study.settings
    published = read_published(study.paths.published_file)
    if full or published is None:
        load_build()

    def tell_reading(sentence: str) -> None:
        load_build()
        say("land", sentence)

    with open_store(study.paths, memory_limit=settings.memory_limit, threads=settings.threads) as store:
        key = load_or_make_key(study.paths, store)
        landed = land(
            study,
            study.paths,
            refresh_id,
            store,
            limits=Limits(max_cell_bytes=settings.max_cell_bytes),
            progress=tell_reading,
        )
        headers = store.headers()
        today = started_at.date()
        layout = resolve_layout(
            study, study.codebook, headers, _refresh_settings(refresh_id, started_at), landed.without_file
        )
        store.write_layout(_frames(layout, study))
        update_pseudonyms(store, key, (*landed.new, *landed.read_again))
        withdrawal_problems = land_withdrawals(study, study.paths, store, key)
        gone = told_gone_sites(study, published)
        last_arrival = _last_arrivals(store)
        overdue = overdue_sites(study, last_arrival, today)
        problems = [*landed.problems, *layout.problems, *withdrawal_problems]
        lasting = [problem for problem in problems if problem not in landed.of_reading]
        problems += gone
        scope = _decide(study, store, layout, overdue, published, full, lasting)
        # A site file that changed may name another id column, so all deliveries of its site are looked at again.
        looked_at, changed = {*landed.new, *landed.read_again}, set(scope.changed_sites)
        rest = [h.delivery_number for h in headers if h.site_id in changed and h.delivery_number not in looked_at]
        update_pseudonyms(store, key, rest)
        _write_scope(store, scope)
        store.add_problems(refresh_id, [*layout.problems, *withdrawal_problems, *gone])
        hide_known_ids(store)
        return LandedStudy(
            scope,
            tuple(f"{h.site_id}/{h.file_name}" for h in headers if h.delivery_number in set(landed.new)),
            tuple(problems),
            overdue,
            _arrivals(study, store, set(landed.new)),
        )


def _refresh_settings(refresh_id: str, started_at: dt.datetime) -> dict[str, str]:
    return {
        "refresh_id": refresh_id,
        "refreshed_at": started_at.strftime("%Y-%m-%d %H:%M:%S"),
        "code_version": code_version(),
        "today": started_at.date().isoformat(),
    }


def _frames(layout: Layout, study: Study) -> dict[str, pd.DataFrame]:
    return {**layout.frames, **codebook_frames(study.codebook)}


def _last_arrivals(store: LandingStore) -> dict[str, dt.date]:
    rows = store.con.execute(
        "select site_id, max(coalesce(delivered_on, cast(landed_at as date))) from raw.deliveries group by all"
    ).fetchall()
    return dict(rows)


def _decide(
    study: Study,
    store: LandingStore,
    layout: Layout,
    overdue: tuple[str, ...],
    published: Published | None,
    full: bool,
    lasting_problems: list[Problem],
) -> Scope:
    withdrawn: dict[str, list[str]] = defaultdict(list)
    for site_id, client_id in store.con.execute(
        "select site_id, client_id from raw.withdrawals order by all"
    ).fetchall():
        withdrawn[site_id].append(client_id)
    other = {
        site_id: f"withdrawn {','.join(withdrawn[site_id])} overdue {site_id in overdue}" for site_id in study.sites
    }
    states = site_fingerprints(study, study.codebook, layout, store.reading_hashes(), code_version(), other)
    if published is not None and not full:
        # A site whose file cannot be read just now has not gone: its rows stay until it is mended or removed.
        states |= {site: published.site_states[site] for site in study.invalid_sites if site in published.site_states}
    return decide_scope(
        published,
        site_states=states,
        study_state=fingerprint_study(study, lasting_problems),
        code_version=code_version(),
        full=full,
    )


def _write_scope(store: LandingStore, scope: Scope) -> None:
    states = sorted(scope.site_states.items())
    store.write_layout(
        {
            "changed_sites": pa.table({"site_id": pa.array(scope.changed_sites, pa.string())}),
            "site_states": pa.table(
                {
                    "site_id": pa.array([site for site, _ in states], pa.string()),
                    "fingerprint": pa.array([state for _, state in states], pa.string()),
                }
            ),
        }
    )


def _arrivals(study: Study, store: LandingStore, new: set[int]) -> tuple[dict[str, str | int], ...]:
    rows = store.con.execute("select site_id, delivery_number, landed_at from raw.deliveries").fetchall()
    found = []
    for site_id in study.sites:
        own = [(number, landed_at) for site, number, landed_at in rows if site == site_id]
        found.append(
            {
                "site": site_id,
                "deliveries": len(own),
                "new": sum(number in new for number, _ in own),
                "last": max(landed_at for _, landed_at in own).strftime("%Y-%m-%d") if own else "",
            }
        )
    return tuple(found)
