{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

-- the items that two keys treat differently, held against all other items of the form
with turned as (
    select
        responses.form_id,
        keys.alternative_key,
        sum(responses.keyed_value) as sum_turned,
        count(*) as n_turned
    from {{ ref("item_responses") }} as responses
    inner join {{ ref("int_quality_alternative_keys") }} as keys on responses.item_id = keys.item_id
    where
        responses.keyed_value is not null
        and responses.site_id in (select site_id from {{ ref("stg_changed_sites") }})
    group by responses.form_id, keys.alternative_key
),

means as (
    select
        patterns.site_id,
        patterns.instrument_id,
        patterns.rater,
        turned.alternative_key,
        turned.sum_turned / turned.n_turned as mean_turned,
        (patterns.mean_keyed * patterns.n_answered - turned.sum_turned)
        / (patterns.n_answered - turned.n_turned) as mean_others
    from turned
    inner join {{ ref("response_patterns") }} as patterns on turned.form_id = patterns.form_id
    where patterns.n_answered > turned.n_turned
)

select
    site_id,
    instrument_id,
    rater,
    alternative_key,
    count(*) as n_forms,
    {{ correlation("mean_turned", "mean_others") }} as correlation
from means
group by site_id, instrument_id, rater, alternative_key
