{#-
  The incremental strategy of every per-site table: rows of the changed sites give way to the rows the model selected,
  which hold the changed sites only.
-#}
{% macro get_incremental_replace_changed_sites_sql(arg_dict) -%}
    {%- set target_relation = arg_dict["target_relation"] -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="quoted") | join(", ") -%}
    {%- if "site_id" not in arg_dict["dest_columns"] | map(attribute="name") | list -%}
        {{ exceptions.raise_compiler_error(target_relation ~ " has no column site_id, so its sites cannot be replaced") }}
    {%- endif -%}
    delete from {{ target_relation }}
    where site_id in {{ changed_sites() }};

    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }};
{%- endmacro %}

{#-
  The changed sites as a subquery, in the type that the large tables have. A strategy runs outside a model's own SQL,
  where source() is not known: the relation is named by hand.
-#}
{% macro changed_sites() -%}
(select cast(site_id as {{ category("site_id") }}) from {{ api.Relation.create(database="landing", schema="raw", identifier="changed_sites") }})
{%- endmacro %}
