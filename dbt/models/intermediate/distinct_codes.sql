{% set kinds = {'items': 'item_id', 'channels': 'channel', 'sessions': 'session_id'} %}

-- A code counts in a window when it was last seen in it; one pass finds that for every cutoff.
with
{% for kind, code in kinds.items() %}
last_{{ kind }} as (
    select
        customer,
        {% for cutoff in var('cutoffs') %}
        {{ days_between("max(case when event_day < cast('" ~ cutoff.day ~ "' as date) and available_day <= cast('" ~ cutoff.day ~ "' as date) then event_day end)", "cast('" ~ cutoff.day ~ "' as date)") }} as age_{{ loop.index }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('known_values') }}
    where {{ code }} is not null
    group by customer, {{ code }}
),

{{ kind }} as (
    select
        customer,
        {% for cutoff in var('cutoffs') %}
        {% set number = loop.index %}
        {% for window, days in windows().items() %}
        count(case when age_{{ number }} <= {{ days or 1000000 }} then 1 end) as {{ kind }}_{{ window }}_{{ number }},
        {% endfor %}
        {% endfor %}
        count(*) as codes
    from last_{{ kind }}
    group by customer
),

{% endfor %}
customers as (select distinct customer from {{ ref('activity_rhythm') }})

{% for cutoff in var('cutoffs') %}
{% set number = loop.index %}
select
    customers.customer,
    cast('{{ cutoff.day }}' as date) as cutoff,
    {% for kind in kinds %}
    {% set last = loop.last %}
    {% for window in windows() %}
    coalesce({{ kind }}_{{ window }}_{{ number }}, 0) as {{ kind }}_{{ window }}{{ ',' if not (last and loop.last) }}
    {% endfor %}
    {% endfor %}
from customers
{% for kind in kinds %}
left join {{ kind }} on customers.customer = {{ kind }}.customer
{% endfor %}
{{ 'union all' if not loop.last }}
{% endfor %}
