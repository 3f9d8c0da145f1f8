-- The code of the last event day that names one; the greatest where that day has several.
{% for code in ['country', 'plan'] %}
{% set outer_loop = loop %}
{% for cutoff in var('cutoffs') %}
select customer_id, cast('{{ cutoff.day }}' as date) as cutoff, '{{ code }}' as kind, code
from (
    select
        customer_id,
        code,
        row_number() over (partition by customer_id order by last_day desc, code desc) as place
    from (
        select customer_id, {{ code }} as code, max(event_day) as last_day
        from {{ ref('known_days') }}
        where
            {{ code }} is not null
            and event_day < cast('{{ cutoff.day }}' as date)
            and available_day <= cast('{{ cutoff.day }}' as date)
        group by customer_id, {{ code }}
    ) as last_named
) as ordered
where place = 1
{{ 'union all' if not (loop.last and outer_loop.last) }}
{% endfor %}
{% endfor %}
