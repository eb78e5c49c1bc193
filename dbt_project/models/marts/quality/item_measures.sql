{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

with changed_forms as (
    select
        form_id,
        site_id,
        instrument_id,
        rater
    from {{ ref("forms") }}
    where site_id in (select site_id from {{ source("raw", "changed_sites") }})
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
        forms.site_id,
        forms.instrument_id,
        forms.rater,
        scores.n_answered,
        scores.score / case when scales.method = 'sum' then scores.n_items else 1 end as mean_keyed
    from changed_forms as forms
    inner join home_scales on forms.instrument_id = home_scales.instrument_id
    left join {{ ref("core_scales") }} as scales
        on home_scales.instrument_id = scales.instrument_id and home_scales.home_scale_id = scales.scale_id
    left join {{ ref("scale_scores") }} as scores
        on
            forms.form_id * 256 + home_scales.home_scale_number = scores.score_id
            and scores.origin = 'computed'
            and scores.site_id in (select site_id from {{ source("raw", "changed_sites") }})
),

answers as (
    select
        form_scales.site_id,
        form_scales.instrument_id,
        form_scales.rater,
        responses.item_id,
        responses.status,
        responses.value,
        responses.keyed_value,
        items.min_value,
        items.max_value,
        case
            when responses.keyed_value is not null and form_scales.n_answered > 1
                then
                    (form_scales.mean_keyed * form_scales.n_answered - responses.keyed_value)
                    / (form_scales.n_answered - 1)
        end as rest
    from {{ ref("item_responses") }} as responses
    inner join {{ ref("int_quality_items") }} as items on responses.item_id = items.item_id
    inner join form_scales on responses.form_id * 256 + items.home_scale_number = form_scales.form_scale_id
    where responses.site_id in (select site_id from {{ source("raw", "changed_sites") }})
)

select
    site_id,
    instrument_id,
    rater,
    item_id,
    count(*) as n_forms,
    count(value) as n_answered,
    count(case when status = 'blank' then 1 end) as n_blank,
    count(case when status = 'declared_missing' then 1 end) as n_declared_missing,
    count(case when status = 'rejected' then 1 end) as n_rejected,
    min(value) as lowest,
    max(value) as highest,
    count(case when value = min_value then 1 end) as n_at_minimum,
    count(case when value = max_value then 1 end) as n_at_maximum,
    count(case when value < min_value + (max_value - min_value) / 3.0 then 1 end) as n_in_bottom_third,
    count(case when value > max_value - (max_value - min_value) / 3.0 then 1 end) as n_in_top_third,
    avg(value) as mean,
    stddev_samp(value) as sd,
    count(rest) as n_item_rest,
    {{ correlation("keyed_value", "rest") }} as item_rest_correlation
from answers
group by site_id, instrument_id, rater, item_id
