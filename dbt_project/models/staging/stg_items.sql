select
    cast(items.item_id as {{ category("item_id") }}) as item_id,
    cast(items.instrument_id as {{ category("instrument_id") }}) as instrument_id,
    items.item_number,
    items.reverse_keyed,
    items.topic,
    items.theme,
    items.overlaps_outcome,
    coalesce(items.min_value, instruments.min_value) as min_value,
    coalesce(items.max_value, instruments.max_value) as max_value
from {{ source("raw", "codebook_items") }} as items
inner join {{ source("raw", "codebook_instruments") }} as instruments
    on items.instrument_id = instruments.instrument_id
