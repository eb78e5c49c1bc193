"""Rows for analysis, each by one query: answers of a rater to a set of items, outcomes, and both raters' scores.

Which session of a dyad counts is the study's rule: ``last`` (the last of the study's sessions in which the rater
answered any of the items), a session by its id, or ``mean`` (the mean of an item over the dyad's sessions). Of several
forms in a session the one nearest to the session's target number is taken, then the latest, as in core.dyad_sessions.
A study that declares no session has its occasions in the order of their dates.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from analysis.study_rows import KEYS, Rows

# Sums of answers in steps of one are exact in any order; averages of other numbers are not, so means are ordered.
_CELL = {
    "one": "max(answer.keyed_value) filter (where answer.item_id = {item})",
    "mean": "avg(answer.keyed_value order by answer.form_id) filter (where answer.item_id = {item})",
}

_FORMS = """
with declared as (select count(*) > 0 as has_sessions from alliance.core.sessions),
rated as (
    select
        forms.form_id, forms.client_id, forms.dyad_id, forms.therapist_id, forms.site_id, forms.form_date,
        forms.instrument_id, coalesce(forms.dyad_id, forms.client_id) as unit_id,
        coalesce(forms.session_id, forms.occasion) as session_id,
        coalesce(sessions.session_order, 0) as session_order,
        abs(try_cast(forms.occasion as double) - sessions.target_number) as distance
    from alliance.core.forms as forms
    cross join declared
    left join alliance.core.sessions as sessions using (session_id)
    where forms.phase = 'therapy' and forms.rater = $rater and forms.instrument_id in (select unnest($instruments))
        and forms.n_answered > 0 and (forms.session_id is not null or not declared.has_sessions)
        and ($session is null or forms.session_id = $session)
),
one_per_session as (
    select * from rated
    qualify row_number() over (
        partition by unit_id, session_id, instrument_id
        order by distance nulls last, form_date desc nulls last, form_id
    ) = 1
),
sessions_of_units as (
    select unit_id, session_id, session_order, max(form_date) as last_date
    from one_per_session group by all
),
chosen as (
    select * from sessions_of_units
    qualify $is_mean or row_number() over (
        partition by unit_id order by session_order desc, last_date desc nulls last, session_id desc
    ) = 1
),
taken as (
    select one_per_session.* from one_per_session join chosen using (unit_id, session_id)
)
"""

_ROWS = (
    _FORMS
    + """
select
    taken.unit_id,
    min(taken.client_id) as client_id,
    min(taken.dyad_id) as dyad_id,
    min(taken.therapist_id) as therapist_id,
    min(taken.site_id) as site_id,
    case when $is_mean then null else min(taken.session_id) end as session_id,
    max(taken.form_date) as form_date,
    {cells}
from taken join alliance.core.item_responses as answer using (form_id)
where answer.keyed_value is not null
group by taken.unit_id
having count(*) filter (where answer.item_id in (select unnest($items))) > 0
order by taken.unit_id
"""
)

_OUTCOMES = """
select
    coalesce(dyad_id, client_id) as unit_id, client_id, dyad_id, instrument_id || '.' || scale_id as outcome, rater,
    phase, benefit, form_date
from alliance.core.outcomes
where phase in ('pre', 'post') and benefit is not null
qualify row_number() over (
    partition by coalesce(dyad_id, client_id), instrument_id, scale_id, rater, phase
    order by case when phase = 'pre' then form_date end asc nulls last, form_date desc nulls last, form_id
) = 1
order by all
"""

_SCORES = """
with declared as (select count(*) > 0 as has_sessions from alliance.core.sessions),
scored as (
    select
        coalesce(forms.dyad_id, forms.client_id) as unit_id, forms.client_id, forms.dyad_id, forms.therapist_id,
        forms.site_id, forms.rater, forms.form_date, forms.form_id,
        coalesce(forms.session_id, forms.occasion) as session_id,
        coalesce(sessions.session_order, 0) as session_order,
        abs(try_cast(forms.occasion as double) - sessions.target_number) as distance,
        scores.instrument_id || '.' || scores.scale_id as scale, scores.score
    from alliance.core.scale_scores as scores
    join alliance.core.forms as forms using (form_id)
    join alliance.core.instruments as instruments on instruments.instrument_id = scores.instrument_id
    cross join declared
    left join alliance.core.sessions as sessions using (session_id)
    where instruments.domain = 'alliance' and forms.phase = 'therapy' and scores.score is not null
        and (forms.session_id is not null or not declared.has_sessions)
        and ($session is null or forms.session_id = $session)
),
one_per_session as (
    select * from scored
    qualify row_number() over (
        partition by unit_id, rater, scale, session_id
        order by distance nulls last, form_date desc nulls last, form_id
    ) = 1
),
taken as (
    select * from one_per_session
    qualify $is_mean or row_number() over (
        partition by unit_id, rater, scale
        order by session_order desc, form_date desc nulls last, session_id desc
    ) = 1
)
select
    unit_id, rater, scale, min(client_id) as client_id, min(dyad_id) as dyad_id, min(therapist_id) as therapist_id,
    min(site_id) as site_id, case when $is_mean then null else min(session_id) end as session_id,
    max(form_date) as form_date, avg(score order by form_id) as score
from taken group by unit_id, rater, scale order by scale, rater, unit_id
"""

_PAIRS = """
with paired as (
    select
        pairs.*, dyads.client_id, dyads.therapist_id, coalesce(sessions.session_order, 0) as session_order
    from alliance.core.dyad_sessions as pairs
    join alliance.core.dyads as dyads using (dyad_id)
    left join alliance.core.sessions as sessions using (session_id)
    where client_score is not null and therapist_score is not null and ($session is null or session_id = $session)
),
taken as (
    select * from paired
    qualify $is_mean or row_number() over (
        partition by dyad_id, instrument_id, scale_id order by session_order desc, session_id desc
    ) = 1
)
select
    instrument_id || '.' || scale_id as scale, dyad_id, min(client_id) as client_id,
    min(therapist_id) as therapist_id, min(site_id) as site_id,
    avg(client_score order by session_order, session_id) as client_score,
    avg(therapist_score order by session_order, session_id) as therapist_score
from taken group by instrument_id, scale_id, dyad_id order by scale, dyad_id
"""


def _session(session_rule: str) -> dict[str, object]:
    is_mean = session_rule == "mean"
    # A session may itself be called "last"; it then is the last one in the study's order or the rule speaks of it.
    named = None if session_rule in ("mean", "last") else session_rule
    return {"is_mean": is_mean, "session": named}


def read_rows(
    con: duckdb.DuckDBPyConnection,
    *,
    rater: str,
    items: tuple[str, ...],
    instruments: tuple[str, ...],
    session_rule: str,
) -> Rows:
    """Keyed answers of ``rater`` to ``items``, one row per dyad, ordered by the dyad's id."""
    template = _CELL["mean" if session_rule == "mean" else "one"]
    # Item ids are slugs of the codebook (letters, digits, _), which is checked when it is loaded.
    cells = ",\n    ".join(f'{template.format(item=_quoted(item))} as "{item}"' for item in items)
    found = con.execute(
        _ROWS.format(cells=cells),
        {"rater": rater, "instruments": list(instruments), "items": list(items), **_session(session_rule)},
    ).df()
    return Rows(found[list(items)].astype(float), found[list(KEYS)])


def read_outcomes(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Pre- and post-therapy scores signed so that higher is better; the first of several before, the last after.

    Columns: unit_id, client_id, dyad_id, outcome (``scl_90_r.gsi``), rater, phase, benefit, form_date.
    """
    return con.execute(_OUTCOMES).df()


def read_scores(con: duckdb.DuckDBPyConnection, session_rule: str) -> pd.DataFrame:
    """Scale scores of both raters by the session rule: one row per dyad (or client), rater and scale."""
    return con.execute(_SCORES, _session(session_rule)).df()


def read_pairs(con: duckdb.DuckDBPyConnection, session_rule: str) -> pd.DataFrame:
    """Both raters' scores of a scale side by side, one row per scale and dyad, from sessions that both rated."""
    return con.execute(_PAIRS, _session(session_rule)).df()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
