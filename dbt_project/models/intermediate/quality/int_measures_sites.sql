with accounting as (
    select
        accounting.*,
        accounting.accepted + accounting.rejected as n_read
    from {{ ref("cell_accounting") }} as accounting
),

-- which cells a reader would look up: file, record and column
rejected as (
    select
        site_id,
        reason,
        form_id,
        item_id,
        cast(delivery_number as varchar) || ':' || cast(row_number as varchar) || ':'
        || cast(column_number as varchar) as cell_key
    from {{ ref("rejected_cells") }}
),

rejected_shares as (
    select
        cells.check_id,
        cells.site_id,
        cast(count(*) as double) as n_cells,
        {{ keys_json("case when cells.place <= 20 then cells.cell_key end") }} as failing_keys
    from (
        select
            case
                when reason = 'conflict' then 'conflict_share'
                when reason = 'date_not_readable' then 'dates_unreadable'
                else 'records_rejected'
            end as check_id,
            site_id,
            cell_key,
            row_number() over (
                partition by
                    site_id,
                    case
                        when reason = 'conflict' then 'conflict_share'
                        when reason = 'date_not_readable' then 'dates_unreadable'
                        else 'records_rejected'
                    end
                order by cell_key
            ) as place
        from rejected
        where
            reason in ('conflict', 'date_not_readable') or form_id is null
    ) as cells
    group by cells.check_id, cells.site_id
),

read_cells as (
    select
        site_id,
        sum(n_read) as n_read
    from accounting
    group by site_id
),

dated as (
    select
        site_id,
        count(form_date) as n_dated
    from {{ ref("forms") }}
    group by site_id
),

cell_shares as (
    select
        checks.check_id,
        read_cells.site_id,
        coalesce(rejected_shares.n_cells, 0) as numerator,
        cast(
            case
                when checks.check_id = 'dates_unreadable'
                    then coalesce(dated.n_dated, 0) + coalesce(rejected_shares.n_cells, 0)
                else read_cells.n_read
            end as double
        ) as denominator,
        rejected_shares.failing_keys
    from read_cells
    cross join (
        select 'conflict_share' as check_id
        union all
        select 'dates_unreadable'
        union all
        select 'records_rejected'
    ) as checks
    left join rejected_shares
        on checks.check_id = rejected_shares.check_id and read_cells.site_id = rejected_shares.site_id
    left join dated on read_cells.site_id = dated.site_id
),

columns_in_use as (
    select
        deliveries.site_id,
        columns.role,
        cast(columns.delivery_number as varchar) || ':' || cast(columns.column_number as varchar) as column_key
    from {{ ref("delivery_columns") }} as columns
    inner join {{ ref("deliveries") }} as deliveries on columns.delivery_number = deliveries.delivery_number
    where deliveries.is_current
),

problems as (
    select
        problems.site_id,
        problems.severity,
        problems.problem_number
    from {{ ref("landing_problems") }} as problems
    where
        problems.refresh_id in (
            select value from {{ source("raw", "study_settings") }} where setting = 'refresh_id'
        )
),

all_sites as (
    select
        sites.site_id,
        problems.severity,
        problems.problem_number
    from {{ source("raw", "sites") }} as sites
    left join problems on sites.site_id = problems.site_id
),

{{ measure_shares("column_shares", "columns_in_use", ["site_id"], [
    {"check_id": "columns_not_mapped", "counted": "true", "fails": "role = 'unmapped'", "key": "column_key"},
]) }},

{{ measure_shares("accounting_shares", "accounting", ["site_id"], [
    {
        "check_id": "cells_unaccounted",
        "numerator": "sum(abs(unaccounted))",
        "denominator": "sum(n_cells)",
    },
]) }},

{{ measure_shares("problem_counts", "all_sites", ["site_id"], [
    {
        "check_id": "landing_critical",
        "numerator": "sum(case when severity = 'critical' then 1 else 0 end)",
        "denominator": "1",
    },
    {
        "check_id": "landing_warnings",
        "numerator": "sum(case when severity = 'warning' then 1 else 0 end)",
        "denominator": "1",
    },
]) }},

measures as (
    select * from cell_shares
    union all
    select * from column_shares
    union all
    select * from accounting_shares
    union all
    select * from problem_counts
)

{{ measures_for_all_sites("measures", source("raw", "sites"), {
    "conflict_share": "no cell of the site was accepted or rejected",
    "dates_unreadable": "no form is dated",
    "records_rejected": "no cell of the site was accepted or rejected",
    "columns_not_mapped": "the site has delivered nothing yet",
    "cells_unaccounted": "no delivery of the site holds a cell",
    "landing_critical": "the site is not configured",
    "landing_warnings": "the site is not configured",
}) }}
