{#-
  Pearson correlation over a group's rows that have both; null when they are fewer than three, or when one side does not
  vary among them beyond rounding. Rounded, because threads add up in an order of their own: the last digits of what
  nobody rounds differ from run to run.
-#}
{% macro correlation(x, y) -%}
{%- set x_of_pairs = "case when " ~ y ~ " is not null then " ~ x ~ " end" -%}
{%- set y_of_pairs = "case when " ~ x ~ " is not null then " ~ y ~ " end" -%}
case
    when
        count({{ x_of_pairs }}) >= 3
        and max({{ x_of_pairs }}) - min({{ x_of_pairs }}) > 0.000000001
        and max({{ y_of_pairs }}) - min({{ y_of_pairs }}) > 0.000000001
        then round(corr({{ x }}, {{ y }}), 9)
end
{%- endmacro %}
