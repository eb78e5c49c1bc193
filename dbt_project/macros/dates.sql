{#-
  The date a text is under a declared format, or null. Formats are declared in site files and DuckDB's strptime takes
  literals only, so the formats in use are asked for first. A format is a text of the study: quotes in it are doubled.
-#}
{% macro date_of(text, format_column) -%}
    {{ return(adapter.dispatch("date_of", "alliance")(text, format_column)) }}
{%- endmacro %}

{% macro duckdb__date_of(text, format_column) -%}
case coalesce({{ format_column }}, 'iso')
    when 'iso' then try_cast(regexp_extract({{ text }}, '^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})([ T].*)?$', 1) as date)
    when 'excel_serial' then cast(date '1899-12-30' + {{ serial_day(text) }} as date)
    when 'excel_serial_1904' then cast(date '1904-01-01' + {{ serial_day(text) }} as date)
    {%- for format in date_formats() %}
    when '{{ format | replace("'", "''") }}'
        then cast(try_strptime({{ text }}, '{{ format | replace("'", "''") }}') as date)
    {%- endfor %}
end
{%- endmacro %}

{#- The day of a serial date; its fraction is the time of day. More digits than a day of our time has are no date. -#}
{% macro serial_day(text) -%}
try_cast(regexp_extract({{ text }}, '^([0-9]{1,6})([.,][0-9]+)?$', 1) as integer)
{%- endmacro %}

{#- Formats in use beyond the named ones. A unit test overrides this with the formats of its own rows. -#}
{% macro date_formats() -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set found = run_query(
        "select distinct date_format from " ~ source("raw", "layout_blocks")
        ~ " where date_format not in ('iso', 'excel_serial', 'excel_serial_1904') order by date_format"
    ) -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}
