{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}
{%- set words = ["word_0", "word_1", "word_2", "word_3"] %}

-- a segment is as many items as four words hold (60, or 28 of many categories): nearly every form has one segment only
with answers as (
    select
        responses.form_id * 16 + items.segment as segment_id,
        responses.value,
        responses.keyed_value,
        items.reverse_keyed,
        items.place,
        items.word_in_segment,
        items.position_in_segment,
        cast(round((responses.value - items.min_value) / items.unit) as bigint) + 1 as code,
        {{ code_counter("cast(round((responses.value - items.min_value) / items.unit) as bigint)") }} as counter
    from {{ ref("item_responses") }} as responses
    inner join {{ ref("int_quality_items") }} as items on responses.item_id = items.item_id
    where
        responses.value is not null
        and responses.site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

sums as (
    select
        segment_id,
        max(position_in_segment) + 1 as n_positions,
        {%- for word in words %}
        cast(sum(case when word_in_segment = {{ loop.index0 }} then code * place end) as bigint) as {{ word }},
        {%- endfor %}
        cast(sum(case when code <= 7 then counter end) as bigint) as low_counters,
        cast(sum(case when code between 8 and 14 then counter end) as bigint) as high_counters,
        count(*) as n_answered,
        sum(value) as sum_value,
        sum(value * value) as sum_square,
        sum(keyed_value) as sum_keyed,
        count(case when reverse_keyed then 1 end) as n_reversed
    from answers
    group by segment_id
),

codings as (
    select distinct
        instrument_id,
        bits,
        codes_per_word
    from {{ ref("int_quality_items") }}
),

segments as (
    select
        forms.form_id,
        forms.site_id,
        forms.instrument_id,
        forms.rater,
        codings.bits,
        codings.codes_per_word,
        mod(sums.segment_id, 16) as segment,
        cast(mod(sums.segment_id, 16) as varchar)
        {%- for word in words %}
        || '-' || cast(coalesce(sums.{{ word }}, 0) as varchar)
        {%- endfor %} as key_text,
        sums.*
    from sums
    inner join {{ ref("forms") }} as forms on {{ whole_division("sums.segment_id", 16) }} = forms.form_id
    inner join codings on forms.instrument_id = codings.instrument_id
),

long_forms as (
    select
        form_id,
        site_id,
        instrument_id,
        rater,
        bits,
        codes_per_word,
        {{ words_in_order(words, "segment") }} as words,
        {{ dbt.listagg("key_text", "' '", "order by segment") }} as key_text,
        sum(low_counters) as low_counters,
        sum(high_counters) as high_counters,
        sum(n_answered) as n_answered,
        sum(sum_value) as sum_value,
        sum(sum_square) as sum_square,
        sum(sum_keyed) as sum_keyed,
        sum(n_reversed) as n_reversed
    from segments
    where form_id in (select form_id from segments where segment > 0)
    group by form_id, site_id, instrument_id, rater, bits, codes_per_word
),

{%- set carried = "form_id, site_id, instrument_id, rater, bits, key_text, low_counters, high_counters, n_answered,
        sum_value, sum_square, sum_keyed, n_reversed" %}

whole_forms as (
    select
        {{ carried }},
        {{ answer_codes(words, "n_positions", "bits") }} as codes
    from segments
    where form_id not in (select form_id from long_forms)
    union all
    select
        {{ carried }},
        {{ answer_codes_of_list("words", "bits", "codes_per_word") }} as codes
    from long_forms
),

counted as (
    select
        {{ carried }},
        {{ longest_run("codes") }} as longest_run,
        case
            when bits = 4 then {{ largest_counter(["low_counters", "high_counters"]) }}
            else {{ commonest_code_count("codes") }}
        end as n_commonest
    from whole_forms
),

judged as (
    select
        *,
        case
            when n_answered < 2 then null
            when n_commonest = n_answered then 0
            else sqrt(greatest(sum_square - sum_value * sum_value / n_answered, 0) / (n_answered - 1))
        end as sd,
        case when n_reversed > 0 and n_reversed < n_answered then n_commonest = n_answered end
            as same_answer_across_reversed,
        n_reversed > 0 and n_reversed < n_answered and n_commonest = n_answered as straight_lining,
        n_commonest = n_answered and n_answered >= {{ var("flat_form_items", 6) }} as flat,
        longest_run >= {{ var("long_run_items", 10) }}
        and longest_run >= {{ var("long_run_share", 0.67) }} * n_answered as long_run
    from counted
)

select
    form_id,
    site_id,
    instrument_id,
    rater,
    cast(n_answered as integer) as n_answered,
    cast(longest_run as integer) as longest_run,
    cast(n_commonest as double) / n_answered as share_modal,
    round(cast(sd as double), 12) as sd,
    round(cast(sum_keyed / n_answered as double), 12) as mean_keyed,
    same_answer_across_reversed,
    {{ text_key("instrument_id || ' ' || key_text") }} as answers_key,
    straight_lining or flat or long_run as flagged,
    nullif(
        trim(
            case when straight_lining then 'straight_lining ' else '' end
            || case when flat then 'flat ' else '' end
            || case when long_run then 'long_run' else '' end
        ), ''
    ) as flags
from judged
