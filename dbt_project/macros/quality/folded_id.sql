{#-
  An id without what people and spreadsheets change in it unawares: upper and lower case, accents however they are
  encoded, signs between its parts (but for those between two numbers), zeros before a number, `.0` behind one. Most ids
  are made of small letters and a number alone, which is quick to see.
-#}
{% macro folded_id(text) -%}
    {{ return(adapter.dispatch("folded_id", "alliance")(text)) }}
{%- endmacro %}

{% macro duckdb__folded_id(text) -%}
{%- set one_number = "regexp_replace(" ~ text ~ ", '^([0-9]+)[.,]0+$', '\\1')" -%}
{%- set parts = "regexp_replace(strip_accents(lower(" ~ one_number ~ ")), '[^\\pL\\pN]+', '-', 'g')" -%}
{%- set joined = "regexp_replace(regexp_replace(" ~ parts ~ ", '(^|[^0-9])-', '\\1', 'g'), '-([^0-9]|$)', '\\1', 'g')" -%}
case
    when regexp_full_match({{ text }}, '[a-z]*[1-9][0-9]*') then {{ text }}
    else coalesce(nullif(regexp_replace({{ joined }}, '(^|[^0-9])0+([0-9])', '\1\2', 'g'), ''), {{ text }})
end
{%- endmacro %}
