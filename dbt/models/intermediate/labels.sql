{% set cutoffs = var('cutoffs') | sort(attribute='day') %}
{% set edges = window_edges(cutoffs) %}

-- What customers did inside the label windows, whenever that became available; who did nothing has no row.
select customer, cutoff, max(active) as active, max(cancelled) as cancelled
from (
    {% for cutoff in cutoffs if cutoff.labelled %}
    select
        customer,
        cast('{{ cutoff.day }}' as date) as cutoff,
        1 as active,
        cancelled
    from {{ ref('activity_spans') }}
    where span > {{ edges.index(cutoff.day) }} and span <= {{ edges.index(label_end(cutoff.day)) }}
    union all
    select
        customer,
        cast('{{ cutoff.day }}' as date) as cutoff,
        0 as active,
        1 as cancelled
    from {{ ref('stg_subscriptions') }}
    where
        valid_from >= cast('{{ cutoff.day }}' as timestamp)
        and valid_from < cast('{{ label_end(cutoff.day) }}' as timestamp)
        and status in {{ codes(var('cancelled_statuses')) }}
    union all
    {% endfor %}
    select customer, purchase_day as cutoff, 0 as active, 0 as cancelled
    from {{ ref('activity_spans') }}
    where 1 = 0
) as happened
group by customer, cutoff
