-- What customers did inside the label windows, whenever that became available; who did nothing has no row.
select customer, cutoff, max(active) as active, max(cancelled) as cancelled
from (
    {% for cutoff in var('cutoffs') if cutoff.labelled %}
    select
        customer,
        cast('{{ cutoff.day }}' as date) as cutoff,
        1 as active,
        case when event_type in {{ codes(var('cancellation_events')) }} then 1 else 0 end as cancelled
    from {{ ref('known_days') }}
    where {{ in_horizon('event_day', cutoff.day) }}
    union all
    select
        customer,
        cast('{{ cutoff.day }}' as date) as cutoff,
        0 as active,
        1 as cancelled
    from {{ ref('stg_subscriptions') }}
    where {{ in_horizon('cast(valid_from as date)', cutoff.day) }} and status in {{ codes(var('cancelled_statuses')) }}
    union all
    {% endfor %}
    select customer, event_day as cutoff, 0 as active, 0 as cancelled
    from {{ ref('known_days') }}
    where 1 = 0
) as happened
group by customer, cutoff
