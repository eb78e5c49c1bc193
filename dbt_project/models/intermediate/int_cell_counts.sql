-- Cells of mapped columns are counted where they are decided; what no form claims of them is not mapped.
with columns as (
    select
        fills.delivery_number,
        fills.column_number,
        fills.n_cells,
        fills.n_filled,
        case
            when layout.role in ('item', 'score', 'value') then 'bound'
            when layout.role = 'item_code' then 'item_code'
            when layout.role in ('client', 'therapist', 'episode', 'rater', 'session', 'date', 'filter') then 'key'
            when layout.role = 'free_text' then 'free_text'
            else 'other'
        end as kind
    from {{ ref("stg_column_fills") }} as fills
    left join {{ source("raw", "layout_columns") }} as layout
        on fills.delivery_number = layout.delivery_number and fills.column_number = layout.column_number
),

kinds as (
    select
        delivery_number,
        kind,
        sum(n_cells) as n_cells,
        sum(n_filled) as n_filled
    from columns
    group by delivery_number, kind
),

decided as (
    select
        blocks.delivery_number,
        'bound' as kind,
        case cell_texts.fate
            when 'single' then cell_values.status
            else cell_texts.fate
        end as cell_status,
        sum(cell_texts.n_cells) as n_cells
    from {{ ref("int_cell_texts") }} as cell_texts
    inner join {{ ref("int_cell_values") }} as cell_values
        on
            cell_texts.block_id = cell_values.block_id
            and cell_texts.binding_number = cell_values.binding_number
            and cell_texts.text = cell_values.text
    inner join {{ ref("stg_blocks") }} as blocks
        on cell_texts.block_id = blocks.block_id
    where cell_texts.fate <> 'contested' and cell_values.status <> 'blank'
    group by 1, 2, 3

    union all

    select
        delivery_number,
        'bound' as kind,
        cell_status,
        count(*) as n_cells
    from {{ ref("int_contested_cells") }}
    where cell_status <> 'blank'
    group by delivery_number, cell_status

    union all

    select
        delivery_number,
        'item_code' as kind,
        case when fate = 'withdrawn' then 'withdrawn' else 'accepted' end as cell_status,
        count(*) as n_cells
    from {{ ref("int_candidate_fates") }}
    where binding_number is not null
    group by 1, 2, 3

    union all

    select
        delivery_number,
        'key' as kind,
        'rejected' as cell_status,
        count(*) as n_cells
    from {{ ref("int_key_cell_problems") }}
    group by delivery_number

    union all

    select
        columns.delivery_number,
        'key' as kind,
        'withdrawn' as cell_status,
        count(*) as n_cells
    from {{ ref("int_withdrawn_records") }} as withdrawn
    inner join {{ source("raw", "records") }} as records
        on withdrawn.delivery_number = records.delivery_number and withdrawn.row_number = records.row_number
    inner join columns
        on withdrawn.delivery_number = columns.delivery_number and columns.kind = 'key'
    where {{ is_filled(cell_at("records.cells", "columns.column_number")) }}
    group by columns.delivery_number
),

claimed as (
    select
        delivery_number,
        kind,
        sum(n_cells) as n_cells
    from decided
    group by delivery_number, kind
),

all_counts as (
    select
        delivery_number,
        cell_status,
        n_cells
    from decided

    union all

    select
        delivery_number,
        'blank' as cell_status,
        n_cells - n_filled as n_cells
    from kinds
    where kind <> 'free_text'

    union all

    -- free text is never loaded, so that not even its blanks are known
    select
        delivery_number,
        'not_mapped' as cell_status,
        n_cells
    from kinds
    where kind = 'free_text'

    union all

    select
        kinds.delivery_number,
        case when kinds.kind = 'key' then 'accepted' else 'not_mapped' end as cell_status,
        kinds.n_filled - coalesce(claimed.n_cells, 0) as n_cells
    from kinds
    left join claimed
        on kinds.delivery_number = claimed.delivery_number and kinds.kind = claimed.kind
    where
        kinds.kind <> 'free_text'
        -- a cell that two forms claim must show as a difference in the accounts, not as a negative count that hides it
        and kinds.n_filled >= coalesce(claimed.n_cells, 0)
)

select
    delivery_number,
    cell_status,
    cast(sum(n_cells) as bigint) as n_cells
from all_counts
group by delivery_number, cell_status
having sum(n_cells) > 0
