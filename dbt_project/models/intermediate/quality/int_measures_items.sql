-- every item of every instrument expected: an item whose column never came is all missing, not absent
with expected as (
    select
        expected.site_id,
        expected.instrument_id,
        expected.rater,
        expected.n_forms as n_forms_of_instrument,
        items.item_id,
        items.reverse_keyed,
        items.home_scale_id
    from {{ ref("int_quality_expected") }} as expected
    inner join {{ ref("int_quality_items") }} as items on expected.instrument_id = items.instrument_id
),

delivered_by_item as (
    select distinct
        site_id,
        instrument_id,
        rater
    from {{ ref("item_measures") }}
),

items as (
    select
        expected.site_id,
        expected.instrument_id,
        expected.rater,
        expected.item_id,
        expected.home_scale_id,
        case when by_item.site_id is null then 0 else expected.n_forms_of_instrument end as n_forms,
        coalesce(measures.n_answered, 0) as n_answered,
        coalesce(measures.n_rejected, 0) as n_rejected,
        coalesce(measures.n_at_minimum, 0) as n_at_minimum,
        coalesce(measures.n_at_maximum, 0) as n_at_maximum,
        coalesce(measures.n_in_bottom_third, 0) as n_in_bottom_third,
        coalesce(measures.n_in_top_third, 0) as n_in_top_third,
        coalesce(measures.n_item_rest, 0) as n_item_rest,
        measures.item_rest_correlation,
        case
            when expected.n_forms_of_instrument = 0
                then 'not delivered: no form of this instrument and rater has arrived'
            when by_item.site_id is null then 'the instrument arrived as scale scores, not item by item'
        end as note
    from expected
    left join delivered_by_item as by_item
        on
            expected.site_id = by_item.site_id
            and expected.instrument_id = by_item.instrument_id
            and expected.rater = by_item.rater
    left join {{ ref("item_measures") }} as measures
        on
            expected.site_id = measures.site_id
            and expected.instrument_id = measures.instrument_id
            and expected.rater = measures.rater
            and expected.item_id = measures.item_id
),

item_level as (
    select
        'item_missing_rate' as check_id,
        site_id,
        instrument_id,
        rater,
        item_id as subject,
        n_forms - n_answered - n_rejected as numerator,
        n_forms as denominator,
        note
    from items
    union all
    select
        'item_at_extreme',
        site_id,
        instrument_id,
        rater,
        item_id,
        greatest(n_at_minimum, n_at_maximum),
        n_answered,
        coalesce(note, case when n_answered = 0 then 'no form answers the item' end)
    from items
    union all
    select
        'item_rest_sign',
        site_id,
        instrument_id,
        rater,
        item_id,
        item_rest_correlation * n_item_rest,
        case when item_rest_correlation is null then 0 else n_item_rest end,
        case
            when note is not null then note
            when home_scale_id is null then 'the codebook puts the item in no scale'
            when item_rest_correlation is null then 'the answers, or those to the rest of the scale, do not vary'
        end
    from items
),

instrument_level as (
    select
        site_id,
        instrument_id,
        rater,
        sum(n_answered) as n_answered,
        sum(n_in_bottom_third) as n_in_bottom_third,
        sum(n_in_top_third) as n_in_top_third,
        coalesce(max(note), case when sum(n_answered) = 0 then 'no item was answered' end) as note
    from items
    group by site_id, instrument_id, rater
),

fits as (
    select
        expected.site_id,
        expected.instrument_id,
        expected.rater,
        expected.n_forms as n_forms_of_instrument,
        keys.alternative_key,
        fit.n_forms,
        fit.correlation
    from {{ ref("int_quality_expected") }} as expected
    inner join (
        select distinct
            instrument_id,
            alternative_key
        from {{ ref("int_quality_alternative_keys") }}
    ) as keys on expected.instrument_id = keys.instrument_id
    left join {{ ref("key_fit") }} as fit
        on
            expected.site_id = fit.site_id
            and expected.instrument_id = fit.instrument_id
            and expected.rater = fit.rater
            and keys.alternative_key = fit.alternative_key
),

key_level as (
    select
        case when alternative_key = 'reversed_items_turned' then 'reversed_items_sign' else 'rival_key_fit' end
            as check_id,
        site_id,
        instrument_id,
        rater,
        case when alternative_key = 'reversed_items_turned' then '' else alternative_key end as subject,
        correlation * n_forms as numerator,
        case when correlation is null then 0 else n_forms end as denominator,
        case
            when n_forms_of_instrument = 0 then 'not delivered: no form of this instrument and rater has arrived'
            when n_forms is null then 'no form has answers both to the items the keys treat differently and to others'
            when correlation is null then 'the answers do not vary'
        end as note
    from fits
),

together as (
    select * from item_level
    union all
    select
        'top_of_range_used',
        site_id,
        instrument_id,
        rater,
        '',
        n_in_top_third,
        n_answered,
        note
    from instrument_level
    union all
    select
        'bottom_of_range_used',
        site_id,
        instrument_id,
        rater,
        '',
        n_in_bottom_third,
        n_answered,
        note
    from instrument_level
    union all
    select * from key_level
)

select
    check_id,
    site_id,
    instrument_id,
    rater,
    subject,
    coalesce(cast(numerator as double), 0) as numerator,
    cast(denominator as double) as denominator,
    '[]' as failing_keys,
    case when denominator > 0 then null else note end as note
from together
