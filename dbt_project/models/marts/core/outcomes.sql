{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

select
    scores.score_id as outcome_id,
    scores.form_id,
    scores.site_id,
    forms.client_id,
    forms.dyad_id,
    forms.therapist_id,
    scores.instrument_id,
    scores.scale_id,
    forms.rater,
    forms.phase,
    forms.occasion,
    forms.session_id,
    forms.form_date,
    scores.score,
    instruments.higher_is,
    case when instruments.higher_is = 'worse' then -scores.score else scores.score end as benefit,
    scores.status
from {{ ref("scale_scores") }} as scores
inner join {{ ref("core_instruments") }} as instruments
    on scores.instrument_id = instruments.instrument_id
inner join {{ ref("forms") }} as forms
    on scores.form_id = forms.form_id
where
    instruments.domain = 'outcome'
    and scores.site_id in (select site_id from {{ ref("stg_changed_sites") }})
