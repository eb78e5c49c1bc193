{{ config(materialized="view") }}

with resolved as (
    select
        record_blocks.delivery_number,
        record_blocks.row_number,
        record_blocks.block_id,
        record_blocks.binding_number,
        record_blocks.slot,
        record_blocks.site_id,
        blocks.file_spec,
        blocks.delivery_rank,
        blocks.slots_bound,
        record_blocks.is_current,
        record_blocks.is_withdrawn,
        record_blocks.client_id,
        coalesce(
            record_blocks.therapist_id,
            case when client_therapists.n_therapists = 1 then client_therapists.therapist_id end
        ) as therapist_id,
        case
            when record_blocks.therapist_id is not null then 'record'
            when client_therapists.n_therapists = 1 then 'only_therapist_of_client'
        end as therapist_from,
        record_blocks.episode_id,
        blocks.instrument_id,
        record_blocks.rater,
        blocks.phase,
        record_blocks.occasion,
        record_blocks.form_date,
        record_blocks.problem
    from {{ ref("int_record_blocks") }} as record_blocks
    inner join {{ ref("stg_blocks") }} as blocks
        on record_blocks.block_id = blocks.block_id
    left join {{ ref("int_client_therapists") }} as client_therapists
        on
            record_blocks.client_id = client_therapists.client_id
            and coalesce(record_blocks.episode_id, '') = client_therapists.episode_id
    where record_blocks.is_answered
)

select
    resolved.*,
    case
        when problem is null
            then {{ key_of("site_id", joined_key([
                "client_id", "therapist_id", "episode_id", "instrument_id", "rater", "phase", "occasion"
            ])) }}
    end as form_id
from resolved
