select
    cast(
        row_number() over (
            order by noted_at, refresh_id, site_id, file_name, row_number, column_name, problem, message
        ) as integer
    ) as problem_number,
    refresh_id,
    site_id,
    file_name,
    row_number,
    column_name,
    problem,
    message,
    action,
    severity
from {{ source("raw", "landing_problems") }}
