{#-
  Types of the columns that hold one of a short list of names, in the tables with a row per form or finer. The database
  stores such a name as a number and readers see text: a third of the time and space of text, and no name outside of the
  list can be stored. The lists are the codebook's and the study's; when one of them changes everything is built anew.
-#}
{% macro category(name) -%}
    {{ return(adapter.dispatch("category", "alliance")(name)) }}
{%- endmacro %}

{% macro default__category(name) -%}
{{ dbt.type_string() }}
{%- endmacro %}

{% macro duckdb__category(name) -%}
alliance.core.{{ name }}
{%- endmacro %}

{#- Makes the types in the file that is to be filled; a copy of the published one has them already. -#}
{% macro make_categories() -%}
    {{ return(adapter.dispatch("make_categories", "alliance")()) }}
{%- endmacro %}

{% macro default__make_categories() -%}
{%- endmacro %}

{% macro duckdb__make_categories() -%}
    {%- set listed = {
        "site_id": ["sites", "site_states", "changed_sites"],
        "instrument_id": ["codebook_instruments"],
        "scale_id": ["codebook_scales"],
        "item_id": ["codebook_items"],
        "session_id": ["sessions"],
    } -%}
    {%- set fixed = {
        "rater": ["client", "therapist"],
        "phase": ["followup", "post", "pre", "therapy"],
        "response_status": ["accepted", "blank", "declared_missing", "rejected"],
        "score_status": ["accepted", "declared_missing", "ok", "rejected", "too_few_answered"],
        "score_origin": ["computed", "delivered"],
    } -%}
create schema if not exists alliance.core;
    {%- for name, tables in listed.items() %}
create type if not exists {{ category(name) }} as enum (
    -- a list may be empty, the type of a column may not
    select unnest(coalesce(list(distinct {{ name }} order by {{ name }}) filter ({{ name }} is not null), ['']))
    from (
        {%- for table in tables %}
        select {{ name }} from {{ api.Relation.create(database="landing", schema="raw", identifier=table) }}
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as named
);
    {%- endfor %}
    {%- for name, values in fixed.items() %}
create type if not exists {{ category(name) }} as enum ('{{ values | join("', '") }}');
    {%- endfor %}
{%- endmacro %}
