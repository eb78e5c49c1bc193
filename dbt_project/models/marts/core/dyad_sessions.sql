{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}

with client_scores as (
    select
        pairs.pair_id,
        pairs.pair_id * 256 + (scores.score_id - pairs.client_form_id * 256) as dyad_session_id,
        scores.scale_id,
        scores.score
    from {{ ref("scale_scores") }} as scores
    inner join {{ ref("int_dyad_pairs") }} as pairs
        on scores.form_id = pairs.client_form_id
),

therapist_scores as (
    select
        pairs.pair_id,
        pairs.pair_id * 256 + (scores.score_id - pairs.therapist_form_id * 256) as dyad_session_id,
        scores.scale_id,
        scores.score
    from {{ ref("scale_scores") }} as scores
    inner join {{ ref("int_dyad_pairs") }} as pairs
        on scores.form_id = pairs.therapist_form_id
),

side_by_side as (
    select
        coalesce(client.dyad_session_id, therapist.dyad_session_id) as dyad_session_id,
        coalesce(client.pair_id, therapist.pair_id) as pair_id,
        coalesce(client.scale_id, therapist.scale_id) as scale_id,
        client.score as client_score,
        therapist.score as therapist_score
    from client_scores as client
    full outer join therapist_scores as therapist
        on client.dyad_session_id = therapist.dyad_session_id
)

select
    side_by_side.dyad_session_id,
    pairs.site_id,
    pairs.dyad_id,
    pairs.session_id,
    pairs.instrument_id,
    side_by_side.scale_id,
    pairs.client_form_id,
    pairs.therapist_form_id,
    side_by_side.client_score,
    side_by_side.therapist_score,
    side_by_side.client_score - side_by_side.therapist_score as difference,
    cast(pairs.days_apart as integer) as days_apart
from side_by_side
inner join {{ ref("int_dyad_pairs") }} as pairs
    on side_by_side.pair_id = pairs.pair_id
