{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook="{{ add_primary_key() }}"
) }}

select
    pairs.pair_id * 256 + (client.response_id - client.form_id * 256) as dyad_item_id,
    pairs.site_id,
    pairs.dyad_id,
    pairs.session_id,
    client.item_id,
    client.response_id as client_response_id,
    therapist.response_id as therapist_response_id,
    client.keyed_value as client_value,
    therapist.keyed_value as therapist_value,
    client.keyed_value - therapist.keyed_value as difference
from {{ ref("int_dyad_pairs") }} as pairs
inner join {{ ref("item_responses") }} as client
    on pairs.client_form_id = client.form_id
inner join {{ ref("item_responses") }} as therapist
    on
        pairs.therapist_form_id = therapist.form_id
        and therapist.response_id = pairs.therapist_form_id * 256 + (client.response_id - client.form_id * 256)
