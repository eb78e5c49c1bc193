{{ config(alias="items", tags=["same_for_all_sites"]) }}

select
    item_id,
    instrument_id,
    item_number,
    reverse_keyed,
    topic,
    theme,
    overlaps_outcome,
    min_value,
    max_value
from {{ ref("stg_items") }}
