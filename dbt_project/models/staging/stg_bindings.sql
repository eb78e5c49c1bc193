with bound as (
    select
        block_id,
        column_number as binding_number,
        cast(null as varchar) as item_code,
        item_number,
        scale_id,
        rule_id
    from {{ source("raw", "layout_bindings") }}

    union all

    select
        block_id,
        cast(row_number() over (partition by block_id order by item_code) as integer) as binding_number,
        {{ clean_text("item_code") }} as item_code,
        item_number,
        scale_id,
        rule_id
    from {{ source("raw", "layout_item_codes") }}
)

select
    bound.block_id,
    bound.binding_number,
    bound.item_code,
    bound.rule_id,
    blocks.instrument_id,
    bound.item_number,
    items.item_id,
    bound.scale_id,
    scales.scale_number,
    -- items fill 1 to 255, so scales of a form begin at 257
    coalesce(bound.item_number, 256 + scales.scale_number) as slot,
    coalesce(items.reverse_keyed, false) as reverse_keyed,
    blocks.orientation = 'already_reversed' as already_reversed,
    items.min_value + items.max_value as reversal_sum
from bound
inner join {{ ref("stg_blocks") }} as blocks
    on bound.block_id = blocks.block_id
left join {{ ref("stg_items") }} as items
    on blocks.instrument_id = items.instrument_id and bound.item_number = items.item_number
left join {{ ref("stg_scales") }} as scales
    on blocks.instrument_id = scales.instrument_id and bound.scale_id = scales.scale_id
where items.item_id is not null or scales.scale_id is not null
