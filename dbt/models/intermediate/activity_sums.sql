{% set sums = ['events', 'purchases', 'returns', 'clicks', 'logins', 'amount', 'quantity'] %}
{% set bands = ['night', 'morning', 'afternoon', 'evening'] %}
{% set cutoffs = var('cutoffs') | sort(attribute='day') %}
{% set edges = window_edges(cutoffs) %}

{% for cutoff in cutoffs %}
{% set before = edges.index(cutoff.day) + 1 %}
select
    customer,
    cast('{{ cutoff.day }}' as date) as cutoff,
    {% for name in sums %}
    {% for window, days in windows().items() %}
    cast(coalesce(sum({{ since(days, cutoff.day, edges, name) }}), 0) as double) as {{ name }}_{{ window }},
    {% endfor %}
    {% endfor %}
    cast(coalesce(sum({{ since(180, cutoff.day, edges, 'amount') }}), 0) as double) as amount_180d,
    cast(coalesce(sum(returned_amount), 0) as double) as returned_amount_total,
    {{ days_between('max(purchase_day)', "cast('" ~ cutoff.day ~ "' as date)") }} as purchase_recency_days,
    {% for name in ['weekend'] + bands %}
    sum({{ name }}) as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
from {{ ref('activity_spans') }}
where span < {{ before }} and missed < {{ loop.index }}
group by customer
{{ 'union all' if not loop.last }}
{% endfor %}
