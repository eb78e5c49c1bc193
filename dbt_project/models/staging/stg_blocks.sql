select
    blocks.* replace (
        cast(blocks.site_id as {{ category("site_id") }}) as site_id,
        cast(blocks.instrument_id as {{ category("instrument_id") }}) as instrument_id,
        cast(blocks.rater as {{ category("rater") }}) as rater,
        cast(blocks.phase as {{ category("phase") }}) as phase
    ),
    list_aggregate(list_sort(bound.slots), 'string_agg', ' ') as slots_bound,
    coalesce(scored.score_columns, []) as score_columns
from {{ source("raw", "layout_blocks") }} as blocks
inner join {{ source("raw", "changed_sites") }} as changed_sites
    on blocks.site_id = changed_sites.site_id
left join (
    select
        block_id,
        list(coalesce('item ' || item_number, 'scale ' || scale_id)) as slots
    from {{ source("raw", "layout_bindings") }}
    group by block_id
) as bound
    on blocks.block_id = bound.block_id
left join (
    select
        block_id,
        list(column_number order by column_number) as score_columns
    from {{ source("raw", "layout_bindings") }}
    where scale_id is not null
    group by block_id
) as scored
    on blocks.block_id = scored.block_id
