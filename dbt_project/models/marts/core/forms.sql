{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}

with leads as (
    select
        fates.*,
        {{ dyad_id_of("client_id", "therapist_id", "episode_id") }} as dyad_id
    from {{ ref("int_candidate_fates") }} as fates
    where is_lead
),

counts as (
    select
        form_id,
        count(*) as n_items,
        count(case when status = 'accepted' then 1 end) as n_answered,
        count(case when status = 'blank' then 1 end) as n_blank,
        count(case when status = 'declared_missing' then 1 end) as n_declared_missing,
        count(case when status = 'rejected' then 1 end) as n_rejected
    from {{ ref("item_responses") }}
    {{ where_site_changed() }}
    group by form_id
)

select
    leads.form_id,
    leads.site_id,
    leads.dyad_id,
    leads.client_id,
    leads.therapist_id,
    leads.therapist_from,
    leads.episode_id,
    leads.instrument_id,
    leads.rater,
    leads.phase,
    leads.occasion,
    cast(coalesce(occasion_sessions.session_id, day_sessions.session_id) as {{ category("session_id") }}) as session_id,
    leads.form_date,
    cast(coalesce(counts.n_items, 0) as integer) as n_items,
    cast(coalesce(counts.n_answered, 0) as integer) as n_answered,
    cast(coalesce(counts.n_blank, 0) as integer) as n_blank,
    cast(coalesce(counts.n_declared_missing, 0) as integer) as n_declared_missing,
    cast(coalesce(counts.n_rejected, 0) as integer) as n_rejected,
    leads.delivery_number,
    leads.row_number
from leads
left join {{ ref("int_occasion_sessions") }} as occasion_sessions
    on leads.occasion = occasion_sessions.occasion
left join {{ ref("int_day_sessions") }} as day_sessions
    on leads.dyad_id = day_sessions.dyad_id and leads.form_date = day_sessions.form_date
left join counts
    on leads.form_id = counts.form_id
