{#- A model's schema is the name it configures, with no prefix from the profile: readers see `core`, not `staging_core`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema if custom_schema_name is none else custom_schema_name | trim }}
{%- endmacro %}
