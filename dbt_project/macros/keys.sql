{#-
  A key of 55 bits: the first 8 bits of the site's MD5, then the first 47 of the text's. It depends on nothing but
  site and text, so the order of arrival does not matter; rows of a site lie together, which keeps the primary key's
  index small while a site is replaced. MD5 because every engine has it; the text holds pseudonyms, never raw ids.
-#}
{% macro key_of(site, text) -%}
    {{ return(adapter.dispatch("key_of", "alliance")(site, text)) }}
{%- endmacro %}

{% macro duckdb__key_of(site, text) -%}
(cast('0x' || left(md5({{ site }}), 2) as bigint) * 140737488355328 + cast('0x' || left(md5({{ text }}), 12) as bigint) // 2)
{%- endmacro %}

{#- 16 hex digits of the MD5, for ids that readers see as text. -#}
{% macro short_hash(text) -%}
    {{ return(adapter.dispatch("short_hash", "alliance")(text)) }}
{%- endmacro %}

{% macro duckdb__short_hash(text) -%}
left(md5({{ text }}), 16)
{%- endmacro %}

{#- Fields of a natural key as one text; the unit separator cannot occur in a pseudonym or slug. -#}
{% macro joined_key(fields) -%}
concat_ws(chr(31){% for field in fields %}, coalesce({{ field }}, ''){% endfor %})
{%- endmacro %}

{#- The dyad: client x therapist x episode. Null while the therapist is not known. -#}
{% macro dyad_id_of(client, therapist, episode) -%}
case
    when {{ therapist }} is not null
        then 'dy_' || {{ short_hash(joined_key([client, therapist, episode])) }}
end
{%- endmacro %}
