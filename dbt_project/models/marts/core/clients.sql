{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

select
    client_id,
    site_id,
    cast(count(distinct therapist_id) as integer) as n_therapists,
    cast(count(*) as integer) as n_forms,
    min(form_date) as first_form_date,
    max(form_date) as last_form_date
from {{ ref("forms") }}
where site_id in (select site_id from {{ ref("stg_changed_sites") }})
group by client_id, site_id
