{#-
  A form's answers packed into numbers, so that patterns over the order of its items cost one plain aggregation and not
  a sort of all answers: each item has a place in a word (int_quality_items), and a word is the sum of code * place.
  A blank is code 0. Unpacking is the database's own affair, hence dispatched.
-#}

{#-
  The codes of a form of one segment in item order. `words` are SQL expressions. Forms are short for the most part, so
  only as many words are unpacked as a form has.
-#}
{% macro answer_codes(words, n_positions, bits) -%}
    {{ return(adapter.dispatch("answer_codes")(words, n_positions, bits)) }}
{%- endmacro %}

{% macro duckdb__answer_codes(words, n_positions, bits) -%}
case
    {%- for width, per_word in [(4, 15), (8, 7)] %}
        {%- for n_words in range(1, words | length + 1) %}
    when {{ bits }} = {{ width }} and {{ n_positions }} <= {{ n_words * per_word }} then [
            {%- for word in words[:n_words] -%}
                {%- set last_word = loop.last -%}
                {%- for place in range(per_word) -%}
        (coalesce({{ word }}, 0) >> {{ width * place }}) & {{ 2 ** width - 1 }}{{ ", " if not (loop.last and last_word) }}
                {%- endfor -%}
            {%- endfor -%}
    ]
        {%- endfor %}
    {%- endfor %}
end
{%- endmacro %}

{#- The same of a form that has more words than that; `words` is a list of words. -#}
{% macro answer_codes_of_list(words, bits, codes_per_word) -%}
    {{ return(adapter.dispatch("answer_codes_of_list")(words, bits, codes_per_word)) }}
{%- endmacro %}

{% macro duckdb__answer_codes_of_list(words, bits, codes_per_word) -%}
list_transform(
    range(len({{ words }}) * {{ codes_per_word }}),
    lambda position: (
        coalesce({{ words }}[position // {{ codes_per_word }} + 1], 0)
        >> ({{ bits }} * (position % {{ codes_per_word }}))
    ) & ((1 << {{ bits }}) - 1)
)
{%- endmacro %}

{% macro whole_division(number, divisor) -%}
    {{ return(adapter.dispatch("whole_division")(number, divisor)) }}
{%- endmacro %}

{% macro duckdb__whole_division(number, divisor) -%}
({{ number }} // {{ divisor }})
{%- endmacro %}

{#- The longest run of equal codes; blanks are skipped, they neither end nor lengthen a run. -#}
{% macro longest_run(codes) -%}
    {{ return(adapter.dispatch("longest_run")(codes)) }}
{%- endmacro %}

{#- One pass; the state packs longest run, current run and last code into one integer. -#}
{% macro duckdb__longest_run(codes) -%}
list_reduce(
    {{ codes }},
    lambda state, code: case
        when code = 0 then state
        when state % 1000 = code then
            greatest(state // 1000000, (state // 1000) % 1000 + 1) * 1000000
            + ((state // 1000) % 1000 + 1) * 1000 + code
        else greatest(state // 1000000, 1) * 1000000 + 1000 + code
    end,
    cast(0 as bigint)
) // 1000000
{%- endmacro %}

{#- How often the commonest code occurs. -#}
{% macro commonest_code_count(codes) -%}
    {{ return(adapter.dispatch("commonest_code_count")(codes)) }}
{%- endmacro %}

{% macro duckdb__commonest_code_count(codes) -%}
{{ longest_run("list_sort(" ~ codes ~ ")") }}
{%- endmacro %}

{#- What one answer of a code (from 0) adds to its counter of 8 bits, seven of them to a number. -#}
{% macro code_counter(code) -%}
    {{ return(adapter.dispatch("code_counter")(code)) }}
{%- endmacro %}

{% macro duckdb__code_counter(code) -%}
cast(1 as bigint) << (8 * ({{ code }} % 7))
{%- endmacro %}

{#- The same from counters of 8 bits each, seven to a number: cheap, and enough for most instruments. -#}
{% macro largest_counter(counters) -%}
greatest(
    {%- for counter in counters -%}
        {%- set is_last = loop.last -%}
        {%- for place in range(7) %}
    mod(cast(floor(coalesce({{ counter }}, 0) / {{ 256 ** place }}) as bigint), 256){{ "," if not (loop.last and is_last) }}
        {%- endfor -%}
    {%- endfor %}
)
{%- endmacro %}

{#- Words of a form that has more of them than the columns hold, in order. -#}
{% macro words_in_order(words, order_by) -%}
    {{ return(adapter.dispatch("words_in_order")(words, order_by)) }}
{%- endmacro %}

{% macro duckdb__words_in_order(words, order_by) -%}
flatten(list([{{ words | join(", ") }}] order by {{ order_by }}))
{%- endmacro %}
