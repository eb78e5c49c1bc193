select
    columns.delivery_number,
    columns.column_number,
    columns.column_name,
    columns.role,
    columns.instrument_id,
    items.item_id,
    columns.scale_id
from {{ source("raw", "layout_columns") }} as columns
inner join {{ ref("deliveries") }} as deliveries on columns.delivery_number = deliveries.delivery_number
left join {{ source("raw", "codebook_items") }} as items
    on columns.instrument_id = items.instrument_id and columns.item_number = items.item_number
