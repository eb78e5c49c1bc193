{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

select
    delivery_number,
    row_number,
    column_number,
    site_id,
    form_id,
    item_id,
    reason,
    value_class
from {{ ref("int_rejected_cells") }}
where site_id in (select site_id from {{ ref("stg_changed_sites") }})
