with texts as (
    select distinct
        bindings.rule_id,
        cell_texts.text
    from {{ ref("int_cell_texts") }} as cell_texts
    inner join {{ ref("stg_bindings") }} as bindings
        on cell_texts.block_id = bindings.block_id and cell_texts.binding_number = bindings.binding_number
),

trimmed as (
    select
        texts.rule_id,
        texts.text,
        {{ clean_text("texts.text") }} as said,
        rules.decimal_mark,
        rules.shift,
        rules.min_value,
        rules.max_value,
        rules.step,
        rules.case_sensitive,
        coalesce(rules.labels_only, false) as labels_only
    from texts
    inner join {{ source("raw", "layout_rules") }} as rules
        on texts.rule_id = rules.rule_id
),

looked_up as (
    select
        trimmed.*,
        missing.reason as missing_reason,
        labels.value as label_value,
        exists (
            select 1 from {{ source("raw", "layout_labels") }} as any_label
            where any_label.rule_id = trimmed.rule_id
        ) as has_labels,
        {{ number_of("trimmed.said", "trimmed.decimal_mark") }} as plain_value,
        {{ value_class("trimmed.said") }} as text_class
    from trimmed
    left join {{ source("raw", "layout_missing") }} as missing
        on trimmed.rule_id = missing.rule_id and lower(trimmed.said) = missing.code
    left join {{ source("raw", "layout_labels") }} as labels
        on
            trimmed.rule_id = labels.rule_id
            and case when trimmed.case_sensitive then trimmed.said else lower(trimmed.said) end = labels.label
),

shifted as (
    select
        looked_up.*,
        coalesce(label_value, case when not (labels_only and has_labels) then plain_value end) + shift as source_value
    from looked_up
),

judged as (
    select
        shifted.*,
        case
            when source_value < min_value or source_value > max_value then 'out_of_range'
            when
                step > 0 and min_value is not null
                and abs((source_value - min_value) / step - round((source_value - min_value) / step)) > 1e-9
                then 'not_a_step'
            when source_value is not null then null
            when text_class = 'spreadsheet_error' then 'spreadsheet_error'
            when text_class = 'date' then 'date_in_value'
            -- where labels are numbers themselves, another number is beyond what may be answered
            when plain_value is not null then 'out_of_range'
            when has_labels then 'label_unknown'
            else 'not_a_number'
        end as reject_reason
    from shifted
)

select
    rule_id,
    text,
    case
        when said = '' then 'blank'
        when missing_reason is not null then 'declared_missing'
        when reject_reason is not null then 'rejected'
        else 'accepted'
    end as status,
    case
        when said = '' then null
        else coalesce(missing_reason, reject_reason)
    end as reason,
    case
        when said <> '' and missing_reason is null and reject_reason is null then source_value
    end as source_value,
    case
        when text_class = 'text' and has_labels then 'label'
        else text_class
    end as value_class
from judged
