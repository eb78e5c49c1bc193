{{ config(alias="scale_items", tags=["same_for_all_sites"]) }}

select
    items.instrument_id,
    cast(scale_items.scale_id as {{ category("scale_id") }}) as scale_id,
    items.item_id
from {{ source("raw", "codebook_scale_items") }} as scale_items
inner join {{ ref("stg_items") }} as items
    on scale_items.instrument_id = items.instrument_id and scale_items.item_number = items.item_number
