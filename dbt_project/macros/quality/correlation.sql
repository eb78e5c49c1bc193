{#-
  Pearson correlation over a group; null when one side does not vary beyond rounding. Rounded, because threads add up
  in an order of their own: the last digits of what nobody rounds differ from run to run.
-#}
{% macro correlation(x, y) -%}
case
    when
        count({{ y }}) >= 3
        and max({{ x }}) - min({{ x }}) > 0.000000001
        and max({{ y }}) - min({{ y }}) > 0.000000001
        then round(corr({{ x }}, {{ y }}), 9)
end
{%- endmacro %}
