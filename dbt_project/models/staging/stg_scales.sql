with item_counts as (
    select
        instrument_id,
        scale_id,
        count(*) as n_items
    from {{ source("raw", "codebook_scale_items") }}
    group by instrument_id, scale_id
)

select
    cast(scales.instrument_id as {{ category("instrument_id") }}) as instrument_id,
    cast(scales.scale_id as {{ category("scale_id") }}) as scale_id,
    scales.scale_number,
    scales.name,
    scales.method,
    scales.kind,
    scales.status,
    cast(coalesce(item_counts.n_items, 0) as integer) as n_items,
    cast(row_number() over (order by scales.instrument_id, scales.scale_number) as integer) as scale_key
from {{ source("raw", "codebook_scales") }} as scales
left join item_counts
    on scales.instrument_id = item_counts.instrument_id and scales.scale_id = item_counts.scale_id
