select
    cast(null as integer) as delivery_number,
    cast(null as integer) as row_number,
    cast(null as integer) as column_number,
    cast(null as varchar) as site_id,
    cast(null as bigint) as form_id,
    cast(null as varchar) as item_id,
    cast(null as varchar) as reason,
    cast(null as varchar) as value_class
where false
