select
    session_id,
    session_order,
    label,
    from_number,
    to_number,
    target_number,
    from_day,
    to_day
from {{ source("raw", "sessions") }}
