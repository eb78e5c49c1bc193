{#-
  Keeps a per-site model to the changed sites when it reads another per-site table. In a full build every row is of a
  changed site, and the test would cost a pass over the largest tables.
-#}
{% macro where_site_changed(site_id="site_id") -%}
    {%- if is_incremental() -%}
where {{ site_id }} in {{ changed_sites() }}
    {%- endif -%}
{%- endmacro %}
