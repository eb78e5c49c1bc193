{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}

-- Only keys and values take part in the join of answers with answers; the dyad's names come afterwards.
with client_answers as (
    select
        pairs.pair_id,
        responses.response_id - responses.form_id * 256 as item_number,
        responses.item_id,
        responses.response_id,
        responses.keyed_value,
        pairs.therapist_form_id * 256 + (responses.response_id - responses.form_id * 256) as therapist_response_id
    from {{ ref("item_responses") }} as responses
    inner join {{ ref("int_dyad_pairs") }} as pairs
        on responses.form_id = pairs.client_form_id
    where pairs.therapist_form_id is not null
),

therapist_answers as (
    select
        responses.response_id,
        responses.keyed_value
    from {{ ref("item_responses") }} as responses
    {{ where_site_changed("responses.site_id") }}
),

answers as (
    select
        client.pair_id,
        client.item_number,
        client.item_id,
        client.response_id as client_response_id,
        therapist.response_id as therapist_response_id,
        client.keyed_value as client_value,
        therapist.keyed_value as therapist_value
    from client_answers as client
    inner join therapist_answers as therapist
        on client.therapist_response_id = therapist.response_id
)

select
    answers.pair_id * 256 + answers.item_number as dyad_item_id,
    pairs.site_id,
    pairs.dyad_id,
    pairs.session_id,
    answers.item_id,
    answers.client_response_id,
    answers.therapist_response_id,
    answers.client_value,
    answers.therapist_value,
    answers.client_value - answers.therapist_value as difference
from answers
inner join {{ ref("int_dyad_pairs") }} as pairs
    on answers.pair_id = pairs.pair_id
