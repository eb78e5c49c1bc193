with mapped as (
    select
        record_blocks.delivery_number,
        record_blocks.row_number,
        record_blocks.block_id,
        blocks.site_id,
        blocks.shape,
        blocks.is_current,
        blocks.phase,
        record_blocks.client_text,
        clients.pseudonym as client_id,
        record_blocks.therapist_text,
        therapists.pseudonym as therapist_id,
        record_blocks.episode_text,
        coalesce(mapped_episodes.pseudonym, episodes.pseudonym) as episode_id,
        case
            when blocks.rater_column is null then blocks.rater
            else cast(rater_map.mapped as {{ category("rater") }})
        end as rater,
        coalesce(session_map.mapped, nullif(record_blocks.session_text, ''), blocks.session, '') as session_said,
        session_map.mapped is not null or (record_blocks.session_text = '' and blocks.session is not null)
            as session_is_mapped,
        record_blocks.rater_text,
        record_blocks.date_text <> '' and record_blocks.form_date is null as date_is_unreadable,
        record_blocks.form_date,
        bindings.binding_number,
        bindings.slot,
        record_blocks.is_answered and (blocks.shape = 'wide' or bindings.binding_number is not null) as is_answered,
        withdrawals.client_id is not null as is_withdrawn
    from {{ ref("stg_record_blocks") }} as record_blocks
    inner join {{ ref("stg_blocks") }} as blocks
        on record_blocks.block_id = blocks.block_id
    left join {{ source("raw", "pseudonyms") }} as clients
        on
            clients.kind = 'client'
            and blocks.site_id = clients.site_id
            and record_blocks.client_text = clients.local_id
    left join {{ source("raw", "pseudonyms") }} as therapists
        on
            therapists.kind = 'therapist'
            and blocks.site_id = therapists.site_id
            and record_blocks.therapist_text = therapists.local_id
    left join {{ source("raw", "layout_value_maps") }} as episode_map
        on
            episode_map.role = 'episode'
            and record_blocks.block_id = episode_map.block_id
            and lower(record_blocks.episode_text) = episode_map.raw_value
    left join {{ source("raw", "pseudonyms") }} as mapped_episodes
        on
            mapped_episodes.kind = 'episode'
            and blocks.site_id = mapped_episodes.site_id
            and episode_map.mapped = mapped_episodes.local_id
    left join {{ source("raw", "pseudonyms") }} as episodes
        on
            episodes.kind = 'episode'
            and blocks.site_id = episodes.site_id
            and record_blocks.episode_text = episodes.local_id
    left join {{ source("raw", "layout_value_maps") }} as rater_map
        on
            rater_map.role = 'rater'
            and record_blocks.block_id = rater_map.block_id
            and lower(record_blocks.rater_text) = rater_map.raw_value
    left join {{ source("raw", "layout_value_maps") }} as session_map
        on
            session_map.role = 'session'
            and record_blocks.block_id = session_map.block_id
            and lower(record_blocks.session_text) = session_map.raw_value
    -- only long blocks have item codes; a condition on the left side would make this a comparison of all with all
    left join {{ ref("stg_bindings") }} as bindings
        on record_blocks.block_id = bindings.block_id and record_blocks.item_code = bindings.item_code
    left join (select distinct site_id, client_id from {{ source("raw", "withdrawals") }}) as withdrawals
        on blocks.site_id = withdrawals.site_id and clients.pseudonym = withdrawals.client_id
),

numbered as (
    select
        mapped.*,
        {{ number_of("session_said") }} as session_number,
        sessions.session_id as declared_session
    from mapped
    left join {{ source("raw", "sessions") }} as sessions
        on lower(mapped.session_said) = sessions.session_id
),

placed as (
    select
        numbered.*,
        case
            when declared_session is not null then declared_session
            when session_number is not null then {{ plain_number("session_number") }}
            when session_said <> '' then session_said
            when phase <> 'therapy' then phase
            -- windows in days place a form by its date alone, so the date is all that tells two sessions apart
            when study.has_day_windows then cast(form_date as varchar)
        end as occasion,
        (declared_session is not null or session_number is not null or session_is_mapped or session_said = '')
            as session_is_known
    from numbered
    cross join {{ ref("stg_study") }} as study
)

select
    delivery_number,
    row_number,
    block_id,
    site_id,
    is_current,
    client_id,
    therapist_id,
    episode_id,
    rater,
    occasion,
    form_date,
    date_is_unreadable,
    binding_number,
    slot,
    is_answered,
    is_withdrawn,
    case
        when not is_answered then null
        when client_text = '' then 'client_id_blank'
        when
            client_id is null
            or (therapist_text <> '' and therapist_id is null)
            or (episode_text <> '' and episode_id is null)
            then 'pseudonym_missing'
        when rater is null and rater_text = '' then 'rater_blank'
        when rater is null then 'rater_unknown'
        when not session_is_known then 'unknown_session'
        when occasion is null then 'session_blank'
    end as problem
from placed
