with arrived as (
    select coalesce(sum(n_rows), 0) as n_rows from {{ ref("deliveries") }}
),

tables as (
    {%- for table in ["sites", "clients", "forms", "core_instruments"] %}
    select
        '{{ table | replace("core_", "") }}' as subject,
        count(*) as n
    from {{ ref(table) }}
    union all
    {%- endfor %}
    -- an instrument may come as scores only, or have items and no scale
    select
        'answers_and_scores',
        (select count(*) from {{ ref("item_responses") }}) + (select count(*) from {{ ref("scale_scores") }})
),

in_use as (
    select distinct instrument_id from {{ ref("int_quality_expected") }}
),

keys as (
    select
        scales.instrument_id,
        count(*) as n_keys,
        sum(case when scales.status = 'unverified' or instruments.status = 'unverified' then 1 else 0 end) as n_unverified
    from {{ ref("core_scales") }} as scales
    inner join {{ ref("core_instruments") }} as instruments on scales.instrument_id = instruments.instrument_id
    group by scales.instrument_id
)

select
    'core_table_filled' as check_id,
    '' as site_id,
    '' as instrument_id,
    '' as rater,
    tables.subject,
    cast(tables.n as double) as numerator,
    case when arrived.n_rows > 0 then 1.0 else 0.0 end as denominator,
    '[]' as failing_keys,
    case when arrived.n_rows = 0 then 'no record has been delivered' end as note
from tables
cross join arrived
union all
select
    'key_verified',
    '',
    in_use.instrument_id,
    '',
    '',
    cast(coalesce(keys.n_unverified, 0) as double),
    cast(coalesce(keys.n_keys, 0) as double),
    '[]',
    case when keys.n_keys is null then 'the codebook declares no scale for this instrument' end
from in_use
left join keys on in_use.instrument_id = keys.instrument_id
union all
select
    case when problems.severity = 'critical' then 'landing_critical' else 'landing_warnings' end,
    '',
    '',
    '',
    '',
    cast(problems.n as double),
    1.0,
    '[]',
    null
from (
    select
        severities.severity,
        count(found.problem_number) as n
    from (select 'critical' as severity union all select 'warning' as severity) as severities
    left join {{ ref("landing_problems") }} as found
        on
            severities.severity = found.severity
            and coalesce(found.site_id, '') not in (select site_id from {{ source("raw", "sites") }})
            and found.refresh_id in (
                select value from {{ source("raw", "study_settings") }} where setting = 'refresh_id'
            )
    group by severities.severity
) as problems
