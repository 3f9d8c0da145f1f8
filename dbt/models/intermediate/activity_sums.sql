{% set sums = ['events', 'purchases', 'returns', 'clicks', 'logins', 'amount', 'quantity'] %}
{% set bands = ['night', 'morning', 'afternoon', 'evening'] %}
{% set types = var('event_types') %}

-- Days are first summed up between the edges of the windows, so that each is added once and not once per window.
with
{% for cutoff in var('cutoffs') %}
rings_{{ loop.index }} as (
    select
        customer_id,
        case when age <= 7 then 7 when age <= 30 then 30 when age <= 90 then 90 when age <= 180 then 180 else 1000000 end as age,
        sum(events) as events,
        sum(case when event_type in {{ codes(types.purchase) }} then events else 0 end) as purchases,
        sum(case when event_type in {{ codes(types.returned) }} then events else 0 end) as returns,
        sum(case when event_type in {{ codes(types.click) }} then events else 0 end) as clicks,
        sum(case when event_type in {{ codes(types.login) }} then events else 0 end) as logins,
        sum(case when event_type in {{ codes(types.purchase) }} then amount end) as amount,
        sum(case when event_type in {{ codes(types.purchase) }} then quantity end) as quantity,
        sum(case when event_type in {{ codes(types.returned) }} then amount_without_sign end) as returned_amount,
        min(case when event_type in {{ codes(types.purchase) }} then age end) as purchase_recency_days,
        sum(case when {{ is_weekend('event_day') }} then events else 0 end) as weekend,
        {% for band in bands %}
        sum({{ band }}) as {{ band }}{{ ',' if not loop.last }}
        {% endfor %}
    from (
        select *, {{ days_between('event_day', "cast('" ~ cutoff.day ~ "' as date)") }} as age
        from {{ ref('known_days') }}
        where event_day < cast('{{ cutoff.day }}' as date) and available_day <= cast('{{ cutoff.day }}' as date)
    ) as days
    group by 1, 2
){{ ',' if not loop.last }}
{% endfor %}

{% for cutoff in var('cutoffs') %}
select
    customer_id,
    cast('{{ cutoff.day }}' as date) as cutoff,
    {% for name in sums %}
    {% for window, days in windows().items() %}
    coalesce(sum({{ within(days, name) }}), 0) as {{ name }}_{{ window }},
    {% endfor %}
    {% endfor %}
    coalesce(sum({{ within(180, 'amount') }}), 0) as amount_180d,
    coalesce(sum(returned_amount), 0) as returned_amount_total,
    min(purchase_recency_days) as purchase_recency_days,
    {% for name in ['weekend'] + bands %}
    sum({{ name }}) as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
from rings_{{ loop.index }}
group by customer_id
{{ 'union all' if not loop.last }}
{% endfor %}
