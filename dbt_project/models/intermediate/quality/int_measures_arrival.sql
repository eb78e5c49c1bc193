with sites as (
    select * from {{ ref("int_quality_sites") }}
),

expected as (
    select
        expected.site_id,
        expected.instrument_id,
        expected.rater,
        expected.n_forms,
        expected.n_clients,
        expected.newest_delivery_on,
        sites.newest_delivery_on as newest_of_site,
        sites.n_deliveries,
        sites.expected_clients,
        sites.expected_by,
        sites.expected_every_days,
        sites.today
    from {{ ref("int_quality_expected") }} as expected
    inner join sites on expected.site_id = sites.site_id
),

measures as (
    select
        'site_arrived' as check_id,
        site_id,
        '' as instrument_id,
        '' as rater,
        cast(n_rows as double) as numerator,
        1.0 as denominator,
        null as note
    from sites
    union all
    select
        'clients_arrived',
        site_id,
        '',
        '',
        n_clients,
        case when expected_by > today then 0 else coalesce(expected_clients, 0) end,
        {{ note_of_expected_clients() }}
    from sites
    union all
    select
        'site_on_time',
        site_id,
        '',
        '',
        {{ dbt.datediff("newest_delivery_on", "today", "day") }},
        case when newest_delivery_on is null then 0 else coalesce(expected_every_days, 0) end,
        case
            when expected_every_days is null then 'the site file does not say how often deliveries are expected'
            when newest_delivery_on is null then 'the site has delivered nothing yet'
        end
    from sites
    union all
    select
        'instrument_arrived',
        site_id,
        instrument_id,
        rater,
        n_forms,
        case when n_deliveries > 0 then 1 else 0 end,
        case when n_deliveries = 0 then 'the site has delivered nothing yet' end
    from expected
    union all
    select
        'instrument_clients_arrived',
        site_id,
        instrument_id,
        rater,
        n_clients,
        case when expected_by > today then 0 else coalesce(expected_clients, 0) end,
        {{ note_of_expected_clients() }}
    from expected
    union all
    select
        'instrument_on_time',
        site_id,
        instrument_id,
        rater,
        {{ dbt.datediff("newest_delivery_on", "newest_of_site", "day") }},
        case when newest_delivery_on is null then 0 else coalesce(expected_every_days, 0) end,
        case
            when expected_every_days is null then 'the site file does not say how often deliveries are expected'
            when newest_delivery_on is null then 'not delivered: no form of this instrument and rater has arrived'
        end
    from expected
)

select
    check_id,
    site_id,
    instrument_id,
    rater,
    '' as subject,
    coalesce(numerator, 0) as numerator,
    cast(denominator as double) as denominator,
    '[]' as failing_keys,
    note
from measures
