{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}

with item_scales as (
    select
        items.item_id,
        scales.scale_number,
        scales.scale_key
    from {{ source("raw", "codebook_scale_items") }} as scale_items
    inner join {{ ref("stg_items") }} as items
        on scale_items.instrument_id = items.instrument_id and scale_items.item_number = items.item_number
    inner join {{ ref("stg_scales") }} as scales
        on scale_items.instrument_id = scales.instrument_id and scale_items.scale_id = scales.scale_id
),

-- blank items have a row too, so a scale is here as soon as one of its items was delivered
sums as (
    select
        responses.form_id * 256 + item_scales.scale_number as score_id,
        min(responses.form_id) as form_id,
        min(item_scales.scale_key) as scale_key,
        sum(responses.keyed_value) as keyed_sum,
        count(responses.keyed_value) as n_answered
    from {{ ref("item_responses") }} as responses
    inner join item_scales
        on responses.item_id = item_scales.item_id
    {{ where_site_changed("responses.site_id") }}
    group by responses.form_id * 256 + item_scales.scale_number
),

delivered as (
    select
        scores.*,
        scales.scale_key
    from {{ ref("int_delivered_scores") }} as scores
    inner join {{ ref("forms") }} as forms
        on scores.form_id = forms.form_id
    inner join {{ ref("stg_scales") }} as scales
        on forms.instrument_id = scales.instrument_id and scores.scale_number = scales.scale_number
    where scores.status <> 'blank'
),

joined as (
    select
        coalesce(sums.score_id, delivered.score_id) as score_id,
        coalesce(sums.form_id, delivered.form_id) as form_id,
        coalesce(sums.scale_key, delivered.scale_key) as scale_key,
        sums.keyed_sum,
        coalesce(sums.n_answered, 0) as n_answered,
        delivered.status as delivered_status,
        delivered.value as delivered_score,
        delivered.delivery_number,
        delivered.row_number,
        delivered.column_number
    from sums
    full outer join delivered
        on sums.score_id = delivered.score_id
),

ruled as (
    select
        joined.*,
        forms.site_id,
        scales.instrument_id,
        scales.scale_id,
        scales.method,
        scales.n_items,
        study.min_share_answered,
        joined.n_answered > 0 and joined.n_answered >= study.min_share_answered * scales.n_items - 1e-9
            as is_answered_enough
    from joined
    -- every key is there; an inner join would lead the planner to expect a handful of rows and to hash the scores
    left join {{ ref("stg_scales") }} as scales
        on joined.scale_key = scales.scale_key
    inner join {{ ref("forms") }} as forms
        on joined.form_id = forms.form_id
    cross join {{ ref("stg_study") }} as study
)

select
    score_id,
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
    cast(
        case
            when is_answered_enough or delivered_status = 'accepted' then 'ok'
            when n_answered > 0 or delivered_status is null then 'too_few_answered'
            else delivered_status
        end as {{ category("score_status") }}
    ) as status,
    cast(
        case
            when is_answered_enough or delivered_status is null then 'computed'
            when delivered_status = 'accepted' or n_answered = 0 then 'delivered'
            else 'computed'
        end as {{ category("score_origin") }}
    ) as origin,
    delivered_score,
    delivery_number,
    row_number,
    cast(column_number as smallint) as column_number
from ruled
