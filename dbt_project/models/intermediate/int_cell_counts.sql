select
    cast(null as integer) as delivery_number,
    cast(null as varchar) as cell_status,
    cast(null as bigint) as n_cells
where false
