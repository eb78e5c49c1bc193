-- The session a day of a dyad falls into, counted from the dyad's first dated form.
with leads as (
    select
        {{ dyad_id_of("client_id", "therapist_id", "episode_id") }} as dyad_id,
        form_date
    from {{ ref("int_candidate_fates") }}
    where is_lead and form_date is not null and therapist_id is not null
),

first_dates as (
    select
        dyad_id,
        min(form_date) as first_date
    from leads
    group by dyad_id
),

days as (
    select distinct
        leads.dyad_id,
        leads.form_date,
        {{ dbt.datediff("first_dates.first_date", "leads.form_date", "day") }} as day_number
    from leads
    inner join first_dates
        on leads.dyad_id = first_dates.dyad_id
    cross join {{ ref("stg_study") }} as study
    where study.has_day_windows
),

matched as (
    select
        days.dyad_id,
        days.form_date,
        sessions.session_id,
        row_number() over (partition by days.dyad_id, days.form_date order by sessions.session_order) as place
    from days
    inner join {{ source("raw", "sessions") }} as sessions
        on
            (sessions.from_day is not null or sessions.to_day is not null)
            and days.day_number >= coalesce(sessions.from_day, days.day_number)
            and days.day_number <= coalesce(sessions.to_day, days.day_number)
)

select
    dyad_id,
    form_date,
    session_id
from matched
where place = 1
