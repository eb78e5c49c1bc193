select distinct
    cell_texts.block_id,
    cell_texts.binding_number,
    cell_texts.text,
    bindings.slot,
    bindings.item_number,
    bindings.item_id,
    bindings.scale_number,
    cast(decoded.status as {{ category("response_status") }}) as status,
    decoded.reason,
    decoded.value_class,
    -- `value` is the answer as administered, `keyed_value` the one in which more means more of what is measured
    case
        when bindings.already_reversed and bindings.reverse_keyed then bindings.reversal_sum - decoded.source_value
        else decoded.source_value
    end as value,
    case
        when bindings.reverse_keyed and not bindings.already_reversed
            then bindings.reversal_sum - decoded.source_value
        else decoded.source_value
    end as keyed_value
from {{ ref("int_cell_texts") }} as cell_texts
inner join {{ ref("stg_bindings") }} as bindings
    on cell_texts.block_id = bindings.block_id and cell_texts.binding_number = bindings.binding_number
inner join {{ ref("int_decoded_texts") }} as decoded
    on bindings.rule_id = decoded.rule_id and cell_texts.text = decoded.text
