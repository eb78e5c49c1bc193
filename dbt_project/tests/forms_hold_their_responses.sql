-- Each form counts its responses; together they are all responses there are.
select
    forms.n_items,
    responses.n_responses
from (select coalesce(sum(n_items), 0) as n_items from {{ ref("forms") }}) as forms
cross join (select count(*) as n_responses from {{ ref("item_responses") }}) as responses
where forms.n_items <> responses.n_responses
