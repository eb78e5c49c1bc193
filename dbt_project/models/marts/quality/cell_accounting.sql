{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}
{%- set classes = ["accepted", "blank", "declared_missing", "rejected", "superseded", "withdrawn", "not_mapped"] %}

-- n_cells is what the file's reader counted, the classes are what the build found: two independent counts
with counts as (
    select
        delivery_number,
        {%- for class in classes %}
        sum(case when cell_status = '{{ class }}' then n_cells else 0 end) as {{ class }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ ref("int_cell_counts") }}
    group by delivery_number
)

select
    deliveries.delivery_number,
    deliveries.site_id,
    deliveries.n_cells,
    {%- for class in classes %}
    cast(coalesce(counts.{{ class }}, 0) as bigint) as {{ class }},
    {%- endfor %}
    cast(
        deliveries.n_cells
        {%- for class in classes %}
        - coalesce(counts.{{ class }}, 0)
        {%- endfor %} as bigint
    ) as unaccounted
from {{ source("raw", "deliveries") }} as deliveries
left join counts on deliveries.delivery_number = counts.delivery_number
where
    deliveries.site_id in (select site_id from {{ ref("stg_changed_sites") }})
    and deliveries.site_id in (select site_id from {{ source("raw", "sites") }})
