{# A literal list of codes for `in (…)`; an empty list matches nothing. #}
{% macro codes(values) -%}
    ({% for value in values %}'{{ value }}'{{ ', ' if not loop.last }}{% else %}null{% endfor %})
{%- endmacro %}

{% macro windows() -%}
    {{ return({'7d': 7, '30d': 30, '90d': 90, 'total': none}) }}
{%- endmacro %}

{# A number of 64 bits made of a value, the same for equal values; rows are grouped and joined by it several times
   faster than by text. Different values may share one, however rarely. #}
{% macro fingerprint(value) -%}
    {{ return(adapter.dispatch('fingerprint')(value)) }}
{%- endmacro %}

{% macro default__fingerprint(value) -%}
    hash({{ value }})
{%- endmacro %}

{% macro spark__fingerprint(value) -%}
    xxhash64({{ value }})
{%- endmacro %}

{# The number that stands for a customer inside one build. Not stored; `customer_keys` tests that no two customers share
   one. #}
{% macro customer_key(token) -%}
    {{ return(fingerprint(token)) }}
{%- endmacro %}

{# The value inside a window that looks back from the cutoff over `age` days, else null. #}
{% macro within(days, value) -%}
    {% if days is none %}{{ value }}{% else %}case when age <= {{ days }} then {{ value }} end{% endif %}
{%- endmacro %}

{# A quotient as a double; null where the divisor is 0 or null. #}
{% macro per(value, by) -%}
    (cast({{ value }} as double) / nullif(cast({{ by }} as double), 0))
{%- endmacro %}
