{#-
  Access to the list of cells that landing keeps for each record. What is DuckDB's own about lists is here and nowhere
  else; another engine needs these macros only.
-#}
{% macro cell_at(cells, column_number) -%}
    {{ return(adapter.dispatch("cell_at", "alliance")(cells, column_number)) }}
{%- endmacro %}

{% macro duckdb__cell_at(cells, column_number) -%}
{{ cells }}[{{ column_number }}]
{%- endmacro %}

{#-
  True where at least one of the listed cells is not blank. The first of them nearly always answers that; only if it
  does not are the others put together.
-#}
{% macro any_cell_filled(cells, column_numbers) -%}
    {{ return(adapter.dispatch("any_cell_filled", "alliance")(cells, column_numbers)) }}
{%- endmacro %}

{% macro duckdb__any_cell_filled(cells, column_numbers) -%}
case
    when {{ cells }}[{{ column_numbers }}[1]] >= '!' and {{ cells }}[{{ column_numbers }}[1]] < chr(127) then true
    else {{ is_filled("array_to_string(list_select(" ~ cells ~ ", " ~ column_numbers ~ "), '')") }}
end
{%- endmacro %}

{% macro listed(value, list) -%}
    {{ return(adapter.dispatch("listed", "alliance")(value, list)) }}
{%- endmacro %}

{% macro duckdb__listed(value, list) -%}
coalesce(list_contains({{ list }}, {{ value }}), false)
{%- endmacro %}

{#-
  Subquery: one row per bound cell of the given candidates, with `binding_number` and `text` (blank as ''). `candidates`
  is the name of a relation in scope with delivery_number, row_number, block_id, binding_number and the columns to
  carry along. A wide candidate gives a row for each of its block's columns, a long one its value cell.
-#}
{% macro candidate_cells(candidates, carried, columns="blocks.bound_columns") -%}
    {{ return(adapter.dispatch("candidate_cells", "alliance")(candidates, carried, columns)) }}
{%- endmacro %}

{% macro duckdb__candidate_cells(candidates, carried, columns) -%}
(
    select
        {% for name in carried %}unpivoted.{{ name }}, {% endfor %}
        unpivoted.block_id,
        unpivoted.delivery_number,
        unpivoted.row_number,
        unpivoted.column_number as binding_number,
        unpivoted.column_number,
        coalesce(unpivoted.text, '') as text
    from (
        select
            {% for name in carried %}candidates.{{ name }}, {% endfor %}
            blocks.block_id,
            records.delivery_number,
            records.row_number,
            unnest({{ columns }}) as column_number,
            unnest(list_select(records.cells, {{ columns }})) as text
        from {{ source("raw", "records") }} as records
        inner join {{ candidates }} as candidates
            on records.delivery_number = candidates.delivery_number and records.row_number = candidates.row_number
        inner join {{ ref("stg_blocks") }} as blocks on candidates.block_id = blocks.block_id
        where blocks.shape = 'wide'
    ) as unpivoted
    union all
    select
        {% for name in carried %}candidates.{{ name }}, {% endfor %}
        blocks.block_id,
        records.delivery_number,
        records.row_number,
        candidates.binding_number,
        blocks.value_column as column_number,
        coalesce(records.cells[blocks.value_column], '') as text
    from {{ source("raw", "records") }} as records
    inner join {{ candidates }} as candidates
        on records.delivery_number = candidates.delivery_number and records.row_number = candidates.row_number
    inner join {{ ref("stg_blocks") }} as blocks on candidates.block_id = blocks.block_id
    where blocks.shape = 'long'
)
{%- endmacro %}
