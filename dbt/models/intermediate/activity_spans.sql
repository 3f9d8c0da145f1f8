{{ config(materialized='table') }}

{% set bands = ['night', 'morning', 'afternoon', 'evening'] %}
{% set types = var('event_types') %}
{% set cutoffs = var('cutoffs') | sort(attribute='day') %}
{% set edges = window_edges(cutoffs) %}

-- Days summed up once between neighbouring edges of all windows of all cutoffs: `span` counts the edges a day has
-- reached, `missed` the cutoffs at which it was not available yet. Every window of every cutoff is a run of spans.
-- A model of its own: one query with the sums over the windows would hold both in memory and cost half as much again.
-- Counts are summed as doubles, which is exact for whole numbers and several times cheaper than in 128 bits.
with
spans as (
    select
        event_day,
        case when {{ is_weekend('event_day') }} then 1 else 0 end as is_weekend,
        {% for edge in edges %}
        case when event_day >= cast('{{ edge }}' as date) then 1 else 0 end{{ ' +' if not loop.last }}
        {% endfor %}
        as span
    from (select distinct event_day from {{ ref('known_days') }}) as days
)

select
    days.customer,
    spans.span,
    {% for cutoff in cutoffs %}
    case when days.available_day > cast('{{ cutoff.day }}' as date) then 1 else 0 end{{ ' +' if not loop.last }}
    {% endfor %}
    as missed,
    sum(cast(events as double)) as events,
    sum(cast(case when event_type in {{ codes(types.purchase) }} then events else 0 end as double)) as purchases,
    sum(cast(case when event_type in {{ codes(types.returned) }} then events else 0 end as double)) as returns,
    sum(cast(case when event_type in {{ codes(types.click) }} then events else 0 end as double)) as clicks,
    sum(cast(case when event_type in {{ codes(types.login) }} then events else 0 end as double)) as logins,
    max(case when event_type in {{ codes(var('cancellation_events')) }} then 1 else 0 end) as cancelled,
    sum(case when event_type in {{ codes(types.purchase) }} then amount end) as amount,
    sum(case when event_type in {{ codes(types.purchase) }} then quantity end) as quantity,
    sum(case when event_type in {{ codes(types.returned) }} then amount_without_sign end) as returned_amount,
    max(case when event_type in {{ codes(types.purchase) }} then days.event_day end) as purchase_day,
    sum(cast(events * is_weekend as double)) as weekend,
    {% for band in bands %}
    sum(cast({{ band }} as double)) as {{ band }}{{ ',' if not loop.last }}
    {% endfor %}
from {{ ref('known_days') }} as days
inner join spans on days.event_day = spans.event_day
group by 1, 2, 3
