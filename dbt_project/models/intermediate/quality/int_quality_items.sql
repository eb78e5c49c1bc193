-- base 16 holds up to 14 answer categories, base 256 up to 254; finer answers are compared after rounding to 253 steps
with ranges as (
    select
        items.item_id,
        items.instrument_id,
        items.item_number,
        items.reverse_keyed,
        items.min_value,
        items.max_value,
        case
            when instruments.step > 0 and (items.max_value - items.min_value) / instruments.step <= 253
                then instruments.step
            else (items.max_value - items.min_value) / 253.0
        end as unit
    from {{ ref("core_items") }} as items
    inner join {{ ref("core_instruments") }} as instruments on items.instrument_id = instruments.instrument_id
),

coded as (
    select
        item_id,
        instrument_id,
        item_number,
        reverse_keyed,
        min_value,
        max_value,
        unit,
        case when (max_value - min_value) / unit < 13.5 then 4 else 8 end as bits
    from ranges
),

-- one number of bits per instrument: a form's items share words
of_instruments as (
    select
        instrument_id,
        max(bits) as bits
    from coded
    group by instrument_id
),

home_scales as (
    select
        scale_items.item_id,
        scales.scale_id,
        scales.scale_number,
        row_number() over (
            partition by scale_items.item_id
            order by case when scales.kind = 'total' then 0 else 1 end, scales.scale_number
        ) as preference
    from {{ ref("core_scale_items") }} as scale_items
    inner join {{ ref("core_scales") }} as scales
        on scale_items.instrument_id = scales.instrument_id and scale_items.scale_id = scales.scale_id
),

placed as (
    select
        coded.item_id,
        coded.instrument_id,
        coded.item_number,
        coded.reverse_keyed,
        coded.min_value,
        coded.max_value,
        coded.unit,
        of_instruments.bits,
        case when of_instruments.bits = 4 then 15 else 7 end as codes_per_word
    from coded
    inner join of_instruments on coded.instrument_id = of_instruments.instrument_id
)

select
    placed.item_id,
    placed.instrument_id,
    placed.item_number,
    placed.reverse_keyed,
    placed.min_value,
    placed.max_value,
    placed.unit,
    placed.bits,
    placed.codes_per_word,
    cast(floor((placed.item_number - 1) / (4.0 * placed.codes_per_word)) as integer) as segment,
    mod(placed.item_number - 1, 4 * placed.codes_per_word) as position_in_segment,
    cast(
        floor(mod(placed.item_number - 1, 4 * placed.codes_per_word) / cast(placed.codes_per_word as double)) as integer
    ) as word_in_segment,
    cast(
        power(
            case when placed.bits = 4 then 16 else 256 end,
            mod(placed.item_number - 1, placed.codes_per_word)
        ) as bigint
    ) as place,
    home_scales.scale_id as home_scale_id,
    coalesce(home_scales.scale_number, 0) as home_scale_number
from placed
left join home_scales on placed.item_id = home_scales.item_id and home_scales.preference = 1
