-- What becomes of each candidate as a whole. Only `contested` ones must be looked at cell by cell.
{%- set carried = [
    "delivery_number", "row_number", "block_id", "binding_number", "form_id", "site_id", "client_id", "therapist_id",
    "therapist_from", "episode_id", "instrument_id", "rater", "phase", "occasion", "problem"
] %}

with judged as (
    select
        candidates.*,
        case
            when is_withdrawn then 'withdrawn'
            when problem is not null then 'rejected'
        end as fate
    from {{ ref("int_form_candidates") }} as candidates
),

form_sizes as (
    select
        form_id,
        count(*) as n_candidates,
        min(case when is_current then 1 else 0 end) as all_current
    from judged
    where fate is null
    group by form_id
),

sized as (
    select
        judged.*,
        fate is null and (form_sizes.n_candidates > 1 or form_sizes.all_current = 0) as is_one_of_several
    from judged
    left join form_sizes
        on judged.form_id = form_sizes.form_id
),

several as (
    select
        sized.*,
        max(case when is_current then 1 else 0 end) over (partition by form_id, file_spec) as in_current,
        -- a later delivery of the same columns replaces an earlier one whole
        max(case when is_current then delivery_rank end) over (partition by form_id, file_spec, slots_bound)
            as newest_rank
    from sized
    where is_one_of_several
),

sifted as (
    select
        several.*,
        case
            when not is_current and in_current = 1 then 'superseded'
            when not is_current then 'withdrawn'
            when binding_number is null and delivery_rank < newest_rank then 'superseded'
        end as sifted_fate
    from several
),

remaining as (
    select
        form_id,
        count(*) as n_candidates,
        count(distinct block_id) as n_blocks,
        count(distinct slot) as n_slots,
        max(form_date) as latest_date
    from sifted
    where sifted_fate is null
    group by form_id
)

select
    {{ carried | join(", ") }},
    form_date,
    coalesce(fate, 'single') as fate,
    fate is null as is_lead
from sized
where not is_one_of_several

union all

select
    {% for name in carried %}sifted.{{ name }}, {% endfor %}
    coalesce(sifted.form_date, remaining.latest_date) as form_date,
    case
        when sifted.sifted_fate is not null then sifted.sifted_fate
        -- rows of one long file hold one form between them as long as no item comes twice
        when remaining.n_candidates = 1 then 'single'
        when remaining.n_blocks = 1 and remaining.n_slots = remaining.n_candidates then 'single'
        else 'contested'
    end as fate,
    -- the newest delivery that has the form gives its date and its lineage
    sifted.sifted_fate is null and row_number() over (
        partition by sifted.form_id, sifted.sifted_fate
        order by sifted.delivery_rank desc, sifted.row_number, sifted.block_id
    ) = 1 as is_lead
from sifted
left join remaining
    on sifted.form_id = remaining.form_id
