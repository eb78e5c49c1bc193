-- A form's key is a hash. Two forms with one key would be taken for two deliveries of one form: improbable, but silent.
select form_id
from {{ ref("int_candidate_fates") }}
where form_id is not null
group by form_id
having
    min(client_id) <> max(client_id)
    or min(instrument_id) <> max(instrument_id)
    or min(occasion) <> max(occasion)
    or min(rater) <> max(rater)
    or min(phase) <> max(phase)
