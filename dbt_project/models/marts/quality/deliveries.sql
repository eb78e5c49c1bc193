with blocks as (
    select
        delivery_number,
        max(case when is_current then 1 else 0 end) as is_current
    from {{ source("raw", "layout_blocks") }}
    group by delivery_number
)

select
    deliveries.delivery_number,
    deliveries.site_id,
    deliveries.file_spec,
    deliveries.file_name,
    deliveries.content_hash,
    deliveries.format,
    deliveries.n_rows,
    deliveries.n_columns,
    deliveries.n_cells,
    coalesce(deliveries.delivered_on, cast(deliveries.landed_at as date)) as delivered_on,
    deliveries.landed_at,
    deliveries.refresh_id,
    coalesce(blocks.is_current, 1) = 1 as is_current
from {{ source("raw", "deliveries") }} as deliveries
left join blocks on deliveries.delivery_number = blocks.delivery_number
where deliveries.site_id in (select site_id from {{ source("raw", "sites") }})
