-- Key cells that say something nobody can use: an undeclared rater or session, a date that cannot be read.
with troubled as (
    select
        record_blocks.delivery_number,
        record_blocks.row_number,
        record_blocks.site_id,
        record_blocks.problem as reason,
        case record_blocks.problem
            when 'rater_unknown' then blocks.rater_column
            when 'unknown_session' then blocks.session_column
        end as column_number
    from {{ ref("int_record_blocks") }} as record_blocks
    inner join {{ ref("stg_blocks") }} as blocks
        on record_blocks.block_id = blocks.block_id
    where record_blocks.problem in ('rater_unknown', 'unknown_session')

    union all

    select
        record_blocks.delivery_number,
        record_blocks.row_number,
        record_blocks.site_id,
        'date_not_readable' as reason,
        blocks.date_column as column_number
    from {{ ref("int_record_blocks") }} as record_blocks
    inner join {{ ref("stg_blocks") }} as blocks
        on record_blocks.block_id = blocks.block_id
    where record_blocks.is_answered and record_blocks.date_is_unreadable
)

select
    troubled.delivery_number,
    troubled.row_number,
    troubled.column_number,
    min(troubled.site_id) as site_id,
    min(troubled.reason) as reason
from troubled
left join {{ ref("int_withdrawn_records") }} as withdrawn
    on troubled.delivery_number = withdrawn.delivery_number and troubled.row_number = withdrawn.row_number
where withdrawn.row_number is null
group by troubled.delivery_number, troubled.row_number, troubled.column_number
