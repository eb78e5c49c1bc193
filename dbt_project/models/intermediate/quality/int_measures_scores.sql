with expected as (
    select
        expected.site_id,
        expected.instrument_id,
        expected.rater,
        expected.n_forms,
        scales.scale_id
    from {{ ref("int_quality_expected") }} as expected
    inner join {{ ref("core_scales") }} as scales on expected.instrument_id = scales.instrument_id
),

-- items of a scale can have ranges of their own, so the lowest and highest score come from the items
ranges as (
    select
        scale_items.instrument_id,
        scale_items.scale_id,
        case when scales.method = 'sum' then sum(items.min_value) else avg(items.min_value) end as lowest_possible,
        case when scales.method = 'sum' then sum(items.max_value) else avg(items.max_value) end as highest_possible
    from {{ ref("core_scale_items") }} as scale_items
    inner join {{ ref("core_items") }} as items on scale_items.item_id = items.item_id
    inner join {{ ref("core_scales") }} as scales
        on scale_items.instrument_id = scales.instrument_id and scale_items.scale_id = scales.scale_id
    group by scale_items.instrument_id, scale_items.scale_id, scales.method
),

counted as (
    select
        forms.site_id,
        forms.instrument_id,
        forms.rater,
        scores.scale_id,
        count(*) as n_scores,
        sum(case when scores.score <= ranges.lowest_possible + 0.000000001 then 1 else 0 end) as n_lowest,
        sum(case when scores.score >= ranges.highest_possible - 0.000000001 then 1 else 0 end) as n_highest
    from {{ ref("scale_scores") }} as scores
    inner join {{ ref("forms") }} as forms on scores.form_id = forms.form_id
    inner join ranges on scores.instrument_id = ranges.instrument_id and scores.scale_id = ranges.scale_id
    where scores.score is not null
    group by forms.site_id, forms.instrument_id, forms.rater, scores.scale_id
)

select
    checks.check_id,
    expected.site_id,
    expected.instrument_id,
    expected.rater,
    expected.scale_id as subject,
    cast(
        coalesce(case when checks.check_id = 'floor' then counted.n_lowest else counted.n_highest end, 0) as double
    ) as numerator,
    cast(coalesce(counted.n_scores, 0) as double) as denominator,
    '[]' as failing_keys,
    case
        when counted.n_scores > 0 then null
        when expected.n_forms = 0 then 'not delivered: no form of this instrument and rater has arrived'
        else 'no form has a score on this scale'
    end as note
from expected
cross join (select 'floor' as check_id union all select 'ceiling' as check_id) as checks
left join counted
    on
        expected.site_id = counted.site_id
        and expected.instrument_id = counted.instrument_id
        and expected.rater = counted.rater
        and expected.scale_id = counted.scale_id
