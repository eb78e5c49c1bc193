{#-
  Text as the project compares it. Blank means nothing but white space, the no-break spaces and the byte-order mark
  that spreadsheets leave included, and a letter with its accent is one sign however it is written (NFC), so that no id
  or answer differs by what nobody sees.
-#}
{% macro clean_text(text) -%}
    {{ return(adapter.dispatch("clean_text", "alliance")(text)) }}
{%- endmacro %}

{#- Trimming a set of characters costs ten times as much as seeing that there is nothing to trim. -#}
{% macro duckdb__clean_text(text) -%}
case
    when regexp_full_match({{ text }}, '[!-~]([ -~]*[!-~])?') then {{ text }}
    else nfc_normalize({{ trimmed_text(text) }})
end
{%- endmacro %}

{% macro trimmed_text(text) -%}
trim({{ text }}, chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(32) || chr(133) || chr(160) || chr(8199) || chr(8239) || chr(12288) || chr(65279))
{%- endmacro %}

{#- True where a cell is not blank. Nearly every filled cell begins with a printing character, which is quick to see. -#}
{% macro is_filled(text) -%}
    {{ return(adapter.dispatch("is_filled", "alliance")(text)) }}
{%- endmacro %}

{% macro duckdb__is_filled(text) -%}
case
    when {{ text }} >= '!' and {{ text }} < chr(127) then true
    else coalesce({{ trimmed_text(text) }}, '') <> ''
end
{%- endmacro %}

{#- True where the whole text matches the pattern. The pattern is a literal without quotes. -#}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch("matches", "alliance")(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
regexp_full_match({{ text }}, '{{ pattern }}')
{%- endmacro %}

{#-
  The number a text is, or null: optional sign, the given decimal mark, no thousands mark. The pattern comes before the
  cast because casts also take 1_000, inf and nan. A true minus sign counts as a hyphen.
-#}
{% macro number_of(text, decimal_mark="'.'") -%}
case
    when {{ matches("replace(" ~ text ~ ", chr(8722), '-')", "[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]{1,3})?") }}
        and position(case when {{ decimal_mark }} = ',' then '.' else ',' end in {{ text }}) = 0
        then {{ try_number("replace(replace(" ~ text ~ ", chr(8722), '-'), ',', '.')") }}
end
{%- endmacro %}

{% macro try_number(text) -%}
    {{ return(adapter.dispatch("try_number", "alliance")(text)) }}
{%- endmacro %}

{#- DuckDB casts what is beyond all numbers (1e400) to infinity, which is none. -#}
{% macro duckdb__try_number(text) -%}
case when isfinite(try_cast({{ text }} as double)) then try_cast({{ text }} as double) end
{%- endmacro %}

{#- A number as text in one spelling, so that session 5, 05 and 5.0 are one session. -#}
{% macro plain_number(number) -%}
case
    when {{ number }} = floor({{ number }}) and abs({{ number }}) < 1e15
        then cast(cast({{ number }} as bigint) as varchar)
    else cast({{ number }} as varchar)
end
{%- endmacro %}

{#- What kind of text a cell holds; all that may be said of a rejected cell. -#}
{% macro value_class(text) -%}
case
    when {{ text }} = '' then 'blank'
    when {{ matches(text, "#[^ ]+") }} then 'spreadsheet_error'
    when {{ matches(text, "[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}([ T].*)?") }} then 'date'
    when {{ matches(text, "[0-9]{1,2}[-. ]+[A-Za-z]{3,9}[.]?([-. ]+[0-9]{2,4})?") }} then 'date'
    when {{ matches(text, "[-+]?[0-9]+([.,][0-9]+)?([eE][-+]?[0-9]+)?") }} then 'number'
    else 'text'
end
{%- endmacro %}
