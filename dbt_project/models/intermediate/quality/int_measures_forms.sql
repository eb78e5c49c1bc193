{%- set checks = [
    {
        "check_id": "missing_rate",
        "numerator": "sum(n_blank + n_declared_missing)",
        "denominator": "sum(n_answered + n_blank + n_declared_missing)",
    },
    {
        "check_id": "rejected_share",
        "numerator": "sum(n_rejected)",
        "denominator": "sum(n_answered + n_rejected)",
    },
    {
        "check_id": "dates_impossible",
        "counted": "form_date is not null",
        "fails": "form_date < " ~ earliest_possible_date(),
        "key": "form_id",
    },
    {
        "check_id": "dates_in_future",
        "counted": "form_date is not null",
        "fails": "form_date > today",
        "key": "form_id",
    },
    {
        "check_id": "outcome_before_session",
        "counted": "phase = 'post' and form_date is not null and first_session_date is not null",
        "fails": "form_date < first_session_date",
        "key": "form_id",
    },
    {
        "check_id": "pre_after_session",
        "counted": "phase = 'pre' and form_date is not null and first_session_date is not null",
        "fails": "form_date > first_session_date",
        "key": "form_id",
    },
    {
        "check_id": "therapist_not_known",
        "counted": "phase = 'therapy'",
        "fails": "orphan_reason in ('therapist_unknown', 'therapist_ambiguous')",
        "key": "form_id",
    },
    {
        "check_id": "outside_session_windows",
        "counted": "phase = 'therapy'",
        "fails": "orphan_reason = 'outside_session_windows'",
        "key": "form_id",
    },
    {
        "check_id": "client_forms_alone",
        "counted": "is_to_be_paired and rater = 'client'",
        "fails": "orphan_reason = 'no_therapist_form'",
        "key": "form_id",
    },
    {
        "check_id": "therapist_forms_alone",
        "counted": "is_to_be_paired and rater = 'therapist'",
        "fails": "orphan_reason = 'no_client_form'",
        "key": "form_id",
    },
    {
        "check_id": "straight_lining",
        "counted": "same_answer_across_reversed is not null",
        "fails": "same_answer_across_reversed",
        "key": "form_id",
    },
    {
        "check_id": "flat_forms",
        "counted": "n_values >= 6",
        "fails": "is_flat",
        "key": "form_id",
    },
    {
        "check_id": "identical_answers",
        "counted": "is_comparable",
        "fails": "same_as_other_client",
        "key": "form_id",
    },
    {
        "check_id": "repeated_answers",
        "counted": "is_comparable",
        "fails": "same_as_own_earlier",
        "key": "form_id",
    },
] %}

with facts as (
    select
        forms.*,
        settings.today
    from {{ ref("int_quality_forms") }} as forms
    cross join (
        select cast(value as date) as today from {{ source("raw", "study_settings") }} where setting = 'today'
    ) as settings
),

{{ measure_shares("shares", "facts", ["site_id", "instrument_id", "rater"], checks) }}

select *
from (
    {{ measures_for_all_expected("shares", ref("int_quality_expected"), {
    "missing_rate": "the instrument arrived as scale scores, not item by item",
    "rejected_share": "the instrument arrived as scale scores, not item by item",
    "dates_impossible": "no form is dated",
    "dates_in_future": "no form is dated",
    "outcome_before_session": "no dated form after therapy of a client with a dated session",
    "pre_after_session": "no dated form before therapy of a client with a dated session",
    "therapist_not_known": "no form of a session",
    "outside_session_windows": "no form of a session",
    "client_forms_alone": "the site does not deliver this instrument from both raters",
    "therapist_forms_alone": "the site does not deliver this instrument from both raters",
    "straight_lining": "no form has answers to both plain and reverse-keyed items",
    "flat_forms": "no form has six answers or more",
    "identical_answers": "no form has eight answers or more that are not nearly all the same",
    "repeated_answers": "no form has eight answers or more that are not nearly all the same",
}) }}
) as measures
where not (check_id = 'client_forms_alone' and rater <> 'client')
    and not (check_id = 'therapist_forms_alone' and rater <> 'therapist')
