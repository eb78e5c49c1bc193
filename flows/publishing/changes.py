"""What a refresh changed in the data, found by holding the next warehouse against the published one.

New and corrected forms are counted per site, instrument and rater; what vanished or was withdrawn is one row per form,
since an answer that is gone from a newer export is an event somebody must see. Withdrawn is only who is in
``withdrawals.csv``: a client whom a newer export no longer has did not withdraw, and a site's whole data may be gone.
"""

from __future__ import annotations

from collections.abc import Collection
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
        when answers.kind = 'vanished' and withdrawn.client_id is not null then 'withdrawn'
        else answers.kind
    end as kind,
    sites.site_id is null as is_site_gone,
    forms.site_id,
    forms.instrument_id,
    forms.rater,
    answers.form_id,
    answers.n
from answers
inner join forms on answers.form_id = forms.form_id
left join withdrawn on forms.client_id = withdrawn.client_id
left join alliance.core.sites as sites on forms.site_id = sites.site_id
"""

# Without an earlier version each answered form is new, and the forms themselves say how many answers they have.
_FIRST_FORMS = """
create or replace temp table changed_forms as
select 'new' as kind, false as is_site_gone, site_id, instrument_id, rater, form_id, n_answered as n
from alliance.core.forms
where n_answered > 0
"""

_ROWS = """
insert into alliance.meta.changes by name
with rows as (
    select kind, site_id, instrument_id, rater, cast(null as bigint) as form_id, sum(n) as n,
        count(*) || case when count(*) = 1 then ' form' else ' forms' end as note
    from changed_forms
    where kind in ('new', 'corrected')
    group by all
    union all
    select kind, site_id, instrument_id, rater, form_id, n,
        case
            when kind = 'withdrawn' then 'the client has withdrawn'
            when is_site_gone then 'the study has no such site any more'
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
    con: duckdb.DuckDBPyConnection,
    *,
    published: Path | None,
    refresh_id: str,
    rewritten_sites: Collection[str],
    withdrawn: Collection[str],
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
    withdrawn
        Pseudonyms of the clients who withdrew.

    Returns
    -------
    bool
        True when answers that were published before are no longer, so that the file must be written anew.
    """
    if published is None:
        con.execute(_FIRST_FORMS)
    else:
        for table, column, values in (("rewritten", "site_id", rewritten_sites), ("withdrawn", "client_id", withdrawn)):
            listed = f"select unnest($1::varchar[]) as {column}"
            con.execute(f"create or replace temp table {table} as {listed}", [[*values]])
        attach(con, published, "previous", read_only=True)
        try:
            con.execute(_FORMS)
        finally:
            con.execute("detach previous")
    con.execute(_ROWS, {"refresh_id": refresh_id})
    removed = con.execute("select count(*) from changed_forms where kind in ('vanished', 'withdrawn')").fetchone()
    return bool(removed and removed[0])
