{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

with changed_forms as (
    select
        form_id,
        site_id,
        instrument_id,
        rater
    from {{ ref("forms") }}
    where site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

-- numbers instead of names: the answers are grouped by them several times as fast
groups as (
    select
        site_id,
        instrument_id,
        rater,
        cast(row_number() over (order by site_id, instrument_id, rater) as integer) as group_number
    from changed_forms
    group by site_id, instrument_id, rater
),

home_scales as (
    select distinct
        instrument_id,
        home_scale_id,
        home_scale_number
    from {{ ref("int_quality_items") }}
),

-- one row per form and home scale: what an item's "rest" is the mean of; also where the score could not be given
form_scales as (
    select
        forms.form_id * 256 + home_scales.home_scale_number as form_scale_id,
        groups.group_number,
        scores.n_answered - 1 as n_rest,
        scores.n_answered * scores.score / case when scales.method = 'sum' then scores.n_items else 1 end as keyed_sum
    from changed_forms as forms
    inner join groups
        on
            forms.site_id = groups.site_id
            and forms.instrument_id = groups.instrument_id
            and forms.rater = groups.rater
    inner join home_scales on forms.instrument_id = home_scales.instrument_id
    left join {{ ref("core_scales") }} as scales
        on home_scales.instrument_id = scales.instrument_id and home_scales.home_scale_id = scales.scale_id
    left join {{ ref("scale_scores") }} as scores
        on
            forms.form_id * 256 + home_scales.home_scale_number = scores.score_id
            and scores.origin = 'computed'
            and scores.n_answered > 1
            and scores.site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

answers as (
    select
        form_scales.group_number,
        items.item_number,
        responses.status,
        responses.value,
        responses.keyed_value,
        items.min_value,
        items.max_value,
        items.max_value - items.min_value as width,
        (form_scales.keyed_sum - responses.keyed_value) / form_scales.n_rest as rest
    from {{ ref("item_responses") }} as responses
    inner join {{ ref("int_quality_items") }} as items on responses.item_id = items.item_id
    inner join form_scales on responses.form_id * 256 + items.home_scale_number = form_scales.form_scale_id
    where responses.site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

measured as (
    select
        group_number,
        item_number,
        count(*) as n_forms,
        count(value) as n_answered,
        count(case when status = 'blank' then 1 end) as n_blank,
        count(case when status = 'declared_missing' then 1 end) as n_declared_missing,
        min(value) as lowest,
        max(value) as highest,
        count(case when value = min_value then 1 end) as n_at_minimum,
        count(case when value = max_value then 1 end) as n_at_maximum,
        count(case when value < min_value + width / 3.0 then 1 end) as n_in_bottom_third,
        count(case when value > max_value - width / 3.0 then 1 end) as n_in_top_third,
        -- rounded as correlations are: threads add up in an order of their own
        round(avg(value), 9) as mean,
        round(stddev_samp(value), 9) as sd,
        count(rest) as n_item_rest,
        {{ correlation("keyed_value", "rest") }} as item_rest_correlation
    from answers
    group by group_number, item_number
)

select
    groups.site_id,
    groups.instrument_id,
    groups.rater,
    items.item_id,
    measured.n_forms,
    measured.n_answered,
    measured.n_blank,
    measured.n_declared_missing,
    measured.n_forms - measured.n_answered - measured.n_blank - measured.n_declared_missing as n_rejected,
    measured.lowest,
    measured.highest,
    measured.n_at_minimum,
    measured.n_at_maximum,
    measured.n_in_bottom_third,
    measured.n_in_top_third,
    measured.mean,
    measured.sd,
    measured.n_item_rest,
    measured.item_rest_correlation
from measured
inner join groups on measured.group_number = groups.group_number
inner join {{ ref("int_quality_items") }} as items
    on groups.instrument_id = items.instrument_id and measured.item_number = items.item_number
