"""Scores of both raters in every session that both rated, with the days of the forms: one query."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from analysis.common.study_rows import KEYS
from analysis.two_views.both_raters import PairedViews
from flows.analysing.catalogue import Catalogue
from flows.common.database import text_frame

_SESSIONS = """
with paired as (
    select
        pairs.dyad_id, pairs.site_id, pairs.session_id, pairs.instrument_id || '.' || pairs.scale_id as scale,
        dyads.client_id, dyads.therapist_id, pairs.client_score, pairs.therapist_score,
        coalesce(sessions.session_order, 0) as session_order,
        greatest(ours.form_date, theirs.form_date) as form_date
    from alliance.core.dyad_sessions as pairs
    join alliance.core.dyads as dyads using (dyad_id)
    left join alliance.core.sessions as sessions using (session_id)
    left join alliance.core.forms as ours on pairs.client_form_id = ours.form_id
    left join alliance.core.forms as theirs on pairs.therapist_form_id = theirs.form_id
    where pairs.client_score is not null and pairs.therapist_score is not null
        and pairs.instrument_id || '.' || pairs.scale_id in (select unnest($scales))
)
select
    dyad_id as unit_id, min(client_id) as client_id, dyad_id, min(therapist_id) as therapist_id,
    min(site_id) as site_id, session_id, max(form_date) as form_date,
    {cells}
from paired
group by dyad_id, session_id
order by dyad_id, min(session_order), max(form_date) nulls first, session_id
"""


def total_scales(catalogue: Catalogue, scales: tuple[str, ...]) -> tuple[str, ...]:
    """Totals of instruments among ``scales``; all of these where no instrument declares a total."""
    named = catalogue.scales.assign(scale=catalogue.scales["instrument_id"] + "." + catalogue.scales["scale_id"])
    totals = set(named.loc[named["scale_id"] == "total", "scale"])
    return tuple(scale for scale in scales if scale in totals) or scales


def read_paired_views(con: duckdb.DuckDBPyConnection, *, scales: tuple[str, ...], session_rule: str) -> PairedViews:
    """One row per dyad and session; of the session rule the last one both rated, a session, or the mean."""
    if not scales:
        nothing = pd.DataFrame()
        return PairedViews(nothing, nothing, pd.DataFrame(columns=list(KEYS)), np.zeros(0, dtype=bool), False)
    cells = ",\n    ".join(
        f"max({rater}_score) filter (where scale = '{scale}') as \"{rater}:{scale}\""
        for rater in ("client", "therapist")
        for scale in scales
    )
    found = text_frame(con.execute(_SESSIONS.format(cells=cells), {"scales": list(scales)}))
    keys = found[list(KEYS)]
    sides = [
        found[[f"{rater}:{scale}" for scale in scales]].set_axis(list(scales), axis=1).astype(float)
        for rater in ("client", "therapist")
    ]
    if session_rule == "last":
        chosen = ~keys["unit_id"].duplicated(keep="last").to_numpy()
    else:
        chosen = (keys["session_id"] == session_rule).to_numpy()
    return PairedViews(sides[0], sides[1], keys, chosen, session_rule == "mean")


def averaged(views: PairedViews) -> PairedViews:
    """The mean of each dyad's sessions as its one row."""
    unit = views.keys["unit_id"].to_numpy()
    last = views.keys[~views.keys["unit_id"].duplicated(keep="last")].sort_values("unit_id")
    sides = [side.groupby(unit, sort=True).mean().reset_index(drop=True) for side in (views.client, views.therapist)]
    keys = last.assign(session_id=None).reset_index(drop=True)
    return PairedViews(sides[0], sides[1], keys, np.ones(len(keys), dtype=bool), True)
