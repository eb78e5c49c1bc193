{#-
  The whole SQL of a table that Python fills: the columns of the model's yml contract, typed, and no row.
  Columns are known only after dbt has read the yml, so the parser sees a placeholder.
-#}
{% macro empty_contract() -%}
    {%- if execute %}
        {%- if not model.columns %}
            {{ exceptions.raise_compiler_error("empty_contract() needs the columns of " ~ model.name ~ " in its yml") }}
        {%- endif %}
select
        {%- for column in model.columns.values() %}
    cast(null as {{ column.data_type }}) as {{ adapter.quote(column.name) }}{{ "," if not loop.last }}
        {%- endfor %}
where false
    {%- else %}
select 1 as placeholder
    {%- endif %}
{%- endmacro %}
