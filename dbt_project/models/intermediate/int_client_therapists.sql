with named as (
    select distinct
        client_id,
        coalesce(episode_id, '') as episode_id,
        therapist_id
    from {{ ref("int_record_blocks") }}
    where client_id is not null and is_current and not is_withdrawn
),

-- a form without an episode may belong to any of the client's, and so may a therapist named without one
asked as (
    select
        client_id,
        episode_id
    from named
    union
    select
        client_id,
        '' as episode_id
    from named
)

select
    asked.client_id,
    asked.episode_id,
    count(distinct named.therapist_id) as n_therapists,
    min(named.therapist_id) as therapist_id
from asked
left join named
    on
        asked.client_id = named.client_id
        and named.therapist_id is not null
        and (asked.episode_id = '' or named.episode_id = '' or asked.episode_id = named.episode_id)
group by asked.client_id, asked.episode_id
