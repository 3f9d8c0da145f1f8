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
