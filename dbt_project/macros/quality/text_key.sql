{#- A number of 52 bits that is the same for the same text on every database and in every version: from the md5. -#}
{% macro text_key(text) -%}
    {{ return(adapter.dispatch("text_key")(text)) }}
{%- endmacro %}

{% macro duckdb__text_key(text) -%}
cast('0x' || substr(md5({{ text }}), 1, 13) as bigint)
{%- endmacro %}
