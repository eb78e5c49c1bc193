{%- set models = [
    "delivery_measures",
    "int_measures_arrival",
    "int_measures_sites",
    "int_measures_forms",
    "int_measures_items",
    "int_measures_scores",
    "int_measures_identity",
    "int_measures_alike_ids",
    "int_measures_study",
] %}
{%- for model in models %}
select
    check_id,
    site_id,
    instrument_id,
    rater,
    subject,
    cast(numerator as double) as numerator,
    cast(denominator as double) as denominator,
    failing_keys,
    note
from {{ ref(model) }}
{{ "union all" if not loop.last }}
{%- endfor %}
