{{ config(
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}

-- The place of a gap is one among all dyads of the study, so the table is made whole, whichever sites changed.
with themes as (
    select
        theme,
        row_number() over (order by theme) as theme_number
    from {{ ref("stg_items") }}
    where theme is not null
    group by theme
),

items as (
    select
        items.item_id,
        items.item_number,
        items.min_value,
        items.max_value - items.min_value as width,
        themes.theme_number
    from {{ ref("stg_items") }} as items
    inner join themes
        on items.theme = themes.theme
    where items.max_value > items.min_value
),

-- answers of both raters in percent of the item's range, so that instruments of different ranges add up
compared as (
    select
        answers.dyad_item_id - items.item_number + items.theme_number as pair_theme_id,
        answers.site_id,
        answers.dyad_id,
        answers.session_id,
        items.theme_number,
        100.0 * (answers.client_value - items.min_value) / items.width as client_percent,
        100.0 * answers.difference / items.width as gap
    from {{ ref("dyad_items") }} as answers
    inner join items
        on answers.item_id = items.item_id
    where answers.difference is not null
),

-- one number to group by, while there are as many rows as answers; an instrument at a time
of_pairs as (
    select
        pair_theme_id,
        any_value(site_id) as site_id,
        any_value(dyad_id) as dyad_id,
        any_value(session_id) as session_id,
        any_value(theme_number) as theme_number,
        count(*) as n_items,
        sum(client_percent) as client_sum,
        sum(gap) as gap_sum,
        sum(gap * gap) as gap_squares
    from compared
    group by pair_theme_id
),

-- a theme may have items in several instruments
of_dyads as (
    select
        min(pair_theme_id) as dyad_gap_id,
        min(site_id) as site_id,
        dyad_id,
        session_id,
        theme_number,
        sum(n_items) as n_items,
        sum(client_sum) / sum(n_items) as client_rating,
        sum(gap_sum) / sum(n_items) as gap,
        sum(gap_squares) - sum(gap_sum) * sum(gap_sum) / sum(n_items) as within_squares
    from of_pairs
    group by dyad_id, session_id, theme_number
),

-- read again instead of kept from above: two columns of all answers are cheaper to scan twice than to store once
item_differences as (
    select
        item_id,
        count(difference) as n,
        avg(difference) as mean_difference
    from {{ ref("dyad_items") }}
    group by item_id
),

of_items as (
    select
        items.theme_number,
        differences.n,
        100.0 * differences.mean_difference / items.width as mean_gap
    from item_differences as differences
    inner join items
        on differences.item_id = items.item_id
    where differences.n > 0
),

item_squares as (
    select
        theme_number,
        count(*) as n_items,
        sum(n * mean_gap * mean_gap) - sum(n * mean_gap) * sum(n * mean_gap) / sum(n) as between_squares
    from of_items
    group by theme_number
),

-- What is left of the gaps of a dyad's items once the dyad's own gap and the items' means are taken out (the residual
-- mean square of dyads by items, Hoyt 1941) is the error variance of the gap in one item.
errors as (
    select
        dyads.theme_number,
        case
            when sum(dyads.n_items) - count(*) - any_value(item_squares.n_items) + 1 > 0
                and any_value(item_squares.n_items) > 1
                then
                    greatest(sum(dyads.within_squares) - any_value(item_squares.between_squares), 0)
                    / (sum(dyads.n_items) - count(*) - any_value(item_squares.n_items) + 1)
        end as error_variance
    from of_dyads as dyads
    inner join item_squares
        on dyads.theme_number = item_squares.theme_number
    group by dyads.theme_number
),

-- gaps that differ in what threads add up in another order are the same gap
placed as (
    select
        dyads.*,
        100.0 * cume_dist() over (partition by session_id, theme_number order by round(gap, 6)) as percentile,
        count(*) over (partition by session_id, theme_number) as n_dyads
    from of_dyads as dyads
)

select
    placed.dyad_gap_id,
    placed.site_id,
    placed.dyad_id,
    placed.session_id,
    themes.theme,
    placed.client_rating,
    placed.client_rating - placed.gap as therapist_rating,
    placed.gap,
    cast(placed.n_items as integer) as n_items,
    placed.percentile,
    placed.n_dyads,
    sqrt(errors.error_variance / placed.n_items) as standard_error,
    abs(placed.gap) > 1.96 * sqrt(errors.error_variance / placed.n_items) as exceeds_error
from placed
inner join themes
    on placed.theme_number = themes.theme_number
left join errors
    on placed.theme_number = errors.theme_number
