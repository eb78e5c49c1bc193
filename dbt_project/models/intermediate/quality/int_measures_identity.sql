-- "the same" across sites is only ever a question to two sites; pseudonyms differ by site and nothing is merged
with clients as (
    select
        clients.client_id,
        clients.site_id,
        trim(pseudonyms.local_id) as local_id
    from {{ ref("clients") }} as clients
    inner join {{ source("raw", "pseudonyms") }} as pseudonyms
        on
            clients.client_id = pseudonyms.pseudonym
            and clients.site_id = pseudonyms.site_id
            and pseudonyms.kind = 'client'
),

-- "7" or "A12" is somebody at every site: only longer ids can be expected to differ
distinctive as (
    select *
    from clients
    where length(local_id) >= {{ var("distinctive_id_length", 6) }}
),

shared as (
    select local_id
    from distinctive
    group by local_id
    having count(distinct site_id) > 1
),

ids as (
    select
        distinctive.site_id,
        distinctive.client_id,
        shared.local_id is not null as is_elsewhere
    from distinctive
    left join shared on distinctive.local_id = shared.local_id
),

-- all that a rater answered in one record, over all instruments the record holds
record_answers as (
    select
        forms.site_id,
        forms.client_id,
        forms.rater,
        count(*) as n_forms,
        sum(patterns.n_answered) as n_answered,
        sum(patterns.n_answered * patterns.share_modal) / sum(patterns.n_answered) as share_modal,
        sum(cast(patterns.answers_key as decimal(38, 0))) as answers_key
    from {{ ref("response_patterns") }} as patterns
    inner join {{ ref("forms") }} as forms on patterns.form_id = forms.form_id
    group by forms.site_id, forms.client_id, forms.rater, forms.delivery_number, forms.row_number
),

comparable as (
    select *
    from record_answers
    where n_answered >= 20 and share_modal < 0.8
),

repeated as (
    select
        rater,
        n_forms,
        answers_key
    from comparable
    group by rater, n_forms, answers_key
    having count(distinct client_id) > 1
),

records as (
    select
        comparable.site_id,
        comparable.client_id,
        repeated.answers_key is not null as same_as_other_client
    from comparable
    left join repeated
        on
            comparable.answers_key = repeated.answers_key
            and comparable.rater = repeated.rater
            and comparable.n_forms = repeated.n_forms
),

clients_compared as (
    select
        site_id,
        client_id,
        max(case when same_as_other_client then 1 else 0 end) as is_copy
    from records
    group by site_id, client_id
),

contents as (
    select content_hash
    from {{ ref("deliveries") }}
    where n_rows > 0
    group by content_hash
    having count(distinct site_id) > 1
),

files as (
    select
        deliveries.site_id,
        deliveries.delivery_number,
        contents.content_hash is not null as is_elsewhere
    from {{ ref("deliveries") }} as deliveries
    left join contents on deliveries.content_hash = contents.content_hash
    where deliveries.n_rows > 0
),

therapists as (
    select
        therapists.site_id,
        therapists.therapist_id,
        therapists.n_clients,
        sites.max_clients_per_therapist
    from {{ ref("therapists") }} as therapists
    inner join {{ source("raw", "sites") }} as sites on therapists.site_id = sites.site_id
),

busiest as (
    select
        therapists.site_id,
        max(therapists.n_clients) as n_clients_of_busiest,
        case when count(*) > 1 then sum(therapists.n_clients) else 0 end as n_clients
    from therapists
    group by therapists.site_id
),

{{ measure_shares("id_shares", "ids", ["site_id"], [
    {"check_id": "ids_in_two_sites", "counted": "true", "fails": "is_elsewhere", "key": "client_id"},
]) }},

{{ measure_shares("record_shares", "clients_compared", ["site_id"], [
    {"check_id": "identical_records", "counted": "true", "fails": "is_copy = 1", "key": "client_id"},
]) }},

{{ measure_shares("file_shares", "files", ["site_id"], [
    {"check_id": "deliveries_in_two_sites", "counted": "true", "fails": "is_elsewhere", "key": "delivery_number"},
]) }},

{{ measure_shares("load_shares", "therapists", ["site_id"], [
    {
        "check_id": "therapist_load",
        "counted": "max_clients_per_therapist is not null",
        "fails": "n_clients > max_clients_per_therapist",
        "key": "therapist_id",
    },
]) }},

{{ measure_shares("busiest_shares", "busiest", ["site_id"], [
    {
        "check_id": "busiest_therapist",
        "numerator": "sum(case when n_clients > 0 then n_clients_of_busiest else 0 end)",
        "denominator": "sum(n_clients)",
    },
]) }},

measures as (
    select * from id_shares
    union all
    select * from record_shares
    union all
    select * from file_shares
    union all
    select * from load_shares
    union all
    select * from busiest_shares
)

{{ measures_for_all_sites("measures", source("raw", "sites"), {
    "ids_in_two_sites": "no client id is long enough to be expected at one site only",
    "identical_records": "no record has twenty answers or more that are not nearly all the same",
    "deliveries_in_two_sites": "the site has delivered no record yet",
    "therapist_load": "the site file does not say how many clients a therapist may have, or no therapist is known",
    "busiest_therapist": "fewer than two therapists are known at the site",
}) }}
