with declared as (
    select site_id, instrument_id, rater from {{ source("raw", "site_instruments") }}
    union
    select site_id, instrument_id, rater from {{ ref("forms") }}
),

arrived as (
    select
        forms.site_id,
        forms.instrument_id,
        forms.rater,
        count(*) as n_forms,
        count(distinct forms.client_id) as n_clients,
        max(deliveries.delivered_on) as newest_delivery_on
    from {{ ref("forms") }} as forms
    inner join {{ ref("deliveries") }} as deliveries on forms.delivery_number = deliveries.delivery_number
    group by forms.site_id, forms.instrument_id, forms.rater
)

select
    declared.site_id,
    declared.instrument_id,
    declared.rater,
    coalesce(arrived.n_forms, 0) as n_forms,
    coalesce(arrived.n_clients, 0) as n_clients,
    arrived.newest_delivery_on
from declared
left join arrived
    on
        declared.site_id = arrived.site_id
        and declared.instrument_id = arrived.instrument_id
        and declared.rater = arrived.rater
where declared.site_id in (select site_id from {{ source("raw", "sites") }})
