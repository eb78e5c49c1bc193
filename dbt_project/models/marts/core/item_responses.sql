{{ config(
    materialized="incremental",
    incremental_strategy="replace_changed_sites",
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}

select
    cells.form_id * 256 + cell_values.item_number as response_id,
    cells.form_id,
    cells.site_id,
    cell_values.item_id,
    cell_values.status,
    cell_values.reason as missing_reason,
    cell_values.value,
    cell_values.keyed_value,
    cells.delivery_number,
    cells.row_number,
    cast(cells.column_number as smallint) as column_number
from (
    select
        candidate_cells.*
    from {{ candidate_cells("(select * from " ~ ref("int_candidate_fates") ~ " where fate = 'single')", ["form_id", "site_id"]) }} as candidate_cells
) as cells
inner join {{ ref("int_cell_values") }} as cell_values
    on
        cells.block_id = cell_values.block_id
        and cells.binding_number = cell_values.binding_number
        and cells.text = cell_values.text
where cell_values.item_number is not null

union all

select
    form_id * 256 + item_number as response_id,
    form_id,
    site_id,
    item_id,
    cast(cell_status as {{ category("response_status") }}) as status,
    reason as missing_reason,
    value,
    keyed_value,
    delivery_number,
    row_number,
    cast(column_number as smallint) as column_number
from {{ ref("int_contested_cells") }}
where is_chosen and item_number is not null
