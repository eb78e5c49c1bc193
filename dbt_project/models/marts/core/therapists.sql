{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

select
    therapist_id,
    site_id,
    cast(count(distinct client_id) as integer) as n_clients,
    cast(count(*) as integer) as n_forms
from {{ ref("forms") }}
where therapist_id is not null and site_id in (select site_id from {{ ref("stg_changed_sites") }})
group by therapist_id, site_id
