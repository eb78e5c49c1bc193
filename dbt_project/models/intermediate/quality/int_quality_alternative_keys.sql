-- instruments of one family share the first word of their id (wai_s, wai_sr) and are mixed up most easily
with items as (
    select
        items.instrument_id,
        items.item_id,
        items.item_number,
        items.reverse_keyed,
        instruments.domain,
        {{ dbt.split_part("items.instrument_id", "'_'", 1) }} as family
    from {{ ref("core_items") }} as items
    inner join {{ ref("core_instruments") }} as instruments on items.instrument_id = instruments.instrument_id
    where items.instrument_id in (select instrument_id from {{ ref("core_scales") }} where kind = 'total')
),

rivals as (
    select
        own.instrument_id,
        rival.instrument_id as alternative_key,
        own.item_id
    from items as own
    inner join items as rival
        on
            own.family = rival.family
            and own.domain = rival.domain
            and own.item_number = rival.item_number
            and own.instrument_id <> rival.instrument_id
            and own.reverse_keyed <> rival.reverse_keyed
),

turned as (
    select
        instrument_id,
        'reversed_items_turned' as alternative_key,
        item_id
    from items
    where
        reverse_keyed
        and instrument_id in (select instrument_id from items where not reverse_keyed)
)

select * from rivals
union all
select * from turned
