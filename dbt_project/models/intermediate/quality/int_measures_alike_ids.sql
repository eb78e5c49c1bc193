-- Ids stay text and `007` and `7` are two persons; that they are meant to be one is a question to the site.
with persons as (
    select
        'client' as kind,
        client_id as person_id,
        site_id
    from {{ ref("clients") }}

    union all

    select
        'therapist' as kind,
        therapist_id as person_id,
        site_id
    from {{ ref("therapists") }}
),

folded as (
    select
        persons.kind,
        persons.person_id,
        persons.site_id,
        {{ folded_id("pseudonyms.local_id") }} as folded_id
    from persons
    inner join {{ source("raw", "pseudonyms") }} as pseudonyms
        on
            persons.person_id = pseudonyms.pseudonym
            and persons.kind = pseudonyms.kind
            and persons.site_id = pseudonyms.site_id
),

alike as (
    select
        site_id,
        kind,
        folded_id
    from folded
    group by site_id, kind, folded_id
    having count(*) > 1
),

ids as (
    select
        folded.kind,
        folded.person_id,
        folded.site_id,
        alike.folded_id is not null as is_alike
    from folded
    left join alike
        on folded.site_id = alike.site_id and folded.kind = alike.kind and folded.folded_id = alike.folded_id
),

{{ measure_shares("shares", "ids", ["site_id"], [
    {"check_id": "client_ids_alike", "counted": "kind = 'client'", "fails": "is_alike", "key": "person_id"},
    {"check_id": "therapist_ids_alike", "counted": "kind = 'therapist'", "fails": "is_alike", "key": "person_id"},
]) }}

{{ measures_for_all_sites("shares", source("raw", "sites"), {
    "client_ids_alike": "no client is known at the site",
    "therapist_ids_alike": "no therapist is known at the site",
}) }}
