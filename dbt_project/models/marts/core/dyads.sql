{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

with forms as (
    select *
    from {{ ref("forms") }}
    where dyad_id is not null and site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

grouped as (
    select
        dyad_id,
        site_id,
        client_id,
        therapist_id,
        episode_id,
        count(*) as n_forms,
        count(case when rater = 'client' then 1 end) as n_client_forms,
        count(case when rater = 'therapist' then 1 end) as n_therapist_forms,
        min(form_date) as first_form_date,
        max(form_date) as last_form_date
    from forms
    group by dyad_id, site_id, client_id, therapist_id, episode_id
),

episodes as (
    select
        client_id,
        episode_id,
        row_number() over (
            partition by client_id
            order by min(first_form_date) nulls last, episode_id nulls first
        ) as episode_number
    from grouped
    group by client_id, episode_id
)

select
    grouped.dyad_id,
    grouped.site_id,
    grouped.client_id,
    grouped.therapist_id,
    grouped.episode_id,
    cast(episodes.episode_number as integer) as episode_number,
    cast(grouped.n_forms as integer) as n_forms,
    cast(grouped.n_client_forms as integer) as n_client_forms,
    cast(grouped.n_therapist_forms as integer) as n_therapist_forms,
    grouped.first_form_date,
    grouped.last_form_date
from grouped
inner join episodes
    on grouped.client_id = episodes.client_id and coalesce(grouped.episode_id, '') = coalesce(episodes.episode_id, '')
