-- What the stored rollup lacks; amounts are decimals, so that their sums do not depend on the order of rows.
select
    customer_id,
    event_day,
    available_day,
    event_type,
    count(*) as events,
    cast(sum(amount) as decimal(28, 4)) as amount,
    cast(sum(abs(amount)) as decimal(28, 4)) as amount_without_sign,
    cast(sum(quantity) as decimal(28, 4)) as quantity,
    {% for band in ['night', 'morning', 'afternoon', 'evening'] %}
    count(*) filter (where quarter_of_day = {{ loop.index0 }}) as {{ band }},
    {% endfor %}
    country,
    plan,
    cast({{ var('through') }} as bigint) as ingest_seq
from (
    select *, {{ whole('hour(event_time)', 6) }} as quarter_of_day
    from {{ ref('stg_activity') }}
    where ingest_seq > {{ var('days_after') }}
) as activity
group by customer_id, event_day, available_day, event_type, country, plan
