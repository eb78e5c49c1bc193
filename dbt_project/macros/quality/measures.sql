{#-
  Measures of checks, written as data: each check says which rows count and which of them fail, and all checks of one
  relation and grain are counted in one pass. `checks` is a list of dictionaries with
    check_id
    counted, fails      conditions on a row; the measure is the number of counted rows that fail over those counted
    numerator, denominator   aggregates, instead of the two conditions
    key                 the published key of a row, listed (the first 20) for rows that fail; left out: no keys
  Writes common table expressions `<name>_totals`, `<name>_keys` and `<name>` (check_id, grain, numerator, denominator,
  failing_keys), to stand in a `with`.
-#}
{% macro measure_shares(name, relation, grain, checks) -%}
{%- set grain_list = grain | join(", ") -%}
{{ name }}_totals as (
    select
        {{ grain_list }},
        {%- for check in checks %}
        {{ check.get("numerator", "sum(case when (" ~ check.counted ~ ") and (" ~ check.fails ~ ") then 1 else 0 end)") }}
            as failing_{{ loop.index }},
        {{ check.get("denominator", "sum(case when " ~ check.counted ~ " then 1 else 0 end)") }}
            as counted_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    group by {{ grain_list }}
),

{%- set keyed = checks | selectattr("key", "defined") | list %}

{{ name }}_keys as (
    select
        check_id,
        {{ grain_list }},
        {{ keys_json("failing_key") }} as failing_keys
    from (
        {%- for check in keyed %}
        select
            '{{ check.check_id }}' as check_id,
            {{ grain_list }},
            cast({{ check.key }} as varchar) as failing_key,
            row_number() over (partition by {{ grain_list }} order by {{ check.key }}) as place
        from {{ relation }}
        where ({{ check.counted }}) and ({{ check.fails }})
        {{ "union all" if not loop.last }}
        {%- else %}
        select
            cast(null as varchar) as check_id,
            {%- for column in grain %}
            cast(null as varchar) as {{ column }},
            {%- endfor %}
            cast(null as varchar) as failing_key,
            0 as place
        where false
        {%- endfor %}
    ) as failing
    where place <= 20
    group by check_id, {{ grain_list }}
),

{{ name }} as (
    select
        counts.*,
        found.failing_keys
    from (
        {%- for check in checks %}
        select
            '{{ check.check_id }}' as check_id,
            {{ grain_list }},
            cast(failing_{{ loop.index }} as double) as numerator,
            cast(counted_{{ loop.index }} as double) as denominator
        from {{ name }}_totals
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as counts
    left join {{ name }}_keys as found
        on
            counts.check_id = found.check_id
            {%- for column in grain %}
            and counts.{{ column }} = found.{{ column }}
            {%- endfor %}
)
{%- endmacro %}

{#- A JSON list of keys. Keys are our own slugs, pseudonyms and numbers: nothing in them needs escaping. -#}
{% macro keys_json(key) -%}
'["' || {{ dbt.listagg(key, "'\",\"'", "order by " ~ key) }} || '"]'
{%- endmacro %}

{#-
  One measure for every expected site, instrument and rater and every check, so that what is missing is a row.
  `expected` has site_id, instrument_id, rater, n_forms; `notes` says, by check, what it means that nothing was counted.
-#}
{% macro measures_for_all_expected(measures, expected, notes) -%}
select
    checks.check_id,
    expected.site_id,
    expected.instrument_id,
    expected.rater,
    '' as subject,
    coalesce(measures.numerator, 0) as numerator,
    coalesce(measures.denominator, 0) as denominator,
    coalesce(measures.failing_keys, '[]') as failing_keys,
    case
        when coalesce(measures.denominator, 0) > 0 then null
        when expected.n_forms = 0 then 'not delivered: no form of this instrument and rater has arrived'
        else checks.note
    end as note
from {{ expected }} as expected
cross join (
    {%- for check_id, note in notes.items() %}
    select
        '{{ check_id }}' as check_id,
        '{{ note | replace("'", "''") }}' as note
    {{ "union all" if not loop.last }}
    {%- endfor %}
) as checks
left join {{ measures }} as measures
    on
        checks.check_id = measures.check_id
        and expected.site_id = measures.site_id
        and expected.instrument_id = measures.instrument_id
        and expected.rater = measures.rater
{%- endmacro %}

{#- The same for every configured site; `sites` has site_id. -#}
{% macro measures_for_all_sites(measures, sites, notes) -%}
select
    checks.check_id,
    sites.site_id,
    '' as instrument_id,
    '' as rater,
    '' as subject,
    coalesce(measures.numerator, 0) as numerator,
    coalesce(measures.denominator, 0) as denominator,
    coalesce(measures.failing_keys, '[]') as failing_keys,
    case when coalesce(measures.denominator, 0) > 0 then null else checks.note end as note
from {{ sites }} as sites
cross join (
    {%- for check_id, note in notes.items() %}
    select
        '{{ check_id }}' as check_id,
        '{{ note | replace("'", "''") }}' as note
    {{ "union all" if not loop.last }}
    {%- endfor %}
) as checks
left join {{ measures }} as measures
    on checks.check_id = measures.check_id and sites.site_id = measures.site_id
{%- endmacro %}

{#- Why there is nothing to hold a number of clients against, or null. -#}
{% macro note_of_expected_clients() -%}
case
    when coalesce(expected_clients, 0) = 0 then 'the site file does not say how many clients are expected'
    when expected_by > today then 'not due before ' || cast(expected_by as varchar)
end
{%- endmacro %}

{#- No date in a study of this kind is earlier; spreadsheets write 1900 or 1904 for an empty date. -#}
{% macro earliest_possible_date() -%}
cast('{{ var("earliest_possible_date", "1990-01-01") }}' as date)
{%- endmacro %}
