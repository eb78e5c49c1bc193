"""Ids in names of files that could not be read: nobody saw the ids in them, but earlier deliveries may have had them.

A file that is read is held against its own ids (`flows.landing.file_names`). One that is empty, damaged or fits no
pattern has none to be held against, and its name is told in ``quality.landing_problems``, which readers see.
"""

from __future__ import annotations

import re
from collections import defaultdict

from flows.landing.file_names import hidden_part, parts_like_ids
from flows.landing.store import LandingStore


def hide_known_ids(store: LandingStore) -> int:
    """Take ids of the site's clients and therapists out of what was told of its files; returns how many names changed.

    A folder that belongs to no site may be named after a client of any. Taken out is a part of a name that is such an
    id, and one of letters and digits that is written like them (``K017`` where the site has ``K001``): it may be a
    client of whom nothing else has come yet. Problems of earlier refreshes are looked at again, since their ids may
    have become known only now.
    """
    names = store.con.execute(
        "select distinct site_id, file_name from raw.landing_problems where file_name <> '' order by all"
    ).fetchall()
    wanted: dict[str, set[str]] = defaultdict(set)
    for site_id, name in names:
        wanted[site_id] |= parts_like_ids(name)
    ids, shapes = _known(store, {site_id: parts for site_id, parts in wanted.items() if parts})
    changed = 0
    for site_id, name in names:
        hidden = [part for part in parts_like_ids(name) if part in ids[site_id] or _shape(part) in shapes[site_id]]
        # Longest first: a part of a hidden part needs no hiding.
        for part in sorted(hidden, key=lambda part: (-len(part), part)):
            changed += _hide(store, site_id, part)
    return changed


def _known(store: LandingStore, wanted: dict[str, set[str]]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """By site: which of the parts are ids, and how its ids of letters and digits are written."""
    ids: dict[str, set[str]] = defaultdict(set)
    shapes: dict[str, set[str]] = defaultdict(set)
    if not wanted:
        return ids, shapes
    rows = store.con.execute(
        """
        select distinct site_id, local_id, shape
        from (
            select
                site_id, lower(local_id) as local_id,
                regexp_replace(regexp_replace(lower(local_id), '[0-9]', '9', 'g'), '[a-z]', 'a', 'g') as shape
            from raw.pseudonyms
            where
                kind in ('client', 'therapist')
                and (list_contains(cast($sites as varchar[]), site_id) or list_contains(cast($sites as varchar[]), ''))
        )
        qualify row_number() over (partition by site_id, shape order by local_id) = 1
            or list_contains(cast($parts as varchar[]), local_id)
        """,
        {"sites": sorted(wanted), "parts": sorted(set().union(*wanted.values()))},
    ).fetchall()
    for site_id, local_id, shape in rows:
        for of_site in (site_id, ""):
            ids[of_site].add(local_id)
            if "a" in shape and "9" in shape:
                shapes[of_site].add(shape)
    return ids, shapes


def _shape(part: str) -> str:
    return re.sub("[a-z]", "a", re.sub("[0-9]", "9", part))


def _hide(store: LandingStore, site_id: str, part: str) -> int:
    where = "site_id = ? and contains(lower(file_name), ?)"
    rows = store.con.execute(
        f"select distinct file_name, message, action from raw.landing_problems where {where}", [site_id, part]
    ).fetchall()
    for told in rows:
        store.con.execute(
            "update raw.landing_problems set file_name = ?, message = ?, action = ? "
            "where site_id = ? and file_name = ? and message = ? and action = ?",
            [*(hidden_part(text, part) for text in told), site_id, *told],
        )
    return len(rows)
