{# Different codes of one kind over every window, by customer and cutoff. A code counts in a window when it was last seen
   in it; one pass finds that for every cutoff. Each kind is a model of its own: three at once do not fit the memory. #}
{% macro distinct_codes(kind, code) -%}
with
last_seen as (
    select
        customer,
        {% for cutoff in var('cutoffs') %}
        {{ days_between("max(case when event_day < cast('" ~ cutoff.day ~ "' as date) and available_day <= cast('" ~ cutoff.day ~ "' as date) then event_day end)", "cast('" ~ cutoff.day ~ "' as date)") }} as age_{{ loop.index }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('known_values') }}
    where {{ code }} is not null
    group by customer, {{ code }}
),

counted as (
    select
        customer,
        {% for cutoff in var('cutoffs') %}
        {% set number = loop.index %}
        {% for window, days in windows().items() %}
        count(case when age_{{ number }} <= {{ days or 1000000 }} then 1 end) as {{ kind }}_{{ window }}_{{ number }},
        {% endfor %}
        {% endfor %}
        count(*) as codes
    from last_seen
    group by customer
)

{% for cutoff in var('cutoffs') %}
{% set number = loop.index %}
select
    customer,
    cast('{{ cutoff.day }}' as date) as cutoff,
    {% for window in windows() %}
    {{ kind }}_{{ window }}_{{ number }} as {{ kind }}_{{ window }}{{ ',' if not loop.last }}
    {% endfor %}
from counted
{{ 'union all' if not loop.last }}
{% endfor %}
{%- endmacro %}
