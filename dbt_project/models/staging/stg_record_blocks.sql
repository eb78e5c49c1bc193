{{ config(materialized="view") }}

select
    records.delivery_number,
    records.row_number,
    blocks.block_id,
    coalesce({{ clean_text(cell_at("records.cells", "blocks.client_column")) }}, '') as client_text,
    coalesce({{ clean_text(cell_at("records.cells", "blocks.therapist_column")) }}, '') as therapist_text,
    coalesce({{ clean_text(cell_at("records.cells", "blocks.episode_column")) }}, '') as episode_text,
    coalesce({{ clean_text(cell_at("records.cells", "blocks.rater_column")) }}, '') as rater_text,
    coalesce({{ clean_text(cell_at("records.cells", "blocks.session_column")) }}, '') as session_text,
    coalesce({{ clean_text(cell_at("records.cells", "blocks.date_column")) }}, '') as date_text,
    {{ date_of(clean_text(cell_at("records.cells", "blocks.date_column")), "blocks.date_format") }} as form_date,
    {{ clean_text(cell_at("records.cells", "blocks.item_code_column")) }} as item_code,
    case
        when blocks.shape = 'wide' then {{ any_cell_filled("records.cells", "blocks.bound_columns") }}
        else true
    end as is_answered
from {{ source("raw", "records") }} as records
inner join {{ ref("stg_blocks") }} as blocks
    on records.delivery_number = blocks.delivery_number
where
    blocks.filter_column is null
    or {{ listed(clean_text(cell_at("records.cells", "blocks.filter_column")), "blocks.filter_values") }}
