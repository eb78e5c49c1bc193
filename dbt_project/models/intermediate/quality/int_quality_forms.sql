with first_sessions as (
    select
        client_id,
        min(form_date) as first_session_date
    from {{ ref("forms") }}
    where phase = 'therapy' and form_date >= {{ earliest_possible_date() }}
    group by client_id
),

-- flat or short answer sets are alike by chance; only the others can show a copy
comparable as (
    select
        patterns.form_id,
        patterns.site_id,
        patterns.instrument_id,
        patterns.rater,
        patterns.answers_key,
        forms.client_id
    from {{ ref("response_patterns") }} as patterns
    inner join {{ ref("forms") }} as forms on patterns.form_id = forms.form_id
    where patterns.n_answered >= 8 and patterns.share_modal < 0.8
),

-- answer sets that occur more than once are few, so what is asked of them is asked of them alone
repeated as (
    select
        site_id,
        instrument_id,
        rater,
        answers_key
    from comparable
    group by site_id, instrument_id, rater, answers_key
    having count(*) > 1
),

copies as (
    select
        comparable.form_id,
        min(comparable.client_id) over same_answers <> max(comparable.client_id) over same_answers
            as same_as_other_client,
        count(*) over (
            partition by
                comparable.site_id, comparable.instrument_id, comparable.rater, comparable.answers_key,
                comparable.client_id
        ) > 1 as same_as_own_earlier
    from comparable
    inner join repeated
        on
            comparable.answers_key = repeated.answers_key
            and comparable.site_id = repeated.site_id
            and comparable.instrument_id = repeated.instrument_id
            and comparable.rater = repeated.rater
    window same_answers as (
        partition by comparable.site_id, comparable.instrument_id, comparable.rater, comparable.answers_key
    )
),

paired_instruments as (
    select
        site_id,
        instrument_id
    from {{ source("raw", "site_instruments") }}
    where rater in ('client', 'therapist')
    group by site_id, instrument_id
    having count(distinct rater) = 2
)

select
    forms.form_id,
    forms.site_id,
    forms.instrument_id,
    forms.rater,
    forms.phase,
    forms.form_date,
    forms.n_items,
    forms.n_answered,
    forms.n_blank,
    forms.n_declared_missing,
    forms.n_rejected,
    first_sessions.first_session_date,
    orphans.reason as orphan_reason,
    forms.phase = 'therapy' and paired.instrument_id is not null as is_to_be_paired,
    patterns.n_answered as n_values,
    patterns.same_answer_across_reversed,
    coalesce(patterns.sd = 0, false) as is_flat,
    comparable.form_id is not null as is_comparable,
    coalesce(copies.same_as_other_client, false) as same_as_other_client,
    coalesce(copies.same_as_own_earlier, false) as same_as_own_earlier
from {{ ref("forms") }} as forms
left join first_sessions on forms.client_id = first_sessions.client_id
left join {{ ref("response_patterns") }} as patterns on forms.form_id = patterns.form_id
left join {{ ref("orphan_forms") }} as orphans on forms.form_id = orphans.form_id
left join comparable on forms.form_id = comparable.form_id
left join copies on forms.form_id = copies.form_id
left join paired_instruments as paired
    on forms.site_id = paired.site_id and forms.instrument_id = paired.instrument_id
