{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook="{{ add_primary_key() }}"
) }}

with sides as (
    select
        pairs.pair_id,
        'client' as rater,
        scores.scale_id,
        scores.score_id - pairs.client_form_id * 256 as scale_number,
        scores.score
    from {{ ref("int_dyad_pairs") }} as pairs
    inner join {{ ref("scale_scores") }} as scores
        on pairs.client_form_id = scores.form_id

    union all

    select
        pairs.pair_id,
        'therapist' as rater,
        scores.scale_id,
        scores.score_id - pairs.therapist_form_id * 256 as scale_number,
        scores.score
    from {{ ref("int_dyad_pairs") }} as pairs
    inner join {{ ref("scale_scores") }} as scores
        on pairs.therapist_form_id = scores.form_id
),

side_by_side as (
    select
        pair_id,
        scale_number,
        min(scale_id) as scale_id,
        max(case when rater = 'client' then score end) as client_score,
        max(case when rater = 'therapist' then score end) as therapist_score
    from sides
    group by pair_id, scale_number
)

select
    side_by_side.pair_id * 256 + side_by_side.scale_number as dyad_session_id,
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
