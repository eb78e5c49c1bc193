"""What a refresh changed in the data, found by holding the next warehouse against the published one.

New and corrected forms are counted per site, instrument and rater; what vanished or was withdrawn is one row per form,
since an answer that is gone from a newer export is an event somebody must see.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from flows.common.database import attach

# An answer counts as changed when it was accepted on one side at least and the two sides differ.
_FORMS = """
create or replace temp table changed_forms as
with before as (
    select response_id, form_id, value
    from previous.core.item_responses
    where status = 'accepted' and site_id in (select site_id from rewritten)
),
after as (
    select response_id, form_id, value
    from alliance.core.item_responses
    where status = 'accepted' and site_id in (select site_id from rewritten)
),
answers as (
    select
        coalesce(after.form_id, before.form_id) as form_id,
        case
            when before.response_id is null then 'new'
            when after.response_id is null then 'vanished'
            else 'corrected'
        end as kind,
        count(*) as n
    from before
    full outer join after on before.response_id = after.response_id
    where before.value is distinct from after.value
    group by all
),
forms as (
    select form_id, site_id, client_id, instrument_id, rater from alliance.core.forms
    union all
    select form_id, site_id, client_id, instrument_id, rater from previous.core.forms
    where form_id not in (select form_id from alliance.core.forms)
)
select
    case
        when answers.kind = 'vanished' and clients.client_id is null then 'withdrawn'
        else answers.kind
    end as kind,
    forms.site_id,
    forms.instrument_id,
    forms.rater,
    answers.form_id,
    answers.n
from answers
inner join forms on answers.form_id = forms.form_id
left join alliance.core.clients as clients on forms.client_id = clients.client_id
"""

# Without an earlier version each answered form is new, and the forms themselves say how many answers they have.
_FIRST_FORMS = """
create or replace temp table changed_forms as
select 'new' as kind, site_id, instrument_id, rater, form_id, n_answered as n
from alliance.core.forms
where n_answered > 0
"""

_ROWS = """
insert into alliance.meta.changes by name
with rows as (
    select kind, site_id, instrument_id, rater, cast(null as bigint) as form_id, sum(n) as n,
        count(*) || ' forms' as note
    from changed_forms
    where kind in ('new', 'corrected')
    group by all
    union all
    select kind, site_id, instrument_id, rater, form_id, n,
        case kind
            when 'withdrawn' then 'the client is no longer in the warehouse'
            else 'answers that an earlier delivery held are gone'
        end as note
    from changed_forms
    where kind in ('vanished', 'withdrawn')
)
select
    (select coalesce(max(change_id), 0) from alliance.meta.changes)
        + row_number() over (order by kind, site_id, instrument_id, rater, form_id) as change_id,
    $refresh_id as refresh_id,
    kind, site_id, instrument_id, rater, form_id, cast(null as varchar) as item_id, n, note
from rows
"""


def record_changes(
    con: duckdb.DuckDBPyConnection, *, published: Path | None, refresh_id: str, rewritten_sites: list[str]
) -> bool:
    """Fill ``meta.changes`` of the attached next warehouse (`alliance`); say whether any answer was removed.

    Parameters
    ----------
    con
        A connection with the next warehouse attached as ``alliance``.
    published
        The published file, or None when there is none; everything is new then.
    rewritten_sites
        The sites whose rows this refresh replaced; others cannot have changed.

    Returns
    -------
    bool
        True when answers that were published before are no longer, so that the file must be written anew.
    """
    if published is None:
        con.execute(_FIRST_FORMS)
    else:
        con.execute("create or replace temp table rewritten (site_id varchar)")
        if rewritten_sites:
            con.executemany("insert into rewritten values (?)", [[site] for site in rewritten_sites])
        attach(con, published, "previous", read_only=True)
        try:
            con.execute(_FORMS)
        finally:
            con.execute("detach previous")
    con.execute(_ROWS, {"refresh_id": refresh_id})
    removed = con.execute("select count(*) from changed_forms where kind in ('vanished', 'withdrawn')").fetchone()
    return bool(removed and removed[0])
