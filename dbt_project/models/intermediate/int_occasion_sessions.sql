-- The session an occasion falls into by its name or its number; overlapping windows give the earlier session.
with occasions as (
    select distinct occasion
    from {{ ref("int_candidate_fates") }}
    where is_lead
),

numbered as (
    select
        occasion,
        {{ number_of("occasion") }} as occasion_number
    from occasions
),

matched as (
    select
        numbered.occasion,
        numbered.occasion_number,
        sessions.session_id,
        row_number() over (
            partition by numbered.occasion
            order by case when sessions.session_id = numbered.occasion then 0 else 1 end, sessions.session_order
        ) as place
    from numbered
    left join {{ source("raw", "sessions") }} as sessions
        on
            sessions.session_id = numbered.occasion
            or (
                (sessions.from_number is not null or sessions.to_number is not null)
                and numbered.occasion_number >= coalesce(sessions.from_number, numbered.occasion_number)
                and numbered.occasion_number <= coalesce(sessions.to_number, numbered.occasion_number)
            )
)

select
    occasion,
    occasion_number,
    session_id
from matched
where place = 1
