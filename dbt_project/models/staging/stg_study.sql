select
    coalesce(max(case when setting = 'min_share_answered' then {{ try_number("value") }} end), 0.8)
        as min_share_answered,
    max(case when setting = 'pairing_max_days' then try_cast(value as integer) end) as pairing_max_days,
    (
        select count(*) > 0
        from {{ source("raw", "sessions") }}
        where from_day is not null or to_day is not null
    ) as has_day_windows
from {{ source("raw", "study_settings") }}
