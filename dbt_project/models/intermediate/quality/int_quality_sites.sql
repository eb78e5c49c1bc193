with of_deliveries as (
    select
        site_id,
        count(*) as n_deliveries,
        sum(n_rows) as n_rows,
        max(delivered_on) as newest_delivery_on
    from {{ ref("deliveries") }}
    group by site_id
),

of_clients as (
    select
        site_id,
        count(*) as n_clients
    from {{ ref("clients") }}
    where n_forms > 0
    group by site_id
)

select
    sites.site_id,
    sites.expected_clients,
    sites.expected_by,
    sites.expected_every_days,
    sites.max_clients_per_therapist,
    settings.today,
    coalesce(of_deliveries.n_deliveries, 0) as n_deliveries,
    coalesce(of_deliveries.n_rows, 0) as n_rows,
    of_deliveries.newest_delivery_on,
    coalesce(of_clients.n_clients, 0) as n_clients
from {{ source("raw", "sites") }} as sites
cross join (
    select cast(value as date) as today from {{ source("raw", "study_settings") }} where setting = 'today'
) as settings
left join of_deliveries on sites.site_id = of_deliveries.site_id
left join of_clients on sites.site_id = of_clients.site_id
