{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook="{{ add_primary_key() }}"
) }}

with forms as (
    select
        form_id,
        site_id,
        instrument_id,
        n_items
    from {{ ref("forms") }}
    where site_id in (select site_id from {{ source("raw", "changed_sites") }})
),

item_scales as (
    select
        items.item_id,
        scales.scale_key
    from {{ source("raw", "codebook_scale_items") }} as scale_items
    inner join {{ ref("stg_items") }} as items
        on scale_items.instrument_id = items.instrument_id and scale_items.item_number = items.item_number
    inner join {{ ref("stg_scales") }} as scales
        on scale_items.instrument_id = scales.instrument_id and scale_items.scale_id = scales.scale_id
),

sums as (
    select
        responses.form_id,
        item_scales.scale_key,
        sum(responses.keyed_value) as keyed_sum,
        count(responses.keyed_value) as n_answered
    from {{ ref("item_responses") }} as responses
    inner join item_scales
        on responses.item_id = item_scales.item_id
    where responses.site_id in (select site_id from {{ source("raw", "changed_sites") }})
    group by responses.form_id, item_scales.scale_key
),

-- a form that gives items has every scale of its instrument; one that only gives scores has those
wanted as (
    select
        forms.form_id,
        forms.site_id,
        scales.instrument_id,
        scales.scale_id,
        scales.scale_number,
        scales.method,
        scales.n_items,
        coalesce(sums.n_answered, 0) as n_answered,
        sums.keyed_sum,
        study.min_share_answered,
        delivered.status as delivered_status,
        delivered.value as delivered_score,
        delivered.delivery_number,
        delivered.row_number,
        delivered.column_number
    from forms
    inner join {{ ref("stg_scales") }} as scales
        on forms.instrument_id = scales.instrument_id
    cross join {{ ref("stg_study") }} as study
    left join sums
        on forms.form_id = sums.form_id and scales.scale_key = sums.scale_key
    left join {{ ref("int_delivered_scores") }} as delivered
        on
            forms.form_id = delivered.form_id
            and scales.scale_number = delivered.scale_number
            and delivered.status <> 'blank'
    where forms.n_items > 0 or delivered.form_id is not null
),

ruled as (
    select
        wanted.*,
        n_answered > 0 and n_answered >= min_share_answered * n_items - 1e-9 as is_answered_enough
    from wanted
)

select
    form_id * 256 + scale_number as score_id,
    form_id,
    site_id,
    instrument_id,
    scale_id,
    case
        when is_answered_enough and method = 'sum' then keyed_sum / n_answered * n_items
        when is_answered_enough then keyed_sum / n_answered
        else delivered_score
    end as score,
    cast(n_answered as integer) as n_answered,
    n_items,
    min_share_answered,
    case
        when is_answered_enough or delivered_status = 'accepted' then 'ok'
        when n_answered > 0 or delivered_status is null then 'too_few_answered'
        else delivered_status
    end as status,
    case
        when is_answered_enough or delivered_status is null then 'computed'
        when delivered_status = 'accepted' or n_answered = 0 then 'delivered'
        else 'computed'
    end as origin,
    delivered_score,
    delivery_number,
    row_number,
    cast(column_number as smallint) as column_number
from ruled
