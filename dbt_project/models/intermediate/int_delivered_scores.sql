-- Scores that a file gives itself: the cell that speaks for each form and scale.
with scored as (
    select fates.*
    from {{ ref("int_candidate_fates") }} as fates
    inner join {{ ref("stg_bindings") }} as bindings
        on fates.block_id = bindings.block_id and fates.binding_number = bindings.binding_number
    where fates.fate = 'single' and bindings.scale_id is not null

    union all

    select fates.*
    from {{ ref("int_candidate_fates") }} as fates
    where
        fates.fate = 'single'
        and fates.binding_number is null
        and fates.block_id in (select block_id from {{ ref("stg_bindings") }} where scale_id is not null)
)

select
    cells.form_id * 256 + cell_values.scale_number as score_id,
    cells.form_id,
    cell_values.scale_number,
    cell_values.status,
    cell_values.reason,
    cell_values.value,
    cells.delivery_number,
    cells.row_number,
    cells.column_number
from {{ candidate_cells("scored", ["form_id"], "blocks.score_columns") }} as cells
inner join {{ ref("int_cell_values") }} as cell_values
    on
        cells.block_id = cell_values.block_id
        and cells.binding_number = cell_values.binding_number
        and cells.text = cell_values.text

union all

select
    form_id * 256 + scale_number as score_id,
    form_id,
    scale_number,
    cell_status as status,
    reason,
    value,
    delivery_number,
    row_number,
    column_number
from {{ ref("int_contested_cells") }}
where is_chosen and scale_number is not null
