{#-
  The incremental strategy of every per-site table: the changed sites' rows become those that the model selected, which
  hold the changed sites only. A row that is there already, equal in every column, stays where it is: most of a changed
  site is as it was, and to take such rows out of a large table's key and put them in again is most of the work.
-#}
{% macro get_incremental_replace_changed_sites_sql(arg_dict) -%}
    {%- set target = arg_dict["target_relation"] -%}
    {%- set selected = arg_dict["temp_relation"] -%}
    {%- set names = arg_dict["dest_columns"] | map(attribute="quoted") | list -%}
    {%- set columns = names | join(", ") -%}
    {%- if "site_id" not in arg_dict["dest_columns"] | map(attribute="name") | list -%}
        {{ exceptions.raise_compiler_error(target ~ " has no column site_id, so its sites cannot be replaced") }}
    {%- endif -%}
    delete from {{ target }} as present
    where
        present.site_id in {{ changed_sites() }}
        and not exists (
            select 1
            from (
                select {{ columns }} from {{ target }} where site_id in {{ changed_sites() }}
                intersect
                select {{ columns }} from {{ selected }}
            ) as unchanged
            where
                {% for key in primary_key_columns() -%}
                unchanged.{{ key }} = present.{{ key }}{{ " and " if not loop.last }}
                {%- endfor %}
        );

    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from {{ selected }} as selected
    where not exists (
        select 1
        from {{ target }} as present
        where
            present.site_id in {{ changed_sites() }}
            {%- for name in names %}
            and present.{{ name }} is not distinct from selected.{{ name }}
            {%- endfor %}
    );
{%- endmacro %}

{#-
  The changed sites as a subquery, in the type that the large tables have. A strategy runs outside a model's own SQL,
  where source() is not known: the relation is named by hand.
-#}
{% macro changed_sites() -%}
(select cast(site_id as {{ category("site_id") }}) from {{ api.Relation.create(database="landing", schema="raw", identifier="changed_sites") }})
{%- endmacro %}
