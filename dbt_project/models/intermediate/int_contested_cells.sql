with contested as (
    select *
    from {{ ref("int_candidate_fates") }}
    where fate = 'contested'
),

cells as (
    select
        cells.form_id,
        cells.block_id,
        cells.delivery_number,
        cells.row_number,
        cells.column_number,
        blocks.site_id,
        blocks.file_spec,
        blocks.delivery_rank,
        cell_values.slot,
        cell_values.item_number,
        cell_values.item_id,
        cell_values.scale_number,
        cell_values.status,
        cell_values.reason,
        cell_values.value,
        cell_values.keyed_value,
        cell_values.value_class,
        cell_values.status || chr(31) || coalesce(cell_values.reason, '') || chr(31)
        || coalesce(cast(cell_values.value as varchar), '') as answer
    from {{ candidate_cells("contested", ["form_id"]) }} as cells
    inner join {{ ref("stg_blocks") }} as blocks
        on cells.block_id = blocks.block_id
    inner join {{ ref("int_cell_values") }} as cell_values
        on
            cells.block_id = cell_values.block_id
            and cells.binding_number = cell_values.binding_number
            and cells.text = cell_values.text
),

-- within one file specification the newest delivery that has the cell speaks, also when it is blank there
dated as (
    select
        cells.*,
        delivery_rank < max(delivery_rank) over (partition by form_id, slot, file_spec) as is_older
    from cells
),

compared as (
    select
        dated.*,
        not is_older and status <> 'blank' as speaks,
        min(case when not is_older and status <> 'blank' then answer end) over (partition by form_id, slot)
            as least_answer,
        max(case when not is_older and status <> 'blank' then answer end) over (partition by form_id, slot)
            as greatest_answer,
        row_number() over (
            partition by form_id, slot
            order by
                case when is_older then 2 when status = 'blank' then 1 else 0 end,
                delivery_rank, delivery_number, row_number, column_number
        ) as place
    from dated
)

select
    form_id,
    site_id,
    slot,
    item_number,
    item_id,
    scale_number,
    delivery_number,
    row_number,
    column_number,
    case
        when status = 'blank' then 'blank'
        when is_older then 'superseded'
        when least_answer <> greatest_answer then 'rejected'
        when place > 1 then 'superseded'
        else status
    end as cell_status,
    case
        when not speaks then null
        when least_answer <> greatest_answer and status <> 'rejected' then 'conflict'
        when least_answer <> greatest_answer or place = 1 then reason
    end as reason,
    case when place = 1 and least_answer = greatest_answer and status = 'accepted' then value end as value,
    case when place = 1 and least_answer = greatest_answer and status = 'accepted' then keyed_value end as keyed_value,
    value_class,
    place = 1 as is_chosen
from compared
