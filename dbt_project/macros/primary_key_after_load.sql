{#-
  Primary keys of the large tables are added once the rows are in: building the index in one sorted pass takes half
  the time of growing it row by row. A model asks for this with `meta={"primary_key_after_load": true}` and the
  post-hook add_primary_key(); its yml declares the key as any other. The hook runs after the commit, because inside
  the transaction that wrote the rows DuckDB grows the index row by row all the same. A duplicate fails the model, and
  a refresh with a failed model is not published.
-#}
{% macro duckdb__get_table_columns_and_constraints() -%}
    {%- if not (config.get("meta") or {}).get("primary_key_after_load", false) -%}
        {{ return(default__get_table_columns_and_constraints()) }}
    {%- endif -%}
    (
    {%- for column in adapter.render_raw_columns_constraints(raw_columns=model["columns"]) %}
        {{ column }}{{ "," if not loop.last }}
    {%- endfor %}
    )
{%- endmacro %}

{#- Post-hook of such a model. A table that was there before has its key already. -#}
{% macro add_primary_key() -%}
    {%- if execute and (config.get("meta") or {}).get("primary_key_after_load", false) -%}
        {%- if not load_cached_relation(this) or not has_primary_key(this) -%}
alter table {{ this }} add primary key ({{ primary_key_columns() | join(", ") }})
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Columns of the key that the model declares, which is one. -#}
{% macro primary_key_columns() -%}
    {%- set keys = model["constraints"] | selectattr("type", "equalto", "primary_key") | list -%}
    {%- if keys | length != 1 -%}
        {{ exceptions.raise_compiler_error(model.name ~ " needs one primary_key constraint on the model") }}
    {%- endif -%}
    {{ return(keys[0].columns) }}
{%- endmacro %}

{% macro has_primary_key(relation) -%}
    {%- set found = run_query(
        "select 1 from duckdb_constraints() where constraint_type = 'PRIMARY KEY' and database_name = '"
        ~ relation.database ~ "' and schema_name = '" ~ relation.schema ~ "' and table_name = '"
        ~ relation.identifier ~ "'"
    ) -%}
    {{ return(found.rows | length > 0) }}
{%- endmacro %}
