{#- Whether the table that a model is about to make anew is there, with the rows of the last published build. -#}
{% macro has_rows_of_before() -%}
    {{ return(execute and load_cached_relation(this) is not none) }}
{%- endmacro %}
