{{ config(alias="instruments", tags=["same_for_all_sites"]) }}

select
    cast(instrument_id as {{ category("instrument_id") }}) as instrument_id,
    name,
    version,
    domain,
    min_value,
    max_value,
    step,
    higher_is,
    raters,
    status,
    source,
    note,
    origin
from {{ source("raw", "codebook_instruments") }}
