"""Rows for analysis, each by one query: answers of a rater to a set of items, outcomes, and both raters' scores.

Which session of a dyad counts is the study's rule: ``last`` (the last of the study's sessions in which the rater
answered any of the items), a session by its id, or ``mean`` (the mean of an item over the dyad's sessions). Of several
forms in a session the one nearest to the session's target number is taken, then the latest, as in core.dyad_sessions.
A study that declares no session has its occasions in the order of their dates.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from analysis.common.study_rows import KEYS, Rows
from flows.common.database import text_frame

# Decimals, since their sum is exact in any order: one that is made in a given order holds all answers to all items at
# once, and does not go to the disk. Ten places are more than a rating has.
_MEAN = "cast(sum(cast(answer.keyed_value as decimal(38, 10))) {asked} as double) / count(*) {asked}"
_ONE = "max(answer.keyed_value) {asked}"

FORMS = """
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
    FORMS
    + """
select
    taken.unit_id,
    min(taken.client_id) as client_id,
    min(taken.dyad_id) as dyad_id,
    min(taken.therapist_id) as therapist_id,
    min(taken.site_id) as site_id,
    {session} as session_id,
    max(taken.form_date) as form_date,
    {cells}
from taken join alliance.core.item_responses as answer using (form_id)
where answer.keyed_value is not null
group by {group}
having count(*) filter (where answer.item_id in (select unnest($items))) > 0
order by {order}
"""
)

_ONE_ROW = {
    "session": "case when $is_mean then null else min(taken.session_id) end",
    "group": "taken.unit_id",
    "order": "taken.unit_id",
}
_ROW_PER_SESSION = {
    "session": "taken.session_id",
    "group": "taken.unit_id, taken.session_id",
    "order": "taken.unit_id, min(taken.session_order), max(taken.form_date) nulls first, taken.session_id",
}

_DYADS = """
select
    dyad_id, client_id, min(form_date) as first_on, max(form_date) as last_on,
    count(distinct coalesce(session_id, occasion)) as n_sessions
from alliance.core.forms
where phase = 'therapy' and dyad_id is not null
group by dyad_id, client_id
order by dyad_id
"""

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

_SCALES = """
select distinct scores.instrument_id || '.' || scores.scale_id as scale
from alliance.core.scale_scores as scores
join alliance.core.instruments as instruments using (instrument_id)
where instruments.domain = 'alliance' and scores.score is not null order by scale
"""

_SCORES = """
with declared as (select count(*) > 0 as has_sessions from alliance.core.sessions),
scored as (
    select
        coalesce(forms.dyad_id, forms.client_id) as unit_id, forms.client_id, forms.dyad_id, forms.therapist_id,
        forms.site_id, forms.form_date, forms.form_id, coalesce(forms.session_id, forms.occasion) as session_id,
        coalesce(sessions.session_order, 0) as session_order,
        abs(try_cast(forms.occasion as double) - sessions.target_number) as distance,
        scores.instrument_id || '.' || scores.scale_id as scale, scores.score, scores.min_share_answered
    from alliance.core.scale_scores as scores
    join alliance.core.forms as forms using (form_id)
    cross join declared
    left join alliance.core.sessions as sessions using (session_id)
    where forms.phase = 'therapy' and forms.rater = $rater and scores.score is not null
        and scores.instrument_id || '.' || scores.scale_id in (select unnest($scales))
        and (forms.session_id is not null or not declared.has_sessions)
        and ($session is null or forms.session_id = $session)
),
kept_items as (
    select members.instrument_id || '.' || members.scale_id as scale, members.item_id
    from alliance.core.scale_items as members
    join alliance.core.items as items using (item_id)
    where not items.overlaps_outcome
),
sizes as (select scale, count(*) as n_kept from kept_items group by scale),
remaining as (
    select
        scored.form_id, scored.scale,
        case
            when count(answer.keyed_value) >= any_value(scored.min_share_answered) * any_value(sizes.n_kept) - 1e-9
                then avg(answer.keyed_value order by answer.item_id)
        end as score
    from scored
    join kept_items using (scale)
    join sizes using (scale)
    join alliance.core.item_responses as answer
        on answer.form_id = scored.form_id and answer.item_id = kept_items.item_id
    where scored.scale in (select unnest($without_overlap))
    group by scored.form_id, scored.scale
),
one_per_session as (
    select
        scored.* replace (
            case when scored.scale in (select unnest($without_overlap)) then remaining.score else scored.score end
            as score
        )
    from scored left join remaining using (form_id, scale)
    qualify row_number() over (
        partition by unit_id, scale, session_id order by distance nulls last, form_date desc nulls last, form_id
    ) = 1
),
taken as (
    select * from one_per_session
    qualify $is_mean or row_number() over (
        partition by unit_id, scale order by session_order desc, form_date desc nulls last, session_id desc
    ) = 1
)
select
    unit_id, min(client_id) as client_id, min(dyad_id) as dyad_id, min(therapist_id) as therapist_id,
    min(site_id) as site_id, {session} as session_id, max(form_date) as form_date,
    {cells}
from taken group by {group} order by {order}
"""

_ONE_SCORE = {"session": "null::varchar", "group": "unit_id", "order": "unit_id"}
_SCORE_PER_SESSION = {
    "session": "session_id",
    "group": "unit_id, session_id",
    "order": "unit_id, min(session_order), max(form_date) nulls first, session_id",
}

_PAIRS = """
with paired as (
    select
        pairs.*, instrument_id || '.' || scale_id as scale, dyads.client_id, dyads.therapist_id,
        coalesce(sessions.session_order, 0) as session_order
    from alliance.core.dyad_sessions as pairs
    join alliance.core.dyads as dyads using (dyad_id)
    left join alliance.core.sessions as sessions using (session_id)
    where client_score is not null and therapist_score is not null and ($session is null or session_id = $session)
),
taken as (
    select * from paired
    qualify $is_mean or row_number() over (
        partition by dyad_id, scale order by session_order desc, session_id desc
    ) = 1
)
select
    dyad_id as unit_id, min(client_id) as client_id, dyad_id, min(therapist_id) as therapist_id,
    min(site_id) as site_id, null::varchar as session_id, null::date as form_date,
    {cells}
from taken group by dyad_id order by dyad_id
"""


def session_parameters(session_rule: str) -> dict[str, object]:
    """What the queries here take as $is_mean and $session."""
    is_mean = session_rule == "mean"
    # A session may itself be called "last"; it then is the last one in the study's order or the rule speaks of it.
    named = None if session_rule in ("mean", "last") else session_rule
    return {"is_mean": is_mean, "session": named}


def cells_of(items: tuple[str, ...], session_rule: str) -> str:
    """One column per item: its answer, or the mean of a dyad's answers to it."""
    cell = _MEAN if session_rule == "mean" else _ONE
    # Item ids are slugs of the codebook (letters, digits, _), which is checked when it is loaded.
    asked = {item: f"filter (where answer.item_id = {_quoted(item)})" for item in items}
    return ",\n    ".join(f'{cell.format(asked=each)} as "{item}"' for item, each in asked.items())


def read_rows(
    con: duckdb.DuckDBPyConnection,
    *,
    rater: str,
    items: tuple[str, ...],
    instruments: tuple[str, ...],
    session_rule: str,
    each_session: bool = False,
) -> Rows:
    """Keyed answers of ``rater`` to ``items``, one row per dyad, ordered by the dyad's id.

    With ``each_session`` one row per dyad and session instead, in the order of the sessions; the rule then plays no
    part.
    """
    cells = cells_of(items, "last" if each_session else session_rule)
    query = _ROWS.format(cells=cells, **(_ROW_PER_SESSION if each_session else _ONE_ROW))
    settings = {"rater": rater, "instruments": list(instruments), "items": list(items)}
    rule = session_parameters("mean" if each_session else session_rule)
    found = text_frame(con.execute(query, settings | rule))
    return Rows(found[list(items)].astype(float), found[list(KEYS)])


def read_outcomes(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Pre- and post-therapy scores signed so that higher is better; the first of several before, the last after.

    Columns: unit_id, client_id, dyad_id, outcome (``scl_90_r.gsi``), rater, phase, benefit, form_date.
    """
    return text_frame(con.execute(_OUTCOMES))


def read_dyads(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """All dyads with the days of their first and last form of the alliance and their number of sessions."""
    return text_frame(con.execute(_DYADS))


def read_scales(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """The alliance scales that have scores, as ``wai_s.total``, in alphabetical order."""
    return tuple(row[0] for row in con.execute(_SCALES).fetchall())


def read_scores(
    con: duckdb.DuckDBPyConnection,
    *,
    rater: str,
    scales: tuple[str, ...],
    session_rule: str,
    each_session: bool = False,
    without_overlap: tuple[str, ...] = (),
) -> Rows:
    """Scale scores of ``rater`` as answers of :class:`Rows`; each scale of a dyad is of the last session it has.

    With ``each_session`` one row per dyad and session. Scales in ``without_overlap`` are the mean of those of their
    items that do not overlap with outcome, by the same rule for missing answers.
    """
    averaged = session_rule == "mean" and not each_session
    cells = [_score("score", scale, "form_id" if averaged else None, scale) for scale in scales]
    if not cells:
        return Rows(pd.DataFrame(), pd.DataFrame(columns=list(KEYS)))
    query = _SCORES.format(cells=",\n    ".join(cells), **(_SCORE_PER_SESSION if each_session else _ONE_SCORE))
    rule = session_parameters("mean" if each_session else session_rule)
    given = {"rater": rater, "scales": list(scales), "without_overlap": list(without_overlap), **rule}
    found = text_frame(con.execute(query, given))
    return Rows(found[list(scales)].astype(float), found[list(KEYS)])


def read_pairs(
    con: duckdb.DuckDBPyConnection, *, scales: tuple[str, ...], session_rule: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Who the dyads are, and the client's and the therapist's scores of each scale in a session that both rated.

    Three frames of equal rows, one per dyad; a scale's column is missing in both where there is no such session.
    """
    if not scales:
        return pd.DataFrame(columns=list(KEYS)), pd.DataFrame(), pd.DataFrame()
    cells = [
        _score(
            f"{rater}_score",
            scale,
            "session_order, session_id" if session_rule == "mean" else None,
            f"{rater}:{scale}",
        )
        for scale in scales
        for rater in ("client", "therapist")
    ]
    found = text_frame(con.execute(_PAIRS.format(cells=",\n    ".join(cells)), session_parameters(session_rule)))
    client, therapist = (
        found[[f"{rater}:{scale}" for scale in scales]].set_axis(list(scales), axis=1).astype(float)
        for rater in ("client", "therapist")
    )
    return found[list(KEYS)], client, therapist


def _score(value: str, scale: str, order: str | None, name: str) -> str:
    """The column of a scale: its one score, or the mean of several, added up in an order so that it is always the
    same. Ordering what is one takes most of a large study's time."""
    made = f"max({value})" if order is None else f"avg({value} order by {order})"
    return f'{made} filter (where scale = {_quoted(scale)}) as "{name}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
