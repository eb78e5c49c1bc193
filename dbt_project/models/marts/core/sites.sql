{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

with counts as (
    select
        site_id,
        count(distinct client_id) as n_clients,
        count(distinct therapist_id) as n_therapists,
        count(distinct dyad_id) as n_dyads,
        count(*) as n_forms
    from {{ ref("forms") }}
    where site_id in (select site_id from {{ ref("stg_changed_sites") }})
    group by site_id
)

select
    changed_sites.site_id,
    sites.name,
    sites.expected_clients,
    cast(coalesce(counts.n_clients, 0) as integer) as n_clients,
    cast(coalesce(counts.n_therapists, 0) as integer) as n_therapists,
    cast(coalesce(counts.n_dyads, 0) as integer) as n_dyads,
    cast(coalesce(counts.n_forms, 0) as integer) as n_forms
from {{ source("raw", "sites") }} as sites
inner join {{ ref("stg_changed_sites") }} as changed_sites
    on sites.site_id = changed_sites.site_id
left join counts
    on sites.site_id = counts.site_id
