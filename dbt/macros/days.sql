{# Whole days from one date to a later one. #}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    (({{ later }}) - ({{ earlier }}))
{%- endmacro %}

{# As wide as elsewhere: Spark counts days in 32 bits, and some models pack two of them into one number. #}
{% macro spark__days_between(earlier, later) -%}
    cast(datediff({{ later }}, {{ earlier }}) as bigint)
{%- endmacro %}

{# Integer division of what is never negative. #}
{% macro whole(number, by) -%}
    {{ return(adapter.dispatch('whole')(number, by)) }}
{%- endmacro %}

{% macro default__whole(number, by) -%}
    (({{ number }}) // {{ by }})
{%- endmacro %}

{% macro spark__whole(number, by) -%}
    (({{ number }}) div {{ by }})
{%- endmacro %}

{# The date at whose midnight something was available that came at the given moment: the same day only at midnight. #}
{% macro available_day(moment) -%}
    case
        when {{ moment }} > cast(cast({{ moment }} as date) as timestamp) then cast({{ moment }} as date) + interval 1 day
        else cast({{ moment }} as date)
    end
{%- endmacro %}

{# Saturday or Sunday; the first of January 1970 was a Thursday. #}
{% macro is_weekend(day) -%}
    {{ days_between("cast('1970-01-01' as date)", day) }} % 7 in (2, 3)
{%- endmacro %}

{# The day so many days before another, as text. #}
{% macro day_before(day, days) -%}
    {{ return((modules.datetime.date.fromisoformat(day) - modules.datetime.timedelta(days=days)).isoformat()) }}
{%- endmacro %}

{# The day until which a label looks, itself not in the window, as text. #}
{% macro label_end(cutoff) -%}
    {{ return(day_before(cutoff, -var('horizon_days'))) }}
{%- endmacro %}

{# The first days of all windows of all cutoffs, the cutoffs themselves and the ends of their label windows, oldest
   first, each once. #}
{% macro window_edges(cutoffs) -%}
    {% set edges = [] %}
    {% for cutoff in cutoffs %}
    {% for days in [0, 7, 30, 90, 180] %}
    {% do edges.append(day_before(cutoff.day, days)) %}
    {% endfor %}
    {% if cutoff.labelled %}
    {% do edges.append(label_end(cutoff.day)) %}
    {% endif %}
    {% endfor %}
    {{ return(edges | unique | sort) }}
{%- endmacro %}

{# The value of a span inside a window that looks back from the cutoff over so many days, else null. #}
{% macro since(days, cutoff, edges, value) -%}
    {% if days is none %}{{ value }}{% else %}case when span > {{ edges.index(day_before(cutoff, days)) }} then {{ value }} end{% endif %}
{%- endmacro %}
