-- Which form of each rater stands for a dyad's session: the one nearest the window's target number, then the latest.
with forms as (
    select
        forms.form_id,
        forms.site_id,
        forms.dyad_id,
        forms.session_id,
        forms.instrument_id,
        forms.rater,
        forms.form_date,
        abs(occasions.occasion_number - sessions.target_number) as distance,
        occasions.occasion_number
    from {{ ref("forms") }} as forms
    left join {{ ref("int_occasion_sessions") }} as occasions
        on forms.occasion = occasions.occasion
    left join {{ source("raw", "sessions") }} as sessions
        on forms.session_id = sessions.session_id
    where
        forms.phase = 'therapy'
        and forms.dyad_id is not null
        and forms.session_id is not null
        and forms.site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

client_forms as (
    select *
    from (
        select
            forms.*,
            row_number() over (
                partition by dyad_id, session_id, instrument_id
                order by coalesce(distance, 1e9), form_date desc nulls last, occasion_number desc nulls last, form_id
            ) as place
        from forms
        where rater = 'client'
    ) as ranked
    where place = 1
),

-- a therapist's form is the pair of the client's only if it was filled in near enough to it
therapist_forms as (
    select *
    from (
        select
            forms.form_id,
            forms.site_id,
            forms.dyad_id,
            forms.session_id,
            forms.instrument_id,
            forms.form_date,
            row_number() over (
                partition by forms.dyad_id, forms.session_id, forms.instrument_id
                order by
                    coalesce(forms.distance, 1e9), forms.form_date desc nulls last,
                    forms.occasion_number desc nulls last, forms.form_id
            ) as place
        from forms
        cross join {{ ref("stg_study") }} as study
        left join client_forms
            on
                forms.dyad_id = client_forms.dyad_id
                and forms.session_id = client_forms.session_id
                and forms.instrument_id = client_forms.instrument_id
        where
            forms.rater = 'therapist'
            and (
                study.pairing_max_days is null
                or client_forms.form_date is null
                or forms.form_date is null
                or abs({{ dbt.datediff("client_forms.form_date", "forms.form_date", "day") }}) <= study.pairing_max_days
            )
    ) as ranked
    where place = 1
)

select
    {{ key_of("coalesce(client_forms.site_id, therapist_forms.site_id)", joined_key([
        "coalesce(client_forms.dyad_id, therapist_forms.dyad_id)",
        "coalesce(client_forms.session_id, therapist_forms.session_id)",
        "coalesce(client_forms.instrument_id, therapist_forms.instrument_id)",
    ])) }} as pair_id,
    coalesce(client_forms.site_id, therapist_forms.site_id) as site_id,
    coalesce(client_forms.dyad_id, therapist_forms.dyad_id) as dyad_id,
    coalesce(client_forms.session_id, therapist_forms.session_id) as session_id,
    coalesce(client_forms.instrument_id, therapist_forms.instrument_id) as instrument_id,
    client_forms.form_id as client_form_id,
    therapist_forms.form_id as therapist_form_id,
    abs({{ dbt.datediff("client_forms.form_date", "therapist_forms.form_date", "day") }}) as days_apart
from client_forms
full outer join therapist_forms
    on
        client_forms.dyad_id = therapist_forms.dyad_id
        and client_forms.session_id = therapist_forms.session_id
        and client_forms.instrument_id = therapist_forms.instrument_id
