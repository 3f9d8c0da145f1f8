{% set codes = ['country', 'plan'] %}

-- The code of the last event day that names one; the greatest where that day has several.
with
{% for code in codes %}
last_{{ code }} as (
    select
        customer,
        {{ code }} as code,
        {% for cutoff in var('cutoffs') %}
        max(case when event_day < cast('{{ cutoff.day }}' as date) and available_day <= cast('{{ cutoff.day }}' as date) then event_day end) as day_{{ loop.index }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('known_days') }}
    where {{ code }} is not null
    group by customer, {{ code }}
){{ ',' if not loop.last }}
{% endfor %}

{% for code in codes %}
{% set outer_loop = loop %}
{% for cutoff in var('cutoffs') %}
select customer, cast('{{ cutoff.day }}' as date) as cutoff, '{{ code }}' as kind, code
from (
    select
        customer,
        code,
        row_number() over (partition by customer order by day_{{ loop.index }} desc, code desc) as place
    from last_{{ code }}
    where day_{{ loop.index }} is not null
) as ordered
where place = 1
{{ 'union all' if not (loop.last and outer_loop.last) }}
{% endfor %}
{% endfor %}
