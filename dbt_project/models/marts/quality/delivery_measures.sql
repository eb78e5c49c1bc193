{{ config(materialized="incremental", incremental_strategy="replace_changed_sites") }}

-- the newest export that the current one replaced; forms of withdrawn clients are missing on purpose
with exports as (
    select
        blocks.site_id,
        blocks.file_spec,
        max(case when not blocks.is_current then blocks.delivery_rank end) as replaced_rank
    from {{ ref("stg_blocks") }} as blocks
    group by blocks.site_id, blocks.file_spec
),

forms_of_exports as (
    select
        candidates.site_id,
        candidates.file_spec,
        candidates.form_id,
        max(case when candidates.delivery_rank = exports.replaced_rank then 1 else 0 end) as was_there,
        max(case when candidates.is_current then 1 else 0 end) as is_there
    from {{ ref("int_form_candidates") }} as candidates
    inner join exports
        on candidates.site_id = exports.site_id and candidates.file_spec = exports.file_spec
    where
        exports.replaced_rank is not null
        and candidates.form_id is not null
        and not candidates.is_withdrawn
    group by candidates.site_id, candidates.file_spec, candidates.form_id
),

{{ measure_shares("gone", "forms_of_exports", ["site_id", "file_spec"], [
    {"check_id": "forms_vanished", "counted": "was_there = 1", "fails": "is_there = 0", "key": "form_id"},
]) }},

-- a spreadsheet that turns an item with "8 - answer" makes an 8 of every blank
turned_texts as (
    select
        blocks.site_id,
        blocks.instrument_id,
        texts.n_cells,
        coalesce(
            {{ number_of(clean_text("texts.text"), "rules.decimal_mark") }} + rules.shift = bindings.reversal_sum
            and decoded.reason = 'out_of_range', false
        ) as is_turned_blank
    from {{ ref("int_cell_texts") }} as texts
    inner join {{ ref("stg_blocks") }} as blocks on texts.block_id = blocks.block_id
    inner join {{ ref("stg_bindings") }} as bindings
        on texts.block_id = bindings.block_id and texts.binding_number = bindings.binding_number
    inner join {{ source("raw", "layout_rules") }} as rules on bindings.rule_id = rules.rule_id
    inner join {{ ref("int_decoded_texts") }} as decoded
        on bindings.rule_id = decoded.rule_id and texts.text = decoded.text
    where bindings.reverse_keyed and decoded.status <> 'blank' and texts.fate in ('single', 'contested')
),

turned as (
    select
        site_id,
        instrument_id,
        sum(case when is_turned_blank then n_cells else 0 end) as n_turned,
        sum(n_cells) as n_cells
    from turned_texts
    group by site_id, instrument_id
),

declared as (
    select distinct
        declared.site_id,
        declared.instrument_id,
        reversed.instrument_id is not null as has_reversed_items
    from {{ source("raw", "site_instruments") }} as declared
    left join {{ ref("stg_items") }} as reversed
        on declared.instrument_id = reversed.instrument_id and reversed.reverse_keyed
    where declared.site_id in (select site_id from {{ ref("stg_changed_sites") }})
),

export_level as (
    -- one measure, judged twice: any form gone is a warning, many gone stop publishing
    select
        checks.check_id,
        exports.site_id,
        '' as instrument_id,
        exports.file_spec as subject,
        coalesce(gone.numerator, 0) as numerator,
        coalesce(gone.denominator, 0) as denominator,
        coalesce(gone.failing_keys, '[]') as failing_keys,
        case
            when exports.replaced_rank is null then 'no newer export replaces an older one'
            else 'the replaced export held no form'
        end as note
    from exports
    cross join (select 'forms_vanished' as check_id union all select 'forms_gone' as check_id) as checks
    left join gone on exports.site_id = gone.site_id and exports.file_spec = gone.file_spec
),

instrument_level as (
    select
        'blanks_turned' as check_id,
        declared.site_id,
        declared.instrument_id,
        '' as subject,
        coalesce(turned.n_turned, 0) as numerator,
        coalesce(turned.n_cells, 0) as denominator,
        '[]' as failing_keys,
        case
            when not declared.has_reversed_items then 'the instrument has no reverse-keyed item'
            else 'no reverse-keyed item has arrived'
        end as note
    from declared
    left join turned on declared.site_id = turned.site_id and declared.instrument_id = turned.instrument_id
)

select
    check_id,
    site_id,
    instrument_id,
    '' as rater,
    subject,
    cast(numerator as double) as numerator,
    cast(denominator as double) as denominator,
    failing_keys,
    case when denominator > 0 then null else note end as note
from (
    select * from export_level
    union all
    select * from instrument_level
) as measures
