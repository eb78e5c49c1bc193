-- Records whose every form is withdrawn, and all records of clients who withdrew.
select
    delivery_number,
    row_number
from (
    select
        delivery_number,
        row_number,
        min(case when fate = 'withdrawn' then 1 else 0 end) as is_withdrawn
    from {{ ref("int_candidate_fates") }}
    group by delivery_number, row_number
) as records
where is_withdrawn = 1

union

select
    delivery_number,
    row_number
from {{ ref("int_record_blocks") }}
where is_withdrawn
