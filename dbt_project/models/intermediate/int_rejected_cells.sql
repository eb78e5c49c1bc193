with rejected as (
    select
        delivery_number,
        row_number,
        column_number,
        site_id,
        cast(null as bigint) as form_id,
        cast(null as {{ category("item_id") }}) as item_id,
        reason
    from {{ ref("int_key_cell_problems") }}

    union all

    -- a record without a usable key: none of its answers can be placed
    select
        cells.delivery_number,
        cells.row_number,
        cells.column_number,
        cells.site_id,
        cast(null as bigint) as form_id,
        bindings.item_id,
        cells.problem as reason
    from (
        select candidate_cells.*
        from {{ candidate_cells(
            "(select * from " ~ ref("int_candidate_fates") ~ " where fate = 'rejected')", ["site_id", "problem"]
        ) }} as candidate_cells
    ) as cells
    inner join {{ ref("stg_bindings") }} as bindings
        on cells.block_id = bindings.block_id and cells.binding_number = bindings.binding_number
    where {{ is_filled("cells.text") }}

    union all

    select
        responses.delivery_number,
        responses.row_number,
        cast(responses.column_number as integer) as column_number,
        responses.site_id,
        responses.form_id,
        responses.item_id,
        responses.missing_reason as reason
    from {{ ref("item_responses") }} as responses
    where
        responses.status = 'rejected'
        and responses.site_id in (select site_id from {{ ref("stg_changed_sites") }})
        and responses.form_id not in (select form_id from {{ ref("int_contested_cells") }})

    union all

    select
        scores.delivery_number,
        scores.row_number,
        scores.column_number,
        forms.site_id,
        scores.form_id,
        cast(null as {{ category("item_id") }}) as item_id,
        scores.reason
    from {{ ref("int_delivered_scores") }} as scores
    inner join {{ ref("forms") }} as forms
        on scores.form_id = forms.form_id
    where
        scores.status = 'rejected'
        and scores.form_id not in (select form_id from {{ ref("int_contested_cells") }})

    union all

    select
        delivery_number,
        row_number,
        column_number,
        site_id,
        form_id,
        item_id,
        reason
    from {{ ref("int_contested_cells") }}
    where cell_status = 'rejected'
),

classified as (
    select
        rejected.*,
        {{ value_class("coalesce(" ~ clean_text(cell_at("records.cells", "rejected.column_number")) ~ ", '')") }}
            as text_class
    from rejected
    inner join {{ source("raw", "records") }} as records
        on rejected.delivery_number = records.delivery_number and rejected.row_number = records.row_number
)

select
    delivery_number,
    row_number,
    column_number,
    min(site_id) as site_id,
    min(form_id) as form_id,
    min(item_id) as item_id,
    min(reason) as reason,
    min(case when reason = 'label_unknown' and text_class = 'text' then 'label' else text_class end) as value_class
from classified
group by delivery_number, row_number, column_number
