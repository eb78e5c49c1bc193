{{ config(
    meta={"primary_key_after_load": true},
    post_hook={"sql": "{{ add_primary_key() }}", "transaction": false}
) }}

-- The place of a gap is one among all dyads of the study, so every row is written anew whichever sites changed; what a
-- dyad's own answers make of it is taken from the rows of before where its site did not change.
-- depends_on: {{ ref("stg_changed_sites") }}
{%- set rows_of_before = has_rows_of_before() %}

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
    where
        answers.difference is not null
        {%- if rows_of_before %}
        and answers.site_id in (select site_id from {{ ref("stg_changed_sites") }})
        {%- endif %}
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
        sum(gap) as gap_sum
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
        sum(gap_sum) / sum(n_items) as gap
    from of_pairs
    group by dyad_id, session_id, theme_number
),

all_dyads as (
    select * from of_dyads
    {%- if rows_of_before %}
    union all
    select
        before.dyad_gap_id,
        before.site_id,
        before.dyad_id,
        before.session_id,
        themes.theme_number,
        before.n_items,
        before.client_rating,
        before.gap
    from {{ this }} as before
    inner join themes
        on before.theme = themes.theme
    where before.site_id not in (select site_id from {{ ref("stg_changed_sites") }})
    {%- endif %}
),

-- read again instead of kept from above: two columns of all answers are cheaper to scan twice than to store once
item_differences as (
    select
        item_id,
        count(difference) as n,
        avg(difference) as mean_difference,
        sum(difference * difference) as squares
    from {{ ref("dyad_items") }}
    group by item_id
),

of_items as (
    select
        items.theme_number,
        differences.n,
        100.0 * differences.mean_difference / items.width as mean_gap,
        100.0 * 100.0 * differences.squares / items.width / items.width as squares
    from item_differences as differences
    inner join items
        on differences.item_id = items.item_id
    where differences.n > 0
),

item_squares as (
    select
        theme_number,
        count(*) as n_items,
        sum(squares) as squares,
        sum(n * mean_gap * mean_gap) - sum(n * mean_gap) * sum(n * mean_gap) / sum(n) as between_squares
    from of_items
    group by theme_number
),

dyad_squares as (
    select
        theme_number,
        count(*) as n_dyads,
        sum(n_items) as n_gaps,
        sum(n_items * gap * gap) as squares
    from all_dyads
    group by theme_number
),

-- What is left of the gaps of a dyad's items once the dyad's own gap and the items' means are taken out (the residual
-- mean square of dyads by items, Hoyt 1941) is the error variance of the gap in one item.
residuals as (
    select
        dyads.theme_number,
        items.n_items,
        items.squares - dyads.squares - items.between_squares as squares,
        dyads.n_gaps - dyads.n_dyads - items.n_items + 1 as degrees_of_freedom
    from dyad_squares as dyads
    inner join item_squares as items
        on dyads.theme_number = items.theme_number
),

errors as (
    select
        theme_number,
        greatest(squares, 0) / degrees_of_freedom as error_variance
    from residuals
    where degrees_of_freedom > 0 and n_items > 1
),

-- gaps that differ in what threads add up in another order are the same gap
placed as (
    select
        dyads.*,
        100.0 * cume_dist() over (partition by session_id, theme_number order by round(gap, 6)) as percentile,
        count(*) over (partition by session_id, theme_number) as n_dyads
    from all_dyads as dyads
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
