-- Blank and filled cells of every column, mapped or not, counted from the records themselves.
select
    delivery_number,
    column_number,
    count(*) as n_cells,
    count(case when {{ is_filled("text") }} then 1 end) as n_filled
from (
    select
        records.delivery_number,
        generate_subscripts(records.cells, 1) as column_number,
        unnest(records.cells) as text
    from {{ source("raw", "records") }} as records
    inner join {{ source("raw", "deliveries") }} as deliveries
        on records.delivery_number = deliveries.delivery_number
    inner join {{ source("raw", "changed_sites") }} as changed_sites
        on deliveries.site_id = changed_sites.site_id
) as cells
group by delivery_number, column_number
