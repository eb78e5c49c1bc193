{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

with forms as (
    select *
    from {{ ref("forms") }}
    where site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

therapists_of_clients as (
    select
        client_id,
        count(distinct therapist_id) as n_therapists
    from {{ ref("dyads") }}
    where site_id in (select site_id from {{ ref("stg_changed_sites") }})
    group by client_id
),

-- a form can only lack its counterpart where the site delivers the instrument from both raters
paired_instruments as (
    select
        site_id,
        instrument_id
    from {{ source("raw", "site_instruments") }}
    where rater in ('client', 'therapist')
    group by site_id, instrument_id
    having count(distinct rater) = 2
),

rated_by as (
    select
        dyad_id,
        session_id,
        instrument_id,
        max(case when rater = 'client' then 1 else 0 end) as by_client,
        max(case when rater = 'therapist' then 1 else 0 end) as by_therapist
    from forms
    where phase = 'therapy' and dyad_id is not null and session_id is not null
    group by dyad_id, session_id, instrument_id
),

judged as (
    select
        forms.form_id,
        forms.site_id,
        forms.dyad_id,
        forms.client_id,
        forms.therapist_id,
        forms.instrument_id,
        forms.rater,
        forms.session_id,
        case
            when forms.therapist_id is null and coalesce(therapists.n_therapists, 0) > 1 then 'therapist_ambiguous'
            when forms.therapist_id is null then 'therapist_unknown'
            when forms.phase <> 'therapy' then null
            when forms.session_id is null then 'outside_session_windows'
            when paired.instrument_id is null then null
            when forms.rater = 'client' and rated_by.by_therapist = 0 then 'no_therapist_form'
            when forms.rater = 'therapist' and rated_by.by_client = 0 then 'no_client_form'
        end as reason
    from forms
    left join therapists_of_clients as therapists on forms.client_id = therapists.client_id
    left join paired_instruments as paired
        on forms.site_id = paired.site_id and forms.instrument_id = paired.instrument_id
    left join rated_by
        on
            forms.dyad_id = rated_by.dyad_id
            and forms.session_id = rated_by.session_id
            and forms.instrument_id = rated_by.instrument_id
)

select
    form_id,
    site_id,
    dyad_id,
    client_id,
    therapist_id,
    instrument_id,
    rater,
    session_id,
    reason
from judged
where reason is not null
