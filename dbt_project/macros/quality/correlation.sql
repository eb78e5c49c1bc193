{#- Pearson correlation over a group; null when one side does not vary beyond rounding. -#}
{% macro correlation(x, y) -%}
case
    when
        count({{ y }}) >= 3
        and max({{ x }}) - min({{ x }}) > 0.000000001
        and max({{ y }}) - min({{ y }}) > 0.000000001
        then corr({{ x }}, {{ y }})
end
{%- endmacro %}
