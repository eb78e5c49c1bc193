{{ config(tags=["same_for_all_sites"]) }}

select
    cast(session_id as {{ category("session_id") }}) as session_id,
    session_order,
    label,
    from_number,
    to_number,
    target_number,
    from_day,
    to_day
from {{ source("raw", "sessions") }}
