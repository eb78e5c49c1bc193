with named as (
    select distinct
        client_id,
        coalesce(episode_id, '') as episode_id,
        therapist_id
    from {{ ref("int_record_blocks") }}
    where client_id is not null and is_current and not is_withdrawn
),

episodes as (
    select distinct
        client_id,
        episode_id
    from named
),

-- a form without an episode may belong to any of the client's, and a therapist named without one may be meant in any
meant as (
    select
        client_id,
        episode_id,
        therapist_id
    from named

    union

    select
        client_id,
        '' as episode_id,
        therapist_id
    from named

    union

    select
        episodes.client_id,
        episodes.episode_id,
        named.therapist_id
    from episodes
    inner join named
        on episodes.client_id = named.client_id
    where named.episode_id = ''
)

select
    client_id,
    episode_id,
    count(distinct therapist_id) as n_therapists,
    min(therapist_id) as therapist_id
from meant
group by client_id, episode_id
