{{ config(alias="scales", tags=["same_for_all_sites"]) }}

select
    scales.instrument_id,
    scales.scale_id,
    scales.scale_number,
    scales.name,
    scales.method,
    scales.kind,
    scales.n_items,
    scales.status
from {{ ref("stg_scales") }} as scales
